"""The filter that is the last part of synthesis: it repairs the decoded pixels at half the resolution
(docs/decisions/post-filter.md).

The linear transform and the gated blocks know a picture by its squares of 16 and 8 pixels. Edges and textures do not
lie on such a grid, and neither do the errors that quantisation leaves along them. The filter treats all places alike
but for the parity of rows and columns. It reads the decoded pixels and the features of the last gated block, and
starts without effect.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import Architecture
from .companding import companded
from .rate_features import rate_features

STRIDE, KERNEL = 2, 6
"""Pixels per position, and along a side of the square that a position looks at."""
FEATURE_STRIDE = 8
"""Pixels per position of the features that it reads."""


FEATURE_SHARE = 4
"""One in so many of the filter's first channels comes from the features."""


class PostFilter(nn.Module):
    """Decoded pixels and features to what is added to the pixels, both in units of the base step."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        w = architecture.post_filter
        merged = w // FEATURE_SHARE
        self.view = nn.Conv2d(3, w - merged, KERNEL, stride=STRIDE, padding=(KERNEL - STRIDE) // 2)
        self.merge = nn.Conv2d(architecture.synthesis_width, merged * (FEATURE_STRIDE // STRIDE) ** 2, 1)
        self.layers = nn.ModuleList(
            nn.Conv2d(w, w, 3, padding=1) for _ in range(architecture.post_filter_layers)
        )
        self.leave = nn.Conv2d(w, 3 * STRIDE**2, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.rate = nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, w))
        with torch.no_grad():  # contrasts of a quarter of a base step shall count
            self.view.weight *= 4

    def forward(self, pixels: Tensor, features: Tensor, t: Tensor) -> Tensor:
        """What to add.

        Args:
            pixels: B x 3 x 16h x 16w, grey levels minus 128, divided by the base step.
            features: B x W x 2h x 2w.
            t: B rates in [0, 1].
        """
        seen = F.conv2d(pixels, self._view_weight(), self.view.bias, STRIDE, self.view.padding)
        merged = F.pixel_shuffle(self.merge(features), FEATURE_STRIDE // STRIDE)
        h = torch.cat([companded(seen), merged], 1) + self.rate_bias(t)[:, :, None, None]
        for layer in self.layers:
            h = h + F.relu(layer(h))
        return F.pixel_shuffle(self.leave(h), STRIDE)

    def rate_bias(self, t: Tensor) -> Tensor:
        """B rates in [0, 1] to B x W: the bias that tells the filter the rate."""
        return self.rate(rate_features(t))

    def _view_weight(self) -> Tensor:
        """Without the mean over a square: how bright it is says nothing of how it was quantised."""
        return self.view.weight - self.view.weight.mean((2, 3), keepdim=True)

    @torch.no_grad()
    def settle(self) -> None:
        """Replace weights by those that are computed with, as exports need it; the function stays."""
        self.view.weight.copy_(self._view_weight())


def filter_areas(architecture: Architecture) -> dict[str, int]:
    """Pixels per position of each convolution of the filter, by its name in synthesis."""
    names = ["view", *(f"layers.{i}" for i in range(architecture.post_filter_layers)), "leave"]
    areas = {f"post_filter.{name}": STRIDE**2 for name in names}
    return areas | {"post_filter.merge": FEATURE_STRIDE**2}
