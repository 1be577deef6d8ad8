"""A convolution with quantised weights and a quantised input, whose sums are integers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from ..constants import ACCUMULATOR_LIMIT
from .layouts import Convolution, by_output, in_own_order, per_channel, per_row
from .quantisers import ActivationQuantiser, LearnedStep, best_step, integers, round_through
from .settings import check

MOST_BIAS_FRACTION = 8
BIAS_SHARE = 4
"""Biases may take a quarter of the range below 2^24, weights the rest."""
_SAFETY = 1 - 1e-3


class WeightLimit:
    """How large integer weights may be for the sums of a convolution to be exact in float32.

    A sum is (sum q_w * q_x) + b with b a multiple of 2^-f, where f bits of fraction are what the number of weights
    and bits leaves room for, at most 8. It is exact if sum |q_w| * max |q_x| + |b| < 2^(24 - f). Since rounding
    moves a weight by at most half a step, sum |q_w| <= sum |w| / s + F / 2 for F weights per channel; so a step of at
    least sum |w| / (most - F / 2) keeps the limit whatever the weights become.

    Args:
        fan_in: weights F of an output channel.
        weight_bits: of the weights.
        input_max: largest magnitude of an input integer.
        name: of the convolution, for the error.
    Raises:
        ParameterError: F / 2 alone breaks the limit, so that no step could keep it.
    """

    def __init__(self, fan_in: int, weight_bits: int, input_max: int, name: str) -> None:
        usual = fan_in * 2 ** (weight_bits - 1) * input_max
        room = math.floor(math.log2(ACCUMULATOR_LIMIT / (2 * usual)))
        self.bias_fraction = min(max(room, 0), MOST_BIAS_FRACTION)
        whole = ACCUMULATOR_LIMIT >> self.bias_fraction
        self.bias_max = whole // BIAS_SHARE
        self.fan_in = fan_in
        self.weights_max = (whole - 1 - self.bias_max) // input_max
        """Largest sum |q_w|."""
        check(
            self.weights_max * _SAFETY > fan_in / 2 + 1,
            f"The convolution {name} adds up {fan_in} products of integers up to {input_max}, which cannot be kept "
            "below 2^24; give its input fewer bits or channels, or allow inexact sums (exact=False).",
        )

    def step(self, rows: Tensor, bias: Tensor | None, input_step: Tensor) -> Tensor:
        """The smallest steps, C_out, that keep the limit for real weights, as rows, and biases."""
        least = rows.abs().flatten(1).sum(1) / (self.weights_max * _SAFETY - self.fan_in / 2)
        if bias is not None:
            least = torch.maximum(least, bias.abs() / (input_step * (self.bias_max - 1) * _SAFETY))
        return least


class QuantisedConv(nn.Module):
    """Takes the place of a convolution: y = s_x * s_w[c] * (conv(q_x, q_w) + b[c]), with integers q.

    The bias is rounded to a fraction of what one unit of the sum stands for, so that it is part of the exact sum.

    Args:
        conv: the convolution; its weights and bias are the ones that are trained.
        weight_bits: 2 to 8.
        activation: quantiser of the input.
        exact: keep ``WeightLimit``.
        power_of_two: steps of the weights are powers of two.
        name: of the convolution, for errors.
    Raises:
        ParameterError: sums cannot be made exact.
    """

    def __init__(
        self,
        conv: Convolution,
        *,
        weight_bits: int,
        activation: ActivationQuantiser,
        exact: bool = True,
        power_of_two: bool = False,
        name: str = "",
    ) -> None:
        super().__init__()
        self.conv, self.activation, self.weight_bits = conv, activation, weight_bits
        self.low, self.high = -(1 << (weight_bits - 1)), (1 << (weight_bits - 1)) - 1
        rows = by_output(conv.weight.detach(), conv)
        fan_in = rows[0].numel()
        self.limit = WeightLimit(fan_in, weight_bits, activation.largest, name) if exact else None
        self.bias_fraction = self.limit.bias_fraction if self.limit else MOST_BIAS_FRACTION
        start = best_step(rows.flatten(1), self.low, self.high)
        # channels of zeros (a network may start with some) get the step that others have
        usual = start[start > 0].mean() if (start > 0).any() else torch.tensor(fan_in**-0.5 / self.high)
        self.step = LearnedStep(torch.where(start > 0, start, usual), power_of_two=power_of_two)

    @property
    def weight(self) -> Tensor:
        """The quantised weights, in the order of the convolution."""
        q, step = self.integer_weights()
        return in_own_order(q * per_row(step.detach(), q), self.conv)

    @property
    def bias(self) -> Tensor | None:
        """The trained bias."""
        return self.conv.bias

    def integer_weights(self) -> tuple[Tensor, Tensor]:
        """Integer weights as rows, C_out x (C_in / groups) x kernel, and their steps, C_out."""
        rows, step = by_output(self.conv.weight, self.conv), self.step()
        if self.limit is not None:
            least = self.limit.step(rows.detach(), self._detached_bias(), self.activation.step().detach())
            if self.step.power_of_two:
                least = torch.exp2(torch.ceil(torch.log2(least)))  # log2(0) = -inf, exp2(-inf) = 0
            step = torch.maximum(step, least)
        return integers(rows, per_row(step, rows), self.low, self.high), step

    def _detached_bias(self) -> Tensor | None:
        return None if self.conv.bias is None else self.conv.bias.detach()

    def integer_bias(self, scale: Tensor) -> Tensor | None:
        """The bias in units of the sum, C_out multiples of 2^-bias_fraction; ``scale`` is what a unit stands for."""
        if self.conv.bias is None:
            return None
        fine = float(1 << self.bias_fraction)
        return round_through(self.conv.bias / scale * fine) / fine

    def scale(self, weight_step: Tensor) -> Tensor:
        """What one unit of the sum stands for, C_out."""
        return self.activation.step().detach() * weight_step.detach()

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        """``x`` and further arguments as for the convolution; output in natural units."""
        q, weight_step = self.integer_weights()
        scale = self.scale(weight_step)
        sums = self._convolve(self.activation.integers(x), q, self.integer_bias(scale), *args)
        return sums * per_channel(scale, sums, self.conv)

    def with_activation(self, x: Tensor, activation: ActivationQuantiser, *args: Any) -> Tensor:
        """The same weights on an input that another quantiser quantises; the bias is not rounded."""
        q, weight_step = self.integer_weights()
        scale = activation.step().detach() * weight_step.detach()
        bias = None if self.conv.bias is None else self.conv.bias / scale
        sums = self._convolve(activation.integers(x), q, bias, *args)
        return sums * per_channel(scale, sums, self.conv)

    def _convolve(self, q_x: Tensor, q_w: Tensor, bias: Tensor | None, *args: Any) -> Tensor:
        arrays = {"weight": in_own_order(q_w, self.conv)}
        if bias is not None:
            arrays["bias"] = bias
        # the module's own forward: padding modes, output sizes and subclasses stay as they are
        return functional_call(self.conv, arrays, (q_x, *args))

    def extra_repr(self) -> str:
        return f"weight_bits={self.weight_bits}, activation_bits={self.activation.bits}"
