"""The axis of rates: from a rate in [0, 1] to the multiplier of the distortion and to quantisation steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .architecture import LAMBDA_MAX, LAMBDA_MIN, RATE_INDICES

FINER_FROM, FINEST, FINEST_AT = 225, 0.7, 251
"""From the first rate index on, quantisation steps fall further than they are learned to, to this factor of them at the
last one: the logarithm of the cost asks for little at the highest rates, where people ask for all
(docs/decisions/profile-2.md)."""


def lagrangian(t: Tensor) -> Tensor:
    """Rate in [0, 1] to the multiplier lambda of bits + lambda * squared error."""
    return LAMBDA_MIN * (LAMBDA_MAX / LAMBDA_MIN) ** t


def high_rate_step(t: Tensor) -> Tensor:
    """Grey levels: the quantisation step where rate and distortion slopes meet at high rate, for rates
    ``t``.
    """
    return torch.sqrt(36 / (lagrangian(t) * 2 * math.log(2)))


def finer(t: Tensor) -> Tensor:
    """Rates in [0, 1] to what learned quantisation steps are multiplied by."""
    beyond = ((RATE_INDICES - 1) * t - FINER_FROM).clamp(min=0) / (FINEST_AT - FINER_FROM)
    return FINEST**beyond
