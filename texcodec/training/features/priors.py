"""Priors of the latents: what the decoder knows of their means and scales before it reads them.

A prior is a module ``prior(y, level, rounding) -> Prediction``; a codec can be built with another one. The one here
is the codebook hyperprior: a few numbers for the whole picture choose combinations of learned maps, which
hold the spatial detail (docs/format.md, "Feature streams").
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..core.fixed_point import SCALE_OUTPUT, IntegerConv, activation, round_through
from ..core.rounding import logistic_bits
from ..pictures.architecture import ACTIVATION_FRACTION_BITS, HYPER_MAX, MEAN_FRACTION_BITS, SCALE_LEVELS
from .settings import CodecSettings

HYPER_UNIT = 4.0
"""Steps of v that one natural unit of the generator's input is."""
FIRST_SCALE = 3.5
"""Scale index that training starts from, in units of ``SCALE_OUTPUT``: a standard deviation of 1.6 symbols."""
FIRST_SPREAD = 2.0
"""Standard deviation in steps that v starts with."""
MEAN_GRID = float(1 << MEAN_FRACTION_BITS)
_GRID = float(1 << ACTIVATION_FRACTION_BITS)


@dataclass
class Prediction:
    """What a prior says of latents.

    Attributes:
        mean: B x M x h x w in symbols, multiples of 1/16.
        scale_index: B x M x h x w whole numbers in [0, 63]; symbols are 0 and not coded where it is 0.
        side_bits: B, bits of the side information.
        side: rounded side information, whole numbers of any shape; None without any.
    """

    mean: Tensor
    scale_index: Tensor
    side_bits: Tensor
    side: Tensor | None = None


def signed_grid(x: Tensor) -> Tensor:
    """Clamp and round to the grid of signed integer activations: multiples of 1/32 in [-255/32, 255/32]."""
    x = torch.clamp(x, -255 / _GRID, 255 / _GRID)
    return x + (torch.floor(x * _GRID + 0.5) / _GRID - x).detach()


def predicted(out: Tensor) -> tuple[Tensor, Tensor]:
    """The output of a predictor (B x 2M x h x w, natural units) as means and scale indices."""
    mean, scale = out.chunk(2, 1)
    mean = mean + (torch.floor(mean * MEAN_GRID + 0.5) / MEAN_GRID - mean).detach()
    return mean, round_through(torch.clamp(scale * SCALE_OUTPUT, 0, SCALE_LEVELS - 1))


def compand(y: Tensor) -> Tensor:
    """Signed logarithm: what networks read of latents in symbols."""
    return torch.sign(y) * torch.log1p(torch.abs(y))


class HyperExtractor(nn.Module):
    """Latents in symbols to V numbers: convolutions, global average pooling, fully connected layers."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        w = settings.hyper_width
        self.enter = nn.Conv2d(settings.latent_channels, w, 3, padding=1)
        self.spread = nn.Conv2d(w, 2 * w, 3, padding=1)
        self.mix = nn.Conv2d(2 * w, 2 * w, 1)
        self.leave = nn.Conv2d(2 * w, settings.hyper_channels, 1)

    def forward(self, y: Tensor) -> Tensor:
        """B x M x h x w to B x V x 1 x 1."""
        h = torch.relu(self.enter(compand(y)))
        h = torch.relu(self.spread(h)).mean((2, 3), keepdim=True)
        out: Tensor = HYPER_UNIT * self.leave(torch.relu(self.mix(h)))
        return out


class Generator(nn.Module):
    """v and the level to n combinations of the codebook; every layer is exported in integers."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        self.groups, self.elements, self.grid = settings.groups, settings.codebook, settings.grid
        w = settings.generator_width
        self.enter = IntegerConv(settings.hyper_channels + settings.levels, w, 1)
        self.middle = IntegerConv(w, w, 1)
        self.leave = IntegerConv(w, self.groups * self.elements, 1)
        self.codebook = IntegerConv(self.elements, self.grid[0] * self.grid[1], 1)
        self.codebook.bias = None
        # combinations that differ from the start, of about one natural unit each
        assert self.leave.bias is not None
        nn.init.normal_(self.leave.bias, std=0.5)
        nn.init.normal_(self.codebook.weight, std=2.0 / math.sqrt(self.elements))

    def forward(self, v: Tensor) -> Tensor:
        """B x (V + L) x 1 x 1 in natural units to B x n x Hg x Wg, multiples of 1/32 in [-255/32, 255/32]."""
        h = activation(self.middle(activation(self.enter(v))))
        # element by element the coefficients of all groups
        a = signed_grid(self.leave(h)).reshape(-1, self.elements, self.groups, 1)
        u = signed_grid(self.codebook(a))
        return u.transpose(1, 2).reshape(-1, self.groups, *self.grid)


class Predictor(nn.Module):
    """Combinations of the codebook at each latent to its mean and scale index; exported in integers."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        w, m = settings.predictor_width, settings.latent_channels
        self.enter = IntegerConv(settings.groups, w, 1)
        self.spread = IntegerConv(w, w, 3)
        self.leave = IntegerConv(w, 2 * m, 1, final_outputs=m)
        start_leave(self.leave)

    def forward(self, u: Tensor) -> Tensor:
        """B x n x h x w to B x 2M x h x w in natural units."""
        out: Tensor = self.leave(activation(self.spread(activation(self.enter(u)))))
        return out


def start_leave(leave: IntegerConv) -> None:
    """Let the last layer of a predictor start with the same prediction everywhere."""
    nn.init.zeros_(leave.weight)
    assert leave.bias is not None
    nn.init.zeros_(leave.bias)
    leave.bias.data[leave.final_outputs :] = FIRST_SCALE


def resample(u: Tensor, size: tuple[int, ...]) -> Tensor:
    """Maps on the grid at latents of another size: integer nearest neighbour, row floor(i Hg / h).

    Args:
        u: B x n x Hg x Wg.
    Returns:
        B x n x h x w.
    """
    if tuple(u.shape[2:]) == tuple(size):
        return u
    rows, columns = (
        torch.arange(n, device=u.device) * have // n for n, have in zip(size, u.shape[2:], strict=True)
    )
    return u[:, :, rows][:, :, :, columns]


class SidePrior(nn.Module):
    """A logistic distribution for each level and channel of the side information.

    Args:
        levels, channels: L and V.
    """

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(levels, channels))
        self.log_scale = nn.Parameter(torch.zeros(levels, channels) + 0.5)

    def forward(self, v: Tensor, level: Tensor) -> Tensor:
        """Bits of (noisy or rounded) v, B x V x any, same shape; level: B."""
        around = (len(v), v.shape[1], *[1] * (v.dim() - 2))
        mean, log_scale = self.mean[level].reshape(around), self.log_scale[level].reshape(around)
        return logistic_bits(v - mean, log_scale.expand_as(v))


def rounded_side(v: Tensor, rounding: str) -> tuple[Tensor, Tensor]:
    """Side information as it is sent, and what its bits are estimated for (noisy while training with noise)."""
    v = torch.clamp(v, -HYPER_MAX, HYPER_MAX)
    sent = round_through(v)
    return sent, v + torch.rand_like(v) - 0.5 if rounding == "noise" else sent


class CodebookPrior(nn.Module):
    """The codebook hyperprior: extractor, prior of v, generator with codebook, predictor."""

    def __init__(self, settings: CodecSettings) -> None:
        super().__init__()
        self.levels = settings.levels
        self.extractor = HyperExtractor(settings)
        self.side = SidePrior(settings.levels, settings.hyper_channels)
        self.generator = Generator(settings)
        self.predictor = Predictor(settings)

    @torch.no_grad()
    def start(self, y: Tensor) -> None:
        """Let v start with a spread of some steps: pooled networks hardly differ between pictures before training,
        and rounding would leave nothing of the difference.

        Args:
            y: N x M x h x w in symbols.
        """
        v = self.extractor(y)[:, :, 0, 0]
        factor = FIRST_SPREAD / torch.clamp(v.std(0), min=1e-6)
        leave = self.extractor.leave
        assert leave.bias is not None
        leave.weight.mul_(factor[:, None, None, None])
        leave.bias.copy_((leave.bias - v.mean(0) / HYPER_UNIT) * factor)
        self.side.log_scale.fill_(math.log(FIRST_SPREAD))

    def forward(self, y: Tensor, level: Tensor, rounding: str) -> Prediction:
        """Predict latents.

        Args:
            y: B x M x h x w in symbols, not yet rounded.
            level: B.
            rounding: "noise" or "nearest".
        """
        v, counted = rounded_side(self.extractor(y), rounding)
        side_bits = self.side(counted, level).sum((1, 2, 3))
        one_hot = nn.functional.one_hot(level, self.levels).to(v)[:, :, None, None]
        u = self.generator(torch.cat([v / HYPER_UNIT, one_hot], 1))
        mean, scale_index = predicted(self.predictor(resample(u, y.shape[2:])))
        return Prediction(mean, scale_index, side_bits, v)
