"""Tries a file of a hundred thousand empty chunks, each of which costs a reader more than its twelve bytes show.

Stopped by the largest number of chunks, 65,536.
"""

from __future__ import annotations

from container_samples import chunk, full_file, join, split
from room import Room, check, refused

from texcodec.container import Reader
from texcodec.errors import LimitError


def attack(room: Room) -> None:
    chunks = split(full_file())
    data = join(chunks[:2]) + chunk(b"zzzz", b"") * 100_000 + join(chunks[2:])[8:]
    refused(LimitError, Reader, data)
    check(room.command("info", room.file("bomb.tcx", data)) == 4, "another exit code than that of limits")
