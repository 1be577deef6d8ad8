"""Regions: from keep probabilities to a rectangle in relative coordinates, and from that to pixels.

A chain starts at the reference pixel and goes outwards in one direction; its k-th keep probability is that of the
k-th pixel. Its hard extent is the expected number of pixels kept, the sum of these probabilities, so that the
hard region has the cost that was trained for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ParameterError
from ..tiles import Box

DIRECTIONS = ("left", "right", "up", "down")
CORRECTIONS = ("none", "left-right", "up-down", "centre")
"""Which mirror images of the region are made equal: none; about the vertical line through the reference pixel;
about the horizontal one; about the reference pixel itself (for a rectangle: both). What would lie beyond the
picture's edge is cut off, so that a reference off the middle still allows every extent on its farther side."""
_MIRRORED = {
    "none": (),
    "left-right": (("left", "right"),),
    "up-down": (("up", "down"),),
    "centre": (("left", "right"), ("up", "down")),
}

Relative = tuple[float, float, float, float]
"""Left, top, width and height as parts of the picture's width and height."""


def mirrored_pairs(correction: str) -> tuple[tuple[str, str], ...]:
    """The pairs of directions that a correction makes equal.

    Raises:
        ParameterError: there is no such correction.
    """
    try:
        return _MIRRORED[correction]
    except KeyError:
        raise ParameterError(
            f"The correction must be one of {', '.join(CORRECTIONS)}, not {correction!r}."
        ) from None


def reference_pixel(reference: tuple[float, float], size: tuple[int, int]) -> tuple[int, int]:
    """Column and row of the pixel at a relative position.

    Args:
        reference: x and y from 0 to 1.
        size: width and height in pixels; where both are odd, (0.5, 0.5) is exactly the pixel in the middle.
    """
    return tuple(min(int(r * n), n - 1) for r, n in zip(reference, size))  # type: ignore[return-value]


def chain_lengths(pixel: tuple[int, int], size: tuple[int, int]) -> dict[str, int]:
    """Pixels between the reference pixel and the picture's edge, by direction."""
    (x, y), (width, height) = pixel, size
    return {"left": x, "right": width - 1 - x, "up": y, "down": height - 1 - y}


def hard_region(
    keep: Mapping[str, Sequence[float]],
    pixel: tuple[int, int],
    size: tuple[int, int],
    correction: str = "none",
) -> Relative:
    """The rectangle that keep probabilities amount to.

    Args:
        keep: the probabilities of each direction, from the reference pixel outwards.
        pixel: column and row of the reference pixel.
        size: width and height of the pictures that the chains were trained on.
        correction: see ``CORRECTIONS``; opposite extents become their mean, or, where the picture's edge is nearer
            than that, one reaches the edge and the other keeps the rest: the area stays.
    """
    lengths = chain_lengths(pixel, size)
    extent = {name: math.fsum(keep[name]) for name in DIRECTIONS}
    for one, other in mirrored_pairs(correction):
        both = extent[one] + extent[other]
        near = min(both / 2, lengths[one], lengths[other])
        near_is_one = lengths[one] <= lengths[other]
        extent[one], extent[other] = (near, both - near) if near_is_one else (both - near, near)
    (x, y), (width, height) = pixel, size
    return (
        (x - extent["left"]) / width,
        (y - extent["up"]) / height,
        (extent["left"] + 1 + extent["right"]) / width,
        (extent["up"] + 1 + extent["down"]) / height,
    )


def check_relative(region: Sequence[float]) -> Relative:
    """The region, if it is a rectangle inside the picture.

    Raises:
        ParameterError: it is not four finite numbers, is empty, or is larger than the picture.
    """
    try:
        left, top, width, height = (float(value) for value in region)
    except (TypeError, ValueError):
        raise ParameterError(
            f"A region is four numbers (left, top, width and height from 0 to 1), not {region!r}."
        ) from None
    shown = f"{left:g},{top:g},{width:g},{height:g}"
    if not all(map(math.isfinite, (left, top, width, height))):
        raise ParameterError(f"The region {shown} must consist of finite numbers.")
    if width <= 0 or height <= 0:
        raise ParameterError(f"The region {shown} is empty; give it a width and a height above 0.")
    slack = 1e-9  # of sums that should be exactly 1
    if left < -slack or top < -slack or left + width > 1 + slack or top + height > 1 + slack:
        raise ParameterError(f"The region {shown} is larger than the picture or reaches beyond it (0 to 1).")
    return left, top, width, height


def pixel_box(region: Relative, width: int, height: int) -> Box:
    """The pixels of a relative region in a picture of any size; of a symmetric region, symmetric ones.

    Raises:
        ParameterError: no whole pixel of this picture is in the region.
    """
    left, top, w, h = check_relative(region)
    (x0, x1), (y0, y1) = _rounded(left, w, width), _rounded(top, h, height)
    box = Box(x0, y0, x1, y1)
    if box.width < 1 or box.height < 1:
        raise ParameterError(
            f"The region is empty in a picture of {width} x {height} pixels; use a larger picture or region."
        )
    return box


def _rounded(start: float, extent: float, size: int) -> tuple[int, int]:
    # halves go inwards on both sides, so that a symmetric region has symmetric pixels; the small number keeps
    # what is a half but for rounding from being one on one side only
    first, last = start * size, (start + extent) * size
    return max(math.floor(first + 0.5 + 1e-6), 0), min(math.ceil(last - 0.5 - 1e-6), size)


def soft_mask(
    keep: Mapping[str, Sequence[float]], pixel: tuple[int, int], size: tuple[int, int]
) -> np.ndarray:
    """The keep probability of every pixel: float64 height x width, 1 at the reference pixel.

    That of a pixel is the product of those of its column and its row.
    """
    lengths = chain_lengths(pixel, size)
    across = [*reversed(keep["left"][: lengths["left"]]), 1.0, *keep["right"][: lengths["right"]]]
    along = [*reversed(keep["up"][: lengths["up"]]), 1.0, *keep["down"][: lengths["down"]]]
    return np.outer(np.array(along, float), np.array(across, float))
