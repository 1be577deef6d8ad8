"""Pictures to tiles, classes and latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..container import ABSENT, DROP, Crop
from ..images import Picture
from ..networks import finite
from ..registry import ModelSet
from ..texture import classify, complexity
from ..tiles import ENCODER_HALO, STRIDE, Box, Grid
from .cropping import coded_area, coded_tiles, crop_box, fade_out, grid_of
from .workers import Counter, Workers


@dataclass(frozen=True)
class AnalysedPicture:
    """The latents of a picture, from which files of any rate are made.

    Attributes:
        grid: of tiles.
        classes: one a tile; ABSENT for those that the file leaves out.
        latents: one a tile, float32 C x h x w, grey levels; empty for those left out.
    """

    grid: Grid
    classes: tuple[int, ...]
    latents: tuple[np.ndarray, ...]


def colour_planes(pixels: np.ndarray, margins: Box | None = None) -> np.ndarray:
    """uint8 H x W x C (grey or RGB) to uint8 H x W x 3, padded by repeating the edge.

    Args:
        margins: pixels to add on each side; default: what brings the sides to multiples of 16, at the right and
            at the bottom.
    """
    if pixels.shape[2] == 1:
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    m = margins or Box(0, 0, -pixels.shape[1] % STRIDE, -pixels.shape[0] % STRIDE)
    missing = [(m.top, m.bottom), (m.left, m.right), (0, 0)]
    return np.pad(pixels, missing, mode="edge") if any(map(any, missing)) else pixels


def analyse(
    picture: Picture,
    models: ModelSet,
    workers: Workers,
    *,
    tile_log2: int,
    crop: Crop | None = None,
    counter: Counter | None = None,
) -> AnalysedPicture:
    """Classify every tile and run its analysis network.

    Args:
        crop: where the grid starts; with ``outside`` "drop", nothing outside its region is looked at.
    """
    grid = grid_of(picture, tile_log2, crop)
    inside = coded_tiles(grid, crop)
    area = seen = grid.picture
    shown = picture.pixels
    if crop is not None and crop.outside == DROP:
        seen = crop_box(crop)
        area = coded_area(grid, inside)
        shown = fade_out(seen.cut(shown.transpose(2, 0, 1)).transpose(1, 2, 0), area.width, area.height)
    bounds = grid.snap(area)
    margins = Box(area.left - bounds.left, area.top - bounds.top, bounds.right - area.right,
                  bounds.bottom - area.bottom)  # fmt: skip
    padded = colour_planes(shown, margins)

    def classify_tile(index: int) -> int:
        box = grid.box(index).clip(seen)
        pixels = picture.pixels[box.top : box.bottom, box.left : box.right]
        return classify(complexity(pixels), models.manifest.thresholds)

    def analyse_tile(index: int) -> np.ndarray:
        box = grid.latent_box(index)
        h, w = grid.latent_shape(index)
        around = box.grow(ENCODER_HALO).clip(bounds)
        pixels = around.cut(padded.transpose(2, 0, 1), bounds).astype(np.float32)
        shape = 1, models.manifest.latent_channels, around.height // STRIDE, around.width // STRIDE
        y = finite(models.analysis(classes[index])(shape, pixels=pixels[None] - np.float32(128)))[0]
        top, left = (box.top - around.top) // STRIDE, (box.left - around.left) // STRIDE
        return np.ascontiguousarray(y[:, top : top + h, left : left + w])

    classes = dict(zip(inside, workers.map(classify_tile, inside)))
    latents = dict(zip(inside, workers.map(analyse_tile, inside, counter)))
    nothing = np.zeros((models.manifest.latent_channels, 0, 0), np.float32)
    tiles = range(len(grid))
    return AnalysedPicture(
        grid, tuple(classes.get(i, ABSENT) for i in tiles), tuple(latents.get(i, nothing) for i in tiles)
    )
