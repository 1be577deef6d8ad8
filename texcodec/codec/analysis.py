"""Pictures to tiles, classes and latents."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np

from ..images import Picture
from ..networks import finite
from ..registry import ModelSet, PyramidSet
from ..texture import classify, complexity
from ..tiles import ENCODER_HALO, STRIDE, Box
from .eyes import is_for_eyes, masking_of
from .lapping import CLOSED, Sides, inner_borders, open_sides
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
    among = frozenset(layout.coded)

    def run(index: int) -> AnalysedTile:
        box = grid.box(index).clip(layout.shown)
        measure = complexity(picture.pixels[box.top : box.bottom, box.left : box.right])
        class_index = classify(measure, models.manifest.thresholds)
        own = grid.latent_box(index)
        if isinstance(models, PyramidSet):
            if models.analyses_deeply:
                return AnalysedTile(class_index, _deep(own, planes, bounds, models, class_index))
            sides = open_sides(grid, index, among.__contains__)
            latents = lapped(own, planes, bounds, models, class_index, sides, zero=128)
            shown = masking_of(own, planes, bounds) if is_for_eyes(models) else None
            return AnalysedTile(class_index, latents, shown)
        around = own.grow(ENCODER_HALO).clip(bounds)
        pixels = around.cut(planes, bounds).astype(np.float32)[None] - np.float32(128)
        shape = 1, channels, around.height // STRIDE, around.width // STRIDE
        latents = finite(models.analysis(class_index)(shape, pixels=pixels))[0]
        inside = own.over(STRIDE, around).cut(latents)
        return AnalysedTile(class_index, np.ascontiguousarray(inside))

    return AnalysedPicture(layout, dict(zip(layout.coded, workers.map(run, layout.coded, counter))))


def beside_drawn(
    analysed: AnalysedPicture, pixels: np.ndarray, models: ModelSet, workers: Workers, drawn: Collection[int]
) -> AnalysedPicture:
    """The picture without the tiles that are drawn: a lapped transform ends at the borders with these.

    Args:
        pixels: uint8 H x W x C, the whole picture.
        drawn: numbers of the tiles that networks do not code.
    """
    tiles = {index: tile for index, tile in analysed.tiles.items() if index not in drawn}
    if len(tiles) == len(analysed.tiles):
        return analysed
    if not isinstance(models, PyramidSet):  # its networks may see what is drawn
        return replace(analysed, tiles=tiles)
    grid = analysed.layout.grid
    planes, bounds = padded_planes(pixels, analysed.layout)

    def run(index: int) -> AnalysedTile:
        tile, sides = tiles[index], open_sides(grid, index, tiles.__contains__)
        if sides == open_sides(grid, index, analysed.tiles.__contains__):
            return tile
        own = grid.latent_box(index)
        return replace(tile, latents=lapped(own, planes, bounds, models, tile.class_index, sides, zero=128))

    return replace(analysed, tiles=dict(zip(tiles, workers.map(run, tiles))))


def alone(
    analysed: AnalysedPicture, index: int, planes: np.ndarray, bounds: Box, models: ModelSet
) -> AnalysedTile:
    """A tile as if all around it were drawn.

    Args:
        planes, bounds: from ``padded_planes``.
    """
    tile = analysed.tiles[index]
    if not isinstance(models, PyramidSet):
        return tile
    own = analysed.layout.grid.latent_box(index)
    return replace(tile, latents=lapped(own, planes, bounds, models, tile.class_index, CLOSED, zero=128))


def lapped(
    own: Box,
    planes: np.ndarray,
    bounds: Box,
    models: ModelSet,
    class_index: int,
    sides: Sides,
    zero: int = 0,
) -> np.ndarray:
    """Latents of a tile by the lapped transform, which is linear and sees a block of its neighbours.

    Args:
        own: pixels of the tile, whole blocks.
        planes: 3 x H x W, grey levels, or differences of them.
        bounds: the box of whole blocks that they cover.
        sides: that the transform reaches across.
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
        inner_rows=inner_borders(rows, before=sides.above, behind=sides.below),
        inner_columns=inner_borders(columns, before=sides.left, behind=sides.right),
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
