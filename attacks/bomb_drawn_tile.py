"""Tries drawn tiles whose stream unpacks to another size than the tile, is cut short, or hides a whole file.

Stopped by the header of the stream, which is not in the file but made from the tile's size, and a check of the
result.
"""

from __future__ import annotations

import numpy as np
from room import Room, refused

import texcodec
from texcodec.container import DRAWN, Reader, tile_entry, write
from texcodec.errors import CorruptError
from texcodec.lossless import pack_samples


def attack(room: Room) -> None:
    chance = np.random.default_rng(1)
    small = chance.integers(0, 256, (60, 60, 3), np.uint8)
    large = np.zeros((2000, 2000, 3), np.uint8)
    large[::7] = 9
    data = texcodec.encode(small, lossless=True)
    reader = Reader(data)
    webp = b"\x02" + b"RIFF" + (100).to_bytes(4, "little") + b"WEBPVP8 " + bytes(90)
    for payload in (
        pack_samples(large),
        webp,
        b"\x02" + data,
        b"\x00\x01",
        b"\x01" * 9,
        b"\x02",
        b"\x03" * 5,
        b"",
    ):
        entry = tile_entry(0, payload, class_index=DRAWN, symbols_crc=0)
        refused(CorruptError, texcodec.decode, write(reader.header, [payload], [entry], reader.ancillary))
