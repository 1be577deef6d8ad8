"""The grid of tiles: which pixels and which latents belong to which tile (docs/format.md, "Tiles").

Tiles are squares of ``1 << log2`` pixels in row-major order; those at the right and lower edge are as small
as the picture
leaves them, and their latents cover their size rounded up to the latent stride.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

STRIDE = 16
"""Pixels a latent in each direction."""

DEFAULT_LOG2 = 8
"""Tiles of 256 pixels unless the caller asks for another size (docs/decisions/tiles.md)."""


@dataclass(frozen=True)
class Box:
    """A rectangle: left and top inclusive, right and bottom exclusive."""

    left: int
    top: int
    right: int
    bottom: int

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

    def cut(self, array: np.ndarray, origin: Box | None = None) -> np.ndarray:
        """The part of the last two axes of ``array``, which starts at ``origin`` (default 0, 0)."""
        x, y = (origin.left, origin.top) if origin else (0, 0)
        return array[..., self.top - y : self.bottom - y, self.left - x : self.right - x]


@dataclass(frozen=True)
class Grid:
    """The tiles of a picture of ``width`` x ``height`` pixels, each ``1 << log2`` pixels square."""

    width: int
    height: int
    log2: int

    @property
    def side(self) -> int:
        """Pixels a tile side."""
        return 1 << self.log2

    @property
    def columns(self) -> int:
        return -(-self.width // self.side)

    @property
    def rows(self) -> int:
        return -(-self.height // self.side)

    def __len__(self) -> int:
        return self.columns * self.rows

    @property
    def picture(self) -> Box:
        """The whole picture."""
        return Box(0, 0, self.width, self.height)

    def box(self, index: int) -> Box:
        """Pixels of one tile, clipped to the picture."""
        row, column = divmod(index, self.columns)
        x, y = column * self.side, row * self.side
        return Box(x, y, min(x + self.side, self.width), min(y + self.side, self.height))

    def latent_shape(self, index: int) -> tuple[int, int]:
        """Rows and columns of latents of one tile."""
        box = self.box(index)
        return -(-box.height // STRIDE), -(-box.width // STRIDE)

    def touching(self, box: Box) -> list[int]:
        """Numbers of the tiles that share a pixel with ``box``, ascending."""
        box = box.clip(self.picture)
        columns = range(box.left // self.side, (box.right - 1) // self.side + 1)
        rows = range(box.top // self.side, (box.bottom - 1) // self.side + 1)
        return [r * self.columns + c for r in rows for c in columns]

    def around(self, index: int) -> Iterator[tuple[int, int, int]]:
        """The up to eight neighbours of a tile: (number, rows down, columns right), each step -1, 0 or 1."""
        row, column = divmod(index, self.columns)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if (dy or dx) and 0 <= row + dy < self.rows and 0 <= column + dx < self.columns:
                    yield (row + dy) * self.columns + column + dx, dy, dx
