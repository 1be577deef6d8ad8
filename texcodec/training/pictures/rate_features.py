"""What networks read of the rate."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rate_features(t: Tensor) -> Tensor:
    """B rates in [0, 1] to B x 3 smooth features."""
    return torch.stack([2 * t - 1, torch.cos(math.pi * t), torch.cos(2 * math.pi * t)], 1)
