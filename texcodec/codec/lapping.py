"""Which block borders the lapped transform reaches across (docs/format.md, "Lapped transform")."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..tiles import Grid


class Sides(NamedTuple):
    """Of a tile: whether what lies there is coded in the same way, so that the transform reaches across."""

    above: bool
    below: bool
    left: bool
    right: bool


CLOSED = Sides(False, False, False, False)
"""Of a tile that is coded alone."""


def open_sides(grid: Grid, index: int, coded: Callable[[int], bool]) -> Sides:
    """The sides of a tile that the transform reaches across.

    Args:
        coded: whether networks code the tile of a number.
    """
    beside = {(dy, dx) for number, dy, dx in grid.around(index) if not (dy and dx) and coded(number)}
    return Sides((-1, 0) in beside, (1, 0) in beside, (0, -1) in beside, (0, 1) in beside)


def inner_borders(blocks: int, *, before: bool, behind: bool) -> np.ndarray:
    """The borders along one axis of a tile with one block more on either side.

    Args:
        blocks: of the tile itself.
        before, behind: whether what lies before and behind the tile is coded in the same way.
    Returns:
        float32 (blocks + 1) x 1: 1 where the transform reaches across a border, 0 where it does not.
    """
    inner = np.ones((blocks + 1, 1), np.float32)
    inner[0], inner[-1] = before, behind
    return inner
