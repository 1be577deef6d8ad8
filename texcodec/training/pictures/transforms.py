"""Analysis, synthesis and hyper analysis transforms of one texture class, and the linear transform all classes share.

The linear transform starts as the lowest coefficients of a 16x16 DCT over opponent colours; the networks add to it and
start at zero, so training begins from a working codec.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...similarity import latent_energies
from .architecture import HYPER_STRIDE, LATENT_STRIDE, Architecture
from .companding import compand
from .lapping import lap, lapping_matrix
from .post_filter import PostFilter
from .rate_features import rate_features
from .rates import high_rate_step

RESIDUAL_SCALE = 32.0
"""Grey levels that one unit of the analysis network's output stands for."""


def dct_basis() -> np.ndarray:
    """The orthonormal 16x16 DCT over opponent colours.

    Returns:
        float32 768 x 768: a row a coefficient, columns in the order of pixel unshuffling (colour, row,
        column).
    """
    n = LATENT_STRIDE
    k = np.arange(n)[:, None]
    one = np.sqrt(2 / n) * np.cos(np.pi * (2 * np.arange(n)[None] + 1) * k / (2 * n))
    one[0] /= np.sqrt(2)
    colours = np.array([[1, 1, 1], [1, -1, 0], [1, 1, -2]], float)
    colours /= np.linalg.norm(colours, axis=1, keepdims=True)
    return np.einsum("ac,ui,vj->auvcij", colours, one, one).reshape(3 * n * n, 3 * n * n).astype(np.float32)


def start_coefficients(batches: Iterator[np.ndarray], count: int) -> np.ndarray:
    """Numbers of the ``count`` DCT coefficients with the largest variance on training crops, largest
    first.

    Args:
        batches: uint8 B x side x side x 3; ten are looked at.
    """
    basis, energy = dct_basis(), np.zeros(768)
    n = LATENT_STRIDE
    for x in islice(batches, 10):
        rows = x.shape[1] // n
        blocks = x[:, : rows * n, : rows * n].astype(np.float32) - 128
        blocks = blocks.reshape(len(x), rows, n, rows, n, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 768)
        energy += np.square(blocks @ basis.T).mean(0)
    return np.argsort(-energy, kind="stable")[:count].copy()


class GatedBlock(nn.Module):
    """x + conv1x1(relu(a) * b), where a and b come from a 1x1 and a depthwise 3x3 convolution.

    Args:
        inner: channels of a and of b; default: the width.
    """

    def __init__(self, width: int, inner: int | None = None) -> None:
        super().__init__()
        n = inner or width
        self.expand = nn.Conv2d(width, 2 * n, 1)
        self.spatial = nn.Conv2d(2 * n, 2 * n, 3, padding=1, groups=2 * n)
        self.project = nn.Conv2d(n, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.spatial(self.expand(x)).chunk(2, 1)
        return x + self.project(F.relu(a) * b)


class Analysis(nn.Module):
    """Pixels to what the network adds to the linear latents, in units of RESIDUAL_SCALE grey levels."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        w = architecture.analysis_width
        self.enter = nn.Conv2d(192, w, 1)
        self.blocks = nn.Sequential(*[GatedBlock(w) for _ in range(architecture.analysis_blocks)])
        self.leave = nn.Conv2d(4 * w, architecture.latent_channels, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor) -> Tensor:
        """x: B x 3 x H x W, grey levels minus 128, divided by 64; returns B x C x H/16 x W/16."""
        h = self.blocks(self.enter(F.pixel_unshuffle(x, 8)))
        return self.leave(F.pixel_unshuffle(h, 2))


class Synthesis(nn.Module):
    """Dequantised latents in symbols to what the network adds to the linear picture, in units of the base
    step.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        w = architecture.synthesis_width
        self.enter = nn.Conv2d(architecture.latent_channels, 4 * w, 1)
        self.blocks = nn.Sequential(*[GatedBlock(w) for _ in range(architecture.synthesis_blocks)])
        self.leave = nn.Conv2d(w, 192, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.rate = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, w))
        self.limit = architecture.residual_limit
        self.post_filter = PostFilter(architecture) if architecture.post_filter else None

    def forward(self, v: Tensor, t: Tensor, low: Tensor) -> Tensor:
        """What to add to the linear picture.

        Args:
            v: B x C x h x w latents in symbols.
            t: B rates in [0, 1].
            low: B x 3 x 16h x 16w, the linear picture in grey levels minus 128.
        Returns:
            B x 3 x 16h x 16w.
        """
        h = F.pixel_shuffle(self.enter(compand(v)), 2)
        return self._pixels(h + self.own_bias(t)[:, :, None, None], t, low)

    def _pixels(self, h: Tensor, t: Tensor, low: Tensor) -> Tensor:
        """From what enters the gated blocks to the result."""
        h = self.blocks(h)
        net = self._limited(F.pixel_shuffle(self.leave(h), 8))
        if self.post_filter is None:
            return net
        seen = low / high_rate_step(t)[:, None, None, None] + net
        return net + self._limited(self.post_filter(seen, h, t))

    def _limited(self, change: Tensor) -> Tensor:
        """The products of gated blocks have no bound: where latents are larger than any in training, they would
        add garish specks.
        """
        return torch.clamp(change, -self.limit, self.limit) if self.limit else change

    def own_bias(self, t: Tensor) -> Tensor:
        """B x W: the bias that tells the gated blocks the rate."""
        return self.rate(rate_features(t))

    def rate_bias(self, t: Tensor) -> Tensor:
        """All that depends on the rate, tabulated for every rate index when exported: that bias, and the filter's."""
        if self.post_filter is None:
            return self.own_bias(t)
        return torch.cat([self.own_bias(t), self.post_filter.rate_bias(t)], 1)

    def settle(self) -> None:
        """Replace weights by those that are computed with, as exports need it; the function stays."""
        if self.post_filter is not None:
            self.post_filter.settle()


class HyperAnalysis(nn.Module):
    """Latents in symbols to hyper latents (before rounding)."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        w = architecture.hyper_width
        self.enter = nn.Conv2d(architecture.latent_channels, w, 1)
        self.down = nn.Conv2d(w, w, 3, stride=2, padding=1)
        self.leave = nn.Conv2d(w, architecture.hyper_channels, 3, stride=2, padding=1)
        self.rate = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, w))

    def forward(self, v: Tensor, t: Tensor) -> Tensor:
        """v: B x C x h x w with h, w multiples of 4; returns B x Z x h/4 x w/4."""
        assert v.shape[-1] % HYPER_STRIDE == 0 and v.shape[-2] % HYPER_STRIDE == 0
        h = F.relu(self.enter(compand(v)) + self.rate_bias(t)[:, :, None, None])
        return 4.0 * self.leave(F.relu(self.down(h)))

    def rate_bias(self, t: Tensor) -> Tensor:
        """The bias that tells the network the rate; tabulated for every rate index when exported."""
        return self.rate(rate_features(t))


class LinearTransform(nn.Module):
    """The linear transform that all classes share: C of the 768 DCT coefficients of a 16x16 block, then
    learned; lapped in sets of entropy profile 2 (``lapping``).
    """

    lapping: Tensor

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        c = architecture.latent_channels
        self.analysis = nn.Parameter(torch.zeros(c, 768, 1, 1))
        self.synthesis = nn.Parameter(torch.zeros(768, c, 1, 1))
        self.lapped = architecture.profile > 1
        self._energies: tuple[int, list[Tensor]] | None = None
        if self.lapped:
            self.register_buffer("lapping", lapping_matrix(), persistent=False)

    def start_from(self, rows: np.ndarray) -> None:
        """Take the DCT coefficients with these numbers (C of 0..767), most important first."""
        basis = torch.from_numpy(dct_basis()[rows])
        self.analysis.data.copy_(basis[:, :, None, None])
        self.synthesis.data.copy_(basis.T[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        """B x 3 x H x W grey levels minus 128 to B x C x H/16 x W/16."""
        x = lap(x, self.lapping) if self.lapped else x
        return F.conv2d(F.pixel_unshuffle(x, LATENT_STRIDE), self.analysis)

    def energies(self) -> tuple[Tensor, Tensor]:
        """What errors of latents are in structural similarity (``similarity.latent_energies``): C x 5, and C."""
        version = self.synthesis._version
        if self._energies is None or self._energies[0] != version:
            blocks = self.synthesis.detach().cpu().reshape(3, LATENT_STRIDE, LATENT_STRIDE, -1).numpy()
            found = latent_energies(blocks, self.lapping.cpu().numpy())
            self._energies = version, [torch.from_numpy(values) for values in found]
        energies, grey = self._energies[1]
        return energies, grey

    def inverse(self, y: Tensor) -> Tensor:
        """B x C x h x w to B x 3 x 16h x 16w grey levels minus 128."""
        x = F.pixel_shuffle(F.conv2d(y, self.synthesis), LATENT_STRIDE)
        return lap(x, self.lapping.T) if self.lapped else x
