"""How often an encoder corrects latents by what decoding leaves, and what that brings."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import save_photograph
from cli_runs import texcodec as command
from pictures import photograph
from PIL import Image

import texcodec
import texcodec.pillow
from texcodec.batch import Settings
from texcodec.codec.analysis import analyse
from texcodec.codec.layout import lay_out
from texcodec.codec.rate_control import psnr, search_psnr
from texcodec.codec.rdoq import error_worth
from texcodec.codec.refinement import refined
from texcodec.codec.tile import TileLatents
from texcodec.codec.workers import Workers
from texcodec.container import Reader
from texcodec.errors import ParameterError
from texcodec.images import from_array
from texcodec.registry import ModelSet, load_set

PICTURE = photograph(200, 136)
EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
QUALITY = 60


def decoded(data: bytes) -> np.ndarray:
    return texcodec.decode(data, output="numpy")


def cost(picture: np.ndarray, effort: int, **options: Any) -> float:
    """Bits of the file, and what its error is worth in bits, at the rate index of the quality."""
    data = texcodec.encode(picture, quality=QUALITY, effort=effort, **options)
    return cost_of(data, decoded(data), picture)


def cost_of(data: bytes, found: np.ndarray, picture: np.ndarray) -> float:
    """The same of a file that was decoded."""
    error = np.square(found.astype(np.float64) - picture).sum()
    models = load_set(None)
    worth = error_worth(models, models.manifest.qualities[QUALITY - 1])
    return 8 * len(data) + worth * error * (3 if picture.ndim == 2 else 1)


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_a_correction_costs_less_and_a_second_one_no_more(grey: bool) -> None:
    with Image.open(EXAMPLES / "cat.png") as image:
        picture = np.asarray(image.convert("L" if grey else "RGB"))[100:236, 100:300]
    first, second, third = (cost(picture, effort) for effort in (1, 2, 3))
    assert second < 0.99 * first
    assert third < 1.001 * second  # the default set was trained for one


def test_a_picture_of_many_tiles_gains_across_their_borders() -> None:
    first, second = (cost(PICTURE, effort, tile=128) for effort in (1, 2))
    assert second < 0.997 * first


def test_the_region_of_a_crop_gains_and_what_is_beyond_it_tells_nothing() -> None:
    box = (40, 30, 90, 70)
    x, y, w, h = box
    found = {}
    for effort in (1, 2):
        data = texcodec.encode(PICTURE, quality=QUALITY, effort=effort, crop=box)
        other = PICTURE.copy()
        other[: y - 16] = 255 - other[: y - 16]
        assert texcodec.encode(other, quality=QUALITY, effort=effort, crop=box) == data
        region = texcodec.decode(data, output="numpy", crop_only=True)
        found[effort] = cost_of(data, region, PICTURE[y : y + h, x : x + w])
    assert found[2] < found[1]


def corrected(models: ModelSet, off: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latents of one tile before and after a correction, where a decoder has one latent of the second block that many
    symbols too large; and what the decoder has.
    """
    picture = from_array(PICTURE)
    layout = lay_out(picture.width, picture.height, 256)
    rate = models.manifest.qualities[QUALITY - 1]
    with Workers(1) as workers:
        analysed = analyse(picture, layout, models, workers)
        tile = analysed.tiles[0]
        values = tile.latents / models.steps[rate][:, None, None]
        values[40, 0, 1] += off
        decoded = {0: TileLatents(tile.class_index, rate, values.astype(np.float32))}
        after = refined(analysed, analysed.tiles, decoded, picture.pixels, models, workers)[0].latents
    return tile.latents, after, values * models.steps[rate][:, None, None]


def test_a_block_that_is_far_off_is_left_alone_and_others_are_not() -> None:
    models = load_set(None)
    first, after, decoded = corrected(models, 50)
    assert np.array_equal(after[:, 0, 1], first[:, 0, 1])
    assert not np.array_equal(after[:, 5, 5], first[:, 5, 5])
    first, after, decoded = corrected(models, 0.5)
    assert not np.array_equal(after[:, 0, 1], first[:, 0, 1])
    assert abs(after[40, 0, 1] - first[40, 0, 1]) < abs(decoded[40, 0, 1] - first[40, 0, 1])


def test_the_default_is_2_and_the_bytes_do_not_depend_on_threads() -> None:
    data = texcodec.encode(PICTURE, threads=1)
    assert data == texcodec.encode(PICTURE, effort=2, threads=3, tile=None)
    assert data != texcodec.encode(PICTURE, effort=1)
    assert data == texcodec.encode(PICTURE, effort=np.int64(2))  # type: ignore[arg-type]


def test_where_nothing_can_be_corrected_effort_changes_nothing() -> None:
    small = photograph(48, 32)
    for options in ({"models": "tiny-1"}, {"lossless": True}):
        assert texcodec.encode(small, effort=1, **options) == texcodec.encode(small, effort=9, **options)  # type: ignore[call-overload]


@pytest.mark.parametrize("effort", [0, 10, 1.5, "2"])
def test_an_effort_that_there_is_not_is_refused_also_without_loss(effort: object) -> None:
    for lossless in (False, True):
        with pytest.raises(ParameterError, match="effort must be a whole number from 1 to 9, not"):
            texcodec.encode(PICTURE, effort=effort, lossless=lossless)  # type: ignore[arg-type]


@pytest.mark.parametrize("effort", [1, 3])
def test_targets_are_met_at_every_effort(effort: int) -> None:
    data = texcodec.encode(PICTURE, psnr=38, effort=effort)
    assert abs(psnr(decoded(data), PICTURE) - 38) <= 0.1
    assert 0.95 * 4000 <= len(texcodec.encode(PICTURE, size=4000, effort=effort)) <= 4000


def test_no_target_goes_beyond_the_best_quality() -> None:
    best = load_set("std-4").manifest.qualities[-1]
    assert best < 255  # it has rows beyond
    for target in ({"psnr": 90}, {"size": 10**6}):
        data = texcodec.encode(
            photograph(40, 32), models="std-4", nearest=True, warn=lambda _: None, **target
        )  # type: ignore[call-overload]
        assert Reader(data).header.rate_index == best


def test_a_search_for_psnr_measures_few_files_exactly() -> None:
    measured: list[int] = []

    def measure(index: int) -> float:
        measured.append(index)
        return 25.2 + index / 10 + index / 1000

    assert search_psnr(measure, 31.2, estimate=lambda index: 25 + index / 10) == (59, True)
    assert len(measured) <= 3
    assert search_psnr(measure, 90, estimate=lambda index: 25 + index / 10) == (255, False)


def test_a_search_for_psnr_measures_exactly_where_a_file_has_no_error() -> None:
    def measure(index: int) -> float:
        return math.inf if index > 100 else 30 + index / 10

    assert search_psnr(measure, 45, estimate=lambda index: 30 + index / 10) == (100, False)


def test_progress_ends_at_its_total_at_every_effort() -> None:
    for effort in (1, 4):
        seen: list[tuple[int, int]] = []
        texcodec.encode(PICTURE, effort=effort, tile=128, progress=lambda *at, seen=seen: seen.append(at))
        assert seen[-1][0] == seen[-1][1] == len(seen) == 2 * effort * 4


def test_commands_batches_and_pillow_take_an_effort(tmp_path: Path) -> None:
    picture = save_photograph(tmp_path / "in.png")
    slow, fast = (texcodec.encode(picture, effort=effort) for effort in (5, 1))
    assert slow != fast
    assert command("encode", picture, tmp_path / "out.tcx", "--effort", 5) == 0
    assert (tmp_path / "out.tcx").read_bytes() == slow
    assert command("encode", picture, tmp_path / "no.tcx", "--effort", 10) == 2
    (tmp_path / "all").mkdir()
    save_photograph(tmp_path / "all" / "in.png")
    assert command("batch", tmp_path / "all", tmp_path / "coded", "--effort", 5, "--quiet") == 0
    assert [file.read_bytes() for file in (tmp_path / "coded").rglob("*.tcx")] == [slow]
    buffer = io.BytesIO()
    with Image.open(picture) as image:
        image.save(buffer, "TCX", effort=1)
    assert buffer.getvalue() == fast


def test_efforts_are_batches_of_their_own() -> None:
    assert Settings(effort=3).digest(["a"]) != Settings().digest(["a"]) == Settings(effort=None).digest(["a"])
