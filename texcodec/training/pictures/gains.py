"""Gains per block: finer quantisation where it shows, implied by the hyper latents and so without bits of
their own.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...constants import GAIN_ZERO, GAINS, MEAN_CHANNELS, MEAN_ONE
from ..core.fixed_point import IntegerConv
from .architecture import Architecture


def gain_table() -> Tensor:
    """float32 64: exp((i - 32) / 16)."""
    return torch.exp((torch.arange(GAINS) - GAIN_ZERO) / MEAN_ONE)


class Gains(nn.Module):
    """Features of hyper synthesis to a gain for every latent.

    Attributes:
        planes: uint8 C: 0 for channels without gain (block means), 1 for luminance, 2 for chrominance.
    """

    planes: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.network = IntegerConv(architecture.feature_width, 2, 1, final_outputs=2)
        nn.init.zeros_(self.network.weight)
        nn.init.zeros_(self.network.bias)
        planes = torch.ones(architecture.latent_channels, dtype=torch.uint8)
        planes[list(MEAN_CHANNELS)] = 0
        self.register_buffer("planes", planes)

    def set_planes(self, analysis: Tensor) -> None:
        """Tell luminance from chrominance by what the linear transform reads.

        Args:
            analysis: C x 768 x 1 x 1, as ``LinearTransform.analysis``: columns in the order colour, row,
                column.
        """
        rows = analysis.detach().reshape(len(analysis), 3, -1)
        grey = rows.mean(1).square().sum(1) * 3
        self.planes.copy_(torch.where(grey > 0.5 * rows.square().sum((1, 2)), 1, 2))
        self.planes[list(MEAN_CHANNELS)] = 0

    def forward(self, h: Tensor) -> Tensor:
        """h: B x F x h x w; returns B x C x h x w gains of the table."""
        x = torch.clamp(self.network(h), -GAIN_ZERO / MEAN_ONE, (GAINS - 1 - GAIN_ZERO) / MEAN_ONE)
        x = x + (torch.floor(x * MEAN_ONE + 0.5) / MEAN_ONE - x).detach()
        gains = torch.exp(x)
        return torch.cat([torch.ones_like(gains[:, :1]), gains], 1)[:, self.planes.long()]
