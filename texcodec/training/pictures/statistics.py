"""How often symbols occur when a trained codec codes training pictures; probability tables are fitted to that."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from ...constants import HYPER_MAX, RATE_INDICES, SCALE_LEVELS
from ...entropy import quantise_probabilities
from ..core.tables import MOST_SUPPORT, hyper_probabilities
from .architecture import Architecture
from .codec import Codec
from .correction import PLAIN, Choices
from .entropy_model import interpolate

HYPER_BANDS = 16


class Statistics:
    """How often each symbol occurs at each scale index, and each hyper latent in each band of rates.

    Counted on training pictures by running the codec; the probability tables are fitted to them.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.symbols = np.zeros((SCALE_LEVELS, 2 * MOST_SUPPORT + 1))
        self.hyper = np.zeros((HYPER_BANDS, architecture.hyper_channels, 2 * HYPER_MAX + 1))
        self.ends = np.cumsum(architecture.slices)
        self.slices = np.zeros((HYPER_BANDS, 2 * len(self.ends) + 1))

    def add(self, symbols: Tensor, scales: Tensor, hyper: Tensor, rate_index: int) -> None:
        """Count one batch that was coded at one rate index."""
        s = (
            np.clip(symbols.detach().round().int().numpy().ravel(), -MOST_SUPPORT, MOST_SUPPORT)
            + MOST_SUPPORT
        )
        i = scales.detach().round().int().numpy().ravel()
        width = 2 * MOST_SUPPORT + 1
        self.symbols += np.bincount(i * width + s, minlength=SCALE_LEVELS * width).reshape(
            SCALE_LEVELS, width
        )
        band = rate_index * HYPER_BANDS // RATE_INDICES
        for picture in symbols.detach():
            used = picture.abs().amax((1, 2)).nonzero()
            count = 1 + int(np.searchsorted(self.ends, int(used.max()), side="right")) if len(used) else 1
            self.slices[band, len(self.ends) + count] += 1
        z = hyper.detach().round().int().numpy() + HYPER_MAX
        for c in range(z.shape[1]):
            self.hyper[band, c] += np.bincount(z[:, c].ravel(), minlength=2 * HYPER_MAX + 1)

    @torch.no_grad()
    def gather(
        self,
        codec: Codec,
        batches: Iterable[tuple[Tensor, Tensor]],
        seed: int = 5,
        *,
        choices: Choices = PLAIN,
    ) -> None:
        """Run the codec on (pictures B x 3 x H x W, classes B), each batch at its own rate index.

        Args:
            choices: what encoders do beside rounding.
        """
        random = np.random.default_rng(seed)
        for x, classes in batches:
            r = int(random.integers(RATE_INDICES))
            t = torch.full((len(x),), r / (RATE_INDICES - 1))
            coded = codec(x, t, classes, halo=True, rounding="hard", choices=choices)
            self.add(coded.symbols, coded.scales, coded.hyper, r)


def hyper_tables(codec: Codec, counts: np.ndarray, weight: float = 30.0) -> np.ndarray:
    """Fit the hyper latents' tables; uint32 bands x Z x 63."""
    with torch.no_grad():
        t = (torch.arange(HYPER_BANDS) + 0.5) / HYPER_BANDS
        means = interpolate(codec.entropy.prior_mean, t).numpy()
        scales = np.exp(interpolate(codec.entropy.prior_scale, t).numpy()) * math.sqrt(3) / math.pi
    out = np.zeros(counts.shape, np.uint32)
    for b in range(HYPER_BANDS):
        # neighbouring bands are alike: borrow from them
        near = counts[max(0, b - 1) : b + 2].sum(0) + counts[b]
        for c in range(counts.shape[1]):
            p = hyper_probabilities(means[b, c], scales[b, c])
            out[b, c] = quantise_probabilities(near[c] + weight * np.maximum(p, 1e-7))
    return out
