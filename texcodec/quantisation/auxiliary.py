"""The auxiliary network: a quantised network, every convolution of which is joined to a full-precision structure.

It is trained together with the quantised network and thrown away afterwards (Megvii, CN 112766307 A). The
full-precision structures give gradients a way around the quantisers, and make a teacher that works with the very
weights that its pupil has. Both share the quantised weights (and all that is no convolution: biases, linear layers and
so on); their own are the steps of the activations, and the statistics and factors of batch normalisation.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from .conversion import Inputs, arguments, evaluating, quantised_convolutions, replace
from .joined import JoinedConv, SliceNorm
from .joint import JointNetwork, Outputs, map_tensors, tensors
from .settings import check, check_width

STARTS = ("zero", "residual")
"""How K1 starts."""


def _samples(inputs: tuple[Any, ...]) -> int:
    sizes = [len(x) for x in inputs if isinstance(x, Tensor) and x.dim()]
    check(bool(sizes), "The network's inputs hold no tensor with the samples as its first dimension.")
    return max(sizes)


class AuxiliaryNetwork(JointNetwork):
    """A quantised network and its auxiliary network.

    Args:
        quantised: of ``quantise``; trained in place.
        example: inputs to find out with which convolutions come first and last.
        width: n >= 1, slices of each joined convolution.
        start: of K1, one of ``STARTS``: "zero" begins with the quantised network for a teacher, "residual" (what
            quantising took from the weights) with nearly the float network.
    Raises:
        ParameterError: nothing in the network is quantised, ``width`` or ``start`` is out of its range, or the
            network's outputs do not have the samples first.
    """

    def __init__(self, quantised: nn.Module, example: Inputs, *, width: int = 1, start: str = "zero") -> None:
        check_width(width)
        check(start in STARTS, f"start must be one of {', '.join(STARTS)}, not {start!r}.")
        super().__init__(quantised)
        self.width, self.start = width, start
        own = list(quantised_convolutions(quantised).values())
        kept: dict[int, Any] = {id(m): m for m in own} | {id(p): p for p in quantised.parameters()}
        network = copy.deepcopy(quantised, kept)
        norms = {
            id(m): SliceNorm(m, width)
            for m in network.modules()
            if isinstance(m, nn.modules.batchnorm._BatchNorm)
        }
        network = replace(network, norms)
        self.auxiliary = self._join(network, own, example)

    def _join(self, network: nn.Module, convolutions: list[nn.Module], example: Inputs) -> nn.Module:
        first = _find_first(network, convolutions, self._stacked(arguments(example)), self.width)
        joined = {id(c): JoinedConv(c, width=self.width, first=c in first) for c in convolutions}
        network = replace(network, joined)
        self.auxiliary = network
        for old in self._find_last(list(joined.values()), example):
            last = JoinedConv(old.quantised, width=self.width, first=old.quantised in first, last=True)
            network = replace(network, {id(old): last})
        for module in network.modules():
            if isinstance(module, JoinedConv):
                module.start(self.start)
        return network

    def _find_last(self, joined: list[JoinedConv], example: Inputs) -> list[JoinedConv]:
        """Joined convolutions of whose output slices only the first one reaches the network's output."""
        made: dict[JoinedConv, list[Tensor]] = {}
        hooks = [
            module.register_forward_hook(lambda m, args, out: made.setdefault(m, []).append(out))
            for module in joined
        ]
        try:
            with evaluating(self.auxiliary), torch.enable_grad():
                outputs = [y for y in tensors(self.run_auxiliary(arguments(example))) if y.requires_grad]
                check(bool(outputs), "No output of the network depends on a quantised convolution.")
                # random factors: a plain sum has no gradient where outputs are normalised
                total = torch.stack([(y * torch.randn_like(y)).sum() for y in outputs]).sum()
                wide = [out for parts in made.values() for out in parts]
                gradients = iter(torch.autograd.grad(total, wide, allow_unused=True))
        finally:
            for hook in hooks:
                hook.remove()
        last = []
        for module, parts in made.items():
            slopes = [next(gradients) for _ in parts]
            live = any(g is not None and bool(g[len(g) // self.width :].any()) for g in slopes)
            if self.width > 1 and not live:
                last.append(module)
        return last

    def _stacked(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        """Every slice gets the same inputs."""
        samples = _samples(inputs)
        return tuple(
            x.repeat(self.width, *[1] * (x.dim() - 1))
            if isinstance(x, Tensor) and x.dim() and len(x) == samples
            else x
            for x in inputs
        )

    def run_auxiliary(self, inputs: tuple[Any, ...]) -> Outputs:
        """Outputs of the auxiliary network alone, for the arguments ``inputs``."""
        samples = _samples(inputs)

        def first_slice(y: Tensor) -> Tensor:
            check(
                y.dim() > 0 and len(y) == samples * self.width,
                f"The network makes {tuple(y.shape)} of {samples * self.width} samples; its outputs must have the "
                "samples as their first dimension to be trained with an auxiliary network.",
            )
            return y[:samples]

        return map_tensors(first_slice, self.auxiliary(*self._stacked(inputs)))

    def forward(self, *inputs: Any) -> tuple[Outputs, Outputs]:
        """Outputs of the quantised network and of the auxiliary network, for the same inputs."""
        return self.quantised(*inputs), self.run_auxiliary(inputs)


class _Marked(nn.Module):
    """Stands in for a joined convolution to see whether its input's slices are copies of one another."""

    def __init__(self, quantised: nn.Module, width: int) -> None:
        super().__init__()
        self.quantised, self.width, self.copies = quantised, width, True

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        slices = x.unflatten(0, (self.width, -1))
        self.copies &= bool((slices == slices[:1]).all())
        y = self.quantised(slices[0], *args)
        return torch.cat([y] + [y + torch.randn_like(y) for _ in range(self.width - 1)])


@torch.no_grad()
def _find_first(
    network: nn.Module, convolutions: list[nn.Module], inputs: tuple[Any, ...], width: int
) -> set[nn.Module]:
    """Convolutions that read nothing that another one has made."""
    marked = {id(c): _Marked(c, width) for c in convolutions}
    trial = replace(network, marked)
    with evaluating(trial):
        trial(*inputs)
    replace(trial, {id(m): m.quantised for m in marked.values()})
    return {m.quantised for m in marked.values() if m.copies}
