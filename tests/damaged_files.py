"""Files with other payloads whose checksums of bytes fit, and the check that every bit of a file counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from container_samples import flipped

import texcodec
from texcodec.container import Reader, tile_entry, write


def rebuilt(
    data: bytes, payloads: Mapping[int, bytes], offsets: Mapping[int, int] | None = None, **changes: object
) -> bytes:
    """The file with other payloads and rate offsets of tiles, and changes to its header; its checksums of bytes fit."""
    reader = Reader(data)
    parts = [payloads.get(i, reader.tile_bytes(i)) for i in range(len(reader.tiles))]
    entries = [
        tile_entry(
            i,
            part,
            class_index=entry.class_index,
            offset=(offsets or {}).get(i, entry.offset),
            symbols_crc=entry.symbols_crc,
        )
        for i, (part, entry) in enumerate(zip(parts, reader.tiles, strict=True))
    ]
    header = dataclasses.replace(reader.header, **changes)  # type: ignore[arg-type]
    return write(header, parts, entries, reader.ancillary, reader.alpha)


def every_flipped_bit_is_found(data: bytes) -> None:
    for bit in range(8 * len(data)):
        with pytest.raises(texcodec.TexcodecError):
            texcodec.open(flipped(data, bit)).verify()
