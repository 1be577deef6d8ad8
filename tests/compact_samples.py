"""Sample files of the compact form, and tools that change them behind the container's back."""

from __future__ import annotations

import struct
import zlib

from texcodec.container import ABSENT_ENTRY, Header, TileEntry, write
from texcodec.container.fields import varint

IDENTITY = bytes(range(8))


def sample_header(**changes: object) -> Header:
    """Header of a picture of 600 x 400 pixels, six tiles; ``changes`` replace fields."""
    fields: dict[str, object] = dict(
        width=600, height=400, channels=3, identity=IDENTITY, rate_index=100, classes=3, entropy_profile=2,
        halo=1, fusion=True, minor=3,
    )  # fmt: skip
    return Header(**(fields | changes))  # type: ignore[arg-type]


PAYLOADS = [b"\1\2\3\4", b"\5\6\7", b"", b"", b"\10\11\12\13\14", b"\15\16\17"]
ENTRIES = [
    TileEntry(4, 0, 0, None, None),
    TileEntry(3, 1, 1, None, None),
    ABSENT_ENTRY,
    ABSENT_ENTRY,
    TileEntry(5, 2, -1, None, None),
    TileEntry(3, 0, -1, None, None),
]
BARE = write(sample_header(), PAYLOADS, ENTRIES)
METADATA = [(b"iccp", b"profile"), (b"zzzz", b"unknown, kept")]
FULL = write(sample_header(alpha_mode=1), PAYLOADS, ENTRIES, METADATA, b"\0\x80")
FILES = {"bare": BARE, "chunks": FULL}
HEAD_END = BARE.index(b"\1\2\3\4\5\6\7\10")


def framed(head: bytes, rest: bytes = b"".join(PAYLOADS), *, form: int = 2) -> bytes:
    """A file with this head, its checksum right, built without texcodec."""
    body = b"\x89TCX" + bytes([form]) + varint(len(head)) + head
    return body + struct.pack("<I", zlib.crc32(body)) + rest


HEAD = BARE[6 : HEAD_END - 4]
FIELDS, INDEX = HEAD[:19], HEAD[19:]


def indexed(*numbers: int) -> bytes:
    """The bare file with another index."""
    return framed(FIELDS + b"".join(map(varint, numbers)))


def other_kind(n: int) -> int:
    """The number of an entry that is no tile of a class."""
    return n * 4 + 3
