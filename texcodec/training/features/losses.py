"""Losses of tasks: one number for each picture of a batch, so that every picture can have its own multiplier."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...errors import ParameterError

Loss = Callable[[Tensor, Tensor], Tensor]
"""Answers (B x ...) and labels to B losses."""


def cross_entropy(answer: Tensor, label: Tensor) -> Tensor:
    """Cross-entropy in nats, averaged over the pixels whose label is one of the classes.

    Args:
        answer: B x K or B x K x H x W logits.
        label: integers, B or B x H x W; values outside 0 .. K - 1 are void and do not count.
    """
    label = label.long()
    known = (label >= 0) & (label < answer.shape[1])
    loss = F.cross_entropy(answer, torch.where(known, label, -1), ignore_index=-1, reduction="none")
    return loss.flatten(1).sum(1) / known.flatten(1).sum(1).clamp(min=1) if label.ndim > 1 else loss


def cosine(answer: Tensor, label: Tensor) -> Tensor:
    """1 - cosine of the angle between vectors, averaged over pixels; B x 3 x H x W each."""
    label = label.to(answer)
    # sums of squares: vector norms across channels are many times slower on CPUs
    squares = (answer * answer).sum(1) * (label * label).sum(1)
    similarity = (answer * label).sum(1) * torch.rsqrt(squares + 1e-12)
    return 1 - similarity.flatten(1).mean(1)


def absolute(answer: Tensor, label: Tensor) -> Tensor:
    """Mean absolute error."""
    return (answer - label.to(answer)).abs().flatten(1).mean(1)


def squared(answer: Tensor, label: Tensor) -> Tensor:
    """Mean squared error; also for features where a task has no labels or a tail without gradients."""
    return (answer - label.to(answer)).square().flatten(1).mean(1)


_OF_KIND: dict[str, tuple[Loss, float]] = {
    "classification": (cross_entropy, 1.0),
    "segmentation": (cross_entropy, 1.0),
    "normals": (cosine, 10.0),
    "depth": (absolute, 10.0),
    "values": (squared, 1.0),
    "tensor": (squared, 1.0),
}


def loss_of_kind(kind: str) -> Loss:
    """The loss that trains tasks of a kind.

    Raises:
        ParameterError: no such kind.
    """
    return _entry(kind)[0]


def usual_weight(kind: str) -> float:
    """What brings the loss of a kind to the size of the others', so that one multiplier suits all."""
    return _entry(kind)[1]


def _entry(kind: str) -> tuple[Loss, float]:
    if kind not in _OF_KIND:
        raise ParameterError(f"There is no kind of task named {kind!r}; choose from {', '.join(_OF_KIND)}.")
    return _OF_KIND[kind]
