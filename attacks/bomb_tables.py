"""Tries indices of a million tiles, runs of 2^31 absent tiles, heads of 4 GiB, and arrays of a set that claim
exabytes.

Stopped by the limit on tiles, lengths that are held against the grid and the file, and the reader of the arrays.
"""

from __future__ import annotations

import json
import shutil
import struct

from compact_samples import FIELDS, framed, indexed, other_kind
from container_samples import chunk
from pictures import photograph
from room import ROOT, SET, Room, refused

import texcodec
from texcodec.container import Header, Reader
from texcodec.container.fields import varint
from texcodec.container.header import pack_header
from texcodec.errors import FormatError, LimitError, ModelError


def attack(room: Room) -> None:
    start = b"\x89TCX\r\n\x1a\n"
    wide = Header(
        width=130_000, height=1_300, channels=3, identity=bytes(16), rate_index=0, classes=1, tile_log2=7
    )
    thin = Header(
        width=262_144, height=64, channels=3, identity=bytes(16), rate_index=0, classes=1, tile_log2=7
    )
    lies = struct.pack("<4sI", b"TIDX", (1 << 32) - 1)
    refused(FormatError, Reader, start + chunk(b"THDR", pack_header(thin)) + lies + bytes(100))
    refused(
        FormatError, Reader, start + chunk(b"THDR", pack_header(wide)) + chunk(b"TIDX", b"\xff" * 1_000_000)
    )
    refused(LimitError, Reader, start + chunk(b"THDR", pack_header(wide)), texcodec.Limits(tiles=10_000))
    refused(FormatError, Reader, indexed(other_kind((1 << 30) - 2)))
    refused(FormatError, Reader, framed(FIELDS + varint((1 << 32) - 1) * 100_000))
    refused(FormatError, Reader, b"\x89TCX\x02" + varint((1 << 32) - 1) + bytes(1000))

    data = texcodec.encode(photograph(40, 30), models=SET)
    for number, header in enumerate(
        (
            {"tables.steps": {"dtype": "U16", "shape": [1 << 40, 1 << 20], "data_offsets": [0, 1 << 61]}},
            {"tables.steps": {"dtype": "U16", "shape": [4], "data_offsets": [0, 8]}},
        )
    ):
        folder = room.folder / f"set{number}"
        shutil.copytree(ROOT / "models" / SET, folder)
        text = json.dumps(header).encode()
        (folder / "decoder.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(8))
        refused(ModelError, lambda f=folder: texcodec.decode(data, models=f))
        (folder / "decoder.safetensors").write_bytes(struct.pack("<Q", 1 << 62) + text)
        refused(ModelError, lambda f=folder: texcodec.decode(data, models=f))
