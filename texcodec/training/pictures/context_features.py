"""What the context networks read of decoded latents while training."""

from __future__ import annotations

import torch
from torch import Tensor


def features(v: Tensor, linear: bool) -> Tensor:
    """What the context networks read of decoded latents: signed and unsigned logarithm, and optionally a
    clamped linear part.

    Args:
        v: B x c x h x w latents in symbols on the 1/16 grid.
    Returns:
        B x 2c (3c with ``linear``) x h x w, multiples of 1/32 in [-255/32, 255/32].
    """
    magnitude = torch.clamp(torch.log1p(torch.abs(v)), max=255 / 32)
    magnitude = magnitude + (torch.floor(magnitude * 32 + 0.5) / 32 - magnitude).detach()
    parts = [torch.sign(v) * magnitude, magnitude]
    if linear:
        scaled = torch.clamp(v / 8, -255 / 32, 255 / 32)
        parts.append(scaled + (torch.floor(scaled * 32) / 32 - scaled).detach())
    return torch.cat(parts, 1)
