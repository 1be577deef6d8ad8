"""A quantised network that is trained together with full-precision helpers: the losses of both."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..errors import ParameterError
from .conversion import Inputs, arguments, quantised_convolutions
from .export import freeze
from .settings import LossWeights, check

Outputs = Any
"""What a network returns: a tensor with the samples first, or tuples, lists and dictionaries of such."""
Criterion = Callable[[Outputs, Any], Tensor]
"""Outputs of a network and what they should be, to a loss (a scalar)."""
Distance = Callable[[Tensor, Tensor], Tensor]
"""An output of the quantised network and of its teacher, to a scalar."""


def map_tensors(function: Callable[[Tensor], Any], tree: Outputs) -> Any:
    """Apply a function to all tensors in tuples, lists and dictionaries.

    Raises:
        ParameterError: there is something else in them.
    """
    if isinstance(tree, Tensor):
        return function(tree)
    if isinstance(tree, dict):
        return {key: map_tensors(function, value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        parts = [map_tensors(function, value) for value in tree]
        return type(tree)(*parts) if hasattr(tree, "_fields") else type(tree)(parts)
    if tree is None:
        return None
    raise ParameterError(
        f"The network returns a {type(tree).__name__}; it must return tensors, or tuples, lists or dictionaries of "
        "them, to be trained with an auxiliary network."
    )


def tensors(tree: Outputs) -> list[Tensor]:
    """All tensors in tuples, lists and dictionaries."""
    found: list[Tensor] = []
    map_tensors(found.append, tree)
    return found


class JointNetwork(nn.Module):
    """A quantised network with helpers. Called with inputs, it gives the outputs of both branches.

    Attributes:
        quantised: the network that is kept.
    Raises:
        ParameterError: nothing in it is quantised.
    """

    def __init__(self, quantised: nn.Module) -> None:
        super().__init__()
        check(
            bool(quantised_convolutions(quantised)),
            "Nothing in the network is quantised; call quantise() first.",
        )
        self.quantised = quantised

    def export(self) -> nn.Module:
        """The quantised network alone, frozen: its outputs are those of ``quantised``, bit for bit."""
        return freeze(self.quantised)


def softened_divergence(temperature: float = 2.0) -> Distance:
    """A distance between logits (B x classes ...): the Kullback-Leibler divergence of softened probabilities, times
    the temperature squared (Hinton et al., Distilling the Knowledge in a Neural Network, 2015).
    """

    def divergence(student: Tensor, teacher: Tensor) -> Tensor:
        wanted = F.log_softmax(teacher / temperature, 1)
        found = F.log_softmax(student / temperature, 1)
        each = (wanted.exp() * (wanted - found)).sum(1)
        return each.mean() * temperature**2

    return divergence


@dataclass
class Losses:
    """Of one batch, scalars; those that were not computed are zero. ``total`` is the one to minimise."""

    total: Tensor
    quantised: Tensor
    auxiliary: Tensor
    distillation: Tensor


def losses(
    network: nn.Module,
    inputs: Inputs,
    target: Any,
    criterion: Criterion,
    weights: LossWeights,
    distance: Distance = F.mse_loss,
) -> Losses:
    """The losses of a batch: L_q, L_aux, the distillation loss between the two branches, and their weighted sum.

    Args:
        network: a ``JointNetwork``, or any other network for its own loss alone (plain quantisation-aware training).
        distance: between an output of the quantised branch and of the auxiliary one; their mean over all outputs.
    """
    if not isinstance(network, JointNetwork):
        loss = criterion(network(*arguments(inputs)), target)
        return Losses(loss, loss, torch.zeros_like(loss), torch.zeros_like(loss))
    student, teacher = network(*arguments(inputs))
    own, helped = criterion(student, target), criterion(teacher, target)
    apart = torch.zeros_like(own)
    if weights.distillation:
        pairs = list(zip(tensors(student), tensors(teacher)))
        apart = torch.stack(
            [distance(s, t.detach() if weights.detach_teacher else t) for s, t in pairs]
        ).mean()
    total = weights.quantised * own + weights.auxiliary * helped + weights.distillation * apart
    return Losses(total, own, helped, apart)
