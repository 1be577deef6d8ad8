"""A factorised prior: one mean and one scale for every channel and level, no side information.

Its real streams use tables counted on the training pictures instead of the normal distribution (``coding.py``), which
is what a non-parametric density (Balle et al., 2018) would come to.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from texcodec.training.features.priors import FIRST_SCALE, Prediction, predicted
from texcodec.training.features.settings import CodecSettings


class FactorisedPrior(nn.Module):
    """Learned means and scales of L levels and M channels."""

    SPEED = 10.0
    """Means and scales are so many times their parameters, so that they keep up with the networks."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        start = torch.zeros(settings.levels, 2 * settings.latent_channels)
        start[:, settings.latent_channels :] = FIRST_SCALE / self.SPEED
        self.table = nn.Parameter(start)

    def forward(self, y: Tensor, level: Tensor, rounding: str) -> Prediction:
        """As ``CodebookPrior.forward``."""
        mean, scale_index = predicted(self.SPEED * self.table[level][:, :, None, None])
        return Prediction(mean.expand_as(y), scale_index.expand_as(y), y.new_zeros(len(y)))
