"""What convolutions of all kinds have in common: weights as rows, one for each output channel.

Plain and transposed convolutions of one, two or three dimensions keep their weights in different orders, and groups
change them again. As rows of C_out x (C_in / groups) x kernel they look alike.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
Convolution: TypeAlias = Any
"""One of ``CONVOLUTIONS``."""


def by_output(weight: Tensor, conv: Convolution) -> Tensor:
    """Weights in the order of ``conv`` to C_out x (C_in / groups) x kernel."""
    if not conv.transposed:
        return weight
    g, i, o = conv.groups, conv.in_channels // conv.groups, conv.out_channels // conv.groups
    return weight.reshape(g, i, o, *conv.kernel_size).transpose(1, 2).reshape(g * o, i, *conv.kernel_size)


def in_own_order(rows: Tensor, conv: Convolution) -> Tensor:
    """The inverse of ``by_output``."""
    if not conv.transposed:
        return rows
    g, i, o = conv.groups, conv.in_channels // conv.groups, conv.out_channels // conv.groups
    return rows.reshape(g, o, i, *conv.kernel_size).transpose(1, 2).reshape(g * i, o, *conv.kernel_size)


def per_channel(values: Tensor, like: Tensor, conv: Convolution) -> Tensor:
    """C_out values, shaped to be multiplied with an output ``like`` of ``conv`` (with or without samples)."""
    return values.reshape(-1, *[1] * len(conv.kernel_size)).to(like)


def per_row(values: Tensor, rows: Tensor) -> Tensor:
    """C_out values, shaped to be multiplied with weights as rows."""
    return values.reshape(-1, *[1] * (rows.dim() - 1))
