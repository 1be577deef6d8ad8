"""Transforms that are not linear, added to the lapped linear transform (docs/decisions/nonlinear.md).

Their last layers start at zero, so a codec with them starts as the function that it is without them, and every step
of training is a step from there. The encoder's network is the larger one: it runs once per picture, and the decoder
pays for none of it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import Architecture
from .companding import compand, companded
from .rate_features import rate_features
from .rates import high_rate_step
from .transforms import GatedBlock, Synthesis

ENTER_STRIDE = 4
"""Pixels per position of the analysis network's first level; each further level has half as many positions."""
VIEW_STRIDE = 8
"""Pixels per position where the synthesis network looks at the linear picture."""
VIEW_SCALE = 64.0
"""Grey levels of the linear picture that are 1 where the network looks at it."""
FIRST_GAIN = 16.0
"""What the view is multiplied with at first, in reciprocals of base steps."""
DEEP_SCALE = 4.0
"""Grey levels that one unit of the analysis network's output stands for: few, so that the first steps of an optimiser
that takes all gradients for equally large do not drown a trained codec in noise.
"""


class DeepAnalysis(nn.Module):
    """Pixels to what the network adds to the linear latents, in units of DEEP_SCALE grey levels: gated blocks at
    1/4, 1/8 and 1/16 of the resolution.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        widths = architecture.deep_widths
        self.enter = nn.Conv2d(3, widths[0], ENTER_STRIDE, stride=ENTER_STRIDE)
        layers: list[nn.Module] = []
        for level, (width, count) in enumerate(zip(widths, architecture.deep_blocks)):
            if level:
                layers.append(nn.Conv2d(widths[level - 1], width, 2, stride=2))
            layers += [GatedBlock(width) for _ in range(count)]
        self.blocks = nn.Sequential(*layers)
        self.leave = nn.Conv2d(widths[-1], architecture.latent_channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x: B x 3 x H x W, grey levels minus 128, divided by 64; returns B x C x H/16 x W/16."""
        return self.leave(self.blocks(self.enter(x)))


class RefiningSynthesis(Synthesis):
    """``Synthesis`` that also looks at the linear picture, and has one more block, a narrow one."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(architecture)
        w = architecture.synthesis_width
        self.view = nn.Conv2d(3, w, VIEW_STRIDE, stride=VIEW_STRIDE)
        nn.init.zeros_(self.view.weight)
        nn.init.zeros_(self.view.bias)
        last = GatedBlock(w, architecture.refinement)
        nn.init.zeros_(last.project.weight)
        nn.init.zeros_(last.project.bias)
        self.blocks.append(last)
        self.gain = RateGain(w)

    def forward(self, v: Tensor, t: Tensor, low: Tensor) -> Tensor:
        """As ``Synthesis``."""
        h = F.pixel_shuffle(self.enter(compand(v)), 2)
        h = h + self.own_bias(t)[:, :, None, None]
        seen = F.conv2d(low / VIEW_SCALE, self._view_weight(), self.view.bias, stride=VIEW_STRIDE)
        return self._pixels(h + companded(self.gain(t)[:, :, None, None] * seen), t, low)

    def _view_weight(self) -> Tensor:
        """Without the mean over a square: how bright it is says nothing of how it was quantised."""
        return self.view.weight - self.view.weight.mean((2, 3), keepdim=True)

    @torch.no_grad()
    def settle(self) -> None:
        super().settle()
        self.view.weight.copy_(self._view_weight())

    def rate_bias(self, t: Tensor) -> Tensor:
        """As of ``Synthesis``, and behind it, W more, what ``view`` is multiplied with."""
        return torch.cat([super().rate_bias(t), self.gain(t)], 1)


class RateGain(nn.Module):
    """What the view of the linear picture is multiplied with at a rate: it starts in proportion to the reciprocal of
    base steps, in which the network's output is.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.rate = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, width))
        nn.init.zeros_(self.rate[2].weight)
        nn.init.zeros_(self.rate[2].bias)

    def forward(self, t: Tensor) -> Tensor:
        """B rates in [0, 1] to B x W."""
        return (FIRST_GAIN / high_rate_step(t))[:, None] * (1 + self.rate(rate_features(t)))


def analysis_areas(architecture: Architecture) -> dict[str, int]:
    """Pixels per position of each convolution of the analysis network, by its name."""
    areas = {"enter": ENTER_STRIDE**2}
    number, stride = 0, ENTER_STRIDE
    for level, count in enumerate(architecture.deep_blocks):
        if level:
            stride *= 2
            areas[f"blocks.{number}"] = stride**2
            number += 1
        for _ in range(count):
            areas |= {f"blocks.{number}.{layer}": stride**2 for layer in ("expand", "spatial", "project")}
            number += 1
    return areas | {"leave": stride**2, "linear": 256}
