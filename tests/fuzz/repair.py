"""Checksums, and lengths that say what other parts hold, put right in files that were changed.

Written from docs/format.md and without the package's own writer, which would refuse most of what is wanted here. What
cannot be understood is left as it is.
"""

from __future__ import annotations

import struct
import zlib

SIGNATURE = b"\x89TCX\r\n\x1a\n"
COMPACT = b"\x89TCX\x02"
ABSENT = 255

Chunk = tuple[bytes, bytes]


def repaired(data: bytes) -> bytes:
    """The file with all checksums of bytes right, if it has one of the two forms."""
    if data.startswith(SIGNATURE):
        return join(split(data))
    if data.startswith(COMPACT):
        return repaired_compact(data)
    return data


def split(data: bytes) -> list[Chunk]:
    """The chunks behind the signature; a length beyond the end of the file takes what is there."""
    found, at = [], len(SIGNATURE)
    while at + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, at)
        found.append((kind, data[at + 8 : at + 8 + length]))
        at += 8 + length + (0 if kind == b"TDAT" else 4)
    return found


def join(chunks: list[Chunk]) -> bytes:
    """The file of these chunks, with the checksums of chunks and tiles computed."""
    tiles = next((payload for kind, payload in chunks if kind == b"TDAT"), b"")
    out = bytearray(SIGNATURE)
    for kind, payload in chunks:
        if kind == b"TIDX":
            payload = repaired_index(payload, tiles)
        body = kind + struct.pack("<I", len(payload)) + payload
        out += body if kind == b"TDAT" else body + struct.pack("<I", zlib.crc32(body))
    return bytes(out)


def repaired_index(index: bytes, tiles: bytes) -> bytes:
    """The index with the checksums of the tiles' bytes."""
    out, at, start, number = bytearray(), 0, 0, 0
    while at < len(index):
        if index[at] == ABSENT:
            out.append(ABSENT)
            at += 1
        else:
            length, behind = varint(index, at + 1)
            if behind + 7 > len(index):
                break
            payload = tiles[start : start + length]
            crc = zlib.crc32(payload, zlib.crc32(struct.pack("<I", number)))
            out += index[at : behind + 1] + struct.pack("<I", crc) + index[behind + 5 : behind + 7]
            at, start = behind + 7, start + length
        number += 1
    return bytes(out) + index[at:]


def repaired_compact(data: bytes) -> bytes:
    """A compact file with the checksum of its head, that of its tiles in it, and those of chunks behind it."""
    length, at = varint(data, len(COMPACT))
    head, rest = bytearray(data[at : at + length]), data[at + length + 4 :]
    return compact(bytes(head), rest)


def compact(head: bytes, rest: bytes) -> bytes:
    """The compact file of a head and of what follows it."""
    flags, at = varint(head, 0)
    _, at = varint(head, at)
    _, at = varint(head, at)
    at += 10 + (4 if flags & 0x40 else 0) + (2 if flags & 0x20 else 0)
    tiles = rest
    if flags & 0x10:  # chunks follow
        chunks = split(SIGNATURE + rest)
        tiles = next((payload for kind, payload in chunks if kind == b"TDAT"), b"")
        rest = join([chunk for chunk in chunks if chunk[0] != b"TIDX"])[len(SIGNATURE) :]
    if at + 4 <= len(head):
        head = head[:at] + struct.pack("<I", zlib.crc32(tiles)) + head[at + 4 :]
    body = COMPACT + packed(len(head)) + head
    return body + struct.pack("<I", zlib.crc32(body)) + rest


def varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends, whatever follows it."""
    value = shift = 0
    while at < len(data) and shift < 35:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            break
    return value, at


def packed(value: int) -> bytes:
    """The inverse of ``varint``, in the shortest form."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
