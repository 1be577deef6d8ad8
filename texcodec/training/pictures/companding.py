"""A function that keeps small values and squeezes large ones."""

from __future__ import annotations

import torch
from torch import Tensor


def compand(x: Tensor) -> Tensor:
    """sign(x) * ln(1 + |x|)."""
    return torch.sign(x) * torch.log1p(torch.abs(x))


def companded(x: Tensor) -> Tensor:
    """``compand`` with its slope of one at zero, where the product with a sign would pass no gradient."""
    return torch.where(x == 0, x, compand(x))
