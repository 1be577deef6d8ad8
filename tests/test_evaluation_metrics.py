"""Metrics of the evaluation."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from pictures import photograph

from texcodec.errors import ParameterError
from texcodec.evaluation.eye_metrics import nearness
from texcodec.evaluation.metrics import BUTTERAUGLI, MS_SSIM, PSNR, decibels, find_metrics
from texcodec.evaluation.ms_ssim import SMALLEST_SIDE, ms_ssim
from texcodec.similarity import SCALE_WEIGHTS

PICTURE = photograph(192, 176, seed=1)


def noisy() -> np.ndarray:
    random = np.random.default_rng(2)
    return np.clip(PICTURE + random.integers(-20, 21, PICTURE.shape), 0, 255).astype(np.uint8)


def blurred() -> np.ndarray:
    moved = [np.roll(PICTURE, by, axis).astype(int) for by, axis in ((1, 0), (1, 1), (-1, 1), (0, 0))]
    return (sum(moved) // 4).astype(np.uint8)


@pytest.mark.parametrize(("decoded", "expected"), [(noisy(), 0.8653268), (blurred(), 0.9949165)])
def test_ms_ssim_is_that_of_the_library_pytorch_msssim(decoded: np.ndarray, expected: float) -> None:
    # computed by pytorch-msssim 1.0.0 in double precision (its window is of single precision)
    assert ms_ssim(PICTURE, decoded) == pytest.approx(expected, abs=1e-5)


def test_ms_ssim_of_uniform_pictures_is_the_luminance_term_of_the_coarsest_scale() -> None:
    dark, light = (
        np.full((SMALLEST_SIDE, 200, 3), 40, np.uint8),
        np.full((SMALLEST_SIDE, 200, 3), 90, np.uint8),
    )
    constant = (0.01 * 255) ** 2
    luminance = (2 * 40 * 90 + constant) / (40**2 + 90**2 + constant)
    assert ms_ssim(dark, light) == pytest.approx(luminance ** SCALE_WEIGHTS[-1])


def test_ms_ssim_is_symmetric_and_one_for_equal_pictures_only() -> None:
    assert ms_ssim(PICTURE, PICTURE) == 1
    assert ms_ssim(PICTURE, noisy()) == pytest.approx(ms_ssim(noisy(), PICTURE))
    assert ms_ssim(PICTURE, 255 - PICTURE) == 0


def test_ms_ssim_refuses_other_shapes_and_small_pictures() -> None:
    with pytest.raises(ValueError, match="one shape"):
        ms_ssim(PICTURE, PICTURE[:-1])
    small = PICTURE[: SMALLEST_SIDE - 1]
    with pytest.raises(ValueError, match="161 pixels"):
        ms_ssim(small, small)
    assert MS_SSIM.of(small, small) is None
    assert PSNR.of(small, small) == math.inf


def test_decibels_grow_without_end_towards_one() -> None:
    assert [decibels(x) for x in (0, 0.9, 0.99, 1)] == pytest.approx([0, 10, 20, math.inf])


def test_metrics_are_found_by_name_and_psnr_is_always_there() -> None:
    assert [m.key for m in find_metrics(["ms-ssim", "ms-ssim"], print)] == ["psnr-rgb", "ms-ssim-rgb"]
    with pytest.raises(
        ParameterError, match="no metric named 'vmaf'; there are psnr, ms-ssim, ssimulacra2, butteraugli"
    ):
        find_metrics(["vmaf"], print)


def test_a_metric_without_its_library_is_left_out_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ssimulacra2", None)
    warned: list[str] = []
    monkeypatch.setenv("PATH", "")
    assert find_metrics(["ssimulacra2", "butteraugli"], warned.append) == [PSNR]
    assert "pip install ssimulacra2" in warned[0] and "libjxl-devtools" in warned[1]


def test_smaller_distances_are_nearer() -> None:
    assert [nearness(d) for d in (0, 0.1, 1, 10)] == pytest.approx([math.inf, 10, 0, -10])
    assert BUTTERAUGLI.straight(0.5) > BUTTERAUGLI.straight(2)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for libjxl's program: a shell script on the path."""
    if os.name == "nt":
        pytest.skip("needs a shell script")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    file = tmp_path / "butteraugli_main"
    file.write_text("#!/bin/sh\ncmp -s $1 $2 && d=0 || d=1.639772\necho 5.1514\necho 3-norm: $d\n")
    file.chmod(0o755)
    return file


def test_butteraugli_is_the_norm_that_the_program_prints(program: Path) -> None:
    (_, metric) = find_metrics(["butteraugli"], print)
    assert metric.of(PICTURE, noisy()) == 1.639772
    assert metric.of(PICTURE, PICTURE) == 0


@pytest.mark.parametrize("script", ["echo 3-norm: 1; exit 1", "echo nothing"])
def test_a_program_that_fails_is_named(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    with pytest.raises(ValueError, match="butteraugli_main failed"):
        BUTTERAUGLI.of(PICTURE, noisy())
