"""The whole codec as one torch module: what training optimises and exporting reads."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .architecture import HYPER_MAX, HYPER_STRIDE, LAMBDA_MAX, LAMBDA_MIN, LATENT_STRIDE, Architecture
from .entropy_model import EntropyModel, interpolate
from .fixed_point import round_through
from .transforms import RESIDUAL_SCALE, Analysis, HyperAnalysis, LinearTransform, Synthesis

STEP_ANCHORS = 10


def lagrangian(t: Tensor) -> Tensor:
    """Rate in [0, 1] to the multiplier lambda of bits + lambda * squared error."""
    return LAMBDA_MIN * (LAMBDA_MAX / LAMBDA_MIN) ** t


def high_rate_step(t: Tensor) -> Tensor:
    """Grey levels: the quantisation step where rate and distortion slopes meet at high rate, for rates
    ``t``.
    """
    return torch.sqrt(36 / (lagrangian(t) * 2 * math.log(2)))


class ClassTransforms(nn.Module):
    """The networks that belong to one texture class."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.analysis = Analysis(architecture)
        self.synthesis = Synthesis(architecture)
        self.hyper_analysis = HyperAnalysis(architecture)


@dataclass
class Coded:
    """What one pass gives: pixels on the 0..255 scale (not clipped), bits a picture, latents and indices for
    statistics.
    """

    pixels: Tensor
    bits: Tensor
    symbols: Tensor
    scales: Tensor
    hyper: Tensor


class Codec(nn.Module):
    """Linear transform, quantisation steps and entropy model, with one set of transforms (parent) or one a
    class.
    """

    def __init__(self, architecture: Architecture, *, specialised: bool = False) -> None:
        super().__init__()
        self.architecture = architecture
        self.half_precision = False
        """Whether the analysis and synthesis networks run in bfloat16; everything else needs float32."""
        self.linear = LinearTransform(architecture)
        self.transforms = nn.ModuleList(
            ClassTransforms(architecture) for _ in range(architecture.classes if specialised else 1)
        )
        self.entropy = EntropyModel(architecture)
        t = torch.linspace(0, 1, STEP_ANCHORS)
        start = torch.log(1.4 * high_rate_step(t))
        self.log_steps = nn.Parameter(start[:, None].repeat(1, architecture.latent_channels))

    @property
    def specialised(self) -> bool:
        """Whether each class has transforms of its own."""
        return len(self.transforms) > 1

    def specialise(self) -> Codec:
        """A codec whose classes all start as copies of this parent's transforms."""
        child = Codec(self.architecture, specialised=True)
        child.linear.load_state_dict(self.linear.state_dict())
        child.entropy.load_state_dict(self.entropy.state_dict())
        child.log_steps.data.copy_(self.log_steps.data)
        for transforms in child.transforms:
            transforms.load_state_dict(self.transforms[0].state_dict())
        return child

    def steps(self, t: Tensor) -> Tensor:
        """B rates to B x C quantisation steps in grey levels."""
        return torch.exp(interpolate(self.log_steps, t))

    def analyse(self, x: Tensor, classes: Tensor) -> Tensor:
        """B x 3 x H x W grey levels to latents B x C x H/16 x W/16 in grey levels (before division by the
        step).
        """
        x = x - 128
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.half_precision):
            net = self._by_class(classes, lambda k, i: self.transforms[k].analysis(x[i] / 64))
        return self.linear(x) + RESIDUAL_SCALE * net.float()

    def synthesise(self, v: Tensor, t: Tensor, classes: Tensor) -> Tensor:
        """Latents in symbols to pixels on the 0..255 scale."""
        with torch.autocast(v.device.type, dtype=torch.bfloat16, enabled=self.half_precision):
            net = self._by_class(classes, lambda k, i: self.transforms[k].synthesis(v[i], t[i]))
        base = high_rate_step(t)[:, None, None, None]
        return self.linear.inverse(v * self.steps(t)[:, :, None, None]) + base * net.float() + 128

    def forward(self, x: Tensor, t: Tensor, classes: Tensor, *, halo: bool, noise: bool = True) -> Coded:
        """Code B pictures.

        Args:
            x: B x 3 x H x W, grey levels, sides multiples of 16.
            t: B rates in [0, 1] on the grid of rate indices.
            classes: B class numbers.
            halo: the pictures have a border of zero latents around them when synthesised (as a tile that is a
                whole picture
                has); without it the outermost latents serve as halo and the returned pixels lack 16 rows and
                columns a side.
            noise: additive noise in place of rounding where the rate is estimated.
        """
        v = self.analyse(x, classes) / self.steps(t)[:, :, None, None]
        pad = (-v.shape[3] % HYPER_STRIDE, -v.shape[2] % HYPER_STRIDE)
        padded = F.pad(v, (0, pad[0], 0, pad[1]))
        z = self._by_class(classes, lambda k, i: self.transforms[k].hyper_analysis(padded[i], t[i])).float()
        z = torch.clamp(z, -HYPER_MAX, HYPER_MAX)
        noisy_z = z + torch.rand_like(z) - 0.5 if noise else round_through(z)
        z = round_through(z)
        planes = torch.cat(
            [torch.floor(t * 255 + 0.5)[:, None] / 32, F.one_hot(classes, self.architecture.classes)], 1
        )
        decoded, bits, symbols, scales = self.entropy(v, z, planes, noise=noise)
        total = bits.sum((1, 2, 3)) + self.entropy.hyper_bits(noisy_z, t).sum((1, 2, 3))
        s = LATENT_STRIDE
        pixels = self.synthesise(F.pad(decoded, (1, 1, 1, 1)) if halo else decoded, t, classes)[
            ..., s:-s, s:-s
        ]
        return Coded(pixels, total, symbols, scales, z)

    def _by_class(self, classes: Tensor, run) -> Tensor:  # type: ignore[no-untyped-def]
        if not self.specialised:
            return run(0, slice(None))
        parts, places = [], []
        for k in range(len(self.transforms)):
            index = torch.nonzero(classes == k)[:, 0]
            if len(index):
                parts.append(run(k, index))
                places.append(index)
        return torch.cat(parts)[torch.argsort(torch.cat(places))]
