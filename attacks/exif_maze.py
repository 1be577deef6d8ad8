"""Tries EXIF of thousands of directories inside each other, or overlapping, in a picture to encode.

Stopped by following at most 16 directories.
"""

from __future__ import annotations

import io
import struct

from PIL import Image
from room import Room, check

from texcodec.images import exif


def attack(room: Room) -> None:
    for maze in (_deep(50_000), _wide(100_000)):
        exif.clean(maze)
        stream = io.BytesIO()
        Image.new("RGB", (4, 4)).save(stream, "png", exif=maze)
        path = room.file("maze.png", stream.getvalue())
        check(room.command("encode", "-f", path, "--lossless") == 0, room.err)


def _entry(tag: int, value: int) -> bytes:
    return struct.pack("<HHII", tag, 4, 1, value)


def _start() -> bytes:
    return b"II*\0" + struct.pack("<IH", 8, 1) + _entry(0x010F, 7) + struct.pack("<I", 26)


def _deep(count: int) -> bytes:
    """Each directory holds the next one."""
    parts = [struct.pack("<H", 1) + _entry(0x8769, 26 + 18 * (k + 1)) + bytes(4) for k in range(count)]
    return _start() + b"".join(parts)


def _wide(count: int) -> bytes:
    """One directory of many, which overlap."""
    parts = [_entry((0x8769, 0x8825, 0xA005)[k % 3], 26 + 12 * (k * 7919 % count)) for k in range(count)]
    return _start() + struct.pack("<H", 0xFFFF) + b"".join(parts)
