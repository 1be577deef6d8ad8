"""The feature codec while training: features of all tasks -> latents -> symbols and bits -> features again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ParameterError
from ..core.rounding import code_residual
from .networks import (
    Separation,
    Transform,
    Trunk,
    Whitening,
    start_from_components,
)
from .priors import CodebookPrior, Prediction
from .rates import log_scale_of, table_bits, training_bits
from .settings import CodecSettings, TaskShape

GAIN_SPEED = 5.0
"""Logarithms of the gains are this many times their parameters, and learn as much faster."""


@dataclass
class Coded:
    """What became of a batch.

    Attributes:
        features: B x C x H x W reconstructed features by task.
        whitened: the same, whitened.
        bits: B, of the symbols.
        side_bits: B, of the side information.
        symbols, scale_index: B x M x h x w.
        side: rounded side information, as the prior gives it.
        latents: B x M x h x w, z as reconstruction reads it.
    """

    features: dict[str, Tensor]
    whitened: dict[str, Tensor]
    bits: Tensor
    side_bits: Tensor
    symbols: Tensor
    scale_index: Tensor
    side: Tensor | None
    latents: Tensor


class FeatureCodec(nn.Module):
    """Fusion and transform, gains, prior, reconstruction and separation for one or several tasks.

    Args:
        settings: sizes.
        shapes: the tasks of the stream, in their order.
        prior: of the latents; by default the codebook hyperprior.
    """

    def __init__(
        self, settings: CodecSettings, shapes: tuple[TaskShape, ...], prior: nn.Module | None = None
    ) -> None:
        super().__init__()
        if not shapes or len({s.name for s in shapes}) != len(shapes):
            raise ParameterError("A feature codec needs at least one task, and another name for each.")
        self.settings, self.shapes = settings, shapes
        self.whitening = nn.ModuleList(Whitening(s.channels) for s in shapes)
        self.transform = Transform(settings, shapes)
        self.prior = prior if prior is not None else CodebookPrior(settings)
        self.trunk = Trunk(settings)
        self.separations = nn.ModuleList(Separation(settings, s) for s in shapes)
        start = torch.log(1 / torch.tensor(settings.steps())) / GAIN_SPEED
        start = start[:, None].repeat(1, settings.latent_channels)
        self.gains = nn.Parameter(start.clone())
        self.inverse_gains = nn.Parameter(-start.clone())

    @torch.no_grad()
    def start_from(self, features: Mapping[str, Tensor], *, seed: int = 0) -> None:
        """Measure the features' statistics and start from their principal components.

        Args:
            features: N x C x H x W of every task, for some hundred samples.
        """
        for whitening, shape in zip(self.whitening, self.shapes):
            assert isinstance(whitening, Whitening)
            whitening.measure(features[shape.name])
        parts = [s for s in self.separations if isinstance(s, Separation)]
        start_from_components(self.transform, parts, self._whitened(features), seed=seed)
        if isinstance(self.prior, CodebookPrior):
            z = self.latents(features)
            self.prior.start(z * self.gain(torch.arange(len(z)) % self.settings.levels))

    def _whitened(self, features: Mapping[str, Tensor]) -> list[Tensor]:
        return [w(padded(features[s.name], s.factor)) for w, s in zip(self.whitening, self.shapes)]

    def latents(self, features: Mapping[str, Tensor]) -> Tensor:
        """z, B x M x h x w, of the features of all tasks.

        Raises:
            ParameterError: the tasks do not have the same number of latents.
        """
        x = self._whitened(features)
        sizes = {s.name: tuple(n // s.factor for n in part.shape[2:]) for s, part in zip(self.shapes, x)}
        if len(set(sizes.values())) > 1:
            listed = ", ".join(f"{name}: {h} x {w}" for name, (h, w) in sizes.items())
            raise ParameterError(
                f"The tasks' features give different numbers of latents ({listed}); choose other layers or factors."
            )
        out: Tensor = self.transform(x)
        return out

    def gain(self, level: Tensor) -> Tensor:
        """B x M x 1 x 1, symbols per unit of z; level: B."""
        return torch.exp(GAIN_SPEED * self.gains[level])[:, :, None, None]

    def inverse_gain(self, level: Tensor) -> Tensor:
        """B x M x 1 x 1, units of z a symbol; level: B."""
        return torch.exp(GAIN_SPEED * self.inverse_gains[level])[:, :, None, None]

    def code(self, z: Tensor, level: Tensor, rounding: str) -> tuple[Tensor, Tensor, Tensor, Prediction]:
        """Quantise latents.

        Args:
            z: B x M x h x w.
            level: B.
            rounding: "relaxed" or "noise" for training; "nearest" is what files hold, with the bits of their tables.
        Returns:
            decoded z, symbols (both B x M x h x w), bits of the symbols (B), and what the prior said.
        """
        y = z * self.gain(level)
        p: Prediction = self.prior(y, level, rounding)
        log_scale = log_scale_of(p.scale_index)
        symbols, bits = code_residual(y - p.mean, log_scale, None, rounding, bits=training_bits)
        symbols = symbols * (p.scale_index > 0)
        if rounding == "nearest":
            bits = table_bits(symbols, p.scale_index)
        return (symbols + p.mean) * self.inverse_gain(level), symbols, bits.sum((1, 2, 3)), p

    def reconstruct(self, z: Tensor) -> dict[str, Tensor]:
        """Whitened features of every task of decoded latents, of padded size."""
        t = self.trunk(z)
        return {s.name: part(t) for s, part in zip(self.shapes, self.separations)}

    def forward(self, features: Mapping[str, Tensor], level: Tensor, rounding: str = "relaxed") -> Coded:
        """Code features of all tasks.

        Args:
            features: B x C x H x W by task.
            level: B, long.
            rounding: as for ``code``.
        """
        z, symbols, bits, p = self.code(self.latents(features), level, rounding)
        whitened, restored = self.reconstruct(z), {}
        for whitening, shape in zip(self.whitening, self.shapes):
            assert isinstance(whitening, Whitening)
            h, w = features[shape.name].shape[2:]
            whitened[shape.name] = whitened[shape.name][:, :, :h, :w]
            restored[shape.name] = whitening.undo(whitened[shape.name])
        return Coded(restored, whitened, bits, p.side_bits, symbols, p.scale_index, p.side, z)


def padded(h: Tensor, factor: int) -> Tensor:
    """Features with their last rows and columns repeated until both sizes are multiples of the factor."""
    rows, columns = (-n % factor for n in h.shape[2:])
    return F.pad(h, (0, columns, 0, rows), mode="replicate") if rows or columns else h
