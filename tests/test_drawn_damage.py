"""Drawn tiles and files without loss that are damaged or lie: refused, found or salvaged."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from damaged_files import every_flipped_bit_is_found, rebuilt
from pictures import part_drawn, photograph, window

import texcodec
from texcodec.container import PSUM, Reader, write

SET = "tiny-1"


def encode(picture: Any, **settings: Any) -> bytes:
    return texcodec.encode(picture, models=SET, **settings)


def pixels_of(data: bytes, **settings: Any) -> np.ndarray:
    return np.asarray(texcodec.decode(data, **settings))


@pytest.fixture(scope="module")
def mixed_file() -> bytes:
    return encode(part_drawn(800, 500), quality=60)


@pytest.fixture(scope="module", params=["mixed", "lossless", "drawn"])
def file(request: pytest.FixtureRequest) -> bytes:
    return {
        "mixed": lambda: encode(part_drawn(400, 300), quality=60),
        "lossless": lambda: texcodec.encode(photograph(600, 300), lossless=True),
        "drawn": lambda: encode(window(400, 300), quality=50),
    }[request.param]()


def test_every_single_flipped_bit_in_a_payload_is_refused_or_changes_nothing(file: bytes) -> None:
    whole, payload = pixels_of(file), bytearray(Reader(file).tile_bytes(0))
    random = np.random.default_rng(11)
    places = [*range(min(12, len(payload))), *random.integers(0, len(payload), 25), len(payload) - 1]
    for position in places:
        mutated = bytearray(payload)
        mutated[position] ^= 1 << int(random.integers(8))
        try:
            pixels = pixels_of(rebuilt(file, {0: bytes(mutated)}))
        except texcodec.FormatError as error:
            assert "tile 0" in str(error).lower()
        else:  # the last bits of a stream pad it
            np.testing.assert_array_equal(pixels, whole)


@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"\2", b"\3\1\2\3", b"\0\1\2\3\4\5", b"\1" + bytes(99), bytes(5000)]
)
def test_payload_that_is_not_the_tile_is_refused(file: bytes, payload: bytes) -> None:
    with pytest.raises(texcodec.FormatError, match="(?i)tile 0"):
        texcodec.decode(rebuilt(file, {0: payload}))


@pytest.mark.parametrize("keep", [1, 2, 20, -9, -1])
def test_payload_that_ends_early_is_refused(file: bytes, keep: int) -> None:
    with pytest.raises(texcodec.FormatError, match="(?i)tile 0"):
        texcodec.decode(rebuilt(file, {0: Reader(file).tile_bytes(0)[:keep]}))


def test_tile_of_another_picture_is_refused_by_its_samples(file: bytes) -> None:
    other = Reader(texcodec.encode(255 - photograph(600, 300), lossless=True, tile=256)).tile_bytes(0)
    with pytest.raises(texcodec.FormatError, match="(?i)tile 0"):
        texcodec.decode(rebuilt(file, {0: other}))


def test_every_flipped_bit_of_the_file_is_found() -> None:
    data = texcodec.encode(window(30, 20), lossless=True)
    every_flipped_bit_is_found(data)


def test_salvage_keeps_the_sound_tiles() -> None:
    picture = photograph(1100, 530)
    data = bytearray(texcodec.encode(picture, lossless=True))
    data[Reader(bytes(data)).tile_offset(1) + 100] ^= 4
    with pytest.raises(texcodec.ChecksumError, match="[Tt]ile 1"):
        texcodec.decode(bytes(data))
    warned: list[str] = []
    shown = pixels_of(bytes(data), salvage=True, warn=warned.append)
    assert len(warned) == 1 and "1" in warned[0]
    np.testing.assert_array_equal(shown[:512, :512], picture[:512, :512])
    assert (shown[:512, 512:1024] == 128).all()
    np.testing.assert_array_equal(shown[:, 1024:], picture[:, 1024:])


def test_pixels_that_do_not_match_their_checksum_are_refused() -> None:
    reader = Reader(texcodec.encode(window(60, 50), lossless=True))
    wrong = write(reader.header, [reader.tile_bytes(0)], reader.tiles, [(PSUM, b"\1\0\0\0\0")], reader.alpha)
    with pytest.raises(texcodec.ChecksumError, match="pixels"):
        texcodec.decode(wrong)
    warned: list[str] = []
    assert pixels_of(wrong, salvage=True, warn=warned.append).shape == (50, 60, 3) and warned


@pytest.mark.parametrize("offset", [2, -1, 127])
def test_rate_offset_of_a_drawn_tile_is_0_or_1(file: bytes, offset: int) -> None:
    with pytest.raises(texcodec.ParameterError, match="offset"):
        rebuilt(file, {}, {0: offset})


def test_drawn_tile_that_the_header_does_not_announce_is_refused(mixed_file: bytes) -> None:
    header = dataclasses.replace(Reader(mixed_file).header, drawn=False)
    with pytest.raises(texcodec.ParameterError, match="announces"):
        write(header, [Reader(mixed_file).tile_bytes(i) for i in range(8)], Reader(mixed_file).tiles)


@pytest.mark.parametrize(
    "fields", [{"identity": b"\1" * 16}, {"rate_index": 3}, {"halo": 1}, {"classes": 2}, {"fusion": True}]
)
def test_header_without_a_set_names_none(fields: dict[str, Any]) -> None:
    header = Reader(texcodec.encode(window(60, 50), lossless=True)).header
    with pytest.raises(texcodec.ParameterError, match="no model set"):
        dataclasses.replace(header, **fields)


def refused_by_version_1_2(data: bytes) -> str:
    """What a reader that knows version 1.2 of the format checks first in THDR, after its checksum."""
    major, flags = data[16], data[18]
    assert data[:8] == b"\x89TCX\r\n\x1a\n" and data[8:12] == b"THDR"
    if major != 1:
        return "unsupported: major version"
    return f"unsupported: flags {flags & 0xE0:#x}" if flags & 0xE0 else "goes on"


def test_earlier_readers_refuse_drawn_tiles_as_unsupported(file: bytes) -> None:
    assert refused_by_version_1_2(file) == "unsupported: flags 0x20"
    assert refused_by_version_1_2(encode(photograph(64, 64), quality=50)) == "goes on"


def test_limits_hold_before_a_tile_is_unpacked(file: bytes) -> None:
    with pytest.raises(texcodec.LimitError):
        texcodec.decode(file, limits=texcodec.Limits(pixels=1000))
    with pytest.raises(texcodec.LimitError, match="memory|bytes"):
        texcodec.decode(file, limits=texcodec.Limits(memory=50_000))
