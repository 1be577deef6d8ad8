"""What a learned crop means to the codec: where the grid starts, which tiles are coded, what they show."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

import numpy as np

from ..container import COARSE, DROP, Crop
from ..crop import Profile, read_profile
from ..errors import ParameterError
from ..images import Picture
from ..tiles import DEFAULT_LOG2, Box, Grid

FADE = 8
"""Pixels within which the region's edge fades to one colour, in the part of a tile beyond the region."""

SMALL_LOG2 = 7
WORTH_SMALL = 0.95
"""Tiles of 128 pixels code a picture a little worse; they must cover that much less for a region."""

CropSource = str | os.PathLike[str] | Profile | Sequence[int]


def find_crop(source: CropSource, outside: str | None, width: int, height: int) -> Crop:
    """The crop of a picture of ``width`` x ``height`` pixels.

    Args:
        source: a profile, the path of one, or the rectangle (x, y, width, height) in pixels.
        outside: "drop" (the default) leaves out the tiles outside, "coarse" codes them at the coarsest rate.

    Raises:
        ParameterError: the region is empty or not inside the picture, or ``outside`` is something else.
        StreamError, UnsupportedError: as ``texcodec.crop.read_profile``.
    """
    if outside not in (None, DROP, COARSE):
        raise ParameterError(f"What is outside the crop is {DROP!r} or {COARSE!r}, not {outside!r}.")
    if isinstance(source, (str, os.PathLike)):
        source = read_profile(source)
    box = source.box(width, height) if isinstance(source, Profile) else region_box(source, width, height)
    return Crop(box.left, box.top, box.width, box.height, outside or DROP)


def region_box(region: Sequence[int], width: int, height: int) -> Box:
    """The box of a region (x, y, width, height) of a picture of ``width`` x ``height`` pixels.

    Raises:
        ParameterError: it is empty or not inside the picture.
    """
    try:
        x, y, w, h = (operator.index(v) for v in region)
    except (TypeError, ValueError):
        raise ParameterError(
            f"A region is four whole numbers x, y, width and height, not {region!r}."
        ) from None
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise ParameterError(
            f"The region {x},{y},{w},{h} is empty or not inside the picture of {width} x {height} pixels."
        )
    return Box(x, y, x + w, y + h)


def crop_box(crop: Crop) -> Box:
    """The region of a crop as a box."""
    return Box(crop.x, crop.y, crop.x + crop.width, crop.y + crop.height)


def best_log2(crop: Crop | None) -> int:
    """The tile side that the encoder picks: small tiles where large ones reach much further beyond the region."""
    if crop is None:
        return DEFAULT_LOG2
    covered = {k: (-(-crop.width >> k) * -(-crop.height >> k)) << 2 * k for k in (SMALL_LOG2, DEFAULT_LOG2)}
    return SMALL_LOG2 if covered[SMALL_LOG2] < WORTH_SMALL * covered[DEFAULT_LOG2] else DEFAULT_LOG2


def grid_of(picture: Picture, log2: int, crop: Crop | None) -> Grid:
    """The grid of a picture: it starts at the corner of the crop's region."""
    x, y = (crop.x, crop.y) if crop else (0, 0)
    return Grid(picture.width, picture.height, log2, x % (1 << log2), y % (1 << log2))


def region_tiles(grid: Grid, crop: Crop | None) -> list[int]:
    """Numbers of the tiles that the crop's region touches; of all without a crop."""
    return grid.touching(crop_box(crop)) if crop else list(range(len(grid)))


def coded_tiles(grid: Grid, crop: Crop | None) -> list[int]:
    """Numbers of the tiles that the file has."""
    return region_tiles(grid, crop if crop and crop.outside == DROP else None)


def coded_area(grid: Grid, tiles: Sequence[int]) -> Box:
    """The box around some tiles, the first and the last of which are its corners."""
    first, last = grid.box(tiles[0]), grid.box(tiles[-1])
    return Box(first.left, first.top, last.right, last.bottom)


def fade_out(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """The region at the upper left of a larger picture, its right and lower edges fading to their mean colour.

    That is what tiles show beyond a region that ends within them: it costs few bits and tells nothing of what was
    there.

    Args:
        pixels: uint8 h x w x C, at most ``height`` x ``width``.
    """
    out = np.empty((height, width, pixels.shape[2]), np.uint8)
    h, w = pixels.shape[:2]
    out[:h, :w] = pixels
    _fade(out[:h, w - 1 :])
    _fade(out[h - 1 :].transpose(1, 0, 2))
    return out


def _fade(part: np.ndarray) -> None:
    """Fill all columns but the first from the first one; in place."""
    edge = part[:, :1].astype(np.float32)
    share = np.maximum(1 - np.arange(1, part.shape[1]) / np.float32(FADE), 0)[None, :, None]
    mean = edge.mean(0, keepdims=True)
    part[:, 1:] = np.floor(mean + (edge - mean) * share + np.float32(0.5)).astype(np.uint8)
