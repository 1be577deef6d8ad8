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


EVEN = 0.5
"""Share of equal neighbours from which on a tile is taken for drawn: no tile of Kodak's photographs has 0.37, and all
that went without a network on screenshots had 0.63 (docs/decisions/drawn.md)."""
FEW_COLOURS = 32
"""Colours that a tile of a dithered or pixelled picture has at most."""
_SAMPLED = 4


def colour_numbers(pixels: np.ndarray) -> np.ndarray:
    """A number for each colour, H x W.

    Args:
        pixels: uint8 H x W x C, C = 1 or 3.
    """
    if pixels.shape[2] == 1:
        return pixels[:, :, 0]
    r, g, b = (pixels[:, :, c].astype(np.uint32) for c in range(3))
    return r << 16 | g << 8 | b


def evenness(colours: np.ndarray) -> float:
    """Share of the neighbours, to the right and below, that equal a pixel; 1 for a single pixel.

    Args:
        colours: H x W, as ``colour_numbers`` gives them.
    """
    pairs = (colours[:, 1:], colours[:, :-1]), (colours[1:], colours[:-1])
    shares = [np.count_nonzero(a == b) / a.size for a, b in pairs if a.size]
    return sum(shares) / len(shares) if shares else 1.0


def is_drawn(pixels: np.ndarray) -> bool:
    """Whether a tile has the texture of drawings: most neighbours are equal, or there are few colours.

    This only says where it pays to look: what is drawn is decided by cost.

    Args:
        pixels: uint8 H x W x C, C = 1 or 3.
    """
    colours = colour_numbers(pixels)
    if evenness(colours) >= EVEN:
        return True
    # a sample settles it for nearly all photographs
    few = len(np.unique(colours[::_SAMPLED, ::_SAMPLED])) <= FEW_COLOURS
    return few and len(np.unique(colours)) <= FEW_COLOURS


def classify(measure: float, thresholds: Sequence[float]) -> int:
    """The class of a measure: the number of thresholds that it reaches, so 0 is the smoothest."""
    return sum(measure >= t for t in thresholds)
