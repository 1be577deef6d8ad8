"""Size, mode and metadata of a file, in a fraction of the time that ``Reader`` takes to be imported and to read it.

For programs that open many pictures and look at few, such as Pillow's plugin. Only what is plainly sound is outlined:
wherever anything is unusual there is no outline, and ``Reader`` says what it is. What is not looked at (the index,
alpha, tiles) is checked by ``Reader`` when pixels are needed. This module imports neither numpy nor dataclasses.

Source: docs/format.md, "Chunks", "THDR" and "Compact files".
"""

from __future__ import annotations

import zlib
from typing import IO, NamedTuple

from ..errors import CorruptError
from .chunks import (
    ALPH,
    CRC_BYTES,
    HEAD_BYTES,
    MAGIC,
    SIGNATURE,
    SINGLE,
    TDAT,
    TEND,
    THDR,
    TIDX,
    is_chunk_type,
    is_critical,
    unpack_head,
)
from .fields import FieldReader
from .flags import FORM, CompactFlag, ThdrFlag

_MOST_BYTES = 1 << 20
"""Of a header, and of all metadata: more is left to ``Reader``, which asks its limits first."""
_MOST_CHUNKS = 1000
_MOST_SIDE = 1 << 16
_MOST_LENGTH_BYTES = 5
_MAJOR = 1
_MODES = {0: "L", 2: "RGB"}
_EIGHT_BITS = 7


class Outline(NamedTuple):
    """What a file says of its picture.

    Attributes:
        width, height: pixels.
        mode: Pillow's: L, LA, RGB or RGBA.
        chunks: payload by type of the ancillary chunks; the first one where a type repeats.
    """

    width: int
    height: int
    mode: str
    chunks: dict[bytes, bytes]


class _UnusualError(Exception):
    """There is no outline of this file."""


def outline(file: IO[bytes], start: int = 0) -> Outline | None:
    """The outline of the file that begins at ``start`` of a seekable binary file; None where ``Reader`` has to look.

    Raises nothing for what the file holds; errors of reading count as None, too.
    """
    try:
        return _outline(file, start)
    except (_UnusualError, CorruptError, OSError, ValueError):
        return None


def _outline(file: IO[bytes], start: int) -> Outline:
    file.seek(start)
    signature = _read(file, len(SIGNATURE))
    if signature == SIGNATURE:
        kind, payload = _chunk(file)
        _require(kind == THDR)
        width, height, mode, more = _thdr(payload)
    else:
        _require(signature.startswith(MAGIC) and signature[len(MAGIC)] == FORM)
        file.seek(start)
        width, height, mode, more = _compact(_frame(file))
    _require(max(width, height) <= _MOST_SIDE)
    return Outline(width, height, mode, _ancillary(file) if more else {})


def _thdr(payload: bytes) -> tuple[int, int, str, bool]:
    """Width, height, mode, and whether chunks follow."""
    fields = FieldReader(payload, "THDR")
    major, _, flags = fields.take(3, "version and flags")
    _require(major == _MAJOR and not flags & (~ThdrFlag.KNOWN | ThdrFlag.NO_PIXELS))
    width, height = fields.varint("width"), fields.varint("height")
    pixel = fields.unsigned(1, "pixel format")
    colours, alpha = _MODES.get(pixel & 3), pixel >> 2 & 3
    _require(colours is not None and alpha <= 1 and pixel >> 4 == _EIGHT_BITS and min(width, height) > 0)
    return width, height, f"{colours}{'A' if alpha else ''}", not flags & ThdrFlag.LEAN


def _compact(head: bytes) -> tuple[int, int, str, bool]:
    """The same of the head of a compact file."""
    fields = FieldReader(head, "The head of the file", chunk=False)
    flags, width, height = (fields.varint(name) for name in ("flags", "width", "height"))
    _require(not flags & ~CompactFlag.KNOWN and min(width, height) > 0)
    mode = ("L" if flags & CompactFlag.GREY else "RGB") + ("A" if flags & CompactFlag.ALPHA else "")
    return width, height, mode, bool(flags & CompactFlag.CHUNKS)


def _frame(file: IO[bytes]) -> bytes:
    """The head of a compact file, whose checksum holds."""
    before = len(MAGIC) + 1
    begin = _read(file, before + _MOST_LENGTH_BYTES)
    length = FieldReader(begin[before:], "The frame of the file", chunk=False)
    count = length.varint("length of the head")
    _require(count <= _MOST_BYTES)
    end = before + length.position + count
    body = begin + _read(file, end + CRC_BYTES - len(begin))  # no frame is shorter than what was read first
    _require(zlib.crc32(body[:end]) == int.from_bytes(body[end:], "little"))
    return body[before + length.position : end]


def _ancillary(file: IO[bytes]) -> dict[bytes, bytes]:
    """The ancillary chunks up to TEND; those that hold the picture are passed over."""
    found: dict[bytes, bytes] = {}
    left = _MOST_BYTES
    for _ in range(_MOST_CHUNKS):
        head = _read(file, HEAD_BYTES)
        kind, length = unpack_head(head)
        if kind == TEND:
            return found
        if kind in (TIDX, ALPH, TDAT):
            file.seek(length + (0 if kind == TDAT else CRC_BYTES), 1)
            continue
        _require(is_chunk_type(kind) and not is_critical(kind) and not (kind in SINGLE and kind in found))
        left -= length
        _require(left >= 0)
        found.setdefault(kind, _checked(head, length, file))
    raise _UnusualError


def _chunk(file: IO[bytes]) -> tuple[bytes, bytes]:
    head = _read(file, HEAD_BYTES)
    kind, length = unpack_head(head)
    _require(length <= _MOST_BYTES)
    return kind, _checked(head, length, file)


def _checked(head: bytes, length: int, file: IO[bytes]) -> bytes:
    """The payload behind the head of a chunk, its checksum verified."""
    body = _read(file, length + CRC_BYTES)
    _require(zlib.crc32(body[:length], zlib.crc32(head)) == int.from_bytes(body[length:], "little"))
    return body[:length]


def _read(file: IO[bytes], count: int) -> bytes:
    data = file.read(count)
    _require(len(data) == count)
    return data


def _require(usual: bool) -> None:
    if not usual:
        raise _UnusualError
