"""The whole codec as one torch module: what training optimises and exporting reads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..core.fixed_point import round_through
from ..core.rounding import TRAINABLE
from .architecture import HYPER_MAX, HYPER_STRIDE, LATENT_STRIDE, Architecture
from .correction import PLAIN, Choices, corrected
from .entropy_model import EntropyModel, interpolate
from .eyes import Eyes
from .nonlinear import DEEP_SCALE, DeepAnalysis, RefiningSynthesis
from .rates import finer, high_rate_step, lagrangian
from .transforms import RESIDUAL_SCALE, Analysis, HyperAnalysis, LinearTransform, Synthesis

STEP_ANCHORS = 10

DISTORTION_FACTOR = 1.0
"""Of what a squared symbol is worth when rounding (docs/decisions/quantisation.md)."""

Sides = tuple[int, int, int, int]
"""How many columns at the left and at the right, and rows at the top and at the bottom."""
INSIDE: Sides = (0, 0, 0, 0)
OUTSIDE: Sides = (1, 1, 1, 1)

Groups = tuple[int, ...] | None
"""The number of pictures of each class in a batch that is sorted by class; None for any other batch."""


class ClassTransforms(nn.Module):
    """The networks that belong to one texture class."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        if architecture.profile == 1:
            self.analysis = Analysis(architecture)
        elif architecture.nonlinear:
            self.analysis = DeepAnalysis(architecture)
        self.synthesis = (RefiningSynthesis if architecture.nonlinear else Synthesis)(architecture)
        self.hyper_analysis = HyperAnalysis(architecture)


@dataclass
class Coded:
    """What one pass gives: pixels on the 0..255 scale (not clipped), bits per picture, latents and indices for
    statistics.
    """

    pixels: Tensor
    bits: Tensor
    symbols: Tensor
    scales: Tensor
    hyper: Tensor


@dataclass
class Latents:
    """What entropy coding makes of latents.

    Attributes:
        decoded: B x C x h x w in symbols, as synthesis reads them.
        bits: B.
        symbols, scales: B x C x h x w residual symbols and scale indices.
        hyper: B x Z x ceil(h/4) x ceil(w/4) hyper latents.
    """

    decoded: Tensor
    bits: Tensor
    symbols: Tensor
    scales: Tensor
    hyper: Tensor


def _has(module: nn.Module, name: str) -> bool:
    """Whether a module has a part of that name, such as "synthesis.blocks"."""
    return any(found == name for found, _ in module.named_modules())


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

    def specialise(self, shared: Sequence[str] = ()) -> Codec:
        """A codec whose classes all start as copies of this parent's transforms.

        Args:
            shared: modules of ``ClassTransforms``, as "synthesis.blocks", that stay one for all classes: what
                need not differ learns from the crops of every class.
        """
        child = Codec(self.architecture, specialised=True)
        child.linear.load_state_dict(self.linear.state_dict())
        child.entropy.load_state_dict(self.entropy.state_dict())
        child.log_steps.data.copy_(self.log_steps.data)
        for transforms in child.transforms:
            transforms.load_state_dict(self.transforms[0].state_dict())
        child.share(shared)
        return child

    def share(self, names: Sequence[str]) -> None:
        """Make these modules of ``ClassTransforms`` one for all classes, where they are equal; a set and a
        checkpoint hold a copy for each class, and say in this way which ones were trained as one.
        """
        first, *others = self.transforms
        for name in names:
            if not _has(first, name):  # entropy profile 2 has no analysis network, and few sets have a filter
                continue
            wanted = first.get_submodule(name).state_dict()
            found = [t.get_submodule(name).state_dict() for t in others]
            if all(torch.equal(wanted[k], f[k]) for f in found for k in wanted):
                parent, _, leaf = name.rpartition(".")
                for transforms in others:
                    setattr(transforms.get_submodule(parent), leaf, first.get_submodule(name))

    def steps(self, t: Tensor) -> Tensor:
        """B rates to B x C quantisation steps in grey levels."""
        steps = torch.exp(interpolate(self.log_steps, t))
        return steps * finer(t)[:, None] if self.architecture.profile > 1 else steps

    def worth(self, t: Tensor) -> Tensor:
        """B rates to B x C: the bits that a squared symbol of distortion is worth, were the linear transform
        orthonormal and all.
        """
        squares = self.steps(t).detach().square() / 3  # distortion is the mean over three colours
        return DISTORTION_FACTOR * lagrangian(t)[:, None] * squares

    def analyse(self, x: Tensor, classes: Tensor, groups: Groups = None) -> Tensor:
        """B x 3 x H x W grey levels to latents B x C x H/16 x W/16 in grey levels (before division by the
        step).
        """
        x = x - 128
        if self.architecture.profile > 1 and not self.architecture.nonlinear:
            return self.linear(x)
        with torch.autocast(x.device.type, dtype=torch.bfloat16, enabled=self.half_precision):
            net = self._by_class(classes, groups, lambda k, i: self.transforms[k].analysis(x[i] / 64))
        scale = DEEP_SCALE if self.architecture.nonlinear else RESIDUAL_SCALE
        return self.linear(x) + scale * net.float()

    def synthesise(
        self, v: Tensor, t: Tensor, classes: Tensor, groups: Groups = None, *, outside: Sides = INSIDE
    ) -> Tensor:
        """Latents in symbols to pixels on the 0..255 scale.

        Args:
            outside: the rows and columns of ``v`` that are zeros beyond the picture's border, which no lapped
                transform reaches across.
        """
        y = v * self.steps(t)[:, :, None, None]
        low = F.pad(
            self.linear.inverse(F.pad(y, [-n for n in outside])), [LATENT_STRIDE * n for n in outside]
        )
        with torch.autocast(v.device.type, dtype=torch.bfloat16, enabled=self.half_precision):
            net = self._by_class(
                classes, groups, lambda k, i: self.transforms[k].synthesis(v[i], t[i], low[i])
            )
        return low + high_rate_step(t)[:, None, None, None] * net.float() + 128

    def forward(
        self,
        x: Tensor,
        t: Tensor,
        classes: Tensor,
        *,
        halo: bool,
        rounding: str = "relaxed",
        groups: Groups = None,
        choices: Choices = PLAIN,
    ) -> Coded:
        """Code B pictures.

        Args:
            x: B x 3 x H x W, grey levels, sides multiples of 16.
            t: B rates in [0, 1] on the grid of rate indices.
            classes: B class numbers.
            halo: the pictures have a border of zero latents around them when synthesised (as a tile that is a whole
                picture has); without it the outermost latents serve as halo and the returned pixels lack 16 rows and
                columns per side.
            rounding: one of ``rounding.ROUNDINGS``: how latents are rounded and gradients pass through it.
            groups: how many pictures each class has, in a batch that is sorted by class: the same result with
                shapes that are known before the batch is, as CUDA graphs need them.
            choices: what encoders do beside rounding.
        """
        v = self.analyse(x, classes, groups) / self.steps(t)[:, :, None, None]

        def decode(latents: Latents) -> Tensor:
            seen = F.pad(latents.decoded, (1, 1, 1, 1)) if halo else latents.decoded
            s, sides = LATENT_STRIDE, OUTSIDE if halo else INSIDE
            return self.synthesise(seen, t, classes, groups, outside=sides)[..., s:-s, s:-s]

        eyes = Eyes(x, t, self.linear, choices.similarity) if choices.similarity else None
        if choices.correction:
            with torch.no_grad():
                first = self.quantise(v, t, classes, rounding="hard", groups=groups, eyes=eyes)
                better = corrected(
                    v,
                    first.decoded,
                    x,
                    decode(first),
                    linear=self.linear,
                    steps=self.steps(t),
                    share=choices.correction,
                    eyes=eyes,
                )
            # gradients pass as if the latents were those of the pictures
            v = v + (better - v).detach()
        coded = self.quantise(v, t, classes, rounding=rounding, groups=groups, eyes=eyes)
        return Coded(decode(coded), coded.bits, coded.symbols, coded.scales, coded.hyper)

    def quantise(
        self,
        v: Tensor,
        t: Tensor,
        classes: Tensor,
        *,
        rounding: str,
        groups: Groups = None,
        eyes: Eyes | None = None,
    ) -> Latents:
        """Quantise the latents of B tiles and estimate their bits.

        Args:
            v: B x C x h x w latents in symbols, not yet rounded.
            t, classes, rounding, groups: as for ``forward``.
            eyes: what errors count; default: as squared error.
        """
        pad = (-v.shape[3] % HYPER_STRIDE, -v.shape[2] % HYPER_STRIDE)
        padded = F.pad(v, (0, pad[0], 0, pad[1]))
        z = self._by_class(
            classes, groups, lambda k, i: self.transforms[k].hyper_analysis(padded[i], t[i])
        ).float()
        z = torch.clamp(z, -HYPER_MAX, HYPER_MAX)
        # hyper latents are few and wide, which noise stands for well enough
        noisy_z = z + torch.rand_like(z) - 0.5 if rounding in TRAINABLE else round_through(z)
        z = round_through(z)
        planes = torch.cat(
            [torch.floor(t * 255 + 0.5)[:, None] / 32, F.one_hot(classes, self.architecture.classes)], 1
        )
        worth = self.worth(t)
        if eyes is not None:
            worth = worth[:, :, None, None] * eyes.of_symbols()
        decoded, bits, symbols, scales = self.entropy(v, z, planes, worth, rounding=rounding)
        total = bits.sum((1, 2, 3)) + self.entropy.hyper_bits(noisy_z, t).sum((1, 2, 3))
        return Latents(decoded, total, symbols, scales, z)

    def _by_class(self, classes: Tensor, groups: Groups, run: Callable[[int, Any], Tensor]) -> Tensor:
        if not self.specialised:
            return run(0, slice(None))
        if groups is not None:
            ends = list(accumulate(groups))
            return torch.cat([run(k, slice(e - n, e)) for k, (n, e) in enumerate(zip(groups, ends)) if n])
        parts, places = [], []
        for k in range(len(self.transforms)):
            index = torch.nonzero(classes == k)[:, 0]
            if len(index):
                parts.append(run(k, index))
                places.append(index)
        return torch.cat(parts)[torch.argsort(torch.cat(places))]
