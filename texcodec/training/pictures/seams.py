"""The task "repair seams": the fusion network alone, on blocks along seams that were collected before.

Coding the pictures once and keeping the blocks makes a step a thousand times cheaper than coding a picture for
every step, as ``pictures.PictureTask`` does.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ...fusion import WINDOW
from ..core.task import Batch, Terms
from .fusion import Fusion, SeamData

HELD_OUT = 10
"""One block in this number is not trained on."""
EASY = 0.01
"""Squared base steps that count as nothing missing."""


class SeamTask:
    """Squared error on the seam bands.

    Args:
        network: trained in place.
        data: the blocks, and what they miss.
        batch: blocks per step.
    """

    def __init__(self, network: Fusion, data: SeamData, batch: int) -> None:
        self.modules = self.network = network
        self.inputs = torch.from_numpy(data.inputs)
        self.base = torch.from_numpy(data.base)
        self.missing = torch.from_numpy(data.missing) / self.base[:, None, None, None]
        self.batch = batch
        self.pixels_per_step = batch * self.inputs.shape[-2] * self.inputs.shape[-1]
        held = torch.arange(len(self.inputs)) % HELD_OUT == 0
        self._training, self._held = torch.nonzero(~held)[:, 0], torch.nonzero(held)[:, 0]
        self._window = torch.from_numpy(WINDOW)

    def draw(self, random: np.random.Generator) -> Batch:
        """Blocks at random."""
        chosen = self._training[torch.from_numpy(random.integers(len(self._training), size=self.batch))]
        return Batch(
            {"inputs": self.inputs[chosen], "missing": self.missing[chosen], "base": self.base[chosen]}
        )

    def cost(self, batch: Batch, device: torch.device) -> Terms:
        """Mean over the blocks of the share of what is missing that stays missing; fusion costs no bits."""
        self._window = self._window.to(device)
        inputs, missing, base = (
            batch.tensors[k].to(device, non_blocking=True) for k in ("inputs", "missing", "base")
        )
        left = (missing - self._window * self.network(inputs)).square().mean((1, 2, 3))
        # blocks differ in squared error by orders of magnitude: each counts by how much of it is removed
        loss = (left / (missing.square().mean((1, 2, 3)) + EASY)).mean()
        return Terms(loss, torch.zeros_like(loss), (left * base.square()).mean())

    @torch.no_grad()
    def held_out_error(self, network: torch.nn.Module) -> tuple[float, float]:
        """Squared base steps on the blocks held out, without and with a network on the CPU."""
        window = self._window.cpu()
        errors: list[Tensor] = [
            (self.missing[i] - window * network(self.inputs[i])).square().mean((1, 2, 3))
            for i in self._held.split(64)
        ]
        return self.missing[self._held].square().mean().item(), torch.cat(errors).mean().item()
