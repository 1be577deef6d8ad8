"""Repairing seams after stitching (docs/format.md, "Fusion").

A small network looks at blocks of 32 pixels across a seam and up to 64 along it, at absolute positions, so that a
region decodes to the same pixels as the whole picture. It reads unrounded pixels and returns what to add to them; a
window lets the correction fade to zero 16 pixels away from the seam.
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
DISTANCE = ((np.arange(-REACH - MARGIN, REACH + MARGIN) + 0.5) / REACH).astype(np.float32)
"""The network's input for a position across the seam, margins included."""


@dataclass(frozen=True)
class SeamBlock:
    """One block: the pixels it covers, where its seam lies, and whether the seam is horizontal."""

    box: Box
    seam: int
    horizontal: bool

    @property
    def cut_before(self) -> int:
        """Pixels across the seam that lie beyond the picture's left or upper edge."""
        return REACH - self.seam + (self.box.top if self.horizontal else self.box.left)


def seam_blocks(grid: Grid) -> Iterator[SeamBlock]:
    """All blocks of a picture. They do not overlap: where seams cross, the vertical one has the pixels."""
    upright, level = grid.seams()
    for x in upright:
        for top, bottom in _segments(grid.origin_y, grid.height):
            yield SeamBlock(
                Box(max(x - REACH, 0), top, min(x + REACH, grid.width), bottom), x, horizontal=False
            )
    for y in level:
        for left, right in _segments(grid.origin_x, grid.width):
            # the vertical bands end or begin where segments do, give or take their reach
            if left in upright:
                left += REACH
            seam_at = right + (grid.origin_x - right) % grid.side
            if seam_at < grid.width:
                right = min(right, seam_at - REACH)
            if left < right:
                box = Box(left, max(y - REACH, 0), right, min(y + REACH, grid.height))
                yield SeamBlock(box, y, horizontal=True)


def _segments(origin: int, extent: int) -> Iterator[tuple[int, int]]:
    """Begin and end of the stretches along a seam: whole ones at the origin, cut off at the picture's edges."""
    for begin in range(-(-origin % SEGMENT), extent, SEGMENT):
        yield max(begin, 0), min(begin + SEGMENT, extent)


def needed_pixels(block: SeamBlock, picture: Box) -> Box:
    """The pixels a block reads."""
    return block.box.grow(MARGIN).clip(picture)


def block_input(block: SeamBlock, canvas: np.ndarray, origin: Box, picture: Box, rate: float) -> np.ndarray:
    """What the network reads of a block.

    Args:
        canvas: float32 3 x H x W, unrounded pixels of ``origin``, which holds all that ``needed_pixels`` names.
        picture: the whole picture; beyond it the outermost pixels are repeated.
        rate: the picture's rate index / 255.
    Returns:
        float32 1 x 5 x (along + 6) x (across + 6): colours minus 128 over 64, distance to the seam over 16, rate.
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
    out[0, 3] = DISTANCE[block.cut_before :][: pixels.shape[2]]
    out[0, 4] = rate
    return out


def correction(
    block: SeamBlock, network: Callable[..., np.ndarray], base_step: float, blocks: np.ndarray
) -> np.ndarray:
    """The pixels to add to a block; float32 3 x height x width.

    Args:
        network: the fusion network.
        base_step: grey levels per unit of its output.
        blocks: from ``block_input``.
    """
    rows, columns = (n - 2 * MARGIN for n in blocks.shape[2:])
    out = network((1, 3, rows, columns), blocks=blocks)[0]
    out = out * (WINDOW[block.cut_before :][: out.shape[2]] * np.float32(base_step))
    return out.transpose(0, 2, 1) if block.horizontal else out
