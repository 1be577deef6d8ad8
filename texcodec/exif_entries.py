"""The entries of an EXIF directory, read without any library: Pillow's plugin needs them when it opens a file."""

from __future__ import annotations

from typing import Literal, NamedTuple

PREFIX = b"Exif\x00\x00"
"""What JPEG puts before the stream, and some writers of other formats put there too."""

X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128

BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
INTEGER_TYPES = (1, 3, 4)  # BYTE, SHORT, LONG
SHORT, RATIONAL = 3, 5
ENTRY_BYTES = 12

Order = Literal["little", "big"]


class ExifError(ValueError):
    """This is not EXIF, or its first directory lies outside of it."""


class Entry(NamedTuple):
    """An entry of a directory.

    Attributes:
        at: its position in the stream.
        tag: what it says something about.
        kind: number of the type of its values.
        values: how many there are.
        raw: its 12 bytes.
    """

    at: int
    tag: int
    kind: int
    values: int
    raw: bytes

    @property
    def size(self) -> int:
        """Bytes of the values."""
        return self.values * BYTES_OF_TYPE[self.kind]


def resolution_of(exif: bytes) -> tuple[float, float] | None:
    """Pixels per inch, horizontally and vertically, or None where the stream does not say."""
    try:
        order, directory = first_directory(exif)
        values = {entry.tag: number(exif, entry, order) for entry in entries_of(exif, directory, order)[0]}
    except ExifError:
        return None
    across, down, unit = (values.get(tag) for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT))
    if not across or not down or across < 0 or down < 0:
        return None
    per_inch = {2: 1.0, 3: 2.54}.get(2 if unit is None else int(unit))
    return None if per_inch is None else (float(across) * per_inch, float(down) * per_inch)


def first_directory(exif: bytes) -> tuple[Order, int]:
    """Byte order, and where the first directory begins."""
    order: Order
    if exif[:4] == b"II*\x00":
        order = "little"
    elif exif[:4] == b"MM\x00*":
        order = "big"
    else:
        raise ExifError("no TIFF header")
    directory = int.from_bytes(exif[4:8], order)
    if directory < 8 or directory + 2 > len(exif):
        raise ExifError("directory out of bounds")
    return order, directory


def entries_of(exif: bytes, directory: int, order: Order) -> tuple[list[Entry], int]:
    """The entries up to the first that cannot be one, and how many the directory claims.

    Raises:
        ExifError: it claims entries and has none.
    """
    claimed = int.from_bytes(exif[directory : directory + 2], order)
    entries: list[Entry] = []
    for index in range(claimed):
        at = directory + 2 + ENTRY_BYTES * index
        raw = exif[at : at + ENTRY_BYTES]
        tag, kind = (int.from_bytes(raw[i : i + 2], order) for i in (0, 2))
        if len(raw) < ENTRY_BYTES or kind not in BYTES_OF_TYPE:
            break
        entries.append(Entry(at, tag, kind, int.from_bytes(raw[4:8], order), raw))
    if claimed and not entries:
        raise ExifError("directory cut off")
    return entries, claimed


def number(exif: bytes, entry: Entry, order: Order) -> float | None:
    """The value of an entry that holds one number."""
    if entry.values != 1:
        return None
    if entry.kind in INTEGER_TYPES:
        return int.from_bytes(entry.raw[8 : 8 + BYTES_OF_TYPE[entry.kind]], order)
    if entry.kind == RATIONAL:
        at = int.from_bytes(entry.raw[8:12], order)
        over, under = (int.from_bytes(exif[i : i + 4], order) for i in (at, at + 4))
        return over / under if under else None
    return None
