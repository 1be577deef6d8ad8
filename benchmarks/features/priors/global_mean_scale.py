"""A hyperprior with the codebook hyperprior's side information and predictor, but without its codebook.

What the generator makes of v is the same at every latent, so that the prediction knows the picture but not the place.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from texcodec.training.core.fixed_point import IntegerConv, activation
from texcodec.training.features.priors import (
    HYPER_UNIT,
    HyperExtractor,
    Prediction,
    Predictor,
    SidePrior,
    predicted,
    rounded_side,
    signed_grid,
)
from texcodec.training.features.settings import CodecSettings


class GlobalPrior(nn.Module):
    """Extractor, prior of v, fully connected layers, predictor."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        w = settings.generator_width
        self.levels = settings.levels
        self.extractor = HyperExtractor(settings)
        self.side = SidePrior(settings.levels, settings.hyper_channels)
        self.enter = IntegerConv(settings.hyper_channels + settings.levels, w, 1)
        self.middle = IntegerConv(w, w, 1)
        self.leave = IntegerConv(w, settings.groups, 1)
        self.predictor = Predictor(settings)

    def forward(self, y: Tensor, level: Tensor, rounding: str) -> Prediction:
        """As ``CodebookPrior.forward``."""
        v, counted = rounded_side(self.extractor(y), rounding)
        side_bits = self.side(counted, level).sum((1, 2, 3))
        one_hot = F.one_hot(level, self.levels).to(v)[:, :, None, None]
        h = activation(self.middle(activation(self.enter(torch.cat([v / HYPER_UNIT, one_hot], 1)))))
        u = signed_grid(self.leave(h)).expand(-1, -1, *y.shape[2:])
        mean, scale_index = predicted(self.predictor(u))
        return Prediction(mean, scale_index, side_bits, v)
