"""Texture complexity of a tile and the class it falls in (docs/format.md, "Texture classes").

The measure is the mean over a tile's pixels of |dx| + |dy| of integer luminance. It decides which networks code a
tile; the index of the file names the class, so decoding never measures anything.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Integer luminance (BT.601 weights in 1/256).

    Args:
        pixels: uint8 H x W x 3, or H x W x 1 grey.
    Returns:
        int16 H x W in [0, 255].
    """
    if pixels.shape[2] == 1:
        return pixels[:, :, 0].astype(np.int16)
    # at most 65,408: 16 bits hold it
    r, g, b = (pixels[:, :, c] * np.uint16(weight) for c, weight in enumerate((77, 150, 29)))
    return ((r + g + b + np.uint16(128)) >> 8).astype(np.int16)


def complexity(pixels: np.ndarray) -> float:
    """Mean of |dx| + |dy| in grey levels; 0 for a flat or a one-pixel tile.

    Each difference is averaged over the positions where it exists, in integers: the same on every machine.

    Args:
        pixels: uint8 H x W x C, C = 1 or 3.
    """
    y = luminance(pixels)
    dx, dy = np.abs(np.diff(y, axis=1)), np.abs(np.diff(y, axis=0))
    return sum(int(d.sum()) / d.size for d in (dx, dy) if d.size)


def classify(measure: float, thresholds: Sequence[float]) -> int:
    """The class of a measure: the number of thresholds that it reaches, so 0 is the smoothest."""
    return sum(measure >= t for t in thresholds)
