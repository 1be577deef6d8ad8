"""Repairing seams after stitching (docs/format.md, "Fusion").

A small network looks at blocks of 32 pixels across a seam and up to 64 along it, at absolute positions, so
that a region
decodes to the same pixels as the whole picture. It reads unrounded pixels and returns what to add to them; a
window lets
the correction fade to zero 16 pixels away from the seam.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .tiles import Box, Grid

REACH = 16
"""Pixels on either side of a seam that fusion may change."""
SEGMENT = 64
"""Pixels along a seam that one block covers at most."""
MARGIN = 3
"""Pixels around a block that the network reads."""

_OFFSETS = np.arange(-REACH, REACH) + 0.5
WINDOW = (1 - (_OFFSETS / REACH) ** 2).astype(np.float32)
"""Weight of the correction by the position across the seam."""
_DISTANCE = ((np.arange(-REACH - MARGIN, REACH + MARGIN) + 0.5) / REACH).astype(np.float32)


@dataclass(frozen=True)
class SeamBlock:
    """One block: the pixels it covers, where its seam lies, and whether the seam is horizontal."""

    box: Box
    seam: int
    horizontal: bool


def seam_blocks(grid: Grid) -> Iterator[SeamBlock]:
    """All blocks of a picture. They do not overlap: where seams cross, the vertical one has the pixels."""
    for column in range(1, grid.columns):
        x = column * grid.side
        for y in range(0, grid.height, SEGMENT):
            box = Box(x - REACH, y, min(x + REACH, grid.width), min(y + SEGMENT, grid.height))
            yield SeamBlock(box, x, horizontal=False)
    for row in range(1, grid.rows):
        y = row * grid.side
        for x in range(0, grid.width, SEGMENT):
            left, right = x, min(x + SEGMENT, grid.width)
            # the vertical bands end or begin at multiples of the segment, give or take their reach
            if left % grid.side == 0 and left > 0:
                left += REACH
            seam_at = -(-right // grid.side) * grid.side
            if seam_at < grid.width:
                right = min(right, seam_at - REACH)
            if left < right:
                yield SeamBlock(Box(left, y - REACH, right, min(y + REACH, grid.height)), y, horizontal=True)


def needed_pixels(block: SeamBlock, picture: Box) -> Box:
    """The pixels a block reads."""
    return block.box.grow(MARGIN).clip(picture)


def block_input(block: SeamBlock, canvas: np.ndarray, origin: Box, picture: Box, rate: float) -> np.ndarray:
    """What the network reads of a block.

    Args:
        canvas: float32 3 x H x W, unrounded pixels of ``origin``, which holds all that ``needed_pixels``
            names.
        picture: the whole picture; beyond it the outermost pixels are repeated.
        rate: the picture's rate index / 255.
    Returns:
        float32 1 x 5 x (along + 6) x (across + 6): colours minus 128 over 64, distance to the seam over 16,
        rate.
    """
    wanted = block.box.grow(MARGIN)
    have = needed_pixels(block, picture)
    pixels = have.cut(canvas, origin)
    missing = (
        (have.top - wanted.top, wanted.bottom - have.bottom),
        (have.left - wanted.left, wanted.right - have.right),
    )
    if any(sum(pair) for pair in missing):
        pixels = np.pad(pixels, [(0, 0), *missing], mode="edge")
    if block.horizontal:
        pixels = pixels.transpose(0, 2, 1)
    out = np.empty((1, 5, *pixels.shape[1:]), np.float32)
    out[0, :3] = (pixels - np.float32(128)) * np.float32(1 / 64)
    out[0, 3] = _DISTANCE[: pixels.shape[2]]
    out[0, 4] = rate
    return out


def correction(
    block: SeamBlock, network: Callable[..., np.ndarray], base_step: float, blocks: np.ndarray
) -> np.ndarray:
    """The pixels to add to a block; float32 3 x height x width.

    Args:
        network: the fusion network.
        base_step: grey levels a unit of its output.
        blocks: from ``block_input``.
    """
    rows, columns = (n - 2 * MARGIN for n in blocks.shape[2:])
    out = network((1, 3, rows, columns), blocks=blocks)[0]
    out = out * (WINDOW[: out.shape[2]] * np.float32(base_step))
    return out.transpose(0, 2, 1) if block.horizontal else out
