"""EXIF as a TIFF stream, changed where it must be: one directory, upright, about the picture and not its file.

Streams are patched where they lie rather than parsed and written anew: maker notes hold absolute offsets and
would break.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from texcodec.exif_entries import (
    BYTES_OF_TYPE,
    ENTRY_BYTES,
    INTEGER_TYPES,
    PREFIX,
    RATIONAL,
    RESOLUTION_UNIT,
    SHORT,
    X_RESOLUTION,
    Y_RESOLUTION,
    Entry,
    ExifError,
    Order,
    entries_of,
    first_directory,
    number,
    resolution_of,
)

__all__ = [
    "DESCRIPTIVE_TAGS",
    "EXIF_DIRECTORY",
    "GPS_DIRECTORY",
    "ORIENTATION",
    "PREFIX",
    "RESOLUTION_UNIT",
    "X_RESOLUTION",
    "Y_RESOLUTION",
    "CleanExif",
    "ExifError",
    "clean",
    "resolution_of",
    "says_only_resolution",
    "with_resolution",
]

ORIENTATION = 0x0112
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

_MOST_DIRECTORIES = 16
"""That are followed from one; sound streams have three or four. More would be a maze, to cost time."""

_SIZE_TAGS = frozenset({0xA002, 0xA003})
"""Of the inner directory: width and height, which are those of the file before it was turned or edited."""


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


def clean(exif: bytes) -> CleanExif:
    """The stream with orientation 1, without tags of the file's structure and without a second directory.

    The second directory describes a thumbnail, which shows the picture as it was before it was turned or
    edited. Its bytes become zeros, or go where they are the last ones; all others keep their place.

    Raises:
        ExifError: nothing of it can be read.
    """
    order, directory = first_directory(exif)
    entries, claimed = entries_of(exif, directory, order)
    end = directory + 2 + ENTRY_BYTES * len(entries)
    partial, known = claimed > len(entries), False
    exif, emptied = _without_size(exif, entries, order)
    orientation = 1
    kept = bytearray()
    for entry in entries:
        if entry.tag in _STRUCTURAL_TAGS or entry is emptied:
            continue
        raw = entry.raw
        if entry.tag == ORIENTATION and entry.kind in INTEGER_TYPES:
            width = BYTES_OF_TYPE[entry.kind]
            orientation, known = int.from_bytes(raw[8 : 8 + width], order), True
            raw = raw[:8] + (1).to_bytes(width, order) + raw[8 + width :]
        kept += raw
    if not kept:
        return CleanExif(None, _sensible(orientation), partial, known)
    patched = bytearray(_without_thumbnail(exif, end, order))
    patched[directory : directory + 2] = (len(kept) // ENTRY_BYTES).to_bytes(2, order)
    patched[directory + 2 : directory + 2 + len(kept)] = kept
    link = directory + 2 + len(kept)
    patched[link : link + 4] = bytes(4)
    return CleanExif(bytes(patched), _sensible(orientation), partial, known)


def with_resolution(exif: bytes | None, dpi: tuple[float, float]) -> bytes:
    """The stream, or a new one, that states the resolution in pixels per inch; the same stream where it does already.

    The directory moves to the end of the stream, so that nothing else has to.

    Raises:
        ExifError: `exif` cannot be read.
    """
    order: Order = "little"
    entries: list[Entry] = []
    if exif is None:
        exif = b"II*\x00" + bytes(4)
    else:
        known = resolution_of(exif)
        if known is not None and all(abs(a - b) < 0.5 for a, b in zip(known, dpi)):
            return exif
        order, directory = first_directory(exif)
        entries, _ = entries_of(exif, directory, order)
    start = len(exif) + len(exif) % 2
    new = {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT}
    old = [entry.raw for entry in entries if entry.tag not in new]
    values = start + 2 + ENTRY_BYTES * (len(old) + len(new)) + 4
    fractions = [_fraction(dots) for dots in dict.fromkeys(dpi)]
    places = (values, values + 8 * (len(fractions) - 1))
    raw = [
        *old,
        _pack(X_RESOLUTION, RATIONAL, places[0], order),
        _pack(Y_RESOLUTION, RATIONAL, places[1], order),
        _pack(RESOLUTION_UNIT, SHORT, 2, order),
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
        order, directory = first_directory(exif)
        tags = {entry.tag for entry in entries_of(exif, directory, order)[0]}
    except ExifError:
        return False
    return tags <= {X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, ORIENTATION}


def _without_size(exif: bytes, entries: list[Entry], order: Order) -> tuple[bytes, Entry | None]:
    """The stream whose inner directory states no size, and the entry that names this directory where nothing is left
    in it.

    `entries` are those of the first directory. What follows in the inner one moves up, and all else keeps its place.
    """
    named = next((entry for entry in entries if entry.tag == EXIF_DIRECTORY), None)
    if named is None:
        return exif, None
    start = int.from_bytes(named.raw[8:12], order)
    try:
        inner, _ = entries_of(exif, start, order)
    except ExifError:
        return exif, None
    end = start + 2 + ENTRY_BYTES * len(inner)
    kept = b"".join(entry.raw for entry in inner if entry.tag not in _SIZE_TAGS)
    sound = start >= 8 and not (start < entries[-1].at + ENTRY_BYTES + 4 and entries[0].at - 2 < end)
    if not sound or len(kept) == ENTRY_BYTES * len(inner):
        return exif, None
    count = (len(kept) // ENTRY_BYTES).to_bytes(2, order)
    exif = exif[:start] + count + kept.ljust(end - start - 2, b"\x00") + exif[end:]
    return exif, None if kept else named


def _without_thumbnail(exif: bytes, link: int, order: Order) -> bytes:
    """Zeros over what only the second directory refers to; `link` is where the first one names it."""
    second = int.from_bytes(exif[link : link + 4], order)
    if second < 8 or second + 2 > len(exif):
        return exif
    _, first = first_directory(exif)
    theirs, mine = np.zeros(len(exif), bool), np.zeros(len(exif), bool)
    for start, end in _extents(exif, second, order, {second}):
        theirs[start:end] = True
    for start, end in ((0, 8), (link, link + 4), *_extents(exif, first, order, {first, second})):
        mine[start:end] = True
    stale = theirs & ~mine
    data = np.frombuffer(exif, np.uint8).copy()
    data[stale] = 0
    return data[: int(np.flatnonzero(~stale)[-1]) + 1].tobytes()


def _extents(exif: bytes, directory: int, order: Order, seen: set[int]) -> Iterator[tuple[int, int]]:
    """Where a directory, its values, thumbnails and inner directories lie."""
    try:
        entries, _ = entries_of(exif, directory, order)
    except ExifError:
        return
    yield directory, directory + 2 + ENTRY_BYTES * len(entries) + 4
    numbers = {entry.tag: number(exif, entry, order) for entry in entries}
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


def _pack(tag: int, kind: int, value: int, order: Order) -> bytes:
    head = tag.to_bytes(2, order) + kind.to_bytes(2, order) + (1).to_bytes(4, order)
    return head + value.to_bytes(BYTES_OF_TYPE[kind] if kind == SHORT else 4, order).ljust(4, b"\x00")


def _fraction(dots: float) -> Fraction:
    # PNG counts pixels per metre, so that 300 per inch come back as 299.9994.
    if abs(dots - round(dots)) < 0.0128:
        return Fraction(round(dots))
    return Fraction(dots).limit_denominator(10_000)


def _sensible(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1
