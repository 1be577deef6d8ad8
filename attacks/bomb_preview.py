"""Tries a preview chunk that is a PNG of 60,000 x 60,000 pixels, and one that is the file itself.

Stopped by never opening it: previews are made from the tiles, and `info` prints the size of the chunk alone.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image
from room import Room, check

import texcodec
import texcodec.pillow
from texcodec.container import Reader, write


def attack(room: Room) -> None:
    import numpy as np

    texcodec.pillow.register()
    plain = texcodec.encode(np.full((30, 20, 3), 90, np.uint8), lossless=True)
    reader = Reader(plain)
    for preview in (_bomb(), plain):
        chunks = [*reader.ancillary, (b"prev", preview)]
        data = write(reader.header, [reader.tile_bytes(0)], reader.tiles, chunks)
        path = room.file("bomb.tcx", data)
        check(room.command("info", path) == 0 and f"preview {len(preview)} bytes" in room.out, room.err)
        check(room.command("decode", "--preview", "-f", path, "-o", room.folder / "out.png") == 0, room.err)
        with Image.open(io.BytesIO(data)) as image:
            check(
                image.size == (20, 30) and image.convert("RGB").getpixel((0, 0)) == (90, 90, 90),
                "another picture",
            )
        warned: list[str] = []
        check(texcodec.open(data).preview(warn=warned.append).size == (2, 2) and bool(warned), "another size")


def _bomb() -> bytes:
    def chunk(kind: bytes, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        )

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(1 << 24)))
        + chunk(b"IEND", b"")
    )
