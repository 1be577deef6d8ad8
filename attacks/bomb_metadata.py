"""Tries chunks of metadata that claim 4 GiB, and many that are within the limit by themselves but not together.

Stopped by the size of the file, which is looked at first, and the limit on all metadata of a file.
"""

from __future__ import annotations

import struct

from container_samples import full_file, join, split
from room import Room, check, refused

from texcodec.container import Reader
from texcodec.errors import FormatError, LimitError


def attack(room: Room) -> None:
    chunks = split(full_file())
    head = join(chunks[:2])
    for kind in (b"text", b"iccp", b"prev", b"zzzz", b"feat"):
        refused(FormatError, Reader, head + kind + struct.pack("<I", (1 << 32) - 1) + bytes(1000))
        Reader(head + kind + struct.pack("<I", (1 << 32) - 1) + bytes(1000), salvage=True)
    many = join([*chunks[:2], *[[b"zzzz", bytes(1 << 20)]] * 17, *chunks[2:]])
    refused(LimitError, Reader, many)
    refused(LimitError, lambda: Reader(many, salvage=True))
    check(room.command("info", room.file("bomb.tcx", many)) == 4, "another exit code than that of limits")
