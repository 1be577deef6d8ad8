"""Tries to make salvage show tiles that are not the file's: a second TDAT within a chunk of metadata before the
damage.

Stopped by the checksum of every tile, which its entry of the index holds.
"""

from __future__ import annotations

import struct

import numpy as np
from container_samples import join, split
from room import Room, check, refused

import texcodec
from texcodec.errors import CorruptError


def attack(room: Room) -> None:
    chance = np.random.default_rng(2)
    pictures = [chance.integers(0, 256, (20, 300, 3), np.uint8) for _ in range(2)]
    true, false = (split(texcodec.encode(p, lossless=True, tile=128)) for p in pictures)
    data = next(p for k, p in true if k == b"TDAT")
    forged = next(p for k, p in false if k == b"TDAT")[: len(data)].ljust(len(data), b"\0")
    before = [c for c in true if c[0] in (b"THDR", b"TIDX")]
    trap = [b"zzzz", b"TDAT" + struct.pack("<I", len(data)) + forged]
    damaged = bytearray(join([*before, trap, [b"TDAT", data], [b"TEND", b""]]))
    damaged[damaged.index(b"zzzz") + 8 + 8 + 4] ^= 1  # so that its chunk is looked into
    warned: list[str] = []
    try:
        shown = texcodec.decode(bytes(damaged), salvage=True, output="numpy", warn=warned.append)
    except CorruptError:
        return  # nothing is shown at all
    for left in range(0, 300, 128):
        tile = shown[:, left : left + 128]
        sound = np.array_equal(tile, pictures[0][:, left : left + 128]) or (tile == 128).all()
        check(sound, "a tile that is not the file's was shown")
    check(bool(warned), "nothing was said")
    refused(texcodec.errors.FormatError, texcodec.decode, bytes(damaged))
