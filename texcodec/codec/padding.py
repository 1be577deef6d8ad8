"""What analysis sees beyond the pixels that are coded: a fading edge, then a repeated one."""

from __future__ import annotations

import numpy as np

from ..tiles import Box
from .layout import TileLayout

FADE = 8
"""Pixels within which the region's edge fades to one colour, in the part of a tile beyond the region."""


def padded_planes(pixels: np.ndarray, layout: TileLayout) -> tuple[np.ndarray, Box]:
    """The picture as analysis networks see it.

    Args:
        pixels: uint8 H x W x C, grey or RGB, the whole picture.
    Returns:
        uint8 3 x H' x W', and the box of whole latents that it covers.
    """
    area, bounds = layout.area, layout.grid.snap(layout.area)
    planes = fade_out(layout.shown.cut(pixels.transpose(2, 0, 1)), area.width, area.height)
    margins = [
        (0, 0),
        (area.top - bounds.top, bounds.bottom - area.bottom),
        (area.left - bounds.left, bounds.right - area.right),
    ]
    if any(map(any, margins)):
        planes = np.pad(planes, margins, mode="edge")
    return np.broadcast_to(planes, (3, *planes.shape[1:])), bounds


def fade_out(planes: np.ndarray, width: int, height: int) -> np.ndarray:
    """A region at the upper left of a larger picture, its right and lower edges fading to their mean colour.

    That is what tiles show beyond a region that ends within them: it costs few bits and tells nothing of what was
    there.

    Args:
        planes: uint8 C x h x w, at most ``height`` x ``width``.
    """
    c, h, w = planes.shape
    if (h, w) == (height, width):
        return planes
    out = np.empty((c, height, width), np.uint8)
    out[:, :h, :w] = planes
    _fade(out[:, :h, w - 1 :])
    _fade(out[:, h - 1 :].transpose(0, 2, 1))
    return out


def _fade(part: np.ndarray) -> None:
    """Fill all columns but the first from the first one; in place."""
    edge = part[:, :, :1].astype(np.float32)
    share = np.maximum(1 - np.arange(1, part.shape[2]) / np.float32(FADE), 0)
    mean = edge.mean(1, keepdims=True)
    part[:, :, 1:] = np.floor(mean + (edge - mean) * share + np.float32(0.5)).astype(np.uint8)
