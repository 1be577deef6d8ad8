"""Fake-quantisers with learned steps (LSQ: Esser et al., Learned Step Size Quantization, ICLR 2020).

A quantiser turns a real number x into an integer q = floor(clamp(x / s, low, high) + 1/2) and stands for s * q. The
step s is learned by gradient descent, through the gradients of LSQ for y = s * q:

    dy/dx = 1 where low <= x / s <= high, else 0
    dy/ds = q - x / s where low <= x / s <= high, else q (which is low or high)

Convolutions are computed on the integers q and scaled afterwards, in training as in the exported network, so that both
give the same bits. s is kept as its logarithm to base two: it cannot become negative, and a learning rate means the
same for every layer.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

_CANDIDATES = 41
_CANDIDATES_AN_OCTAVE = 6


class _Integers(torch.autograd.Function):
    """x to q. Whoever calls it must use s * q with s detached: the gradient of s comes from here alone."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, step: Tensor, low: int, high: int, step_gradient: float) -> Tensor:
        scaled = x / step
        ctx.save_for_backward(scaled, step)
        ctx.limits = low, high, step_gradient
        return torch.floor(scaled.clamp(low, high) + 0.5)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        scaled, step = ctx.saved_tensors
        low, high, step_gradient = ctx.limits
        # the gradient of q is s times that of s * q
        gradient = gradient / step
        q = scaled.clamp(low, high)
        inside = q == scaled
        to_x = gradient * inside if ctx.needs_input_grad[0] else None
        to_step = None
        if ctx.needs_input_grad[1]:
            slope = torch.floor(q + 0.5) - scaled * inside
            to_step = (gradient * slope).sum_to_size(step.shape) * step_gradient
        return to_x, to_step, None, None, None


def integers(x: Tensor, step: Tensor, low: int, high: int) -> Tensor:
    """Quantise to integers held in float, with the gradients of LSQ.

    Args:
        x: any shape; the first dimension is that of samples (or of output channels).
        step: positive, broadcastable to ``x``.
        low, high: range of the integers, inclusive.
    Returns:
        q, shape and dtype of ``x``. Multiply it by ``step.detach()``: its backward pass holds the gradient of
        s * q in s, scaled by 1 / sqrt(N * high) for N values that share the step in a sample, as LSQ does.
    """
    shared = x.numel() / max(1, step.numel() if step.numel() > 1 else len(x))
    return _Integers.apply(x, step, low, high, 1 / math.sqrt(max(1.0, shared * high)))


def round_through(x: Tensor) -> Tensor:
    """floor(x + 1/2), exactly a whole number, with the gradient of the identity."""
    return torch.floor(x + 0.5).detach() + (x - x.detach())


def best_step(values: Tensor, low: int, high: int) -> Tensor:
    """The step of the least squared error, out of a geometric series.

    Args:
        values: C x N finite numbers, a row for each step.
        low, high: range of the integers.
    Returns:
        C steps, float32; 0 for rows of zeros.
    """
    # the most negative value may have one more level than the largest
    widest = torch.maximum(values.amax(1) / high, values.amin(1) / low if low else values.amax(1) / high)
    best, least = widest.clone(), torch.full_like(widest, math.inf)
    for k in range(_CANDIDATES):
        step = widest * 2 ** (-k / _CANDIDATES_AN_OCTAVE)
        rows = step.clamp(min=1e-30)[:, None]
        error = (values - rows * torch.floor((values / rows).clamp(low, high) + 0.5)).square().mean(1)
        best = torch.where(error < least, step, best)
        least = torch.minimum(error, least)
    return best


class LearnedStep(nn.Module):
    """Positive steps, learned through their logarithm.

    Args:
        start: steps above 0, any shape.
        power_of_two: round the logarithm (the gradient passes), so that steps are powers of two.
    """

    def __init__(self, start: Tensor, *, power_of_two: bool) -> None:
        super().__init__()
        self.log2 = nn.Parameter(torch.log2(start.detach().float()))
        self.power_of_two = power_of_two

    def forward(self) -> Tensor:
        """The steps, float32."""
        if not self.power_of_two:
            return torch.exp2(self.log2)
        whole = round_through(self.log2)
        step = torch.exp2(whole)
        # ldexp is exact, whatever exp2 gives in its last bit
        return torch.ldexp(torch.ones_like(step), whole).detach() + (step - step.detach())


class ActivationQuantiser(nn.Module):
    """Quantises what a convolution reads, with one step.

    Args:
        bits: 2 to 8.
        signed: integers from -2^(bits-1) to 2^(bits-1) - 1, or from 0 to 2^bits - 1.
        step: to start from, above 0.
    """

    def __init__(self, bits: int, *, signed: bool, step: float, power_of_two: bool = False) -> None:
        super().__init__()
        self.bits, self.signed = bits, signed
        self.low = -(1 << (bits - 1)) if signed else 0
        self.high = (1 << (bits - int(signed))) - 1
        self.step = LearnedStep(torch.tensor(step), power_of_two=power_of_two)

    @classmethod
    def calibrated(cls, bits: int, seen: Tensor, *, power_of_two: bool = False) -> ActivationQuantiser:
        """A quantiser for activations like those in ``seen`` (any shape): signed if one of them is negative."""
        new = cls(bits, signed=bool((seen < 0).any()), step=1.0)
        step = best_step(seen.reshape(1, -1).float(), new.low, new.high).item()
        return cls(bits, signed=new.signed, step=step or 1.0 / new.high, power_of_two=power_of_two)

    @property
    def largest(self) -> int:
        """Largest magnitude of an integer."""
        return max(-self.low, self.high)

    def integers(self, x: Tensor) -> Tensor:
        """Integers held in float, same shape; see ``integers`` for their gradient."""
        return integers(x, self.step(), self.low, self.high)

    def forward(self, x: Tensor) -> Tensor:
        """``x`` as the quantised network sees it: multiples of the step."""
        return self.integers(x) * self.step().detach()
