"""What encoders weigh against bits with a set for eyes, and that other sets know nothing of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import photograph
from PIL import Image

import texcodec
from texcodec.codec import analysis, pyramid_coder
from texcodec.codec.analysis import analyse
from texcodec.codec.coders import coders_of
from texcodec.codec.eyes import masking_of, missing_to_eyes, symbol_weights, weights
from texcodec.codec.layout import lay_out
from texcodec.codec.tile import AnalysedTile
from texcodec.codec.workers import Workers
from texcodec.constants import MEAN_CHANNELS
from texcodec.evaluation.ms_ssim import ms_ssim
from texcodec.images import from_array
from texcodec.registry import PyramidSet, load_set
from texcodec.registry.tunes import TUNED_SETS
from texcodec.tiles import Box

NAME = TUNED_SETS["ssim"]
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
QUALITY, RATE = 40, 120


@pytest.fixture(scope="module")
def models() -> PyramidSet:
    found = load_set(NAME)
    assert isinstance(found, PyramidSet)
    return found


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    with Image.open(EXAMPLES / "cat.png") as image:
        return np.asarray(image.convert("RGB"))[40:272, 60:300]


def tile_of(models: PyramidSet, pixels: np.ndarray) -> AnalysedTile:
    height, width = pixels.shape[:2]
    with Workers(1) as workers:
        return analyse(from_array(pixels), lay_out(width, height, 512, large=True), models, workers).tiles[0]


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Encoders as they would be if sets for eyes were for squared error."""
    monkeypatch.setattr(analysis, "is_for_eyes", lambda models: False)
    yield


def curve(pixels: np.ndarray, effort: int) -> np.ndarray:
    """Logarithm of the bytes, and MS-SSIM in decibels, at four qualities."""
    found = []
    for quality in (15, 30, 45, 60):
        data = texcodec.encode(pixels, quality=quality, models=NAME, effort=effort)
        score = ms_ssim(pixels, texcodec.decode(data, output="numpy"))
        found.append((math.log(len(data)), -10 * math.log10(1 - score)))
    return np.array(found).T


def fewer_bytes(before: np.ndarray, after: np.ndarray) -> float:
    """The share of bytes that is saved at equal MS-SSIM, mean over what both curves reach."""
    lowest, highest = max(before[1][0], after[1][0]), min(before[1][-1], after[1][-1])
    scores = np.linspace(lowest, highest, 50)
    difference = np.interp(scores, after[1], after[0]) - np.interp(scores, before[1], before[0])
    return 1 - math.exp(difference.mean())


def test_at_equal_ms_ssim_files_are_smaller(cat: np.ndarray, request: pytest.FixtureRequest) -> None:
    seeing, further = (curve(cat, effort) for effort in (2, 3))
    request.getfixturevalue("blind")
    assert fewer_bytes(curve(cat, effort=2), seeing) > 0.03
    assert fewer_bytes(seeing, further) > 0.005


def test_sets_for_squared_error_and_older_ones_weigh_nothing() -> None:
    pixels = photograph(96, 64)
    for name in ("std-6", "std-2", "tiny-2"):
        found = load_set(Path(__file__).parent / "data" / name if name == "tiny-2" else name)
        with Workers(1) as workers:
            tiles = analyse(from_array(pixels), lay_out(96, 64, 256), found, workers).tiles
        assert [tile.masking for tile in tiles.values()] == [None] * len(tiles)


def test_errors_count_less_where_texture_hides_them(models: PyramidSet) -> None:
    pixels = np.full((128, 256, 3), 120, np.uint8)
    noise = np.random.default_rng(1).normal(size=(128, 128, 1)) * 25
    pixels[:, 128:] = np.clip(120 + noise, 0, 255).astype(np.uint8)
    tile = tile_of(models, pixels)
    assert tile.masking is not None and tile.masking.shape == (5, 8, 16)
    found = weights(models, tile.masking, RATE)
    fine = np.flatnonzero(models.gain_planes == 1)[-40:]
    assert found[fine, 4, 13].max() < 0.5 * found[fine, 4, 3].min()
    assert (found > 0).all()
    of_symbols = symbol_weights(models, tile.masking, RATE)
    assert (of_symbols[list(MEAN_CHANNELS)] == 1).all()
    assert np.array_equal(of_symbols[3:], found[3:])


def test_symbols_move_to_where_errors_show(models: PyramidSet) -> None:
    pixels = photograph(256, 256, seed=2)
    pixels[:, 128:] = np.clip(120 + (pixels[:, 128:].astype(int) - 120) // 6, 0, 255).astype(np.uint8)
    tile = tile_of(models, pixels)
    coder = coders_of(models, 2)[tile.class_index]
    seeing, before = (
        np.abs(coder.quantise(t, RATE).symbols) > 0 for t in (tile, replace(tile, masking=None))
    )
    busy, smooth = ((found[..., :8].sum(), found[..., 8:].sum()) for found in (seeing, before))
    assert busy[0] / busy[1] < 0.97 * smooth[0] / smooth[1]


def test_what_is_missing_is_the_difference_but_for_the_grey_of_it(models: PyramidSet) -> None:
    original = np.ascontiguousarray(photograph(80, 112).transpose(2, 0, 1))
    colour = np.zeros(original.shape, np.float16)
    colour[0], colour[1] = 3, -3  # a shift of colour has no structure, and is left to squared error
    np.testing.assert_allclose(missing_to_eyes(original, colour, models, RATE), colour, atol=0.05)
    grey = np.full(original.shape, 4, np.float16)
    found = missing_to_eyes(original, grey, models, RATE)
    np.testing.assert_allclose(found, 0.4 * 4, atol=0.05)


def test_a_tile_is_looked_at_with_what_is_around_it() -> None:
    planes = np.full((3, 128, 256), 100, np.uint8)
    planes[:, :, 128:] = np.random.default_rng(2).integers(0, 255, (128, 128), np.uint8)
    whole, own = Box(0, 0, 256, 128), Box(0, 0, 128, 128)
    around = masking_of(own, planes, whole)
    alone = masking_of(own, np.ascontiguousarray(planes[:, :, :128]), own)
    assert around.shape == alone.shape == (5, 8, 8)
    assert around[2, 4, 7] < 0.9 * alone[2, 4, 7]
    assert around[0, 4, 3] == pytest.approx(alone[0, 4, 3])


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_the_bytes_do_not_depend_on_threads_and_every_size_is_coded(grey: bool) -> None:
    pixels = photograph(301, 203, seed=4)
    pixels = pixels[:, :, 1] if grey else pixels
    one, three = (texcodec.encode(pixels, quality=QUALITY, models=NAME, tile=128, threads=n) for n in (1, 3))
    assert one == three
    for height, width in ((1, 1), (17, 3), (48, 33)):
        data = texcodec.encode(pixels[:height, :width], quality=QUALITY, models=NAME)
        assert texcodec.decode(data, output="numpy").shape[:2] == (height, width)


def test_the_best_quality_stays_near_the_picture(cat: np.ndarray) -> None:
    data = texcodec.encode(cat, quality=100, models=NAME)
    error = np.abs(texcodec.decode(data, output="numpy").astype(int) - cat)
    assert error.mean() < 2 and error.max() < 40


def test_what_is_beyond_a_crop_tells_nothing() -> None:
    pixels = photograph(200, 136)
    box = (40, 30, 90, 70)
    other = pixels.copy()
    other[: box[1] - 16] = 255 - other[: box[1] - 16]
    data, again = (texcodec.encode(p, quality=QUALITY, models=NAME, crop=box) for p in (pixels, other))
    assert data == again


def test_with_equal_weights_nothing_changes(models: PyramidSet, monkeypatch: pytest.MonkeyPatch) -> None:
    tile = tile_of(models, photograph(96, 96, seed=5))
    coder = coders_of(models, 2)[tile.class_index]
    plain = coder.quantise(replace(tile, masking=None), RATE)
    assert plain.gains is not None
    monkeypatch.setattr(pyramid_coder, "symbol_weights", lambda *given: np.square(plain.gains) * 1.0)
    assert np.array_equal(coder.quantise(tile, RATE).symbols, plain.symbols)
