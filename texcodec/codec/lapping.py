"""Which block borders the lapped transform reaches across (docs/format.md, "Lapped transform")."""

from __future__ import annotations

import numpy as np


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
