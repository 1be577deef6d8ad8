"""Training twins of the integer networks: float modules whose activations already lie on the integer grid.

Hidden activations are rounded to multiples of 2^-5 in [0, 255/32] while training (straight-through
gradients). The weights are float and rounded when they are exported, or rounded here already
(``as_exported``): then training sees the very integers that the set will have, and what it promises is what
the set does. docs/format.md, "Integer arithmetic", defines the exported form.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...constants import ACCUMULATOR_LIMIT, ACTIVATION_FRACTION_BITS, MEAN_FRACTION_BITS

MOST_WEIGHT_BITS = 13
"""Fraction bits of integer weights, at most."""
FEWEST_WEIGHT_BITS = 3
LARGEST_WEIGHT = 2**15 - 1
SCALE_OUTPUT = 8.0
"""Scale indices that one unit of a context network's output stands for."""
_GRID = float(1 << ACTIVATION_FRACTION_BITS)
_TOP = 255.0 / _GRID


def round_through(x: Tensor) -> Tensor:
    """floor(x + 1/2) with the gradient of the identity."""
    return x + (torch.floor(x + 0.5) - x).detach()


@dataclass
class Integers:
    """A layer in integers: sums = conv(q, weight) + bias, output = floor(sums / 2^shift), q the input times 32.

    Attributes:
        weight, bias: whole numbers, float64; half of 2^shift is not yet part of the bias.
        bits: int32 scalar, fraction bits of the weights.
        lowered: fraction bits of the output.
    """

    weight: Tensor
    bias: Tensor
    bits: Tensor
    lowered: int

    @property
    def shift(self) -> Tensor:
        """int32 scalar."""
        return self.bits + ACTIVATION_FRACTION_BITS - self.lowered


class IntegerConv(nn.Conv2d):
    """A convolution that is exported with integer weights; input and output are in natural units.

    Args:
        final_outputs: for the last layer of a context network, the number c of its mean channels: they leave in
            1/16 symbol, the c scale channels after them in scale indices. 0 for hidden layers.
    Attributes:
        as_exported: compute with the weights and biases that would be exported now, and pass their gradients
            on to the float ones. Sums are then exact in float32, and so equal those of the exported network.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, final_outputs: int = 0, input_max: int = 255
    ) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.input_max, self.final_outputs, self.as_exported = input_max, final_outputs, False

    def factor(self) -> Tensor:
        """float64, C_out x 1 x 1 x 1: what scale channels are multiplied with to leave as scale indices, a
        power of two; 1 elsewhere.
        """
        factor = torch.ones(self.out_channels, 1, 1, 1, dtype=torch.float64, device=self.weight.device)
        if self.final_outputs:
            factor[self.final_outputs :] = SCALE_OUTPUT / (1 << MEAN_FRACTION_BITS)
        return factor

    @torch.no_grad()
    def integers(self) -> Integers:
        """Weights and biases as they are exported: with as many fraction bits as the 2^24 bound allows.

        Rounding moves each of F weights by at most half, so sum |q| <= 2^bits sum |w| + F / 2: the bits that
        keep the bound for this need no search, and a GPU need not be waited for.

        Returns:
            ``bits`` may be below ``FEWEST_WEIGHT_BITS``, where the weights are too large to be exported.
        """
        factor = self.factor()
        weight, bias = self.weight.double() * factor, torch.zeros_like(factor[:, 0, 0, 0])
        if self.bias is not None:
            bias = self.bias.double() * factor[:, 0, 0, 0]
        lowered = MEAN_FRACTION_BITS if self.final_outputs else ACTIVATION_FRACTION_BITS
        # of 2^bits: weights, biases, and half of 2^shift
        units = weight.abs().sum((1, 2, 3)) * self.input_max + bias.abs() * _GRID
        units = units.max() + 2.0 ** (ACTIVATION_FRACTION_BITS - lowered - 1)
        rounding = weight[0].numel() / 2 * self.input_max + 0.5
        room = torch.minimum((ACCUMULATOR_LIMIT - 1 - rounding) / units, LARGEST_WEIGHT / weight.abs().max())
        # floor(log2(room)), exactly
        bits = torch.clamp(torch.frexp(room)[1] - 1, max=MOST_WEIGHT_BITS)
        return Integers(
            torch.round(torch.ldexp(weight, bits)),
            torch.round(torch.ldexp(bias, bits + ACTIVATION_FRACTION_BITS)),
            bits,
            lowered,
        )

    def rounded(self) -> tuple[Tensor, Tensor | None]:
        """Weights and biases in natural units as they are exported, with the gradients of the float ones."""
        found, factor = self.integers(), self.factor()
        weight = torch.ldexp(found.weight, -found.bits) / factor
        weight = weight.to(self.weight) + (self.weight - self.weight.detach())
        if self.bias is None:
            return weight, None
        bias = torch.ldexp(found.bias, -found.bits - ACTIVATION_FRACTION_BITS) / factor[:, 0, 0, 0]
        return weight, bias.to(self.bias) + (self.bias - self.bias.detach())

    def used(self) -> tuple[Tensor, Tensor | None]:
        """The weights and biases that ``forward`` computes with."""
        return self.rounded() if self.as_exported else (self.weight, self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, *self.used(), padding=self.padding)


def compute_as_exported(network: nn.Module, on: bool = True) -> None:
    """Switch ``as_exported`` of all integer convolutions in a network."""
    for module in network.modules():
        if isinstance(module, IntegerConv):
            module.as_exported = on


def activation(x: Tensor) -> Tensor:
    """ReLU, clamp and rounding to the grid of the integer activations.

    Shape and dtype are kept; values are multiples of 1/32 in [0, 255/32].
    """
    x = torch.clamp(x, 0.0, _TOP)
    return x + (torch.floor(x * _GRID + 0.5) / _GRID - x).detach()
