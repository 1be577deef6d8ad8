"""The entropy networks joined to full-precision structures while they are trained (docs/guides/quantise.md).

The codec keeps its integer networks, which compute as they will be exported; ``texcodec.quantisation`` builds the
auxiliary network around the same weights. Its structures are saved with the checkpoint, under ``STRUCTURES``, so that a
stopped stage goes on, and left out of everything else.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...errors import ParameterError
from ...quantisation import AuxiliaryNetwork, JoinedConv, QuantisedConv
from ...quantisation.conversion import replace
from ..core.fixed_point import FEWEST_WEIGHT_BITS, SCALE_OUTPUT, IntegerConv
from ..core.task import Batch, Terms
from .codec import Codec
from .crops import CropTask
from .settings import QuantiseSettings

STRUCTURES = "structures"
"""Name of the module in a codec that holds what is thrown away."""
_EXAMPLE_SIDE = 8
"""Latents."""


def check_exportable(entropy: nn.Module) -> None:
    """Refuse entropy networks that cannot be made integers, before they are trained as such.

    Raises:
        ParameterError: the weights of a layer are too large for the 2^24 bound.
    """
    for name, layer in entropy.named_modules():
        if isinstance(layer, IntegerConv) and int(layer.integers().bits) < FEWEST_WEIGHT_BITS:
            largest = float(layer.weight.detach().abs().max())
            raise ParameterError(
                f"The layer {name} of the entropy networks has weights up to {largest:.1f}, too large to be integers "
                "under the 2^24 bound; start from another set or checkpoint, or train without --quantise entropy."
            )


class _Joinable(QuantisedConv):
    """An integer convolution as ``JoinedConv`` wants it: its input lies on the integer grid already."""

    def __init__(self, conv: IntegerConv) -> None:
        nn.Module.__init__(self)
        self.conv = conv
        self.activation: Any = nn.Identity()

    @property
    def weight(self) -> Tensor:
        return self.conv.rounded()[0]

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        return F.conv2d(x, *self.conv.rounded(), padding=self.conv.padding)

    def with_activation(self, x: Tensor, activation: Any, *args: Any) -> Tensor:
        return self.forward(x)

    def extra_repr(self) -> str:
        return ""


class _Predictions(nn.Module):
    """The entropy model with positional arguments, for the auxiliary network."""

    def __init__(self, entropy: nn.Module) -> None:
        super().__init__()
        self.entropy = entropy

    def forward(
        self, v: Tensor, z: Tensor, planes: Tensor, worth: Tensor, rounding: str
    ) -> tuple[Tensor, ...]:
        found: tuple[Tensor, ...] = self.entropy(v, z, planes, worth, rounding=rounding)
        return found


def join(codec: Codec, width: int) -> AuxiliaryNetwork:
    """The auxiliary network of a codec's entropy model; its structures become a part of ``codec``.

    Args:
        width: n, slices of each joined convolution.
    """
    entropy = codec.entropy
    kept: dict[int, Any] = {id(p): p for p in entropy.parameters()}
    twin = copy.deepcopy(entropy, kept)
    twin = replace(twin, {id(m): _Joinable(m) for m in twin.modules() if isinstance(m, IntegerConv)})
    a, n = codec.architecture, _EXAMPLE_SIDE
    example = (
        torch.randn(1, a.latent_channels, n, n),
        torch.round(2 * torch.randn(1, a.hyper_channels, n // 4, n // 4)),
        torch.ones(1, 1 + a.classes),
        torch.ones(1, a.latent_channels),
        "nearest",
    )
    joined = AuxiliaryNetwork(_Predictions(twin), example, width=width)
    structures = {
        name.replace(".", "/"): m.full
        for name, m in joined.auxiliary.named_modules()
        if isinstance(m, JoinedConv)
    }
    codec.add_module(STRUCTURES, nn.ModuleDict(structures))
    return joined


class JoinedCropTask(CropTask):
    """Crops through a codec whose entropy networks have helpers: cost + auxiliary * cost with the helped networks'
    bits + distillation * distance between the predictions of both.

    Args:
        codec: with its entropy networks computing as exported.
        quantise: how many structures, and the weights of the losses.
    """

    def __init__(self, codec: Codec, *args: Any, quantise: QuantiseSettings, **options: Any) -> None:
        super().__init__(codec, *args, **options)
        self.quantise = quantise
        # not a module of the task: what is trained are the codec's weights and the structures it holds
        self._joined = join(codec, quantise.helpers)

    def cost(self, batch: Batch, device: torch.device) -> Terms:
        """Mean over the crops; rate and distortion are those of the codec without helpers. "helped" is how many bits a
        pixel fewer the helped networks need.
        """
        calls: list[tuple[tuple[Tensor, ...], tuple[Tensor, ...]]] = []
        hook = self.codec.entropy.register_forward_hook(lambda module, args, out: calls.append((args, out)))
        try:
            rate, distortion, t = self.measure(batch, device)
        finally:
            hook.remove()
        ((inputs, found),) = calls
        helped = self._joined.run_auxiliary((*inputs, self.settings.rounding))
        fewer = (found[1] - helped[1]).sum((1, 2, 3)) / self.settings.crop**2
        auxiliary = self.objective(rate - fewer, distortion.minimised.detach(), t)
        pairs = zip(_outputs(found), _outputs(helped))
        distance = torch.stack([F.mse_loss(own, wanted.detach()) for own, wanted in pairs]).mean()
        terms, q = self.terms(rate, distortion, t), self.quantise
        loss = terms.loss + q.auxiliary * auxiliary + q.distillation * distance
        return Terms(loss, terms.rate, terms.distortion, terms.extras | {"helped": fewer.detach().mean()})


def _outputs(found: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """Means and scales as the networks give them, in units of their last layers."""
    decoded, _, symbols, scales = found
    return decoded - symbols, scales / SCALE_OUTPUT
