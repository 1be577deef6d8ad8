"""The five passes over the first slice: where each one codes, and what its linear prediction sees
(docs/format.md, "First slice").

    pass 0   rows and columns that are multiples of 4
    pass 1   (2, 2) modulo 4
    pass 2   (0, 2) and (2, 0) modulo 4
    pass 3   both odd
    pass 4   the rest
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..constants import PREDICTION_SHIFT


@dataclass(frozen=True)
class PassPositions:
    """Where a pass codes.

    Attributes:
        spacing: rows and columns between two points of the pass's sub-grid, whose points are each other's
            neighbours.
        offsets: (row, column) modulo 2 on the sub-grid of the points that are coded.
    """

    spacing: int
    offsets: tuple[tuple[int, int], ...]

    def places(self, offset: tuple[int, int]) -> tuple[slice, slice]:
        """Rows and columns of the points of one offset."""
        s = self.spacing
        return slice(offset[0] * s, None, 2 * s), slice(offset[1] * s, None, 2 * s)


PASSES = (
    PassPositions(2, ((0, 0),)),
    PassPositions(2, ((1, 1),)),
    PassPositions(2, ((0, 1), (1, 0))),
    PassPositions(1, ((1, 1),)),
    PassPositions(1, ((0, 1), (1, 0))),
)


def network_names() -> list[str]:
    """The graphs of the passes: ``first_P`` for the first, ``first_P_RC`` for offset (R, C) of pass P after
    it.
    """
    return [graph_name(p, offset) for p, places in enumerate(PASSES) for offset in places.offsets]


def graph_name(number: int, offset: tuple[int, int]) -> str:
    """The graph of one pass at one offset."""
    return f"first_{number}_{offset[0]}{offset[1]}" if number else "first_0"


def predict(weights: np.ndarray, known: np.ndarray, offset: tuple[int, int]) -> np.ndarray:
    """The linear prediction at the points of one offset, exactly.

    Args:
        weights: int16 c x p x 3 x 3, in 2^-12.
        known: int32 p x h x w on the pass's sub-grid, magnitudes below 2^23.
    Returns:
        int64 c x n x m, in the units of ``known``.
    """
    (h, w), planes = known.shape[1:], len(known)
    n, m = ((size - o + 1) // 2 for size, o in zip((h, w), offset))
    padded = np.zeros((planes, h + 2, w + 2))
    padded[:, 1:-1, 1:-1] = known
    # doubles hold these integers exactly, in any order: 171 products below 2^15 * 2^23
    taps = weights.transpose(2, 3, 0, 1).astype(np.float64)
    sums = np.zeros((len(weights), n * m))
    for row in range(3):
        for column in range(3):
            y, x = offset[0] + row, offset[1] + column
            seen = padded[:, y : y + 2 * n - 1 : 2, x : x + 2 * m - 1 : 2]
            # one product of all taps would be large enough for the library to wake its threads, which takes longer
            sums += taps[row, column] @ seen.reshape(planes, n * m)
    rounded = (sums.astype(np.int64) + (1 << (PREDICTION_SHIFT - 1))) >> PREDICTION_SHIFT
    return rounded.reshape(len(weights), n, m)
