"""Metrics of the evaluation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from pictures import photograph

from texcodec.errors import ParameterError
from texcodec.evaluation.metrics import MS_SSIM, PSNR, decibels, find_metrics
from texcodec.evaluation.ms_ssim import SMALLEST_SIDE, WEIGHTS, ms_ssim

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
    assert ms_ssim(dark, light) == pytest.approx(luminance ** WEIGHTS[-1])


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
    with pytest.raises(ParameterError, match="no metric named 'vmaf'; there are psnr, ms-ssim, ssimulacra2"):
        find_metrics(["vmaf"], print)


def test_a_metric_without_its_library_is_left_out_with_a_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ssimulacra2", None)
    told: list[str] = []
    assert find_metrics(["ssimulacra2"], told.append) == [PSNR]
    assert "pip install ssimulacra2" in told[0]
