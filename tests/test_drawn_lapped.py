"""Pictures of which a part is drawn, with sets of a lapped transform: it ends at drawn tiles, which may be small."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import part_drawn, photograph, window

import texcodec
from texcodec.container import DRAWN, Reader, symbols_crc, tile_entry, write
from texcodec.lossless import pack_samples, unpack_samples

SET = Path(__file__).parent / "data" / "tiny-2"


def encode(picture: Any, **settings: Any) -> bytes:
    return texcodec.encode(picture, models=SET, **settings)


def decode(data: bytes, **settings: Any) -> np.ndarray:
    return np.asarray(texcodec.decode(data, models=SET, **settings))


def drawn_of(data: bytes) -> np.ndarray:
    """Whether each tile is drawn, rows x columns."""
    reader = Reader(data)
    return np.array([entry.drawn for entry in reader.tiles]).reshape(
        -1, -(-reader.header.width // reader.header.tile)
    )


def error(data: bytes, picture: np.ndarray, columns: slice) -> float:
    return float(np.square(decode(data)[:, columns].astype(float) - picture[:, columns]).mean())


@pytest.fixture(scope="module")
def mixed() -> np.ndarray:
    return part_drawn(800, 500)


@pytest.fixture(scope="module")
def mixed_file(mixed: np.ndarray) -> bytes:
    return encode(mixed, quality=60)


def test_small_tiles_part_a_window_from_a_photograph(mixed: np.ndarray, mixed_file: bytes) -> None:
    reader, drawn = Reader(mixed_file), drawn_of(mixed_file)
    assert reader.header.tile == 128 and drawn[:, :2].all() and not drawn[:, 2:].any()
    shown = decode(mixed_file)
    samples = unpack_samples(reader.tile_bytes(0), 128, 128, 3)
    np.testing.assert_array_equal(shown[:128, :128], samples)
    large = encode(mixed, quality=60, tile=512)
    assert not drawn_of(large).any()  # the large tiles hold something of both
    assert len(mixed_file) < len(large)
    assert error(mixed_file, mixed, slice(None)) < error(large, mixed, slice(None))


def test_a_tile_side_that_is_asked_for_stays(mixed: np.ndarray) -> None:
    data = encode(mixed, quality=60, tile=256)
    assert Reader(data).header.tile == 256 and drawn_of(data).any()


def test_a_photograph_keeps_large_tiles_and_its_bytes() -> None:
    picture = photograph(600, 300)
    data = encode(picture, quality=50)
    assert Reader(data).header.tile == 512 and data == encode(picture, quality=50, tile=512)


def test_what_looks_drawn_but_is_not_worth_it_keeps_large_tiles() -> None:
    # two thirds of the neighbours are equal, but the others are noise, which costs more than a network's blur
    random = np.random.default_rng(3)
    picture = photograph(600, 300)
    picture[:, :128] = 120 + 3 * (random.random((300, 128, 1)) < 0.15)
    assert Reader(encode(picture, quality=20)).header.tile == 512


@pytest.mark.parametrize("effort", [1, 2])
def test_the_transform_ends_where_drawn_tiles_begin(
    effort: int, mixed: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, far = slice(256, 264), slice(448, 576)
    data = encode(mixed, quality=95, effort=effort)
    assert drawn_of(data)[:, :2].all()
    assert error(data, mixed, beside) < 2 * error(data, mixed, far)
    # analysed as if the transform reached across
    monkeypatch.setattr("texcodec.codec.analysis.open_sides", _all_open)
    monkeypatch.setattr("texcodec.codec.refinement.open_sides", _all_open)
    assert error(encode(mixed, quality=95, effort=effort), mixed, beside) > 4 * error(data, mixed, beside)


def _all_open(grid: Any, index: int, coded: Any) -> Any:
    from texcodec.codec.lapping import open_sides

    return open_sides(grid, index, lambda number: True)


def test_corrections_make_mixed_pictures_better(mixed: np.ndarray) -> None:
    first, second = (encode(mixed, quality=40, effort=effort) for effort in (1, 2))
    np.testing.assert_array_equal(drawn_of(first), drawn_of(second))
    rest = slice(256, None)
    assert error(second, mixed, rest) < error(first, mixed, rest)


@pytest.mark.parametrize("region", [(250, 10, 12, 300), (120, 120, 300, 120), (799, 499, 1, 1)])
def test_region_is_the_part_of_the_whole(mixed_file: bytes, region: tuple[int, int, int, int]) -> None:
    x, y, w, h = region
    np.testing.assert_array_equal(decode(mixed_file, region=region), decode(mixed_file)[y : y + h, x : x + w])


def test_bytes_do_not_depend_on_threads(mixed: np.ndarray, mixed_file: bytes) -> None:
    assert encode(mixed, quality=60, threads=1) == mixed_file == encode(mixed, quality=60, threads=3)


def test_targets_are_met(mixed: np.ndarray) -> None:
    size = encode(mixed, size=30_000)
    assert drawn_of(size).any() and 27_000 < len(size) <= 30_000
    found = encode(mixed, psnr=32.0)
    assert abs(10 * np.log10(255**2 / error(found, mixed, slice(None))) - 32) <= 0.1


def test_progress_ends_at_its_total(mixed: np.ndarray) -> None:
    calls: list[tuple[int, int]] = []
    encode(mixed, quality=60, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1]


@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_transparent_pictures(mixed: np.ndarray, channels: int) -> None:
    picture = mixed[..., :1] if channels == 1 else np.dstack([mixed, np.full(mixed.shape[:2], 200, np.uint8)])
    data = encode(picture, quality=60)
    assert drawn_of(data)[:, :2].all()
    shown = decode(data).reshape(picture.shape)
    assert np.square(shown[:, :256].astype(float) - picture[:, :256]).mean() < 30


def test_whole_window_needs_no_set() -> None:
    assert Reader(encode(window(300, 200), quality=60)).header.needs_no_set


def test_drawn_tile_of_any_encoder_is_decoded(mixed: np.ndarray) -> None:
    reader = Reader(encode(photograph(800, 500), quality=60, tile=256))
    payloads = [reader.tile_bytes(i) for i in range(8)]
    payloads[0] = pack_samples(np.ascontiguousarray(mixed[:256, :256]))
    checksum = symbols_crc(np.ascontiguousarray(mixed[:256, :256]).tobytes())
    entries = [tile_entry(0, payloads[0], class_index=DRAWN, symbols_crc=checksum), *reader.tiles[1:]]
    whole = decode(write(dataclasses.replace(reader.header, drawn=True), payloads, entries))
    np.testing.assert_array_equal(whole[:256, :256], mixed[:256, :256])
