"""The codec that training starts from where there is no trained one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from ...constants import LATENT_STRIDE, MEAN_CHANNELS
from .architecture import Architecture
from .codec import Codec
from .nonlinear import DEEP_SCALE
from .transforms import RESIDUAL_SCALE, start_coefficients

_BLOCK_MEANS = tuple(MEAN_CHANNELS.index(k) * LATENT_STRIDE**2 for k in range(len(MEAN_CHANNELS)))
"""Numbers of the DCT coefficients that are means of a block, by their channels."""


def start_rows(batches: Iterator[np.ndarray], architecture: Architecture) -> np.ndarray:
    """Which DCT coefficients the latents are, first to last: in entropy profile 2 the block means come first.

    Args:
        batches: of training crops, as for ``start_coefficients``.
    """
    count = architecture.latent_channels
    if architecture.profile == 1:
        return start_coefficients(batches, count)
    found = start_coefficients(batches, count + len(_BLOCK_MEANS))
    others = found[~np.isin(found, _BLOCK_MEANS)]
    return np.concatenate([np.array(_BLOCK_MEANS), others[: count - len(_BLOCK_MEANS)]])


def start_codec(batches: Iterator[np.ndarray], architecture: Architecture, linear_start: str) -> Codec:
    """An untrained codec.

    Args:
        linear_start: of the settings: "dct", or "means": only the block means have a linear part, and networks are to
            find all other latents from noise.
    """
    codec = Codec(architecture)
    codec.linear.start_from(start_rows(batches, architecture))
    if linear_start == "means":
        with torch.no_grad():
            others = len(MEAN_CHANNELS)
            codec.linear.analysis[others:].zero_()
            codec.linear.synthesis[:, others:].zero_()
        for transforms in codec.transforms:
            for network in (transforms.analysis, transforms.synthesis):
                leave = network.leave
                assert isinstance(leave, nn.Conv2d)
                leave.reset_parameters()
                if network is transforms.analysis:  # block means stay means of blocks
                    with torch.no_grad():
                        leave.weight.mul_(RESIDUAL_SCALE / DEEP_SCALE)
                        leave.weight[:others].zero_()
                        leave.bias[:others].zero_()  # type: ignore[index]
    return codec
