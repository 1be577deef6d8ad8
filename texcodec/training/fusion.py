"""Training the fusion network on the seams that a model set really leaves (methods: codecs fixed, seams
repaired).
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..codec.analysis import analyse
from ..codec.decoder import TileLatents, plan, stitch
from ..codec.tile_coder import TileCoder
from ..codec.workers import Workers
from ..fusion import MARGIN, REACH, SEGMENT, WINDOW, block_input, seam_blocks
from ..images import from_array
from ..registry import ModelSet
from .architecture import RATE_INDICES, Architecture

PICTURE_SIDE = 512
"""Pictures are cut to 2 x 2 tiles of 256, the fewest that have both kinds of seam and a crossing."""


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


@dataclass
class SeamData:
    """Blocks across seams: network inputs N x 5 x 70 x 38, what is missing N x 3 x 64 x 32 (grey levels),
    base steps N.
    """

    inputs: np.ndarray
    missing: np.ndarray
    base: np.ndarray


def collect_seams(
    models: ModelSet, arrays: list[np.ndarray], *, blocks: int, seed: int, threads: int = 1
) -> SeamData:
    """Code crops of training pictures at random rates with a set, and keep the blocks along their seams.

    Args:
        models: a set without fusion.
        arrays: uint8 H x W x 3; those smaller than 512 x 512 are left out.
        blocks: how many to collect at least.
    """
    random = np.random.default_rng(seed)
    large = [a for a in arrays if min(a.shape[:2]) >= PICTURE_SIDE]
    if not large:
        raise ValueError(
            f"No training picture has both sides of at least {PICTURE_SIDE} pixels, which fusion needs."
        )
    coder = TileCoder(models)
    inputs: list[np.ndarray] = []
    missing: list[np.ndarray] = []
    base: list[np.floating] = []
    with Workers(threads) as workers:
        while len(inputs) < blocks:
            array = large[random.integers(len(large))]
            y, x = (int(random.integers(n - PICTURE_SIDE + 1)) for n in array.shape[:2])
            picture = from_array(np.ascontiguousarray(array[y : y + PICTURE_SIDE, x : x + PICTURE_SIDE]))
            r = int(random.integers(RATE_INDICES))
            analysed = analyse(picture, models, workers, tile_log2=8)
            grid, tiles = analysed.grid, {}
            for i, latents in enumerate(analysed.latents):
                cls = analysed.classes[i]
                tiles[i] = TileLatents(cls, r, coder.quantise(latents, cls, r).latents())
            whole = plan(grid, grid.picture, fusion=False, halo=models.manifest.halo)
            canvas = stitch(grid, whole, tiles, models, workers)[0]
            target = picture.pixels.transpose(2, 0, 1).astype(np.float32) - canvas
            for block in seam_blocks(grid):
                seen = block_input(block, canvas, grid.picture, grid.picture, r / (RATE_INDICES - 1))
                wrong = block.box.cut(target)
                wrong = wrong.transpose(0, 2, 1) if block.horizontal else wrong
                if wrong.shape[1:] == (SEGMENT, 2 * REACH):
                    inputs.append(seen[0])
                    missing.append(wrong)
                    base.append(models.base_steps[r])
    assert inputs[0].shape == (5, SEGMENT + 2 * MARGIN, 2 * (REACH + MARGIN))
    return SeamData(np.stack(inputs), np.stack(missing), np.array(base, np.float32))


def train_fusion(
    architecture: Architecture,
    data: SeamData,
    *,
    minutes: float,
    rate: float = 2e-3,
    batch: int = 16,
    seed: int = 1,
) -> tuple[Fusion, float, float]:
    """Least squared error on the seam bands; one block in ten is held out.

    Returns:
        the network, and the held-out squared error in squared base steps before and after fusion.
    """
    torch.manual_seed(seed)
    network = Fusion(architecture)
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    inputs, missing = torch.from_numpy(data.inputs), torch.from_numpy(data.missing)
    missing = missing / torch.from_numpy(data.base)[:, None, None, None]
    window = torch.from_numpy(WINDOW)
    held = torch.arange(len(inputs)) % 10 == 0
    training = torch.nonzero(~held)[:, 0]
    start = time.monotonic()
    while (done := (time.monotonic() - start) / (60 * minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * done))
        chosen = training[torch.randint(len(training), (batch,))]
        error = missing[chosen] - window * network(inputs[chosen])
        # blocks differ in squared error by orders of magnitude: each counts by how much of it is removed
        loss = (error.square().mean((1, 2, 3)) / (missing[chosen].square().mean((1, 2, 3)) + 0.01)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        before = missing[held].square().mean().item()
        after = (
            torch.cat(
                [
                    (missing[i] - window * network(inputs[i])).square().mean((1, 2, 3))
                    for i in torch.nonzero(held)[:, 0].split(64)
                ]
            )
            .mean()
            .item()
        )
    return network, before, after
