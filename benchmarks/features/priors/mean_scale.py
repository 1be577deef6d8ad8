"""Mean-scale hyperprior: side information with a place for every few latents.

Source: Minnen, Balle and Toderici, "Joint autoregressive and hierarchical priors for learned image compression", 2018,
without the autoregressive part. Integer networks as in the codebook hyperprior, and the level told in the same way.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from texcodec.training.core.fixed_point import IntegerConv, activation
from texcodec.training.features.priors import (
    HYPER_UNIT,
    Prediction,
    SidePrior,
    compand,
    predicted,
    rounded_side,
    start_leave,
)
from texcodec.training.features.settings import CodecSettings


class MeanScalePrior(nn.Module):
    """Hyper analysis, factorised prior of the hyper latents, hyper synthesis.

    Args:
        settings: ``hyper_channels`` are the channels of the hyper latents, ``hyper_width`` those of the analysis,
            ``predictor_width`` those of the synthesis.
        stride: latents a hyper latent and side; 1, 2 or 4.
    """

    def __init__(self, settings: CodecSettings, stride: int) -> None:
        super().__init__()
        w, p, m = settings.hyper_width, settings.predictor_width, settings.latent_channels
        self.levels, self.stride = settings.levels, stride
        self.enter = nn.Conv2d(m, w, 3, padding=1)
        self.down = nn.Conv2d(
            w, 2 * w, max(stride, 3) if stride != 2 else 2, stride, padding=int(stride == 1)
        )
        self.leave = nn.Conv2d(2 * w, settings.hyper_channels, 1)
        self.side = SidePrior(settings.levels, settings.hyper_channels)
        self.begin = IntegerConv(settings.hyper_channels + settings.levels, p, 3)
        self.up = IntegerConv(p, p * stride**2, 1)
        self.spread = IntegerConv(p, p, 3)
        self.end = IntegerConv(p, 2 * m, 1, final_outputs=m)
        start_leave(self.end)

    def forward(self, y: Tensor, level: Tensor, rounding: str) -> Prediction:
        """As ``CodebookPrior.forward``."""
        h, w = y.shape[2:]
        padded = F.pad(y, (0, -w % self.stride, 0, -h % self.stride), mode="replicate")
        x = torch.relu(self.down(torch.relu(self.enter(compand(padded)))))
        v, counted = rounded_side(HYPER_UNIT * self.leave(x), rounding)
        side_bits = self.side(counted, level).sum((1, 2, 3))
        one_hot = F.one_hot(level, self.levels).to(v)[:, :, None, None].expand(-1, -1, *v.shape[2:])
        u = activation(self.begin(torch.cat([v / HYPER_UNIT, one_hot], 1)))
        u = activation(F.pixel_shuffle(self.up(u), self.stride))[:, :, :h, :w]
        mean, scale_index = predicted(self.end(activation(self.spread(u))))
        return Prediction(mean, scale_index, side_bits, v)
