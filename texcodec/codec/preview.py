"""The preview: a picture of one pixel per lattice square of 16 x 16 pixels (docs/format.md, "Preview")."""

from __future__ import annotations

import numpy as np

from ..constants import MEAN_CHANNELS
from ..registry import PyramidSet
from ..tiles import STRIDE, Box, Grid
from .reconstruction import NEUTRAL, rounded


def averaged(samples: np.ndarray, box: Box, grid: Grid) -> np.ndarray:
    """Samples averaged over the lattice squares of 16 x 16 pixels; squares that the picture cuts, over what is left.

    Args:
        samples: C x height x width, the pixels of ``box``.
    Returns:
        float32 C x rows x columns.
    """
    rows, row_sizes = _parts(box.top, box.bottom, grid.origin_y)
    columns, column_sizes = _parts(box.left, box.right, grid.origin_x)
    sums = np.add.reduceat(np.add.reduceat(samples, rows, axis=1, dtype=np.float32), columns, axis=2)
    return sums / (row_sizes[:, None] * column_sizes)


def _parts(start: int, end: int, origin: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the lattice squares between two positions begin, counted from the first one, and their sizes."""
    first = start + (origin - start - 1) % STRIDE + 1
    edges = np.array([start, *range(first, end, STRIDE), end])
    return edges[:-1] - start, np.diff(edges).astype(np.float32)


def mean_levels(means: np.ndarray, rate_index: int, models: PyramidSet) -> np.ndarray:
    """Grey levels of R, G and B from the block means of a tile.

    Args:
        means: float32 3 x h x w, in symbols, in the order of ``MEAN_CHANNELS``.
    Returns:
        float32 3 x h x w.
    """
    channels = list(MEAN_CHANNELS)
    levels = means * models.steps[rate_index][channels, None, None]
    return NEUTRAL + np.einsum("ck,khw->chw", models.mean_colours, levels)


class PreviewCanvas:
    """One pixel per lattice square of a picture; grey until tiles are put on it."""

    def __init__(self, grid: Grid) -> None:
        self.grid, self._origin = grid, grid.snap(grid.picture)
        whole = self._origin.over(STRIDE, self._origin)
        self._planes = np.full((3, whole.height, whole.width), NEUTRAL, np.float32)

    def put(self, index: int, levels: np.ndarray) -> None:
        """The levels of one tile: 3 x h x w, or 1 x h x w for all colours."""
        self.grid.latent_box(index).over(STRIDE, self._origin).cut(self._planes)[...] = levels

    def pixels(self, *, grey: bool) -> np.ndarray:
        """uint8 rows x columns x 3, or x 1 for grey."""
        return rounded(self._planes.mean(0, keepdims=True) if grey else self._planes)


def reduced(pixels: np.ndarray, grid: Grid) -> np.ndarray:
    """A whole picture, uint8 height x width x C, averaged; uint8 rows x columns x C."""
    return rounded(averaged(pixels.transpose(2, 0, 1), grid.picture, grid))


def reduced_plane(plane: np.ndarray | None, grid: Grid) -> np.ndarray | None:
    """An alpha plane, uint8 height x width, likewise; None for none."""
    return None if plane is None else reduced(plane[..., None], grid)[..., 0]
