"""Chunks as a reader meets them: found at an offset, held against the file's size and their checksum.

Source: docs/format.md, "Chunks" and "Reading".
"""

from __future__ import annotations

import zlib

from ..errors import ChecksumError, CorruptError, TruncatedError
from ..limits import Limits
from .chunks import CRC_BYTES, HEAD_BYTES, SIGNATURE, THDR, check_signature, is_chunk_type, unpack_head
from .header import Header, unpack_header
from .source import Source


def read_thdr(source: Source, limits: Limits) -> tuple[Header, bytes, int]:
    """The header, what follows its fields (the tile of a lean file), and the offset of the next chunk."""
    check_signature(source.read(0, min(source.size, len(SIGNATURE))))
    kind, length = read_head(source, len(SIGNATURE))
    if kind != THDR:
        raise CorruptError(f"The first chunk is {chunk_name(kind)} and not THDR.")
    payload, end = read_body(source, limits, len(SIGNATURE), kind, length)
    header, used = unpack_header(payload)
    if not header.lean and used != len(payload):
        raise CorruptError(f"Chunk THDR has {len(payload) - used} bytes after its last field.")
    return header, payload[used:], end


def read_head(source: Source, offset: int) -> tuple[bytes, int]:
    """Type and payload length of the chunk at ``offset``; raises TruncatedError or CorruptError where there is none."""
    if offset + HEAD_BYTES > source.size:
        raise TruncatedError(f"The file ends at byte {source.size}, before its last chunk.")
    kind, length = unpack_head(source.read(offset, HEAD_BYTES))
    if not is_chunk_type(kind):
        raise CorruptError(f"There is no chunk at byte {offset}, where one must be.")
    return kind, length


def check_fits(source: Source, offset: int, kind: bytes, length: int) -> None:
    """Raise TruncatedError unless a chunk of ``length`` bytes of payload ends within the file."""
    end = end_of(offset, length)
    if end > source.size:
        raise TruncatedError(
            f"The file ends within chunk {chunk_name(kind)}, at byte {source.size} instead of {end} or later."
        )


def read_body(source: Source, limits: Limits, offset: int, kind: bytes, length: int) -> tuple[bytes, int]:
    """Payload of the chunk at ``offset``, its checksum verified, and the offset of the next chunk.

    Raises:
        TruncatedError, ChecksumError, LimitError: before or after it is read.
    """
    check_fits(source, offset, kind, length)
    limits.check_memory(length, f"chunk {chunk_name(kind)}")
    body = source.read(offset, HEAD_BYTES + length + CRC_BYTES)
    stored = int.from_bytes(body[-CRC_BYTES:], "little")
    if zlib.crc32(memoryview(body)[:-CRC_BYTES]) != stored:
        raise ChecksumError(
            f"Chunk {chunk_name(kind)} at byte {offset} is damaged: it does not match its checksum."
        )
    return body[HEAD_BYTES:-CRC_BYTES], end_of(offset, length)


def end_of(offset: int, length: int) -> int:
    """Offset just behind a chunk with a checksum."""
    return offset + HEAD_BYTES + length + CRC_BYTES


def chunk_name(kind: bytes) -> str:
    """The type, for messages."""
    return kind.decode("ascii")
