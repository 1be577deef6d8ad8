"""The axis of rates: from a rate in [0, 1] to the multiplier of the distortion and to quantisation steps."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .architecture import LAMBDA_MAX, LAMBDA_MIN


def lagrangian(t: Tensor) -> Tensor:
    """Rate in [0, 1] to the multiplier lambda of bits + lambda * squared error."""
    return LAMBDA_MIN * (LAMBDA_MAX / LAMBDA_MIN) ** t


def high_rate_step(t: Tensor) -> Tensor:
    """Grey levels: the quantisation step where rate and distortion slopes meet at high rate, for rates
    ``t``.
    """
    return torch.sqrt(36 / (lagrangian(t) * 2 * math.log(2)))
