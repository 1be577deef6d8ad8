"""Which tiles of a picture are drawn, and what they cost without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ..lossless import DRAWN_EFFORT, available
from ..lossless.colours import table_of, with_fewer_colours
from ..texture import is_drawn
from ..tiles import DEFAULT_LOG2, Box, Grid
from .drawn_coder import DrawnTile, drawn_tile
from .layout import TileLayout
from .padding import padded_planes
from .workers import Workers

PALETTES = (8, 16, 32, 64, 128, 256)
"""Numbers of colours that drawn pictures are tried with."""
TILE_PALETTES = (32, 128)
"""Those that single tiles are tried with."""


def shown_pixels(pixels: np.ndarray, layout: TileLayout) -> tuple[np.ndarray, Box]:
    """What the coded tiles show; uint8 H x W x C, and the box of the picture that it covers."""
    if layout.shown == layout.area == layout.grid.picture:
        return pixels, layout.area
    planes, bounds = padded_planes(pixels, layout)
    shown = layout.area.cut(planes, bounds)[: pixels.shape[2]]
    return np.ascontiguousarray(shown.transpose(1, 2, 0)), layout.area


def cut_tile(pixels: np.ndarray, origin: Box, box: Box) -> np.ndarray:
    """The samples of a tile; uint8 h x w x C, contiguous."""
    x, y = box.left - origin.left, box.top - origin.top
    return np.ascontiguousarray(pixels[y : y + box.height, x : x + box.width])


def area_of(grid: Grid, tiles: Iterable[int]) -> int:
    """Pixels of tiles."""
    boxes = [grid.box(index) for index in tiles]
    return sum(box.width * box.height for box in boxes)


def looking_drawn(pixels: np.ndarray, origin: Box, grid: Grid, region: Box, workers: Workers) -> list[int]:
    """Numbers of the tiles of a region that look drawn; none where they could not be coded.

    Args:
        pixels: uint8 H x W x C of ``origin``.
    """
    tiles = grid.touching(region) if available() else []
    found = workers.map(lambda i: is_drawn(cut_tile(pixels, origin, grid.box(i))), tiles)
    return [i for i, yes in zip(tiles, found) if yes]


class DrawnTiles:
    """The drawn tiles of a picture.

    Args:
        pixels: uint8 H x W x C, the whole picture.
        single: whether single tiles may be drawn; otherwise only the whole picture can be.

    Attributes:
        share: of the region's pixels, of the tiles that look drawn.
        pixels: uint8 H x W x C of ``origin``, what the coded tiles show.
    """

    def __init__(
        self, pixels: np.ndarray, layout: TileLayout, workers: Workers, *, single: bool = True
    ) -> None:
        self.pixels, self.origin = shown_pixels(pixels, layout)
        self._layout = layout
        grid = layout.grid
        usual = Grid(grid.width, grid.height, DEFAULT_LOG2) if layout.region == grid.picture else grid
        found = looking_drawn(self.pixels, self.origin, usual, layout.region, workers)
        # whether a picture is drawn does not depend on its tiles
        self.share = area_of(usual, found) / area_of(usual, usual.touching(layout.region))
        if not single:
            found = []
        elif grid != usual:
            found = looking_drawn(self.pixels, self.origin, grid, layout.region, workers)
        self._versions = dict(zip(found, workers.map(self._code, found)))

    def __bool__(self) -> bool:
        """Whether any tile looks drawn."""
        return bool(self._versions)

    def give_up(self) -> None:
        """Leave all tiles to networks."""
        self._versions.clear()

    def __contains__(self, index: int) -> bool:
        """Whether the tile looks drawn."""
        return index in self._versions

    def _code(self, index: int) -> list[DrawnTile]:
        original = cut_tile(self.pixels, self.origin, self._layout.grid.box(index))
        reduced = with_fewer_colours(table_of(original), TILE_PALETTES).values()
        return [
            drawn_tile(original, DRAWN_EFFORT),
            *(drawn_tile(samples, DRAWN_EFFORT, original) for samples in reduced),
        ]

    def cheapest(
        self, index: int, worth: float, bits: float, synthesised: Callable[[], np.ndarray]
    ) -> DrawnTile | None:
        """The version of a tile that costs less than the network's, by bits and worth of the error, if there is one.

        Args:
            worth: bits that a squared grey level of all three channels is worth.
            bits: of the network's payload.
            synthesised: gives the network's pixels, uint8 h x w x C.
        """
        worth *= 3 / self.pixels.shape[2]
        costs = [8 * len(tile.payload) + worth * tile.error for tile in self._versions[index]]
        at = int(np.argmin(costs))
        if costs[at] > bits:  # else the network's error need not be known
            original = cut_tile(self.pixels, self.origin, self._layout.grid.box(index)).astype(np.int32)
            error = float(np.square(synthesised() - original).sum(dtype=np.float64))
            if costs[at] >= bits + worth * error:
                return None
        return self._versions[index][at]
