"""Rate-distortion optimised quantisation (RDOQ): residuals to symbols by what each one costs in bits and error."""

from __future__ import annotations

import math

import numpy as np

from ..constants import SYMBOL_MAX
from ..entropy import ProbabilityTables
from ..registry import ModelSet

DISTORTION_WEIGHT = 40.0
"""Bits that a squared quantisation step is worth for a set that does not say more
(docs/decisions/quantisation.md)."""
WORTH_AT_BASE_STEP = 36 / (2 * math.log(2)) / 3
"""Bits that a squared base step is worth: lambda * step^2 / 3 at the step where rate and distortion slopes meet."""


def symbol_worth(models: ModelSet, rate_index: int, scale: float) -> np.ndarray | None:
    """Bits that a squared symbol is worth, float32 by channel; None to round to the nearest symbol.

    Args:
        scale: a squared symbol is worth that many times what the set says; 0 rounds to the nearest symbol.
    """
    manifest = models.manifest
    if not scale:
        return None
    if manifest.distortion_factor is None:
        return np.full(manifest.latent_channels, scale * DISTORTION_WEIGHT, np.float32)
    relative = models.steps[rate_index] / models.base_steps[rate_index]
    return np.float32(scale * manifest.distortion_factor * WORTH_AT_BASE_STEP) * np.square(relative)


def multiplier(models: ModelSet, rate_index: int) -> float:
    """Lambda of a rate index: bits per pixel that a squared grey level is worth."""
    return 3 * error_worth(models, rate_index)


def error_worth(models: ModelSet, rate_index: int) -> float:
    """Bits that a squared grey level is worth at a rate index, of all three channels of a pixel alike."""
    return WORTH_AT_BASE_STEP / float(models.base_steps[rate_index]) ** 2


def round_residual(
    residual: np.ndarray, scales: np.ndarray, tables: ProbabilityTables, worth: np.ndarray | None
) -> np.ndarray:
    """Round to the nearest symbol, or to the one nearer to zero where that saves more bits than its error is worth.

    Args:
        residual: float32 C x ... in symbols.
        scales: int32 of that shape, the table of each symbol; those of index 0 become 0.
        tables: of the symbols.
        worth: of each symbol, or C of the channels, from ``symbol_worth``.
    Returns:
        int32 of that shape.
    """
    # what follows changes single entries through flat views, which only contiguous arrays have
    residual, scales = np.ascontiguousarray(residual), np.ascontiguousarray(scales)
    size = np.abs(residual)
    magnitude = np.minimum(np.floor(size + np.float32(0.5)), SYMBOL_MAX).astype(np.int32)
    magnitude[scales == 0] = 0
    if worth is not None:
        at = np.flatnonzero(magnitude)
        big, index, exact = (values.ravel().take(at) for values in (magnitude, scales, size))
        support = tables.support.take(index)
        place, escape = tables.offsets.take(index) + support, support + 1
        costs = [tables.costs.take(place + np.minimum(n, escape)) for n in (big, big - 1)]
        # |r| - (m - 1) squared minus |r| - m squared, in squared steps
        worse = 2 * (exact - big) + 1
        if worth.ndim == 1:
            own = np.repeat(worth, np.count_nonzero(magnitude.reshape(len(worth), -1), axis=1))
        else:
            own = np.ascontiguousarray(worth).ravel().take(at)
        magnitude.ravel()[at] -= costs[0] - costs[1] > own * worse
    return np.where(residual < 0, -magnitude, magnitude)
