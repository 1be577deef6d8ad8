"""EXIF as a TIFF stream, changed where it must be: one directory, upright, about the picture and not its file.

Streams are patched where they lie rather than parsed and written anew: maker notes hold absolute offsets and
would break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

PREFIX = b"Exif\x00\x00"
"""What JPEG puts before the stream, and some writers of other formats put there too."""

ORIENTATION = 0x0112
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
_INTEROPERABILITY_DIRECTORY = 0xA005

DESCRIPTIVE_TAGS = frozenset(
    {
        *(0x010D, 0x010E, 0x010F, 0x0110, 0x011D),  # document, description, maker, model, page
        *(X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT),
        *(0x0131, 0x0132, 0x013B, 0x013C, 0x8298),  # software, date, artist, host, copyright
        *(0x4746, 0x4749, 0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F),  # rating; what Windows writes
    }
)
"""Tags of a TIFF directory that say what a picture shows, and are true of it in every format."""

# What says how samples lie in a file. In another file it is wrong, and a TIFF becomes unreadable by it.
# The tags about chroma that cameras must write (0x0211 to 0x0214) stay: they disturb no format but TIFF, whose
# writer takes descriptive tags only.
_STRUCTURAL_TAGS = frozenset(
    {
        *range(
            0x00FE, 0x010C
        ),  # kind, size, bits, compression, photometric interpretation, cells, fill order
        *(0x0111, 0x0115, 0x0116, 0x0117, 0x0118, 0x0119, 0x011C),  # strips, samples, extremes, planes
        *range(0x0120, 0x0126),  # free blocks, grey response, fax options
        *(0x013D, 0x0140, 0x0141),  # predictor, palette, halftones
        *range(0x0142, 0x0149),  # tiles, faulty fax lines
        0x014A,  # further directories
        *range(0x014C, 0x0158),  # inks, extra samples, format and range of samples
        0x015B,  # tables of JPEG
        *range(0x0200, 0x020A),  # JPEG inside TIFF
        *(0x02BC, 0x8773),  # XMP and ICC, which are carried beside EXIF
    }
)

_BYTES_OF_TYPE = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_INTEGER_TYPES = (1, 3, 4)  # BYTE, SHORT, LONG
_SHORT, _RATIONAL = 3, 5
_ENTRY = 12

_MOST_DIRECTORIES = 16
"""That are followed from one; sound streams have three or four. More would be a maze, to cost time."""

_Order = Literal["little", "big"]


class ExifError(ValueError):
    """This is not EXIF, or its first directory lies outside of it."""


@dataclass(frozen=True)
class CleanExif:
    """EXIF that is true of the upright picture in any file.

    Attributes:
        data: the stream, or None when nothing is left in its directory.
        orientation: 1 to 8, as the stream had it; 1 when it said nothing sensible.
        partial: whether the directory claimed entries that it does not have.
        known: whether an orientation was found.
    """

    data: bytes | None
    orientation: int
    partial: bool
    known: bool


@dataclass(frozen=True)
class _Entry:
    at: int
    """Position of the entry in the stream."""
    tag: int
    kind: int
    count: int
    raw: bytes

    @property
    def size(self) -> int:
        return self.count * _BYTES_OF_TYPE[self.kind]


def clean(exif: bytes) -> CleanExif:
    """The stream with orientation 1, without tags of the file's structure and without a second directory.

    The second directory describes a thumbnail, which shows the picture as it was before it was turned or
    edited. Its bytes become zeros, or go where they are the last ones; all others keep their place.

    Raises:
        ExifError: nothing of it can be read.
    """
    order, directory = _header(exif)
    entries, claimed = _entries(exif, directory, order)
    end = directory + 2 + _ENTRY * len(entries)
    partial, known = claimed > len(entries), False
    orientation = 1
    kept = bytearray()
    for entry in entries:
        if entry.tag in _STRUCTURAL_TAGS:
            continue
        raw = entry.raw
        if entry.tag == ORIENTATION and entry.kind in _INTEGER_TYPES:
            width = _BYTES_OF_TYPE[entry.kind]
            orientation, known = int.from_bytes(raw[8 : 8 + width], order), True
            raw = raw[:8] + (1).to_bytes(width, order) + raw[8 + width :]
        kept += raw
    if not kept:
        return CleanExif(None, _sensible(orientation), partial, known)
    patched = bytearray(_without_thumbnail(exif, end, order))
    patched[directory : directory + 2] = (len(kept) // _ENTRY).to_bytes(2, order)
    patched[directory + 2 : directory + 2 + len(kept)] = kept
    link = directory + 2 + len(kept)
    patched[link : link + 4] = bytes(4)
    return CleanExif(bytes(patched), _sensible(orientation), partial, known)


def resolution_of(exif: bytes) -> tuple[float, float] | None:
    """Pixels per inch, horizontally and vertically, or None where the stream does not say."""
    try:
        order, directory = _header(exif)
        values = {entry.tag: _number(exif, entry, order) for entry in _entries(exif, directory, order)[0]}
    except ExifError:
        return None
    across, down, unit = (values.get(tag) for tag in (X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT))
    if not across or not down or across < 0 or down < 0:
        return None
    per_inch = {2: 1.0, 3: 2.54}.get(2 if unit is None else int(unit))
    return None if per_inch is None else (float(across) * per_inch, float(down) * per_inch)


def with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """The stream, or a new one, saying so many pixels per inch; the same stream where it says so already.

    The directory moves to the end of the stream, so that nothing else has to.

    Raises:
        ExifError: `exif` cannot be read.
    """
    order: _Order = "little"
    entries: list[_Entry] = []
    if exif is None:
        exif = b"II*\x00" + bytes(4)
    else:
        known = resolution_of(exif)
        if known is not None and all(abs(a - b) < 0.5 for a, b in zip(known, dpi)):
            return exif
        order, directory = _header(exif)
        entries, _ = _entries(exif, directory, order)
    start = len(exif) + len(exif) % 2
    new = {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}
    old = [entry.raw for entry in entries if entry.tag not in new]
    values = start + 2 + _ENTRY * (len(old) + len(new)) + 4
    fractions = [_fraction(dots) for dots in dict.fromkeys(dpi)]
    places = (values, values + 8 * (len(fractions) - 1))
    raw = [
        *old,
        _pack(X_RESOLUTION, _RATIONAL, places[0], order),
        _pack(Y_RESOLUTION, _RATIONAL, places[1], order),
        _pack(RESOLUTION_UNIT, _SHORT, 2, order),
    ]
    raw.sort(key=lambda entry: int.from_bytes(entry[:2], order))
    return b"".join(
        [
            exif[:4] + start.to_bytes(4, order) + exif[8:].ljust(start - 8, b"\x00"),
            len(raw).to_bytes(2, order),
            *raw,
            bytes(4),
            *(part.to_bytes(4, order) for f in fractions for part in (f.numerator, f.denominator)),
        ]
    )


def says_only_resolution(exif: bytes) -> bool:
    """Whether a format that has its own place for the resolution loses nothing without this stream."""
    try:
        order, directory = _header(exif)
        tags = {entry.tag for entry in _entries(exif, directory, order)[0]}
    except ExifError:
        return False
    return tags <= {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, ORIENTATION}


def _header(exif: bytes) -> tuple[_Order, int]:
    """Byte order, and where the first directory begins."""
    order: _Order
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


def _entries(exif: bytes, directory: int, order: _Order) -> tuple[list[_Entry], int]:
    """The entries up to the first that cannot be one, and how many the directory claims.

    Raises:
        ExifError: it claims entries and has none.
    """
    claimed = int.from_bytes(exif[directory : directory + 2], order)
    entries: list[_Entry] = []
    for index in range(claimed):
        at = directory + 2 + _ENTRY * index
        raw = exif[at : at + _ENTRY]
        tag, kind = (int.from_bytes(raw[i : i + 2], order) for i in (0, 2))
        if len(raw) < _ENTRY or kind not in _BYTES_OF_TYPE:
            break
        entries.append(_Entry(at, tag, kind, int.from_bytes(raw[4:8], order), raw))
    if claimed and not entries:
        raise ExifError("directory cut off")
    return entries, claimed


def _without_thumbnail(exif: bytes, link: int, order: _Order) -> bytes:
    """Zeros over what only the second directory refers to; `link` is where the first one names it."""
    second = int.from_bytes(exif[link : link + 4], order)
    if second < 8 or second + 2 > len(exif):
        return exif
    _, first = _header(exif)
    theirs, mine = np.zeros(len(exif), bool), np.zeros(len(exif), bool)
    for start, end in _extents(exif, second, order, {second}):
        theirs[start:end] = True
    for start, end in ((0, 8), (link, link + 4), *_extents(exif, first, order, {first, second})):
        mine[start:end] = True
    stale = theirs & ~mine
    data = np.frombuffer(exif, np.uint8).copy()
    data[stale] = 0
    return data[: int(np.flatnonzero(~stale)[-1]) + 1].tobytes()


def _extents(exif: bytes, directory: int, order: _Order, seen: set[int]) -> Iterator[tuple[int, int]]:
    """Where a directory, its values, thumbnails and inner directories lie."""
    try:
        entries, _ = _entries(exif, directory, order)
    except ExifError:
        return
    yield directory, directory + 2 + _ENTRY * len(entries) + 4
    numbers = {entry.tag: _number(exif, entry, order) for entry in entries}
    for entry in entries:
        offset = int.from_bytes(entry.raw[8:12], order)
        if entry.size > 4 and offset < len(exif):
            yield offset, offset + entry.size
        inner = entry.tag in (EXIF_DIRECTORY, GPS_DIRECTORY, _INTEROPERABILITY_DIRECTORY)
        new = offset not in seen and len(seen) < _MOST_DIRECTORIES
        if inner and new and 8 <= offset < len(exif) - 2:
            seen.add(offset)
            yield from _extents(exif, offset, order, seen)
    for place, length in ((0x0201, 0x0202), (0x0111, 0x0117)):  # a thumbnail as JPEG, or as one strip
        start, size = numbers.get(place), numbers.get(length)
        if start and size and 8 <= start < len(exif) and size > 0:
            yield int(start), int(start) + int(size)


def _number(exif: bytes, entry: _Entry, order: _Order) -> float | None:
    """The value of an entry that holds one number."""
    if entry.count != 1:
        return None
    if entry.kind in _INTEGER_TYPES:
        return int.from_bytes(entry.raw[8 : 8 + _BYTES_OF_TYPE[entry.kind]], order)
    if entry.kind == _RATIONAL:
        at = int.from_bytes(entry.raw[8:12], order)
        over, under = (int.from_bytes(exif[i : i + 4], order) for i in (at, at + 4))
        return over / under if under else None
    return None


def _pack(tag: int, kind: int, value: int, order: _Order) -> bytes:
    head = tag.to_bytes(2, order) + kind.to_bytes(2, order) + (1).to_bytes(4, order)
    return head + value.to_bytes(_BYTES_OF_TYPE[kind] if kind == _SHORT else 4, order).ljust(4, b"\x00")


def _fraction(dots: float) -> Fraction:
    # PNG counts pixels per metre, so that 300 per inch come back as 299.9994.
    if abs(dots - round(dots)) < 0.0128:
        return Fraction(round(dots))
    return Fraction(dots).limit_denominator(10_000)


def _sensible(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1
