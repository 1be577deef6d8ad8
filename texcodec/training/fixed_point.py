"""Training twins of the integer networks: float modules whose activations already lie on the integer grid.

Hidden activations are rounded to multiples of 2^-5 in [0, 255/32] while training (straight-through
gradients), so that
exporting only has to round the weights. docs/format.md, "Integer arithmetic", defines the exported form.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .architecture import ACTIVATION_FRACTION_BITS

_GRID = float(1 << ACTIVATION_FRACTION_BITS)
_TOP = 255.0 / _GRID


def round_through(x: Tensor) -> Tensor:
    """floor(x + 1/2) with the gradient of the identity."""
    return x + (torch.floor(x + 0.5) - x).detach()


class IntegerConv(nn.Conv2d):
    """A convolution that is exported with integer weights; its output stays in natural units.

    Args:
        signed_input: the largest magnitude of an input integer (255 for activations and features).
        input_fraction: fraction bits of the input integers.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        input_fraction: int = ACTIVATION_FRACTION_BITS,
        input_max: int = 255,
    ) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.input_fraction = input_fraction
        self.input_max = input_max


def activation(x: Tensor) -> Tensor:
    """ReLU, clamp and rounding to the grid of the integer activations.

    Shape and dtype are kept; values are multiples of 1/32 in [0, 255/32].
    """
    x = torch.clamp(x, 0.0, _TOP)
    return x + (torch.floor(x * _GRID + 0.5) / _GRID - x).detach()
