"""Structural similarity as encoders for eyes weigh it: values, gradients and energies against plain computations."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import photograph

from texcodec.evaluation.ms_ssim import ms_ssim
from texcodec.similarity import (
    LEAST_VARIANCE,
    SCALE_WEIGHTS,
    latent_energies,
    masking,
    missing_structure,
    similarity_worth,
)

RANDOM = np.random.default_rng(3)
SIDE = 96


def window_sums(x: np.ndarray) -> np.ndarray:
    """Means over windows that lie on every second sample: 1, 2, 1 over the means of pairs, along both sides."""
    pairs = x.reshape(len(x) // 2, 2, -1, 2).mean((1, 3))
    around = np.pad(pairs, 1, mode="edge")
    total = np.zeros_like(pairs)
    for row, of_row in enumerate((1, 2, 1)):
        for column, of_column in enumerate((1, 2, 1)):
            total += of_row * of_column / 16 * around[row:, column:][: len(pairs), : pairs.shape[1]]
    return total


def lacking(x: np.ndarray, y: np.ndarray) -> float:
    """The sum over scales of weight * (1 - contrast and structure), mean of the colours, in double precision."""
    total = 0.0
    for a, b in zip(x.astype(np.float64), y.astype(np.float64)):
        for weight in SCALE_WEIGHTS:
            mean_a, mean_b = window_sums(a), window_sums(b)
            var_a, var_b = window_sums(a * a) - mean_a**2, window_sums(b * b) - mean_b**2
            covariance = window_sums(a * b) - mean_a * mean_b
            found = (2 * covariance + LEAST_VARIANCE) / (var_a + var_b + LEAST_VARIANCE)
            total += weight * (1 - found.mean()) / len(x)
            a, b = (v.reshape(len(v) // 2, 2, -1, 2).mean((1, 3)) for v in (a, b))
    return total


def planes(seed: int = 1) -> np.ndarray:
    return np.ascontiguousarray(photograph(SIDE, SIDE, seed=seed).transpose(2, 0, 1)).astype(np.float32)


def test_what_is_missing_is_the_gradient_of_what_similarity_lacks() -> None:
    x = planes()
    y = (x + RANDOM.normal(size=x.shape) * 6).astype(np.float32)
    found = missing_structure(x, y)
    for place in ((0, 0, 0), (1, 40, 57), (2, SIDE - 1, 31), (0, 64, 64)):
        step = np.zeros_like(x, np.float64)
        step[place] = 0.01
        slope = (lacking(x, y + step) - lacking(x, y - step)) / 0.02
        assert found[place] == pytest.approx(-0.5 * x.size * slope, rel=2e-3, abs=1e-6)


def test_adding_some_of_what_is_missing_brings_pictures_nearer_by_ms_ssim_too() -> None:
    x = photograph(192, 192, seed=2)
    y = np.clip(x + RANDOM.normal(size=x.shape) * 8, 0, 255)
    original, decoded = (a.transpose(2, 0, 1).astype(np.float32) for a in (x, y))
    missing = missing_structure(original, decoded)
    better = decoded + 0.3 * missing * np.abs(original - decoded).mean() / np.abs(missing).mean()
    scores = [ms_ssim(x, np.rint(v).clip(0, 255).astype(np.uint8)) for v in (y, better.transpose(1, 2, 0))]
    assert scores[1] > scores[0] + 0.001


def test_equal_pictures_miss_nothing() -> None:
    x = planes()
    assert np.abs(missing_structure(x, x)).max() < 1e-4


def test_texture_hides_errors_and_flat_places_show_them() -> None:
    grey = np.full((SIDE, 2 * SIDE), 90, np.float32)
    grey[:, SIDE:] += (20 * RANDOM.normal(size=(SIDE, SIDE))).astype(np.float32)
    found = masking(grey)
    assert [scale.shape for scale in found] == [(SIDE // 16, SIDE // 8)] * len(SCALE_WEIGHTS)
    for scale in found:
        assert scale[2, 1] == pytest.approx(1 / LEAST_VARIANCE, rel=1e-3)
    assert found[0][2, -2] < 0.2 * found[0][2, 1]
    # white noise is gone at coarse scales
    assert found[0][2, -2] < found[1][2, -2] < found[2][2, -2]


@pytest.mark.parametrize("filtered", [False, True], ids=["blocks", "lapped"])
def test_energies_say_what_an_error_of_one_latent_lacks_in_a_flat_picture(filtered: bool) -> None:
    blocks = RANDOM.normal(size=(3, 16, 16, 6)).astype(np.float32)
    blocks[:, :, :, :2] = np.cos(np.arange(16) * 0.2)[:, None, None]  # two that are smooth, and grey
    turn, _ = np.linalg.qr(RANDOM.normal(size=(16, 16)))
    lapping = (turn if filtered else np.eye(16)).astype(np.float32)
    energies, grey = latent_energies(blocks, lapping)
    assert energies.dtype == grey.dtype == np.float32
    for channel in range(6):
        error = np.zeros((3, 128, 128))
        error[:, 48:64, 48:64] = blocks[..., channel]
        for axis in (1, 2):
            error = error.swapaxes(axis, 2)
            for border in (48, 64):
                across = slice(border - 8, border + 8)
                error[..., across] = np.einsum("...k,kn->...n", error[..., across], lapping)
            error = error.swapaxes(axis, 2)
        energy = np.square(error).sum()
        assert grey[channel] == pytest.approx(3 * np.square(error.mean(0)).sum() / energy, rel=1e-3)
        flat = np.full(error.shape, 120.0)
        small = error * np.sqrt(1e-2 / energy)
        lacks = lacking(flat, flat + small) * error.size
        expected = energies[channel].sum() / LEAST_VARIANCE * 1e-2
        assert lacks == pytest.approx(expected, rel=0.05)


def test_a_latent_without_pixels_counts_nothing() -> None:
    energies, grey = latent_energies(np.zeros((3, 16, 16, 2), np.float32), np.eye(16, dtype=np.float32))
    assert not energies.any() and not grey.any()


def test_similarity_is_worth_less_squared_error_at_higher_rates() -> None:
    assert similarity_worth(0.013) == pytest.approx(1230)
    assert similarity_worth(0.13) == pytest.approx(1230 * 10**-0.1)
