"""Sample files for the container's tests, and tools that change them behind the container's back."""

from __future__ import annotations

import struct
import zlib

from texcodec.container import Header, tile_entry, write

IDENTITY = bytes(range(16))
ANCILLARY = [(b"iccp", b"profile"), (b"psum", b"\x01\x02\x03\x04\x05"), (b"zzzz", b"unknown, kept")]
ALPHA = b"\x00\x80"


def sample_header(**changes: object) -> Header:
    """Header of a 600 x 400 picture of six tiles, with alpha; ``changes`` replace fields."""
    fields: dict[str, object] = dict(
        width=600,
        height=400,
        channels=3,
        identity=IDENTITY,
        rate_index=300,
        classes=4,
        alpha_mode=1,
        fusion=True,
    )
    fields.update(changes)
    return Header(**fields)  # type: ignore[arg-type]


def payloads_of(count: int) -> list[bytes]:
    """Payloads of 5 bytes, all different."""
    return [bytes([17 * index + step & 255 for step in range(5)]) for index in range(count)]


def full_file(**changes: object) -> bytes:
    """A file with six tiles, ancillary chunks and alpha."""
    payloads = payloads_of(6)
    entries = [
        tile_entry(i, p, class_index=i % 4, symbols_crc=1000 + i, offset=i - 3)
        for i, p in enumerate(payloads)
    ]
    return write(sample_header(**changes), payloads, entries, ANCILLARY, ALPHA)


def lean_file(payload: bytes = b"\x01\x02\x03\x04") -> bytes:
    """A file of one tile and nothing else."""
    header = Header(width=64, height=48, channels=1, identity=IDENTITY, rate_index=5, classes=4)
    return write(header, [payload], [tile_entry(0, payload, class_index=3, symbols_crc=0x1234)])


def chunk(kind: bytes, payload: bytes) -> bytes:
    """A chunk, built without texcodec."""
    body = kind + struct.pack("<I", len(payload)) + payload
    return body + struct.pack("<I", zlib.crc32(body))


def split(data: bytes) -> list[list[bytes]]:
    """The chunks of a sound file that is not lean, as [type, payload] lists."""
    found, offset = [], 8
    while offset < len(data):
        kind, length = struct.unpack_from("<4sI", data, offset)
        found.append([kind, data[offset + 8 : offset + 8 + length]])
        offset += 8 + length + (0 if kind == b"TDAT" else 4)
    return found


def join(chunks: list[list[bytes]]) -> bytes:
    """The inverse of split, checksums computed anew."""
    out = b"\x89TCX\r\n\x1a\n"
    for kind, payload in chunks:
        out += kind + struct.pack("<I", len(payload)) + payload if kind == b"TDAT" else chunk(kind, payload)
    return out


def changed(data: bytes, kind: bytes, payload: bytes) -> bytes:
    """``data`` with another payload in its chunk ``kind``, checksums computed anew."""
    return join([[k, payload if k == kind else p] for k, p in split(data)])


def payload_of(data: bytes, kind: bytes) -> bytes:
    """The payload of the chunk ``kind``."""
    return next(p for k, p in split(data) if k == kind)


def flipped(data: bytes, bit: int) -> bytes:
    """``data`` with one bit turned over."""
    out = bytearray(data)
    out[bit // 8] ^= 1 << bit % 8
    return bytes(out)
