"""Probability tables: distributions, fitted to counts, as the integers that a set holds."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ...constants import HYPER_MAX, SCALE_LEVELS
from ...entropy import quantise_probabilities
from .rounding import SCALE_MIN, SCALE_STEP

MOST_SUPPORT = 255


def logistic_row(sigma: float, support: int) -> np.ndarray:
    """Probabilities of -support .. support under a discretised logistic, and of everything beyond,
    float64.
    """
    s = sigma * math.sqrt(3) / math.pi
    edges = np.arange(-support, support + 2) - 0.5
    upper = 1 / (1 + np.exp(np.clip(-edges / s, -700, 700)))
    inside = np.diff(upper)
    # the upper half by symmetry: differences of numbers near 1 lose digits
    inside[support + 1 :] = inside[:support][::-1]
    return np.append(inside, max(2 * upper[0], 1e-12))


def symbol_tables(
    counts: np.ndarray,
    weight: float = 3000.0,
    *,
    row: Callable[[float, int], np.ndarray] = logistic_row,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the 64 symbol tables: counted frequencies, smoothed by the distribution they were trained with.

    Args:
        counts: 64 x (2 * MOST_SUPPORT + 1); zeros for the distribution alone.
        weight: symbols that the distribution counts for.
        row: probabilities for a standard deviation and a support, as ``logistic_row``.
    Returns:
        uint32 frequencies of all rows, uint16 support of each row.
    """
    rows, supports = [], []
    for i in range(SCALE_LEVELS):
        sigma = SCALE_MIN * math.exp(SCALE_STEP * i)
        support = min(MOST_SUPPORT, math.ceil(5 * sigma) + 2)
        both = counts[i] + counts[i][::-1]
        centre = both[MOST_SUPPORT - support : MOST_SUPPORT + support + 1]
        seen = np.append(centre, both.sum() - centre.sum())
        rows.append(quantise_probabilities(seen + 2 * weight * row(sigma, support)))
        supports.append(support)
    return np.concatenate(rows), np.array(supports, np.uint16)


def hyper_probabilities(mean: float, scale: float) -> np.ndarray:
    """Probabilities of -31 .. 31 under a logistic distribution whose tails count to the last ones, float64.

    Args:
        mean, scale: of the distribution; the scale is sqrt(3) / pi standard deviations.
    """
    edges = np.arange(-HYPER_MAX, HYPER_MAX + 2) - 0.5
    edges[0], edges[-1] = -1e9, 1e9
    return np.diff(1 / (1 + np.exp(-np.clip((edges - mean) / scale, -500, 500))))
