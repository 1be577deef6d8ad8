"""Pictures to tiles, classes and latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..images import Picture
from ..networks import finite
from ..registry import ModelSet
from ..texture import classify, complexity
from ..tiles import STRIDE, Box, Grid
from .workers import Counter, Workers

ENCODER_HALO = 32
"""Pixels around a tile that the analysis network sees where the picture has them; they cost no bits."""


@dataclass(frozen=True)
class AnalysedPicture:
    """The latents of a picture, from which files of any rate are made.

    Attributes:
        grid: of tiles.
        classes: one a tile.
        latents: one a tile, float32 C x h x w, grey levels.
    """

    grid: Grid
    classes: tuple[int, ...]
    latents: tuple[np.ndarray, ...]


def colour_planes(pixels: np.ndarray) -> np.ndarray:
    """uint8 H x W x C (grey or RGB) to uint8 H x W x 3, the sides padded to multiples of 16 by repeating the
    edge.
    """
    if pixels.shape[2] == 1:
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    missing = [(0, -n % STRIDE) for n in pixels.shape[:2]]
    return np.pad(pixels, [*missing, (0, 0)], mode="edge") if any(m[1] for m in missing) else pixels


def analyse(
    picture: Picture, models: ModelSet, workers: Workers, *, tile_log2: int, counter: Counter | None = None
) -> AnalysedPicture:
    """Classify every tile and run its analysis network."""
    grid = Grid(picture.pixels.shape[1], picture.pixels.shape[0], tile_log2)
    padded = colour_planes(picture.pixels)
    bounds = Box(0, 0, padded.shape[1], padded.shape[0])

    def classify_tile(index: int) -> int:
        box = grid.box(index)
        pixels = picture.pixels[box.top : box.bottom, box.left : box.right]
        return classify(complexity(pixels), models.manifest.thresholds)

    def analyse_tile(index: int) -> np.ndarray:
        box = grid.box(index)
        h, w = grid.latent_shape(index)
        seen = box.grow(ENCODER_HALO).clip(bounds)
        pixels = padded[seen.top : seen.bottom, seen.left : seen.right].transpose(2, 0, 1).astype(np.float32)
        shape = 1, models.manifest.latent_channels, seen.height // STRIDE, seen.width // STRIDE
        y = finite(models.analysis(classes[index])(shape, pixels=pixels[None] - np.float32(128)))[0]
        top, left = (box.top - seen.top) // STRIDE, (box.left - seen.left) // STRIDE
        return np.ascontiguousarray(y[:, top : top + h, left : left + w])

    classes = tuple(workers.map(classify_tile, range(len(grid))))
    latents = tuple(workers.map(analyse_tile, range(len(grid)), counter))
    return AnalysedPicture(grid, classes, latents)
