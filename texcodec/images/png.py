"""What Pillow does not say of a PNG: its coding-independent code points, and how much metadata it holds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import IO

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_COMPRESSED = (b"iCCP", b"zTXt", b"iTXt")
_METADATA = (*_COMPRESSED, b"tEXt", b"eXIf")
_LEAST_COMPRESSED = 1_000  # bytes that could not unpack to a megabyte, which Pillow takes
_MOST_NAME = 200  # bytes of keywords and languages before a compressed part


@dataclass(frozen=True)
class PngChunks:
    """Attributes:
    cicp: colour primaries, transfer characteristics, matrix, full range (ITU-T H.273), or None.
    metadata: bytes of profile, text and EXIF, unpacked; counting stops soon after `most`.
    largest: bytes of the largest of them.
    """

    cicp: tuple[int, int, int, int] | None
    metadata: int
    largest: int


def scan_png(file: IO[bytes], most: int) -> PngChunks | None:
    """A walk over the chunks of a PNG, up to the first that is damaged; None for other files.

    Only headers are read of most chunks, and no more than `most` bytes and a few are unpacked of any.
    """
    file.seek(0)
    if file.read(8) != _SIGNATURE:
        return None
    cicp: tuple[int, int, int, int] | None = None
    sizes = [0]
    while len(head := file.read(8)) == 8:
        length, kind = int.from_bytes(head[:4], "big"), head[4:]
        if kind == b"IEND":
            break
        start = file.tell()
        if kind == b"cICP" and length == 4:
            payload = file.read(4)
            if len(payload) == 4:
                cicp = (payload[0], payload[1], payload[2], payload[3])
        elif kind in _METADATA:
            compressed = kind in _COMPRESSED and length > _LEAST_COMPRESSED
            sizes.append(_unpacked(file.read(min(length, most + 1)), most) if compressed else length)
        file.seek(start + length + 4)
    return PngChunks(cicp, sum(sizes), max(sizes))


def _unpacked(payload: bytes, most: int) -> int:
    """Bytes of a chunk when unpacked, or a little more than `most`; its own length where it is not packed."""
    # The packed part follows one or several strings that end in a zero byte: it begins where a header of zlib
    # stands (RFC 1950).
    for start in range(1, min(len(payload) - 1, _MOST_NAME)):
        deflate = payload[start] & 15 == 8 and int.from_bytes(payload[start : start + 2], "big") % 31 == 0
        if payload[start - 1] == 0 and deflate:
            try:
                return max(len(payload), len(zlib.decompressobj().decompress(payload[start:], most + 1)))
            except zlib.error:
                continue
    return len(payload)
