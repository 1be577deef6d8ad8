"""The first slice in five passes over a pyramid of positions (``entropy.pyramid``), with its block means as
wavelet coefficients.

Each pass sees what the passes before it have decoded around a position: at a distance of two in the passes 1
and 2, next to it in the passes 3 and 4. Beside its network it has a linear prediction over the same
neighbourhood. Networks are computed only at the positions that a pass codes.
"""

from __future__ import annotations

from collections.abc import Callable
from types import EllipsisType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...constants import MEAN_CHANNELS
from ...entropy.pyramid import PASSES
from ..core.fixed_point import SCALE_OUTPUT, IntegerConv, activation, round_through
from .architecture import MEAN_FRACTION_BITS, SCALE_LEVELS, Architecture
from .context_features import features
from .wavelet import forward_wavelet, inverse_wavelet

_MEAN_GRID = float(1 << MEAN_FRACTION_BITS)

Where = tuple[EllipsisType | slice, ...]
"""Which positions of B x c x h x w."""
EVERYWHERE: Where = (Ellipsis,)
Coder = Callable[[Tensor, Tensor, Where], tuple[Tensor, Tensor]]
"""Residuals and scale indices at some positions to rounded residuals and bits, all of one shape
(``rounding.code_residual``).
"""


class PyramidPass(nn.Module):
    """Means and scale indices of one pass.

    Args:
        known: whether earlier passes have decoded something, so that there is a neighbourhood to read.
    """

    def __init__(self, architecture: Architecture, *, known: bool) -> None:
        super().__init__()
        f, e, j = architecture.feature_width, architecture.context_width, architecture.joint_width
        self.channels = c = architecture.slices[0]
        planes = c + len(MEAN_CHANNELS)
        if known:
            self.squeeze = IntegerConv(3 * planes + 1, e, 1)
            self.spread = IntegerConv(e, e, 3)
            self.prediction = nn.Parameter(torch.zeros(c, planes, 3, 3))
        self.joint = IntegerConv(f + (e if known else 0), j, 1)
        self.leave = IntegerConv(j, 2 * c, 1, final_outputs=c)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.leave.bias.data[c:] = 3.5

    def squeezed(self, planes: Tensor, mark: Tensor) -> Tensor:
        """What is read of earlier passes, on the pass's sub-grid: B x (c + 3) x h x w symbols and B x 1 x h x
        w marks to B x E x h x w activations.
        """
        return activation(self.squeeze(torch.cat([features(planes, linear=True), mark], 1)))

    def forward(
        self, h: Tensor, near: Tensor | None, planes: Tensor | None, offset: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Means in symbols (multiples of 1/16) and scale indices (integers in [0, 63]) at the positions of
        one offset.

        Args:
            h: B x F x n x m features of hyper synthesis at these positions.
            near: B x E x h x w of ``squeezed``, None in the first pass.
            planes: B x (c + 3) x h x w symbols, likewise.
        """
        if near is not None and planes is not None:
            size = (h.shape[2], h.shape[3])
            e = activation(F.conv2d(_around(near, offset, size), *self.spread.used(), stride=2))
            out = self.leave(activation(self.joint(torch.cat([h, e], 1))))
            mean, scale = out.split(self.channels, 1)
            mean = mean + F.conv2d(_around(planes, offset, size), self.prediction, stride=2)
        else:
            mean, scale = self.leave(activation(self.joint(h))).split(self.channels, 1)
        mean = mean + (torch.floor(mean * _MEAN_GRID + 0.5) / _MEAN_GRID - mean).detach()
        return mean, round_through(torch.clamp(scale * SCALE_OUTPUT, 0, SCALE_LEVELS - 1))


def _around(x: Tensor, offset: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """The part of ``x`` (zeros beyond its borders) whose 3 x 3 windows, every second one, are centred at the
    positions of an offset.
    """
    pads = []
    for o, n, length in zip(offset, size, x.shape[2:]):
        pads.append((1 - o, max(0, o + 2 * (n - 1) + 2 - length)))
    (top, bottom), (left, right) = pads
    return F.pad(x, (left, right, top, bottom))


def _means(x: Tensor) -> Tensor:
    """The channels of the block means. By slices: a list of channels would be copied to a GPU at each use, for which
    it would be waited.
    """
    return torch.cat([x[:, k : k + 1] for k in MEAN_CHANNELS], 1)


def _with_means(x: Tensor, means: Tensor) -> Tensor:
    """The same with other block means."""
    x = x.clone()
    for i, k in enumerate(MEAN_CHANNELS):
        x[:, k] = means[:, i]
    return x


class FirstSlice(nn.Module):
    """All five passes."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.passes = nn.ModuleList(PyramidPass(architecture, known=n > 0) for n in range(len(PASSES)))

    def forward(self, v: Tensor, h: Tensor, code: Coder) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Quantise the first slice.

        Args:
            v: B x c x h x w latents in symbols, not yet rounded; block means are means.
            h: B x F x h x w features of hyper synthesis.
            code: rounds residuals.
        Returns:
            decoded latents in symbols (block means as means), bits, residual symbols, scale indices; B x c x
            h x w.
        """
        target = _with_means(v, forward_wavelet(_means(v)))
        known, mark = torch.zeros_like(v), torch.zeros_like(v[:, :1])
        bits, symbols, scales = (torch.zeros_like(v) for _ in range(3))
        for number, (network, places) in enumerate(zip(self.passes, PASSES)):
            s = places.spacing
            near = planes = None
            if number:
                coefficients = _means(known)
                seen = _with_means(known, inverse_wavelet(coefficients))
                planes = torch.cat([seen, coefficients], 1)[..., ::s, ::s]
                near = network.squeezed(planes, mark[..., ::s, ::s])
            found = []
            for offset in places.offsets:
                at: Where = (Ellipsis, *places.places(offset))
                part = target[at]
                if not part.numel():
                    continue
                mean, scale = network(h[at], near, planes, offset)
                symbol, bit = code(part - mean, scale, at)
                found.append((at, mean, scale, symbol, bit))
            known, bits, symbols, scales, mark = (x.clone() for x in (known, bits, symbols, scales, mark))
            for at, mean, scale, symbol, bit in found:
                known[at], bits[at], symbols[at], scales[at] = symbol + mean, bit, symbol, scale
                mark[at] = 1.0
        return _with_means(known, inverse_wavelet(_means(known))), bits, symbols, scales
