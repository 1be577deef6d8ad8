"""What the loop trains: batches, what they cost, and the modules that learn."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn


@dataclass
class Batch:
    """One batch.

    Attributes:
        tensors: on the CPU when drawn; always of the same shapes.
        fixed: what else the cost depends on, such as a choice between two ways of padding; few different
            values.
    """

    tensors: dict[str, Tensor]
    fixed: Hashable = ()


@dataclass
class Terms:
    """What a batch costs.

    Attributes:
        loss: scalar to minimise.
        rate: mean bits per pixel, scalar.
        distortion: mean squared error on the 0..255 scale, scalar.
        extras: more scalars for the curves; "psnr" replaces the PSNR of the mean squared error.
    """

    loss: Tensor
    rate: Tensor
    distortion: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)


class Task(Protocol):
    """What the loop trains. A task with a bound also has ``objective: Objective``, whose multiplier is learned.

    A task that has no pixels says so with ``columns``: the names of rate and distortion in curves, None for
    those that are left out. One whose batches are not ``batch`` crops has ``pixels_per_step``.
    """

    modules: nn.Module

    def draw(self, random: np.random.Generator) -> Any:
        """One batch on the CPU; a ``Batch`` where the step shall run as a CUDA graph."""

    def cost(self, batch: Any, device: torch.device) -> Terms:
        """The differentiable cost of a batch, with ``modules`` on the device."""
