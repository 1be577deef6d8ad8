"""The entropy model while training: hyper synthesis, context over channel slices, and the rate of both.

The modules mirror the integer networks of docs/format.md, "Decoding a tile", one for one.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.fixed_point import SCALE_OUTPUT, IntegerConv, activation, round_through
from ..core.rounding import SCALE_MIN, SCALE_STEP, code_residual, logistic_bits
from .architecture import MEAN_FRACTION_BITS, SCALE_LEVELS, Architecture
from .context_features import features
from .gains import Gains
from .pyramid import EVERYWHERE, Coder, FirstSlice, Where

_MEAN_GRID = float(1 << MEAN_FRACTION_BITS)


class HyperSynthesis(nn.Module):
    """Hyper latents, rate and class to the features that every context network reads."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        w, f = architecture.hyper_width, architecture.feature_width
        self.enter = IntegerConv(architecture.hyper_channels + 1 + architecture.classes, w, 3)
        self.up1 = IntegerConv(w, 4 * (w // 2), 1)
        self.up2 = IntegerConv(w // 2, 4 * f, 1)
        self.leave = IntegerConv(f, f, 3)

    def forward(self, z: Tensor, planes: Tensor) -> Tensor:
        """z: B x Z x h/4 x w/4 integers; planes: B x (1 + classes): rate in [0, 1) on a grid of 1/256 times
        8, one-hot class.

        Returns B x F x h x w activations.
        """
        spread = planes[:, :, None, None].expand(-1, -1, z.shape[2], z.shape[3])
        h = activation(self.enter(torch.cat([z / 8, spread], 1)))
        h = activation(F.pixel_shuffle(self.up1(h), 2))
        h = activation(F.pixel_shuffle(self.up2(h), 2))
        return activation(self.leave(h))


class SliceContext(nn.Module):
    """Means and scale indices of one slice (or one checkerboard half of it) from the features and earlier
    symbols.
    """

    def __init__(self, architecture: Architecture, *, context: int, outputs: int) -> None:
        super().__init__()
        f, e, j = architecture.feature_width, architecture.context_width, architecture.joint_width
        self.outputs = outputs
        if context:
            self.squeeze = IntegerConv(context, e, 1)
            self.spread = IntegerConv(e, e, 3)
        self.joint = IntegerConv(f + (e if context else 0), j, 1)
        self.leave = IntegerConv(j, 2 * outputs, 1, final_outputs=outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.leave.bias.data[outputs:] = 3.5

    def forward(self, h: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns means in symbols (multiples of 1/16) and scale indices (integers in [0, 63]), each B x c x
        h x w.
        """
        if context is not None:
            e = activation(self.spread(activation(self.squeeze(context))))
            h = torch.cat([h, e], 1)
        out = self.leave(activation(self.joint(h)))
        mean, scale = out.split(self.outputs, 1)
        mean = mean + (torch.floor(mean * _MEAN_GRID + 0.5) / _MEAN_GRID - mean).detach()
        scale = torch.clamp(scale * SCALE_OUTPUT, 0, SCALE_LEVELS - 1)
        return mean, round_through(scale)


class EntropyModel(nn.Module):
    """Hyper synthesis, slice contexts and the prior of the hyper latents."""

    PRIOR_ANCHORS = 4

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        self.hyper = HyperSynthesis(architecture)
        s = architecture.slices
        steps: list[nn.Module] = []
        if architecture.profile == 1:
            steps.append(SliceContext(architecture, context=0, outputs=s[0]))
            steps.append(SliceContext(architecture, context=3 * s[0], outputs=s[0]))
        else:
            self.first = FirstSlice(architecture)
        if architecture.gains:
            self.gains = Gains(architecture)
        done = s[0]
        for c in s[1:]:
            steps.append(SliceContext(architecture, context=2 * done + s[0], outputs=c))
            done += c
        self.steps = nn.ModuleList(steps)
        self.prior_mean = nn.Parameter(torch.zeros(self.PRIOR_ANCHORS, architecture.hyper_channels))
        self.prior_scale = nn.Parameter(torch.zeros(self.PRIOR_ANCHORS, architecture.hyper_channels) + 0.5)

    def hyper_bits(self, z: Tensor, t: Tensor) -> Tensor:
        """Bits of (noisy or rounded) hyper latents, same shape as ``z``; t: B rates in [0, 1]."""
        mean, scale = interpolate(self.prior_mean, t), interpolate(self.prior_scale, t)
        return logistic_bits(z - mean[:, :, None, None], scale[:, :, None, None].expand_as(z))

    def forward(
        self, v: Tensor, z: Tensor, planes: Tensor, worth: Tensor, *, rounding: str
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quantise latents slice by slice.

        Args:
            v: B x C x h x w latents in symbols, not yet rounded.
            z: B x Z x h/4 x w/4 rounded hyper latents.
            worth: bits that a squared error of one step is worth: B x C x h x w of latents as they are, or B x C of
                latents multiplied by gains, which then stand for what errors count.
            rounding: one of ``rounding.ROUNDINGS``.
        Returns:
            decoded latents in symbols, bits of each latent, residual symbols, scale indices; all B x C x h x w.
        """
        h = self.hyper(z, planes)[:, :, : v.shape[2], : v.shape[3]]
        slices = self.architecture.slices
        gains = self.gains(h) if self.architecture.gains else None
        v = v if gains is None else v * gains
        if worth.dim() == 2:
            worth = worth[:, :, None, None].expand_as(v)
        elif gains is not None:
            worth = worth / gains.detach().square()
        first, *rest = v.split(slices, 1)
        first_worth, *worths = worth.split(slices, 1)

        def code(residual: Tensor, scale: Tensor, at: Where) -> tuple[Tensor, Tensor]:
            return self._code(residual, scale, first_worth[at], rounding)

        begin = self._checkerboard if self.architecture.profile == 1 else self.first
        parts = [begin(first, h, code)]
        context = features(parts[0][0], linear=True)
        for step, part, own_worth in zip(self.steps[-len(rest) :], rest, worths):
            mean, scale = step(h, context)
            symbol, bit = self._code(part - mean, scale, own_worth, rounding)
            parts.append((symbol + mean, bit, symbol, scale))
            context = torch.cat([context, features(parts[-1][0], linear=False)], 1)
        decoded, bits, symbols, scales = (torch.cat(kind, 1) for kind in zip(*parts))
        decoded = decoded if gains is None else decoded / gains
        return decoded, bits, symbols, scales

    def _checkerboard(self, first: Tensor, h: Tensor, code: Coder) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The first slice in two passes over the halves of a checkerboard, as entropy profile 1 has it; what
        is taken and returned is that of ``pyramid.FirstSlice``.
        """
        row, column = (torch.arange(n, device=first.device) for n in first.shape[2:])
        even = ((row[:, None] + column[None]) % 2 == 0).to(first)
        mean_e, scale_e = self.steps[0](h, None)
        half = (code(first - mean_e, scale_e, EVERYWHERE)[0] + mean_e) * even
        mean_o, scale_o = self.steps[1](h, features(half, linear=True))
        mean = mean_o + (mean_e - mean_o) * even
        scale = scale_o + (scale_e - scale_o) * even
        symbol, bit = code(first - mean, scale, EVERYWHERE)
        return symbol + mean, bit, symbol, scale

    @staticmethod
    def _code(residual: Tensor, scale_index: Tensor, worth: Tensor, rounding: str) -> tuple[Tensor, Tensor]:
        return code_residual(residual, math.log(SCALE_MIN) + SCALE_STEP * scale_index, worth, rounding)


def interpolate(anchors: Tensor, t: Tensor) -> Tensor:
    """Linear interpolation of A x C anchors, evenly spaced on [0, 1], at B points; returns B x C."""
    x = t * (anchors.shape[0] - 1)
    low = torch.clamp(x.floor().long(), 0, anchors.shape[0] - 2)
    f = (x - low)[:, None]
    return anchors[low] * (1 - f) + anchors[low + 1] * f
