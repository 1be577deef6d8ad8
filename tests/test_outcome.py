"""What comes out far below what its quality usually gives is warned of, and nothing else is."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np
import pytest
from cli_runs import save_photograph
from cli_runs import texcodec as command
from pictures import photograph
from PIL import Image

import texcodec
from texcodec.codec.layout import lay_out
from texcodec.codec.outcome import FAR, Outcome, chosen, usual_psnr, window_error, windows_of
from texcodec.codec.rate_control import index_of_quality
from texcodec.registry import ModelSet, list_sets, load_set
from texcodec.registry.picture_manifest import read_manifest

USUAL = ((10, 26.0), (50, 33.0), (100, 38.0))
SETS = ["tiny-1", str(Path(__file__).parent / "data" / "tiny-2")]


def with_usual(name: str) -> ModelSet:
    """The set, saying what is usual, which those for tests do not."""
    models = load_set(name)
    found = object.__new__(type(models))
    found.__dict__.update(models.__dict__)
    found.manifest = dataclasses.replace(models.manifest, usual_psnr=USUAL)
    return found


def noise(height: int = 150, width: int = 200) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (height, width, 3), dtype=np.uint8)


def warnings_of(pixels: np.ndarray, models: ModelSet, **options: object) -> list[str]:
    warned: list[str] = []
    texcodec.encode(pixels, models=models, threads=1, warn=warned.append, **options)  # type: ignore[arg-type]
    return warned


def psnr_of(pixels: np.ndarray, models: ModelSet, **options: object) -> float:
    data = texcodec.encode(pixels, models=models, threads=1, warn=lambda _: None, **options)  # type: ignore[arg-type]
    decoded = texcodec.decode(data, output="numpy", models=models, threads=1)
    return float(10 * np.log10(255**2 / np.square(decoded.astype(float) - pixels).mean()))


@pytest.mark.parametrize("name", SETS, ids=["profile 1", "profile 2"])
def test_noise_is_told_with_its_psnr_and_a_photograph_is_not(name: str) -> None:
    models = with_usual(name)
    (sentence,) = warnings_of(noise(), models, quality=50)
    stated = float(sentence.split("about ")[1].split(" dB")[0])
    assert abs(stated - psnr_of(noise(), models, quality=50)) < 1
    assert "photographs have 33 at this quality" in sentence and "--lossless" in sentence
    assert warnings_of(photograph(200, 150), models, quality=50) == []


@pytest.mark.parametrize("name", SETS, ids=["profile 1", "profile 2"])
@pytest.mark.parametrize("shape", [(40, 30), (300, 520), (257, 129)], ids=str)
def test_the_estimate_is_near_the_truth(name: str, shape: tuple[int, int]) -> None:
    models = with_usual(name)
    pixels = photograph(shape[1], shape[0]).astype(int) + np.random.default_rng(1).normal(0, 20, (*shape, 3))
    pixels = np.clip(pixels, 0, 255).astype(np.uint8)
    (sentence,) = warnings_of(pixels, models, quality=90)
    stated = float(sentence.split("about ")[1].split(" dB")[0])
    assert abs(stated - psnr_of(pixels, models, quality=90)) < 2


def test_a_set_that_does_not_say_what_is_usual_tells_nothing() -> None:
    assert warnings_of(noise(), load_set("tiny-1"), quality=80) == []


def test_targets_of_psnr_and_lossless_pictures_are_not_told() -> None:
    models = with_usual("tiny-1")
    warned = warnings_of(noise(60, 60), models, psnr=15, nearest=True)
    assert not any("far from the picture" in sentence for sentence in warned)
    assert warnings_of(noise(60, 60), models, lossless=True) == []


def test_a_size_that_makes_a_bad_picture_is_judged_by_the_quality_that_it_gets() -> None:
    models = with_usual("tiny-1")
    assert warnings_of(photograph(200, 150), models, size=700) == []
    assert len(warnings_of(noise(), models, size=12_000)) == 1


def test_drawn_pictures_without_loss_are_not_told() -> None:
    checks = (np.indices((150, 200)).sum(0) % 2 * 255).astype(np.uint8)
    assert warnings_of(checks, with_usual("tiny-1"), quality=80) == []


def test_what_a_crop_leaves_out_does_not_count() -> None:
    models = with_usual("tiny-1")
    pixels = noise(256, 512)
    pixels[:, :200] = photograph(200, 256)
    for outside in ("drop", "coarse"):
        assert warnings_of(pixels, models, quality=50, crop=(0, 0, 200, 256), outside=outside) == []
    assert len(warnings_of(pixels, models, quality=50, crop=(200, 0, 200, 256), outside="coarse")) == 1


def test_few_windows_stand_for_a_picture() -> None:
    layout = lay_out(1024, 768)
    windows = windows_of(layout.grid, {i: layout.grid.box(i) for i in layout.region_tiles})
    assert len(windows) == 12 * 16
    pixels = photograph(1024, 768)
    picked = chosen(windows, pixels)
    assert len({(w.tile, w.rows, w.columns) for w in picked}) == len(picked) == 4 * 6
    for window in picked:
        assert window.box.width == window.box.height == 64
        assert layout.grid.box(window.tile).clip(window.box) == window.box
    assert Outcome(pixels, layout, load_set("tiny-1")).warning(0) is None


def test_windows_reach_all_of_a_tile_but_its_outermost_latents() -> None:
    for width in (96, 112, 176, 256):
        grid = lay_out(width, 256).grid
        windows = windows_of(grid, {0: grid.box(0)})
        assert {x for w in windows for x in range(*w.columns)} == set(range(1, width // 16 - 1))


@pytest.mark.parametrize("name", SETS, ids=["profile 1", "profile 2"])
@pytest.mark.parametrize("size", [(320, 280), (290, 60), (600, 257), (40, 30)], ids=str)
def test_the_error_of_a_window_is_that_of_the_picture_there(
    name: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    models, pixels = with_usual(name), photograph(*size, seed=2)
    watching: list[Outcome] = []
    warning = Outcome.warning
    monkeypatch.setattr(Outcome, "warning", lambda self, *a: watching.append(self) or warning(self, *a))
    data = texcodec.encode(pixels, models=models, quality=50, tile=256, threads=1)
    decoded = texcodec.decode(data, output="numpy", models=models, threads=1)
    wrong = np.square(decoded.astype(float) - pixels).transpose(2, 0, 1)
    (outcome,) = watching
    assert outcome._windows
    for window in outcome._windows:
        found = window_error(window, outcome._latents[window.tile], outcome._grid, pixels, models)
        assert found == pytest.approx(window.box.cut(wrong).mean(), rel=0.1), window


def test_between_measured_qualities_the_usual_lies_on_a_line() -> None:
    models = with_usual("tiny-1")
    at = [usual_psnr(models, index_of_quality(q, models.manifest.qualities)) for q in (1, 10, 50, 100)]
    assert at == [26, 26, 33, 38]
    between = usual_psnr(models, index_of_quality(30, models.manifest.qualities))
    assert between is not None and 26 < between < 33
    assert usual_psnr(load_set("tiny-1"), 10) is None


def test_released_sets_for_use_say_what_is_usual() -> None:
    for info in list_sets("pictures"):
        if not info.released or info.name == "tiny-1":
            continue
        usual = dict(read_manifest(info.path).usual_psnr)
        assert usual[80] - FAR >= 30, f"{info.name} would let drawn pictures under 30 dB pass"


@pytest.mark.parametrize(
    "wrong", [[[50, 30], [50, 31]], [[0, 30]], [[101, 30]], [[50, -1]], [[50, float("nan")]]], ids=str
)
def test_a_manifest_that_says_nonsense_is_refused(wrong: list[list[float]]) -> None:
    manifest = load_set("tiny-1").manifest
    pairs = tuple((int(q), float(db)) for q, db in wrong)
    assert manifest.is_sound() and not dataclasses.replace(manifest, usual_psnr=pairs).is_sound()


def test_the_command_tells_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = with_usual("tiny-1")
    # the function of that name hides the module
    monkeypatch.setattr(importlib.import_module("texcodec.codec.encode"), "load_set", lambda _: models)
    Image.fromarray(noise()).save(tmp_path / "a.png")
    save_photograph(tmp_path / "b.png", 200, 150)
    assert command("encode", tmp_path / "a.png", tmp_path / "b.png", "--models", "tiny-1") == 0
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "The result is far" in line]) == 1
    assert any("a.png: The result is far from the picture: about " in line for line in lines)
