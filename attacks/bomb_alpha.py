"""Tries an alpha plane of some kilobytes that unpacks to hundreds of megabytes, or to a byte more than there are
pixels.

Stopped by unpacking no more than the plane of the header's size, which limits were applied to.
"""

from __future__ import annotations

import zlib

from room import Room, check, refused

import texcodec
from texcodec.container import Reader, write
from texcodec.errors import CorruptError
from texcodec.images import decompress_alpha


def attack(room: Room) -> None:
    import numpy as np

    pixels = np.zeros((40, 50, 4), np.uint8)
    pixels[:, :, 3] = np.arange(50)
    reader = Reader(texcodec.encode(pixels, lossless=True))
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    for stream in (
        packed,
        zlib.compress(bytes(40 * 51 + 1)),
        zlib.compress(bytes(40 * 51 - 1)),
        packed[:2000],
    ):
        payload = b"\x01" + stream
        refused(CorruptError, decompress_alpha, payload, 40, 50)
        data = write(
            reader.header,
            [reader.tile_bytes(0)],
            reader.tiles,
            reader.ancillary,
            payload[: 2 * 40 * 50 + 1024],
        )
        refused(CorruptError, texcodec.decode, data)
        check(
            room.command("decode", room.file("bomb.tcx", data), room.folder / "out.png") == 1,
            "it was decoded",
        )
    check(room.names() == {"bomb.tcx"}, "an output was written")
