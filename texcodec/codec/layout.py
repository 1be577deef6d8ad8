"""How the tiles of a picture lie, and which of them its file has."""

from __future__ import annotations

from dataclasses import dataclass

from ..container import DROP, Crop
from ..errors import ParameterError
from ..tiles import DEFAULT_LOG2, LARGE_LOG2, SMALL_LOG2, Box, Grid

TILE_SIDES = tuple(1 << log2 for log2 in (SMALL_LOG2, DEFAULT_LOG2, LARGE_LOG2))
"""Pixels, that a caller may ask for."""
SMALL_TILE_GAIN = 0.95
"""Tiles of 128 pixels code a picture a little worse; they must cover that much less for a region."""


@dataclass(frozen=True)
class TileLayout:
    """Where everything lies, settled once before anything is coded.

    Attributes:
        grid: of the picture.
        region: pixels whose quality matters; the whole picture without a crop.
        region_tiles: numbers of the tiles that it touches, ascending.
        coded: numbers of the tiles in the file, ascending.
        area: pixels that the coded tiles cover.
        shown: pixels of the picture that the coded tiles may show; the rest of ``area`` fades out.
    """

    grid: Grid
    region: Box
    region_tiles: tuple[int, ...]
    coded: tuple[int, ...]
    area: Box
    shown: Box


def lay_out(
    width: int, height: int, tile: int | None = None, crop: Crop | None = None, *, large: bool = False
) -> TileLayout:
    """The layout of a picture of ``width`` x ``height`` pixels.

    Args:
        tile: side of a tile, 128 or 256, or 512 without a crop; default: 256, or with a crop the side that reaches less
            far beyond it.
        crop: the grid starts at its corner; with ``outside`` "drop", the file has the tiles it touches only.
        large: tiles of 512 are the default for pictures above 256 pixels, without a crop.
    Raises:
        ParameterError: tiles of 512 pixels, and a crop.
    """
    if crop and tile and tile.bit_length() - 1 > DEFAULT_LOG2:
        raise ParameterError(f"With a crop, tiles are of 128 or 256 pixels, not of {tile}.")
    log2 = tile.bit_length() - 1 if tile else _best_log2(crop)
    if large and not crop and not tile and max(width, height) > 1 << DEFAULT_LOG2:
        log2 = LARGE_LOG2
    if crop is None:
        grid = Grid(width, height, log2)
        everything = tuple(range(len(grid)))
        return TileLayout(grid, grid.picture, everything, everything, grid.picture, grid.picture)
    grid = Grid(width, height, log2, crop.x % (1 << log2), crop.y % (1 << log2))
    region = Box.of(*crop.region)
    inside = tuple(grid.touching(region))
    if crop.outside != DROP:
        return TileLayout(grid, region, inside, tuple(range(len(grid))), grid.picture, grid.picture)
    first, last = grid.box(inside[0]), grid.box(inside[-1])
    area = Box(first.left, first.top, last.right, last.bottom)
    return TileLayout(grid, region, inside, inside, area, region)


def _best_log2(crop: Crop | None) -> int:
    if crop is None:
        return DEFAULT_LOG2
    covered = {k: (-(-crop.width >> k) * -(-crop.height >> k)) << 2 * k for k in (SMALL_LOG2, DEFAULT_LOG2)}
    return SMALL_LOG2 if covered[SMALL_LOG2] < SMALL_TILE_GAIN * covered[DEFAULT_LOG2] else DEFAULT_LOG2
