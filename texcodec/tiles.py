"""The grid of tiles: which pixels and which latents belong to which tile (docs/format.md, "The grid").

Tiles are squares of ``1 << log2`` pixels in row-major order; those at the picture's edges are as small as it
leaves them, and their latents cover them, rounded outwards to the lattice of latents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .constants import LATENT_STRIDE as STRIDE

if TYPE_CHECKING:
    import numpy as np

ENCODER_HALO = 32
"""Pixels around a tile that the analysis network sees where the picture has them; they cost no bits."""

SMALL_LOG2, DEFAULT_LOG2, LARGE_LOG2 = 7, 8, 9
"""Of the sides of tiles that a picture may be cut into (docs/decisions/tiles.md)."""


@dataclass(frozen=True)
class Box:
    """A rectangle: left and top inclusive, right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int

    @classmethod
    def of(cls, x: int, y: int, width: int, height: int) -> Box:
        """The box with this corner and size."""
        return cls(x, y, x + width, y + height)

    @property
    def width(self) -> int:
        return self.right - self.left

    @property
    def height(self) -> int:
        return self.bottom - self.top

    def intersects(self, other: Box) -> bool:
        """Whether the two share a pixel."""
        return max(self.left, other.left) < min(self.right, other.right) and max(self.top, other.top) < min(
            self.bottom, other.bottom
        )

    def clip(self, other: Box) -> Box:
        """The part inside ``other`` (which must intersect)."""
        return Box(
            max(self.left, other.left),
            max(self.top, other.top),
            min(self.right, other.right),
            min(self.bottom, other.bottom),
        )

    def grow(self, by: int) -> Box:
        """The box with ``by`` pixels more on every side."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)

    def over(self, stride: int, origin: Box) -> Box:
        """The box on a lattice of ``stride`` pixels that starts at ``origin``."""
        x, y = origin.left, origin.top
        return Box(
            *((n - o) // stride for n, o in zip((self.left, self.top, self.right, self.bottom), (x, y, x, y)))
        )

    def cut(self, array: np.ndarray, origin: Box | None = None) -> np.ndarray:
        """The part of the last two axes of ``array``, which starts at ``origin`` (default 0, 0)."""
        x, y = (origin.left, origin.top) if origin else (0, 0)
        return array[..., self.top - y : self.bottom - y, self.left - x : self.right - x]


@dataclass(frozen=True)
class Grid:
    """The tiles of a picture of ``width`` x ``height`` pixels, each ``1 << log2`` pixels square.

    Grid lines lie at x = ``origin_x`` and y = ``origin_y`` modulo the tile's side; both origins are at least 0
    and below it. Latents lie on a lattice of ``STRIDE`` pixels that the grid lines belong to, so that those of
    neighbouring tiles line up; where the picture cuts a tile, its outermost latents reach beyond the picture.
    """

    width: int
    height: int
    log2: int
    origin_x: int = 0
    origin_y: int = 0

    @property
    def side(self) -> int:
        """Pixels per tile side."""
        return 1 << self.log2

    @property
    def columns(self) -> int:
        return self._cell(self.width - 1, self.origin_x) + 1

    @property
    def rows(self) -> int:
        return self._cell(self.height - 1, self.origin_y) + 1

    def __len__(self) -> int:
        return self.columns * self.rows

    @property
    def picture(self) -> Box:
        """The whole picture."""
        return Box(0, 0, self.width, self.height)

    def box(self, index: int) -> Box:
        """Pixels of one tile, clipped to the picture."""
        row, column = divmod(index, self.columns)
        # a grid line inside the picture before the first one has a cut tile to its left
        x = self.origin_x + (column - (self.origin_x > 0)) * self.side
        y = self.origin_y + (row - (self.origin_y > 0)) * self.side
        return Box(max(x, 0), max(y, 0), min(x + self.side, self.width), min(y + self.side, self.height))

    def snap(self, box: Box) -> Box:
        """The smallest box of whole latents around ``box``; it may reach beyond the picture."""
        x, y = self.origin_x % STRIDE, self.origin_y % STRIDE
        return Box(
            (box.left - x) // STRIDE * STRIDE + x,
            (box.top - y) // STRIDE * STRIDE + y,
            -((x - box.right) // STRIDE) * STRIDE + x,
            -((y - box.bottom) // STRIDE) * STRIDE + y,
        )

    def latent_box(self, index: int) -> Box:
        """Pixels that the latents of one tile cover; they reach beyond the picture where it cuts the tile."""
        return self.snap(self.box(index))

    def latent_shape(self, index: int) -> tuple[int, int]:
        """Rows and columns of latents of one tile."""
        box = self.latent_box(index)
        return box.height // STRIDE, box.width // STRIDE

    def touching(self, box: Box) -> list[int]:
        """Numbers of the tiles that share a pixel with ``box``, ascending."""
        box = box.clip(self.picture)
        columns = range(self._cell(box.left, self.origin_x), self._cell(box.right - 1, self.origin_x) + 1)
        rows = range(self._cell(box.top, self.origin_y), self._cell(box.bottom - 1, self.origin_y) + 1)
        return [r * self.columns + c for r in rows for c in columns]

    def seams(self) -> tuple[range, range]:
        """Positions of the vertical and of the horizontal grid lines inside the picture."""
        return (
            range(self.origin_x or self.side, self.width, self.side),
            range(self.origin_y or self.side, self.height, self.side),
        )

    def around(self, index: int) -> Iterator[tuple[int, int, int]]:
        """The up to eight neighbours of a tile: (number, rows down, columns right), each step -1, 0 or 1."""
        row, column = divmod(index, self.columns)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if (dy or dx) and 0 <= row + dy < self.rows and 0 <= column + dx < self.columns:
                    yield (row + dy) * self.columns + column + dx, dy, dx

    def _cell(self, position: int, origin: int) -> int:
        """Column or row of a pixel, counted from the first one in the picture."""
        return (position - origin) // self.side + (origin > 0)
