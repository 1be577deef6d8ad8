"""The lapped transform's filter: an orthonormal matrix over the 8 + 8 samples around every inner border of
blocks.

It stands before the block transform, along rows and columns, and its transpose after the inverse, so that the
basis functions of neighbouring blocks overlap by 8 pixels (type-II fast lapped transform; Tran, Liang and Tu,
2003), with its free rotation turned to the largest coding gain for a first-order autoregressive signal of
correlation 0.95: 9.81 dB, against 9.46 of the 16-point DCT. The picture's own border has no filter.
"""

from __future__ import annotations

import json
from importlib import resources

import torch
from torch import Tensor

from .architecture import LATENT_STRIDE


def lapping_matrix() -> Tensor:
    """float32 16 x 16, orthonormal: filtered = matrix @ the samples from 8 before to 8 after a border."""
    text = resources.files(__package__).joinpath("lapping.json").read_text("utf-8")
    return torch.tensor(json.loads(text)["matrix"], dtype=torch.float32)


def lap(x: Tensor, matrix: Tensor) -> Tensor:
    """Filter across all inner block borders; with the transposed matrix, undo it.

    Args:
        x: B x 3 x H x W, sides multiples of 16.
        matrix: 16 x 16, as ``lapping_matrix``.
    Returns:
        the same shape.
    """
    return _columns(_columns(x, matrix).transpose(2, 3), matrix).transpose(2, 3)


def _columns(x: Tensor, matrix: Tensor) -> Tensor:
    n, half = LATENT_STRIDE, LATENT_STRIDE // 2
    inner = x.shape[-1] - n
    if inner <= 0:
        return x
    pieces = x[..., half:-half].unflatten(-1, (inner // n, n))
    return torch.cat([x[..., :half], (pieces @ matrix.T).flatten(-2), x[..., -half:]], -1)
