"""The first slice in entropy profile 2: chapters "First slice" and "Block means" of docs/format.md."""

from __future__ import annotations

import numpy as np

PASSES = (
    (2, ((0, 0),)),
    (2, ((1, 1),)),
    (2, ((0, 1), (1, 0))),
    (1, ((1, 1),)),
    (1, ((0, 1), (1, 0))),
)
"""Spacing d and offsets (a, b) of every pass."""


def predict(weights: np.ndarray, planes: np.ndarray) -> np.ndarray:
    """The linear prediction at every point of a sub-grid, int64; planes are zero beyond it."""
    _, h, w = planes.shape
    padded, exact = np.pad(planes, ((0, 0), (1, 1), (1, 1))), weights.astype(np.int64)
    total = np.zeros((len(weights), h, w), np.int64)
    for i in range(3):
        for j in range(3):
            total += np.einsum("ok,kyx->oyx", exact[:, :, i, j], padded[:, i : i + h, j : j + w])
    return total + 2048 >> 12


def join_block_means(coefficients: np.ndarray) -> np.ndarray:
    """Wavelet coefficients to block means, int64, channels x h x w, in sixteenths of a symbol."""
    z = 16 * coefficients.astype(np.int64)
    for d in (2, 1):
        for channel in z:
            grid = channel[::d, ::d]
            for column in range(grid.shape[1]):
                grid[:, column] = _joined(grid[:, column].tolist())
            for row in range(grid.shape[0]):
                grid[row] = _joined(grid[row].tolist())
    return np.clip(z + 8 >> 4, -(1 << 22), 1 << 22)


def _joined(line: list[int]) -> list[int]:
    """A line of values, joined; Python's integers are exact."""
    if len(line) == 1:
        return line

    def r(n: int) -> int:
        return n + (1 << 15) >> 16

    even, odd = [r(57007 * n) for n in line[::2]], [r(75340 * n) for n in line[1::2]]
    for to_even, to_odd in ((29066, 57862), (-3472, -103949)):
        for i in range(len(even)):
            before, behind = odd[max(i - 1, 0)], odd[min(i, len(odd) - 1)]
            even[i] -= r(to_even * (before + behind))
        for i in range(len(odd)):
            odd[i] -= r(to_odd * (even[i] + even[min(i + 1, len(even) - 1)]))
    out = [0] * len(line)
    out[::2], out[1::2] = even, odd
    return out
