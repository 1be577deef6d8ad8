"""Exact bytes of version 1 files, written by hand, and what the container costs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from container_samples import IDENTITY, lean_file

from texcodec.container import (
    ABSENT,
    FeatureStream,
    Header,
    Reader,
    StreamTask,
    TileEntry,
    feature_header,
    pack_stream,
    symbols_crc,
    task_identifier,
    tile_crc,
    tile_entry,
    unpack_stream,
    write,
)
from texcodec.container.header import pack_header

GOLDEN = bytes.fromhex(
    "895443580d0a1a0a"
    "54484452 1e000000 01 00 04 ac02 c801 72 48 00 04 01 ac02 000102030405060708090a0b0c0d0e0f f0d759aa"
    "54494458 12000000  00 04 00 b8fb5af2 3412  01 03 ff 0424eef5 3512  f5841a5d"
    "7073756d 05000000 0000000000 3c5daf07"
    "54444154 07000000 01020304 050607"
    "54454e44 00000000 1eed5c3a"
)
LEAN_GOLDEN = bytes.fromhex(
    "895443580d0a1a0a"
    "54484452 23000000 01 00 02 40 30 70 48 00 04 01 05 000102030405060708090a0b0c0d0e0f"
    "03 00 3412 01020304 ee426397"
)

FEATURES_GOLDEN = bytes.fromhex(
    "895443580d0a1a0a"
    "54484452 2b000000 01 02 03 40 30 72 48 00 01 01 00 000102030405060708090a0b0c0d0e0f"
    "03 02 9f19 08 08 691c 10 10 3412 01020304 9514a4c2"
)


def golden_stream() -> FeatureStream:
    tasks = StreamTask(task_identifier("class"), 8, 8), StreamTask(task_identifier("depth"), 16, 16)
    return FeatureStream(IDENTITY, 3, tasks, 0x1234, b"\x01\x02\x03\x04")


def golden_parts() -> tuple[Header, list[bytes], list[TileEntry], list[tuple[bytes, bytes]]]:
    header = Header(
        width=300, height=200, channels=3, identity=IDENTITY, rate_index=300, classes=4, fusion=True
    )
    payloads = [b"\x01\x02\x03\x04", b"\x05\x06\x07"]
    entries = [
        tile_entry(i, p, class_index=i, symbols_crc=0x1234 + i, offset=-i) for i, p in enumerate(payloads)
    ]
    return header, payloads, entries, [(b"psum", bytes(5))]


def test_writer_gives_the_golden_bytes() -> None:
    assert write(*golden_parts()) == GOLDEN


def test_reader_understands_the_golden_bytes() -> None:
    header, payloads, entries, ancillary = golden_parts()
    reader = Reader(GOLDEN)
    assert reader.header == header
    assert list(reader.tiles) == entries
    assert [reader.tile_bytes(i) for i in range(2)] == payloads
    assert reader.ancillary == ancillary
    assert reader.chunks == {b"psum": bytes(5)}
    assert reader.alpha is None and not reader.problems


def test_lean_golden_bytes() -> None:
    assert lean_file() == LEAN_GOLDEN
    reader = Reader(LEAN_GOLDEN)
    assert reader.header.lean and reader.header.width == 64 and reader.header.height == 48
    assert reader.tile_bytes(0) == b"\x01\x02\x03\x04"
    assert reader.tiles[0] == tile_entry(0, b"\x01\x02\x03\x04", class_index=3, symbols_crc=0x1234)


def test_golden_bytes_of_features() -> None:
    stream = golden_stream()
    data = write(feature_header(64, 48), [], [], [(b"FEAT", pack_stream(stream))])
    assert data == FEATURES_GOLDEN
    reader = Reader(FEATURES_GOLDEN)
    assert reader.header.lean and not reader.header.has_pixels and not reader.tiles
    assert (reader.header.width, reader.header.height) == (64, 48)
    assert [unpack_stream(payload) for payload in reader.features] == [stream]
    # two streams need chunks of their own, which hold the same bytes
    chunk = b"FEAT", pack_stream(stream)
    several = Reader(write(feature_header(64, 48), [], [], [chunk, chunk]))
    assert not several.header.lean and several.header.identity == bytes(16)
    assert several.features == [*reader.features, *reader.features]


def test_checksums_of_tiles_and_symbols() -> None:
    assert tile_crc(0, b"") == 0x2144DF1C  # CRC-32 of four zero bytes
    assert tile_crc(0x34333231, b"56789") == 0xCBF43926  # the check value of CRC-32, over "123456789"
    assert symbols_crc(b"123456789") == 0x3926


def test_container_of_a_kodak_picture_costs_at_most_145_bytes() -> None:
    header = Header(
        width=768, height=512, channels=3, identity=IDENTITY, rate_index=300, classes=4, fusion=True
    )
    payloads = [bytes([i]) * (1000 + 3000 * i) for i in range(6)]
    data = write(
        header, payloads, [tile_entry(i, p, class_index=3, symbols_crc=7) for i, p in enumerate(payloads)]
    )
    reader = Reader(data)
    assert len(reader.tiles) == 6
    assert reader.container_bytes == len(data) - sum(map(len, payloads)) <= 145
    # At 0.15 bits a pixel the file has 7372 bytes.
    assert reader.container_bytes <= 0.02 * 0.15 * 768 * 512 / 8


@pytest.mark.parametrize(("side", "most"), [(64, 51), (256, 53)])
def test_container_of_a_one_tile_picture_is_small(side: int, most: int) -> None:
    header = Header(width=side, height=side, channels=3, identity=IDENTITY, rate_index=50, classes=4)
    payload = bytes(150)
    reader = Reader(write(header, [payload], [tile_entry(0, payload, class_index=0, symbols_crc=7)]))
    assert reader.header.lean
    assert reader.container_bytes <= most


def test_one_tile_with_metadata_is_not_lean() -> None:
    header = Header(width=64, height=64, channels=3, identity=IDENTITY, rate_index=50, classes=4)
    data = write(header, [b"abc"], [tile_entry(0, b"abc", class_index=0, symbols_crc=7)], [(b"text", b"{}")])
    reader = Reader(data)
    assert not reader.header.lean
    assert reader.tile_bytes(0) == b"abc"


def test_absent_tiles_cost_one_byte() -> None:
    absent = TileEntry(length=0, class_index=ABSENT)
    header = Header(width=600, height=256, channels=3, identity=IDENTITY, rate_index=50, classes=4)
    entries = [absent, tile_entry(1, b"abc", class_index=0, symbols_crc=7), absent]
    reader = Reader(write(header, [b"", b"abc", b""], entries))
    assert list(reader.tiles) == entries
    assert [reader.tile_bytes(i) for i in range(3)] == [b"", b"abc", b""]


@pytest.mark.parametrize(
    ("extent", "origin", "cells"),
    [
        (1, 0, 1),
        (256, 0, 1),
        (257, 0, 2),
        (512, 0, 2),
        (10, 100, 1),
        (100, 100, 1),
        (101, 100, 2),
        (356, 100, 2),
    ],
)
def test_grid_has_a_cell_for_every_pixel(extent: int, origin: int, cells: int) -> None:
    header = Header(
        width=extent, height=1, channels=3, identity=IDENTITY, rate_index=0, classes=1, origin_x=origin
    )
    assert header.grid.columns == cells == len({(x - origin) // 256 for x in range(extent)})
    assert header.grid.rows == 1


@pytest.mark.parametrize(
    ("name", "expected"), [("lean", LEAN_GOLDEN), ("full", GOLDEN), ("features", FEATURES_GOLDEN)]
)
def test_examples_of_the_format_document_are_the_golden_bytes(name: str, expected: bytes) -> None:
    document = (Path(__file__).parents[1] / "docs" / "format.md").read_text(encoding="utf-8")
    block = document.split(f"```hex {name}\n")[1].split("```")[0]
    # Bytes stand in the first 51 columns, what they mean behind them.
    assert bytes.fromhex("".join(line[:51] for line in block.splitlines())) == expected


def test_header_has_the_sizes_of_the_format_document() -> None:
    smallest = Header(width=1, height=1, channels=3, identity=IDENTITY, rate_index=0, classes=1)
    sizes: list[tuple[dict[str, Any], int]] = [
        ({}, 27),
        ({"width": 262_144, "height": 682, "rate_index": 65_535}, 32),
        ({"cicp": (9, 16, 0, 1)}, 31),
        ({"origin_x": 1}, 29),
    ]
    for changes, size in sizes:
        assert len(pack_header(replace(smallest, **changes))) == size
