"""Tries chunks that reach into each other, stand twice, inside another or behind the end, and tiles that share
bytes.

Stopped by the form itself: there are no offsets, each chunk begins where the one before ends, and so do tiles.
"""

from __future__ import annotations

import itertools
import struct

from container_samples import chunk, full_file, join, split
from room import Room, check, refused

from texcodec.container import Reader
from texcodec.errors import FormatError


def attack(room: Room) -> None:
    data = full_file()
    chunks = split(data)
    at = 8
    for kind, payload in chunks:
        for change in (-9, -1, 1, 12, len(data)):
            length = len(payload) + change
            if length >= 0:
                refused(FormatError, Reader, data[: at + 4] + struct.pack("<I", length) + data[at + 8 :])
        at += 8 + len(payload) + (0 if kind == b"TDAT" else 4)
    for one, other in itertools.product(chunks, chunks):
        inside = [[k, join([other])[8:] if k == one[0] else p] for k, p in chunks]
        if one[0] in (b"THDR", b"TIDX", b"TDAT", b"TEND"):
            refused(FormatError, Reader, join(inside))
    for again in chunks:
        if again[0] != b"zzzz":
            refused(FormatError, Reader, join([*chunks[:3], again, *chunks[3:]]))
    refused(FormatError, Reader, data + chunk(b"zzzz", b""))
    check(sum(entry.length for entry in Reader(data).tiles) == len(chunks[-2][1]), "tiles overlap")
