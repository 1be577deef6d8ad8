"""The compact form: header and index of a file of entropy profile 2 as one small head.

    magic, form, length of the head | head: fields, index | checksum | tiles, or chunks

Source: docs/format.md, "Compact files".
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from ..constants import COMPACT_PROFILE, SHORT_IDENTITY_BYTES
from ..errors import ChecksumError, CorruptError, ParameterError, TruncatedError, UnsupportedError
from ..limits import Limits
from ..tiles import DEFAULT_LOG2, LARGE_LOG2, SMALL_LOG2
from .chunks import CRC_BYTES, MAGIC, SIGNATURE, check_signature
from .compact_index import pack_entries
from .fields import FieldReader, varint
from .flags import FORM, CompactFlag
from .header import DRAWN_MINOR, MAJOR, SRGB, Header
from .index import MAX_ENTRY_BYTES, TileEntry
from .source import Source

_FORM_AT = len(MAGIC)
_LENGTH_AT = _FORM_AT + 1
_MOST_LENGTH_BYTES = 5
_MOST_FIELD_BYTES = 64
"""Not less than the fields of a head before its index."""


@dataclass(frozen=True)
class Head:
    """What the head of a compact file says before its index.

    Attributes:
        header: as other forms have it.
        data_crc: CRC-32 of all payloads, one after the other.
        chunks: whether chunks follow; else the payloads do, and nothing else.
    """

    header: Header
    data_crc: int
    chunks: bool


def is_compact(start: bytes) -> bool:
    """Whether the first 8 bytes of a file (or all, if it has fewer) are those of a compact file, or of a form like it
    that this version does not know.
    """
    return len(start) > _FORM_AT and start.startswith(MAGIC) and start[_FORM_AT] != SIGNATURE[_FORM_AT]


def pack_frame(head: Head, entries: Sequence[TileEntry]) -> bytes:
    """The bytes of a compact file before its tiles or chunks, for entries that ``check_entry`` accepts."""
    packed = _pack_fields(head) + pack_entries(head.header, entries)
    body = MAGIC + bytes([FORM]) + varint(len(packed)) + packed
    return body + struct.pack("<I", zlib.crc32(body))


def read_frame(source: Source, limits: Limits) -> tuple[bytes, int]:
    """The head of a file for which ``is_compact`` holds, and where what follows it begins.

    Raises:
        UnsupportedError: it is sound and of a form that this version does not know.
        NotTcxError, ChecksumError, CorruptError, TruncatedError: it is not sound.
    """
    known = source.read(_FORM_AT, 1)[0] == FORM
    try:
        head, end = _read_checked(source, limits)
    except (ChecksumError, CorruptError, TruncatedError):
        if not known:  # the byte behind the magic is damaged, or this never was a .tcx file
            check_signature(source.read(0, min(source.size, len(SIGNATURE))))
        raise
    if not known:
        raise UnsupportedError(
            f"The file has form {source.read(_FORM_AT, 1)[0]}, but this version of texcodec knows form {FORM} and "
            "files of chunks."
        )
    return head, end


def _read_checked(source: Source, limits: Limits) -> tuple[bytes, int]:
    count = min(_MOST_LENGTH_BYTES, source.size - _LENGTH_AT)
    field = FieldReader(source.read(_LENGTH_AT, count), "The frame of the file", chunk=False)
    if count < _MOST_LENGTH_BYTES and all(byte & 0x80 for byte in source.read(_LENGTH_AT, count)):
        raise TruncatedError(f"The file ends at byte {source.size}, within the length of its head.")
    length = field.varint("length of the head")
    most = _MOST_FIELD_BYTES + MAX_ENTRY_BYTES * limits.tiles
    end = _LENGTH_AT + field.position + length
    if end + CRC_BYTES > source.size:
        raise TruncatedError(f"The file ends at byte {source.size}, within its head of {length} bytes.")
    if length > most:
        raise CorruptError(f"The head of the file has {length} bytes, more than {limits.tiles} tiles need.")
    body = source.read(0, end + CRC_BYTES)
    if zlib.crc32(memoryview(body)[:end]) != int.from_bytes(body[end:], "little"):
        raise ChecksumError("The head of the file is damaged: it does not match its checksum.")
    return body[end - length : end], end + CRC_BYTES


def unpack_fields(head: bytes) -> tuple[Head, bytes]:
    """What the head says, and its index, which is looked at when the limits have been.

    Raises:
        UnsupportedError: a flag that this version does not know.
        CorruptError: fields are impossible.
    """
    fields = FieldReader(head, "The head of the file", chunk=False)
    flags = fields.varint("flags")
    if flags & ~CompactFlag.KNOWN:
        raise UnsupportedError(
            f"The file uses header flags 0x{flags & ~CompactFlag.KNOWN:x}, which this version of texcodec does not "
            "know."
        )
    width, height = fields.varint("width"), fields.varint("height")
    classes, rate_index = fields.unsigned(1, "classes"), fields.unsigned(1, "rate index")
    identity = fields.take(SHORT_IDENTITY_BYTES, "identity")
    cicp = SRGB
    if flags & CompactFlag.CICP:
        primaries, transfer, matrix, full_range = fields.take(4, "CICP")
        cicp = (primaries, transfer, matrix, full_range)
    origin_x, origin_y = fields.take(2, "origin") if flags & CompactFlag.ORIGIN else (0, 0)
    data_crc = fields.unsigned(4, "data checksum")
    try:
        header = Header(
            major=MAJOR,
            minor=DRAWN_MINOR,
            width=width,
            height=height,
            channels=1 if flags & CompactFlag.GREY else 3,
            alpha_mode=1 if flags & CompactFlag.ALPHA else 0,
            tile_log2=_tile_log2(flags),
            halo=1,
            classes=classes,
            entropy_profile=COMPACT_PROFILE,
            rate_index=rate_index,
            identity=identity,
            cicp=cicp,
            origin_x=origin_x,
            origin_y=origin_y,
            fusion=bool(flags & CompactFlag.FUSION),
            drawn=bool(flags & CompactFlag.DRAWN),
        )
    except ParameterError as error:
        raise CorruptError(str(error)) from None
    found = Head(header, data_crc, bool(flags & CompactFlag.CHUNKS))
    if header.alpha_mode and not found.chunks:
        raise CorruptError("The head of the file announces an alpha plane but no chunks.")
    # One spelling for every head: catches defaults spelled out.
    if _pack_fields(found) != head[: fields.position]:
        raise CorruptError("The head of the file is not in its shortest form.")
    return found, head[fields.position :]


def _tile_log2(flags: int) -> int:
    if flags & CompactFlag.LARGE_TILES:
        return LARGE_LOG2
    return SMALL_LOG2 if flags & CompactFlag.SMALL_TILES else DEFAULT_LOG2


def _pack_fields(head: Head) -> bytes:
    header = head.header
    flags = (
        (CompactFlag.GREY if header.channels == 1 else 0)
        | (CompactFlag.FUSION if header.fusion else 0)
        | (CompactFlag.SMALL_TILES if header.tile_log2 == SMALL_LOG2 else 0)
        | (CompactFlag.LARGE_TILES if header.tile_log2 == LARGE_LOG2 else 0)
        | (CompactFlag.ALPHA if header.alpha_mode else 0)
        | (CompactFlag.CHUNKS if head.chunks else 0)
        | (CompactFlag.ORIGIN if header.origin_x or header.origin_y else 0)
        | (CompactFlag.CICP if header.cicp != SRGB else 0)
        | (CompactFlag.DRAWN if header.drawn else 0)
    )
    return b"".join(
        [
            varint(flags),
            varint(header.width),
            varint(header.height),
            bytes([header.classes, header.rate_index]),
            header.identity,
            bytes(header.cicp) if flags & CompactFlag.CICP else b"",
            bytes([header.origin_x, header.origin_y]) if flags & CompactFlag.ORIGIN else b"",
            struct.pack("<I", head.data_crc),
        ]
    )
