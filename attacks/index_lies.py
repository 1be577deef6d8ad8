"""Tries indices whose lengths, classes, rates and checksums contradict the file, with all checksums of chunks
right.

Stopped by the rules of the index: lengths are summed and must be those of the data, every field has its range.
"""

from __future__ import annotations

import struct

from compact_samples import indexed, other_kind
from container_samples import changed, full_file, payload_of
from room import Room, refused

from texcodec.container import Reader
from texcodec.container.fields import varint
from texcodec.errors import FormatError


def attack(room: Room) -> None:
    data = full_file()
    index = payload_of(data, b"TIDX")
    size = len(index) // 6
    lies = [index[:-1], index + b"\0", index[size:] + index[:size][:-1], b"\xff" * 6, b"\xff" * 7, b""]
    for place, value in ((0, b"\x04"), (0, b"\xfe"), (0, b"\xff"), (1, b"\x06"), (1, b"\x80")):
        lies.append(index[:place] + value + index[place + 1 :])
    lies.append(index[:1] + varint((1 << 32) - 1) + index[2:])
    for lie in lies:
        refused(FormatError, lambda lie=lie: Reader(changed(data, b"TIDX", lie)).verify())
    for length in (29, 31, (1 << 32) - 1):
        at = data.index(b"TDAT") + 4
        refused(FormatError, Reader, data[:at] + struct.pack("<I", length) + data[at + 4 :])
    for numbers in (
        (16, 23),
        (other_kind(0),) * 6,
        (other_kind(5),) * 9,
        (other_kind(2 * 6),),
        (4 * 4 + 2,) * 7,
    ):
        refused(FormatError, Reader, indexed(*numbers))
