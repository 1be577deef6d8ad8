"""From a float network to its quantised twin: every convolution is found and replaced where it stands."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ..errors import ParameterError
from .convolutions import QuantisedConv
from .layouts import CONVOLUTIONS
from .quantisers import ActivationQuantiser
from .settings import QuantisationSettings, check

SEEN_VALUES = 1 << 16
"""Values of each activation that calibration looks at."""
Inputs: TypeAlias = Tensor | tuple[Any, ...]
"""What a network is called with: one tensor, or the tuple of its arguments."""


def arguments(inputs: Inputs) -> tuple[Any, ...]:
    """Inputs as the tuple of arguments."""
    return inputs if isinstance(inputs, tuple) else (inputs,)


def find_convolutions(network: nn.Module, skip: tuple[str, ...] = ()) -> dict[str, nn.Module]:
    """The convolutions of a network by name, each once, without those that ``skip`` names.

    Raises:
        ParameterError: there are none, a name in ``skip`` is none, or one cannot be quantised.
    """
    names = {name for name, _ in network.named_modules()}
    for name in skip:
        check(
            name in names,
            f"There is no module {name!r} in the network that could be skipped; check the name.",
        )
    found = {}
    for name, module in network.named_modules():
        if isinstance(module, QuantisedConv):
            raise ParameterError(
                f"The network is quantised already ({name or 'it is a convolution'}); quantise the float network."
            )
        if isinstance(module, CONVOLUTIONS) and not any(name == s or name.startswith(s + ".") for s in skip):
            check(
                "weight" in module._parameters and not isinstance(module.weight, nn.UninitializedParameter),
                f"The weights of the convolution {name} are computed from others, or not yet there; remove its "
                "parametrisation (or run the network once) before quantising.",
            )
            found[name] = module
    check(bool(found), "The network has no convolution to quantise; this method works on convolutions only.")
    return found


def replace(network: nn.Module, new: Mapping[int, nn.Module]) -> nn.Module:
    """Put new modules in the places of old ones, in all places where a module is used.

    Args:
        new: by ``id`` of the module to be replaced.
    Returns:
        the network, which is a new one only if it was replaced as a whole.
    """
    if id(network) in new:
        return new[id(network)]
    for module in list(network.modules()):
        for name, child in list(module._modules.items()):
            if child is not None and id(child) in new:
                setattr(module, name, new[id(child)])
    return network


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode, and each of its modules as it was afterwards."""
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@torch.no_grad()
def _observe(
    network: nn.Module, convolutions: Mapping[str, nn.Module], example: Inputs
) -> dict[str, list[Tensor]]:
    """What each convolution reads, in the order in which they are run."""
    seen: dict[str, list[Tensor]] = {}
    hooks = []
    for name, conv in convolutions.items():

        def note(module: nn.Module, args: tuple[Tensor, ...], name: str = name) -> None:
            values = args[0].detach().flatten()
            stride = max(1, len(values) // SEEN_VALUES)
            seen.setdefault(name, []).append(torch.cat([values[::stride], values.aminmax()[0][None]]))

        hooks.append(conv.register_forward_pre_hook(note))
    try:
        with evaluating(network):
            network(*arguments(example))
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def quantise(network: nn.Module, example: Inputs, settings: QuantisationSettings | None = None) -> nn.Module:
    """A copy of a network in which convolutions are quantised, ready to be trained on.

    The copy computes with the weights and biases of the network; steps start where they lose least on ``example``.

    Args:
        network: any module with convolutions (plain, transposed, grouped; one to three dimensions). Everything else
            in it stays as it is.
        example: a batch as the network will be trained on, to calibrate the activations.
    Raises:
        ParameterError: the network has no convolutions, ``skip`` names none, a convolution is not run or reads numbers
            that are not finite, or its sums cannot be made exact.
    """
    settings = settings or QuantisationSettings()
    network = copy.deepcopy(network)
    convolutions = find_convolutions(network, settings.skip)
    seen = _observe(network, convolutions, example)
    idle = [name for name in convolutions if name not in seen]
    check(
        not idle,
        f"The network does not run the convolution {', '.join(idle)} on the example; name it in skip, or give an "
        "example that uses it.",
    )
    order, new = list(seen), {}
    for name, parts in seen.items():
        values = torch.cat(parts)
        check(
            bool(torch.isfinite(values).all()),
            f"On the example the convolution {name} reads numbers that are not finite; check weights and example.",
        )
        edge = settings.edge_bits if name in (order[0], order[-1]) else None
        conv = convolutions[name]
        activation = ActivationQuantiser.calibrated(
            edge or settings.activation_bits, values, power_of_two=settings.power_of_two
        )
        new[id(conv)] = QuantisedConv(
            conv,
            weight_bits=edge or settings.weight_bits,
            activation=activation.to(conv.weight.device),
            exact=settings.exact,
            power_of_two=settings.power_of_two,
            name=name,
        ).train(conv.training)
    return replace(network, new)


def quantised_convolutions(network: nn.Module) -> dict[str, QuantisedConv]:
    """The quantised convolutions of a network by name, each once."""
    return {name: m for name, m in network.named_modules() if isinstance(m, QuantisedConv)}
