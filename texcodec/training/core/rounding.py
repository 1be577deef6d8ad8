"""Rounding that can be trained through: real symbols, real bits, and a gradient that says where symbols change.

Additive noise (Balle et al., 2017) overestimates the bits of latents that are mostly zero: in a codec whose
channels are cosines, where most latents of a low rate are, by a quarter of the whole cost. The gradient of the
identity (straight-through) is wrong for them in the other direction: it says that a larger latent gives a larger
picture where it still rounds to zero. Here both come from one relaxed choice between the two nearest symbols, as
in stochastic Gumbel annealing (Yang et al., 2020), whose temperature follows the predicted scale: narrow
distributions get the sharp choice that rounding is, wide ones the gradient of the identity, which is right for
them and has less variance (docs/decisions/quantisation.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from ...constants import SCALE_LEVELS
from .fixed_point import round_through
from .stage import TRAINABLE

SCALE_MIN = 0.08
SCALE_MAX = 64.0
"""The levels of the scale index are spaced evenly in the logarithm between these standard deviations, in symbols."""
SCALE_STEP = math.log(SCALE_MAX / SCALE_MIN) / (SCALE_LEVELS - 1)

ROUNDINGS = (*TRAINABLE, "hard", "nearest")
"""Those of training, and without useful gradients: the choice by cost, as encoders do; the nearest symbol."""

TEMPERATURE = 0.5
"""Temperature of the choice, in symbols, for a predicted standard deviation of one symbol."""
TEMPERATURE_MIN = 0.1
TEMPERATURE_MAX = 1.0

_LOGISTIC = math.sqrt(3) / math.pi


def logistic_bits(residual: Tensor, log_scale: Tensor) -> Tensor:
    """Bits of residuals under a logistic distribution integrated over one symbol.

    Args:
        residual: symbols minus mean, any shape.
        log_scale: natural logarithm of the standard deviation, same shape.
    """
    inverse = torch.exp(-log_scale) / _LOGISTIC
    r = torch.abs(residual)
    # sigmoid(a) - sigmoid(b) = sigmoid(a) sigmoid(-b) (1 - exp(b - a)): no cancellation far out in the tail
    log_p = (
        functional.logsigmoid((0.5 - r) * inverse)
        + functional.logsigmoid((0.5 + r) * inverse)
        + torch.log1p(-torch.exp(-inverse))
    )
    return log_p * (-1 / math.log(2))


def normal_bits(residual: Tensor, log_scale: Tensor) -> Tensor:
    """Bits of residuals under a normal distribution integrated over one symbol.

    Args:
        residual, log_scale: as for ``logistic_bits``.
    """
    inverse = torch.exp(-log_scale)
    r = torch.abs(residual)
    # on the side of the smaller tail, and in logarithms: no cancellation far out
    upper = torch.special.log_ndtr((0.5 - r) * inverse)
    gap = torch.clamp(upper - torch.special.log_ndtr((-0.5 - r) * inverse), min=1e-6)
    return (upper + torch.log(-torch.expm1(-gap))) * (-1 / math.log(2))


def code_residual(
    residual: Tensor,
    log_scale: Tensor,
    worth: Tensor | None,
    rounding: str,
    *,
    bits: Callable[[Tensor, Tensor], Tensor] = logistic_bits,
) -> tuple[Tensor, Tensor]:
    """Round residuals and estimate their bits.

    Args:
        residual: latents minus their means, in symbols, any shape.
        log_scale: natural logarithm of the predicted standard deviation in symbols, same shape.
        worth: bits that a squared symbol of distortion is worth; broadcasts to that shape. None: the nearest symbol,
            whatever it costs.
        rounding: one of ``ROUNDINGS``.
        bits: of residuals under the distribution.
    Returns:
        rounded residuals and their bits, same shape.
    Raises:
        ValueError: an unknown way of rounding.
    """
    if rounding in ("relaxed", "hard"):
        return chosen_symbols(residual, log_scale, worth, bits=bits)
    symbols = round_through(residual)
    if rounding == "noise":
        return symbols, bits(residual + torch.rand_like(residual) - 0.5, log_scale)
    if rounding == "nearest":
        return symbols, bits(symbols, log_scale)
    raise ValueError(f"{rounding!r} is not a way of rounding; those that exist are: {', '.join(ROUNDINGS)}.")


def chosen_symbols(
    residual: Tensor,
    log_scale: Tensor,
    worth: Tensor | None,
    *,
    bits: Callable[[Tensor, Tensor], Tensor] = logistic_bits,
) -> tuple[Tensor, Tensor]:
    """The cheaper one of the two symbols around each residual, by bits + worth * squared error, and its bits.

    Args:
        residual, log_scale, worth, bits: as for ``code_residual``.
    Returns:
        symbols and bits. The gradient of both in the residual is that of a sigmoid between the two symbols, at the
        place where the choice changes; the gradient of the bits in the scale is exact.
    """
    below = torch.floor(residual).detach()
    offset = residual - below
    low, high = bits(below, log_scale), bits(below + 1, log_scale)
    dearer = (high - low).detach()
    # worth * offset^2 + low < worth * (1 - offset)^2 + high, solved for the offset
    beyond = offset - 0.5 - (dearer / (2 * worth) if worth is not None else 0.0)
    temperature = torch.clamp(TEMPERATURE * torch.exp(log_scale.detach()), TEMPERATURE_MIN, TEMPERATURE_MAX)
    # normalised so that the choice runs from 0 to 1 between the symbols at any temperature
    soft = torch.sigmoid(beyond / temperature) / (1 - 2 * torch.sigmoid(-0.5 / temperature))
    slope = soft - soft.detach()
    upper = (beyond.detach() >= 0).to(residual)
    return below + upper + slope, low + (high - low) * upper + dearer * slope
