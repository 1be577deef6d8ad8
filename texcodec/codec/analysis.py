"""Pictures to tiles, classes and latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..images import Picture
from ..networks import finite
from ..registry import ModelSet, PyramidSet
from ..texture import classify, complexity
from ..tiles import ENCODER_HALO, STRIDE, Box
from .eyes import is_for_eyes, masking_of
from .lapping import inner_borders
from .layout import TileLayout
from .padding import padded_planes
from .tile import AnalysedTile
from .workers import Counter, Workers


@dataclass(frozen=True)
class AnalysedPicture:
    """A picture from which files of any rate are made: its layout, and every coded tile by its number."""

    layout: TileLayout
    tiles: dict[int, AnalysedTile]


def analyse(
    picture: Picture, layout: TileLayout, models: ModelSet, workers: Workers, counter: Counter | None = None
) -> AnalysedPicture:
    """Classify every coded tile and run the analysis network of its class."""
    grid, channels = layout.grid, models.manifest.latent_channels
    planes, bounds = padded_planes(picture.pixels, layout)

    def run(index: int) -> AnalysedTile:
        box = grid.box(index).clip(layout.shown)
        measure = complexity(picture.pixels[box.top : box.bottom, box.left : box.right])
        class_index = classify(measure, models.manifest.thresholds)
        own = grid.latent_box(index)
        if isinstance(models, PyramidSet):
            if models.analyses_deeply:
                return AnalysedTile(class_index, _deep(own, planes, bounds, models, class_index))
            latents = lapped(own, planes, bounds, models, class_index, zero=128)
            shown = masking_of(own, planes, bounds) if is_for_eyes(models) else None
            return AnalysedTile(class_index, latents, shown)
        around = own.grow(ENCODER_HALO).clip(bounds)
        pixels = around.cut(planes, bounds).astype(np.float32)[None] - np.float32(128)
        shape = 1, channels, around.height // STRIDE, around.width // STRIDE
        latents = finite(models.analysis(class_index)(shape, pixels=pixels))[0]
        inside = own.over(STRIDE, around).cut(latents)
        return AnalysedTile(class_index, np.ascontiguousarray(inside))

    return AnalysedPicture(layout, dict(zip(layout.coded, workers.map(run, layout.coded, counter))))


def lapped(
    own: Box,
    planes: np.ndarray,
    bounds: Box,
    models: ModelSet,
    class_index: int,
    zero: int = 0,
) -> np.ndarray:
    """Latents of a tile by the lapped transform, which is linear and sees a block of its neighbours.

    Args:
        own: pixels of the tile, whole blocks.
        planes: 3 x H x W, grey levels, or differences of them.
        bounds: the box of whole blocks that they cover.
        zero: the level whose latents are zero.
    Returns:
        float32 C x h x w in grey levels.
    """
    around = own.grow(STRIDE)
    seen = around.clip(bounds)
    missing = [
        (0, 0),
        (seen.top - around.top, around.bottom - seen.bottom),
        (seen.left - around.left, around.right - seen.right),
    ]
    pixels = np.pad(seen.cut(planes, bounds), missing, mode="edge").astype(np.float32) - np.float32(zero)
    rows, columns = own.height // STRIDE, own.width // STRIDE
    latents = models.analysis(class_index)(
        (1, models.manifest.latent_channels, rows + 2, columns + 2),
        pixels=pixels[None],
        inner_rows=inner_borders(rows, before=own.top > bounds.top, behind=own.bottom < bounds.bottom),
        inner_columns=inner_borders(columns, before=own.left > bounds.left, behind=own.right < bounds.right),
    )
    return np.ascontiguousarray(finite(latents)[0, :, 1:-1, 1:-1])


def _deep(own: Box, planes: np.ndarray, bounds: Box, models: ModelSet, class_index: int) -> np.ndarray:
    """Latents of a tile by the lapped transform and a network, which sees as much around it as the picture has."""
    around = own.grow(ENCODER_HALO).clip(bounds)
    rows, columns = around.height // STRIDE, around.width // STRIDE
    # the graph's filter needs a border between blocks, though one that it does not reach across
    more = [max(0, 2 - n) for n in (rows, columns)]
    missing = [(0, 0), (0, more[0] * STRIDE), (0, more[1] * STRIDE)]
    pixels = np.pad(around.cut(planes, bounds), missing, mode="edge").astype(np.float32) - np.float32(128)
    inner = [np.full((n + m - 1, 1), 1 - m, np.float32) for n, m in zip((rows, columns), more)]
    latents = models.analysis(class_index)(
        (1, models.manifest.latent_channels, rows + more[0], columns + more[1]),
        pixels=pixels[None],
        inner_rows=inner[0],
        inner_columns=inner[1],
    )
    return np.ascontiguousarray(own.over(STRIDE, around).cut(finite(latents)[0]))
