"""Tries headers of forty bytes that claim pictures of 2^32 pixels per side.

Stopped by `Limits`, which are asked before anything is allocated.
"""

from __future__ import annotations

from room import Room, check, refused

import texcodec
from texcodec.container import Header, Reader, read_header, tile_entry, write
from texcodec.container.compact import Head, pack_frame
from texcodec.errors import LimitError

MOST = (1 << 32) - 1


def attack(room: Room) -> None:
    for width, height in ((MOST, MOST), (MOST, 1), (1, MOST), (262_144, 262_144), (262_145, 1)):
        header = Header(width=256, height=256, channels=3, identity=bytes(16), rate_index=0, classes=1)
        data = bytearray(write(header, [b"x"], [tile_entry(0, b"x", class_index=0, symbols_crc=0)]))
        for form in (_chunked(width, height), _compact(width, height)):
            for opened in (Reader, texcodec.open, texcodec.decode):
                refused(LimitError, opened, form)
            check(read_header(form).width == width, "the header alone may be read")
        path = room.file("bomb.tcx", bytes(data[:8]) + _chunked(width, height)[8:])
        for command in ("info", "verify", "decode"):
            check(room.command(command, path) == 4, "another exit code than that of limits")
    check(room.names() == {"bomb.tcx"}, "an output was written")


def _chunked(width: int, height: int) -> bytes:
    from container_samples import chunk

    from texcodec.container.header import pack_header

    fields = Header(width=width, height=height, channels=3, identity=bytes(16), rate_index=0, classes=1)
    return b"\x89TCX\r\n\x1a\n" + chunk(b"THDR", pack_header(fields)) + chunk(b"TEND", b"")


def _compact(width: int, height: int) -> bytes:
    from compact_samples import sample_header

    return pack_frame(Head(sample_header(width=width, height=height), 0, False), [])
