"""Tries a damaged file of tens of thousands of damaged chunks, behind each of which salvage would search the whole
rest.

Stopped by searching once, and by the largest number of chunks.
"""

from __future__ import annotations

from container_samples import chunk, full_file, join, split
from room import Room, refused

from texcodec.container import Reader
from texcodec.errors import LimitError


def attack(room: Room) -> None:
    chunks = split(full_file())
    bad = bytearray(chunk(b"text", b""))
    bad[-1] ^= 1
    rest = join(chunks[2:])[8:]
    Reader(join(chunks[:2]) + bytes(bad) * 60_000 + rest, salvage=True)
    refused(LimitError, lambda: Reader(join(chunks[:2]) + bytes(bad) * 70_000 + rest, salvage=True))
