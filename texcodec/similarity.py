"""Structural similarity by small filters: where errors show, and how a decoded picture is made more like the original.

What encoders for eyes minimise instead of squared error, in place of MS-SSIM itself: the sum over five scales of its
weight times what contrast and structure lack to 1, with windows that lie two samples apart. A window is a binomial
filter over means of 2 x 2 samples, as wide as the Gaussian one of MS-SSIM (standard deviation 1.5). Every filter is a
few additions, and the gradient is as cheap as the value (docs/decisions/ssim.md).

Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multi-scale structural similarity for image quality assessment", Asilomar 2003.

Encoders call this with numpy arrays, training with torch tensors: only operations that both have are used.
"""

from __future__ import annotations

from typing import Any

import numpy as np

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of the scales, finest first."""
LEAST_VARIANCE = (0.03 * 255) ** 2
"""Squared grey levels: what keeps quotients of small variances finite, C2 of the paper."""
MULTIPLE = 2 ** len(SCALE_WEIGHTS)
"""Sides of pictures here must be multiples of it."""
BLOCK_SCALE = 4
"""The scale whose samples are blocks of 16 x 16 pixels."""

WORTH, WORTH_LAMBDA, WORTH_POWER = 1230.0, 0.013, -0.1
"""1 - MS-SSIM is worth WORTH (lambda / WORTH_LAMBDA) ** WORTH_POWER squared grey levels (docs/decisions/ssim.md)."""

_AROUND = {0: (4, 12), 2: (4, 4)}
"""Samples that are added before and behind what a scale leaves."""

Array = Any
"""float32 np.ndarray or torch.Tensor; what comes back is of the same kind."""


def similarity_worth(multiplier: Array) -> Array:
    """Squared grey levels that 1 - MS-SSIM is worth, for multipliers lambda of squared error."""
    return WORTH * (multiplier / WORTH_LAMBDA) ** WORTH_POWER


def halved(x: Array) -> Array:
    """Means of 2 x 2 samples, ... x h x w with even sides."""
    return 0.25 * (x[..., ::2, ::2] + x[..., 1::2, ::2] + x[..., ::2, 1::2] + x[..., 1::2, 1::2])


def blurred(x: Array) -> Array:
    """Filtered with 1, 2, 1 along both sides, ... x h x w; what lies beyond a border repeats it."""
    for axis in (-2, -1):
        x = x.swapaxes(axis, -1)
        out = 0.5 * x
        out[..., 1:] += 0.25 * x[..., :-1]
        out[..., :-1] += 0.25 * x[..., 1:]
        out[..., 0] += 0.25 * x[..., 0]
        out[..., -1] += 0.25 * x[..., -1]
        x = out.swapaxes(axis, -1)
    return x


def masking(grey: Array) -> list[Array]:
    """How little the texture around each block hides, scale by scale.

    Args:
        grey: ... x H x W, 0 to 255, sides multiples of 32.
    Returns:
        for each scale, ... x H/16 x W/16: means over a block of 1 / (2 variance + LEAST_VARIANCE).
    """
    found = []
    for scale in range(len(SCALE_WEIGHTS)):
        smaller = halved(grey)
        mean = blurred(smaller)
        variance = (blurred(halved(grey * grey)) - mean * mean).clip(min=0)
        shown = 1 / (2 * variance + LEAST_VARIANCE)
        for _ in range(BLOCK_SCALE - 1 - scale):
            shown = halved(shown)
        found.append(shown)
        grey = smaller
    # windows of the last scale are two blocks apart
    found[-1] = _doubled(found[-1], found[-2])
    return found


def missing_structure(original: Array, decoded: Array) -> Array:
    """What to add to a decoded picture for a smaller sum over scales of weight * (1 - contrast and structure).

    Args:
        original, decoded: ... x H x W, 0 to 255, sides multiples of 32.
    Returns:
        the same shape: minus half the derivative of that sum by each sample, times the number of samples. Of the mean
        squared error it would be the difference of both.
    """
    levels, x, y = [], original, decoded
    for scale, weight in enumerate(SCALE_WEIGHTS):
        a, b = halved(x), halved(y)
        mean_a, mean_b = blurred(a), blurred(b)
        variances = (
            blurred(halved(x * x) + halved(y * y)) - mean_a * mean_a - mean_b * mean_b + LEAST_VARIANCE
        )
        covariance = blurred(halved(x * y)) - mean_a * mean_b
        # of quotient = (2 covariance + C) / variances, by covariance and by the variance of y
        by_covariance = (weight * 4 ** (scale + 1)) / variances
        by_variance = by_covariance * (covariance + LEAST_VARIANCE / 2) / variances
        by_mean = blurred(2 * by_variance * mean_b - by_covariance * mean_a)
        levels.append((x, y, blurred(by_covariance), blurred(by_variance), by_mean))
        x, y = a, b
    found: Array = 0
    for x, y, by_covariance, by_variance, by_mean in reversed(levels):
        found = 0.25 * (by_mean + found)
        found = (
            _doubled(found, x) + _doubled(0.25 * by_covariance, x) * x - _doubled(0.5 * by_variance, x) * y
        )
    return found


def _doubled(x: Array, like: Array) -> Array:
    """Every sample four times, in the shape of ``like``."""
    out = 0 * like
    for row in range(2):
        for column in range(2):
            out[..., row::2, column::2] += x
    return out


def latent_energies(synthesis: np.ndarray, lapping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What a squared error of one latent is in the sums above.

    Args:
        synthesis: 3 x 16 x 16 x C, the pixels of each latent's block.
        lapping: 16 x 16, the filter across the borders of blocks (docs/format.md, "Lapped transform").
    Returns:
        float32 C x 5: of each scale, the energy that windows see, times the weight of the scale, in units of the
            energy of all samples; and float32 C: the part of it that is in the mean of the three colours.
    """
    blocks = synthesis.transpose(3, 0, 1, 2).astype(np.float32)
    reach = _reach(lapping)
    z = reach @ blocks @ reach.T
    z /= np.sqrt(np.maximum(np.square(z).sum((1, 2, 3), keepdims=True), np.finfo(np.float32).tiny))
    grey = 3 * np.square(z.mean(1)).sum((1, 2))
    found = []
    for scale, weight in enumerate(SCALE_WEIGHTS):
        smaller = halved(z)
        seen = halved(z * z).sum((1, 2, 3)) - np.square(blurred(smaller)).sum((1, 2, 3))
        found.append(weight * 4 ** (scale + 1) * seen)
        # coarser windows reach further beyond the block; its corner stays on their grid
        around = _AROUND.get(scale, (0, 0))
        z = np.pad(smaller, [(0, 0), (0, 0), around, around])
    return np.stack(found, 1), grey.astype(np.float32)


def _reach(lapping: np.ndarray) -> np.ndarray:
    """float32 32 x 16: a column of a block's samples to those that the lapped transform spreads them over."""
    side = len(lapping)
    wide = np.zeros((2 * side, side), np.float32)
    wide[side // 2 : side // 2 + side] = np.eye(side)
    for border in (0, side):
        across = slice(border, border + side)
        wide[across] = lapping.T @ wide[across]
    return wide
