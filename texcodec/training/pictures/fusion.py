"""The fusion network: repairing the seams of stitched pictures, and training it on the seams of a fixed codec.

``texcodec.fusion`` says where the seams are; the same network runs there after the decoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...fusion import DISTANCE, MARGIN, REACH, SEGMENT, WINDOW, block_input, seam_blocks
from ...tiles import DEFAULT_LOG2, Grid
from .architecture import RATE_INDICES, Architecture
from .rates import high_rate_step

if TYPE_CHECKING:
    from .whole import PictureCodec

PICTURE_SIDE = 2 << DEFAULT_LOG2
"""Pictures are cut to 2 x 2 tiles, the fewest that have both kinds of seam and a crossing."""


class Fusion(nn.Module):
    """Three 3x3 convolutions without padding; the last starts at zero, so an untrained network changes
    nothing.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        w = architecture.fusion_width
        self.enter, self.middle, self.leave = nn.Conv2d(5, w, 3), nn.Conv2d(w, w, 3), nn.Conv2d(w, 3, 3)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, blocks: Tensor) -> Tensor:
        """B x 5 x H x W to B x 3 x (H-6) x (W-6), in base steps."""
        return self.leave(torch.relu(self.middle(torch.relu(self.enter(blocks)))))


def repair(network: Fusion, stitched: Tensor, side: int, t: Tensor) -> Tensor:
    """Repair all seams of B pictures of one size; differentiable.

    The network has no padding and every block reads the unfused picture, so whole bands along the seams
    give the pixels that the blocks of ``texcodec.fusion`` give.

    Args:
        stitched: B x 3 x H x W on the 0..255 scale.
        side: pixels a tile side.
        t: B rates in [0, 1].
    """
    vertical = _corrections(network, stitched, side, t)
    horizontal = _corrections(network, stitched.transpose(2, 3), side, t).transpose(2, 3)
    own = torch.ones(stitched.shape[3]).to(stitched)
    for x in range(side, stitched.shape[3], side):
        own[x - REACH : x + REACH] = 0  # where seams cross, the vertical one has the pixels
    return stitched + vertical + horizontal * own


def _corrections(network: Fusion, stitched: Tensor, side: int, t: Tensor) -> Tensor:
    """What to add to B x 3 x H x W pixels along their vertical seams; zeros elsewhere."""
    height, width = stitched.shape[2:]
    seams = range(side, width, side)
    if not seams:
        return torch.zeros_like(stitched)
    # the last tile may be narrower than a seam's reach
    padded = F.pad(stitched, (MARGIN, MARGIN + REACH, MARGIN, MARGIN), mode="replicate")
    bands = torch.cat([padded[..., x - REACH : x + REACH + 2 * MARGIN] for x in seams])
    distance = torch.from_numpy(DISTANCE).to(bands).expand(len(bands), 1, *bands.shape[2:])
    rate = t.repeat(len(seams))[:, None, None, None]
    seen = torch.cat([(bands - 128) / 64, distance, rate.expand_as(distance)], 1)
    out = network(seen) * high_rate_step(rate) * torch.from_numpy(WINDOW).to(bands)
    between = out.new_zeros(len(t), 3, height, side - 2 * REACH)
    first = out.new_zeros(len(t), 3, height, REACH)
    parts = [part for band in out.chunk(len(seams)) for part in (between, band)]
    whole = torch.cat([first, *parts], 3)
    return F.pad(whole, (0, width - whole.shape[3]))


@dataclass
class SeamData:
    """Blocks across seams: network inputs N x 5 x 70 x 38, what is missing N x 3 x 64 x 32 (grey levels),
    base steps N.
    """

    inputs: np.ndarray
    missing: np.ndarray
    base: np.ndarray


@torch.no_grad()
def collect_seams(
    pictures: PictureCodec, arrays: Sequence[np.ndarray], *, blocks: int, seed: int
) -> SeamData:
    """Code crops of training pictures at random rates, and keep the blocks along their seams.

    The codec is the trained one, before it is exported: its seams teach fusion as much as those that the
    exported set leaves (docs/decisions/fusion.md).

    Args:
        pictures: codec and thresholds; its fusion network is not used. It runs on its own device.
        arrays: uint8 H x W x 3; those smaller than 512 x 512 are left out.
        blocks: how many to collect at least.
    Raises:
        ValueError: no picture is large enough.
    """
    random = np.random.default_rng(seed)
    large = [a for a in arrays if min(a.shape[:2]) >= PICTURE_SIDE]
    if not large:
        raise ValueError(
            f"No training picture has both sides of at least {PICTURE_SIDE} pixels, which fusion needs."
        )
    device = next(pictures.parameters()).device
    grid = Grid(PICTURE_SIDE, PICTURE_SIDE, DEFAULT_LOG2)
    inputs: list[np.ndarray] = []
    missing: list[np.ndarray] = []
    base: list[float] = []
    while len(inputs) < blocks:
        array = large[random.integers(len(large))]
        top, left = (int(random.integers(n - PICTURE_SIDE + 1)) for n in array.shape[:2])
        pixels = np.array(array[top : top + PICTURE_SIDE, left : left + PICTURE_SIDE])
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(device).float()
        t = torch.tensor([int(random.integers(RATE_INDICES)) / (RATE_INDICES - 1)], device=device)
        stitched = pictures(x, t, tile_log2=DEFAULT_LOG2, rounding="hard").stitched
        canvas, target = stitched[0].cpu().numpy(), (x - stitched)[0].cpu().numpy()
        for block in seam_blocks(grid):
            wrong = block.box.cut(target)
            wrong = wrong.transpose(0, 2, 1) if block.horizontal else wrong
            if wrong.shape[1:] == (SEGMENT, 2 * REACH):
                inputs.append(block_input(block, canvas, grid.picture, grid.picture, t.item())[0])
                missing.append(wrong)
                base.append(high_rate_step(t).item())
    assert inputs[0].shape == (5, SEGMENT + 2 * MARGIN, 2 * (REACH + MARGIN))
    return SeamData(np.stack(inputs), np.stack(missing), np.array(base, np.float32))
