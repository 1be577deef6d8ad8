"""Tries pictures to encode whose profile or text unpacks to hundreds of megabytes, or which claim a huge size.

Stopped by the limits: that on metadata is held against what chunks unpack to before Pillow reads them, that on
pixels too.
"""

from __future__ import annotations

import struct
import zlib

from room import Room, check


def attack(room: Room) -> None:
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    for number, extra in enumerate(
        [(b"iCCP", b"x\0\0" + packed), (b"zTXt", b"x\0\0" + packed), (b"iTXt", b"x\0\1\0\0\0" + packed)]
    ):
        path = room.file(f"{number}.png", _png(4, 4, extra))
        check(room.command("encode", path, "--lossless") == 4, f"{extra[0]!r}: {room.err}")
    path = room.file("huge.png", _png(1 << 30, 1 << 30))
    check(room.command("encode", path, "--lossless") == 4, room.err)
    check(not [name for name in room.names() if name.endswith(".tcx")], "an output was written")


def _png(width: int, height: int, *extra: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(bytes(4 * 5))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*each) for each in extra) + body
