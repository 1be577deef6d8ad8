"""The quantised network by itself: integer weights, no helpers, nothing left to train."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..errors import ModelDamagedError, ParameterError
from ..networks.bounds import check_bound
from .conversion import quantised_convolutions, replace
from .convolutions import QuantisedConv
from .layouts import by_output, in_own_order, per_channel
from .settings import check


class FrozenConv(nn.Module):
    """A convolution of integers with the arithmetic of the ``QuantisedConv`` it was made of.

    Buffers (not parameters): ``weight``, integers held in float32, in the order of the convolution; ``bias``, in units
    of the sum; ``input_step``; ``scale``, what a unit of the sum stands for, C_out.
    """

    weight: Tensor
    bias: Tensor | None
    input_step: Tensor
    scale: Tensor

    @torch.no_grad()
    def __init__(self, quantised: QuantisedConv) -> None:
        super().__init__()
        q, step = quantised.integer_weights()
        scale, activation = quantised.scale(step), quantised.activation
        bias = quantised.integer_bias(scale)
        self.low, self.high, self.bias_fraction = activation.low, activation.high, quantised.bias_fraction
        self.exact = quantised.limit is not None
        # geometry only: the real weights stay behind
        self.shape = copy.deepcopy(quantised.conv, {id(p): None for p in quantised.conv.parameters()})
        self.register_buffer("weight", in_own_order(q, quantised.conv).clone())
        self.register_buffer("bias", None if bias is None else bias.clone())
        self.register_buffer("input_step", activation.step().clone())
        self.register_buffer("scale", scale.clone())

    def integers(self, x: Tensor) -> Tensor:
        """The input as integers held in float."""
        return torch.floor((x / self.input_step).clamp(self.low, self.high) + 0.5)

    def sums(self, q: Tensor, *args: Any) -> Tensor:
        """The sums over integers, multiples of 2^-bias_fraction."""
        arrays = {"weight": self.weight, "bias": self.bias}
        return functional_call(self.shape, arrays, (q, *args))

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        """Input and output in natural units."""
        sums = self.sums(self.integers(x), *args)
        return sums * per_channel(self.scale, sums, self.shape)


def freeze(network: nn.Module) -> nn.Module:
    """A copy of a quantised network, in evaluation mode, with frozen convolutions.

    Its outputs equal those of ``network`` in evaluation mode bit for bit.

    Raises:
        ParameterError: nothing in it is quantised.
    """
    check(
        bool(quantised_convolutions(network)), "Nothing in the network is quantised; call quantise() first."
    )
    frozen = copy.deepcopy(network)
    new = {id(m): FrozenConv(m) for m in quantised_convolutions(frozen).values()}
    return replace(frozen, new).eval().requires_grad_(False)


@dataclass(frozen=True)
class IntegerLayer:
    """A convolution as integers: sums = conv(q, weight) * 2^bias_fraction + bias, output = sums * scale.

    Attributes:
        weight: int16, C_out x (C_in / groups) x kernel.
        bias: int32, C_out (zeros where the convolution has none).
        bias_fraction: bits of fraction of the bias.
        low, high: range of the input integers q = floor(clamp(x / input_step, low, high) + 1/2).
        input_step: float32.
        scale: float32, C_out, for one unit of the sums before they got fraction bits.
    """

    weight: np.ndarray
    bias: np.ndarray
    bias_fraction: int
    low: int
    high: int
    input_step: np.float32
    scale: np.ndarray

    @property
    def input_max(self) -> int:
        """Largest magnitude of an input integer."""
        return max(-self.low, self.high)


def integer_layers(frozen: nn.Module) -> dict[str, IntegerLayer]:
    """The frozen convolutions of a network as integer arrays, by name, all proved exact in float32.

    Raises:
        ParameterError: there are none, or one could reach 2^24.
    """
    layers = {}
    for name, module in frozen.named_modules():
        if not isinstance(module, FrozenConv):
            continue
        rows = by_output(module.weight, module.shape).cpu().numpy()
        outputs, fine = len(rows), 1 << module.bias_fraction
        bias = (
            np.zeros(outputs) if module.bias is None else module.bias.cpu().numpy().astype(np.float64) * fine
        )
        layer = IntegerLayer(
            rows.astype(np.int16),
            bias.astype(np.int32),
            module.bias_fraction,
            module.low,
            module.high,
            np.float32(module.input_step.item()),
            module.scale.cpu().numpy(),
        )
        if not (np.array_equal(layer.weight, rows) and np.array_equal(layer.bias, bias)):
            raise ParameterError(
                f"The weights or biases of the layer {name} are no integers that can be exported."
            )
        whole = layer.weight.astype(np.int64).reshape(outputs, -1, 1, 1) * fine
        try:
            check_bound(whole, layer.bias, layer.input_max, name)
        except ModelDamagedError as error:
            raise ParameterError(
                f"The layer {name} is not exact in float32 ({str(error).split('; ')[0]}); quantise with exact=True."
            ) from None
        layers[name] = layer
    check(bool(layers), "The network has no frozen convolution; export it first.")
    return layers
