"""Bits of symbols as the tables of a feature set code them: a normal distribution in frequencies of at least 1."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...constants import PRECISION
from ..core.rounding import SCALE_MIN, SCALE_STEP, normal_bits
from ..core.tables import MOST_SUPPORT

LEAK = 0.1
"""Share of the gradient that symbols far out keep while training, where they cost all the same."""
ESCAPE_BITS = 16.0


def training_bits(residual: Tensor, log_scale: Tensor) -> Tensor:
    """Bits of residuals, any shape: at most about 24, as tables have it, but growing slowly beyond.

    Args:
        residual, log_scale: as for ``rounding.normal_bits``.
    """
    ideal = normal_bits(residual, log_scale)
    floored = _floored(ideal)
    return floored + LEAK * (ideal - floored)


def table_bits(symbols: Tensor, scale_index: Tensor) -> Tensor:
    """Bits of whole symbols, those with the scale index 0 free of charge.

    Args:
        symbols, scale_index: any shape.
    """
    log_scale = log_scale_of(scale_index)
    bits = _floored(normal_bits(symbols, log_scale))
    support = torch.clamp(torch.ceil(5 * torch.exp(log_scale)) + 2, max=MOST_SUPPORT)
    bits = bits + ESCAPE_BITS * (symbols.abs() > support)
    return bits * (scale_index > 0)


def log_scale_of(scale_index: Tensor) -> Tensor:
    """Natural logarithm of the standard deviation that a scale index stands for."""
    return math.log(SCALE_MIN) + SCALE_STEP * scale_index


def _floored(bits: Tensor) -> Tensor:
    floor = torch.full_like(bits, PRECISION)
    return -torch.logaddexp(-bits * math.log(2), -floor * math.log(2)) / math.log(2)
