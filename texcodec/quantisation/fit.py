"""Training a quantised network, with helpers or without: an optimiser, a schedule, and the rule that ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import nn

from ..training.core.descent import Descent, cosine
from .convergence import Convergence
from .conversion import Inputs
from .joint import Criterion, Distance, Losses, losses
from .quantisers import LearnedStep
from .settings import LossWeights, check


class Batches(Protocol):
    """Batches (inputs, target) whose number is known: a list, a DataLoader."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[tuple[Inputs, Any]]: ...


@dataclass(frozen=True)
class FitSettings:
    """How to train.

    Attributes:
        learning_rate: of weights (Adam), at its peak.
        step_learning_rate: of the logarithms of steps, as a fraction of ``learning_rate``.
        warm_up: share of the training in which the learning rate rises; then it falls as a cosine, to nothing.
        clip: largest norm of the gradient.
    """

    learning_rate: float = 1e-3
    step_learning_rate: float = 1.0
    warm_up: float = 0.05
    clip: float = 1.0

    def __post_init__(self) -> None:
        check(
            0 < self.learning_rate <= 1 and self.step_learning_rate >= 0,
            "learning_rate must be above 0 and at most 1, step_learning_rate not negative.",
        )
        check(0 < self.warm_up < 1 and self.clip > 0, "warm_up must be between 0 and 1, clip above 0.")


class Trainer:
    """Takes steps of gradient descent.

    Args:
        network: a ``JointNetwork``, or a quantised (or float) network by itself.
        criterion: outputs and targets to a loss.
        weights: of the losses.
        distance: for the distillation loss.
    """

    def __init__(
        self,
        network: nn.Module,
        criterion: Criterion,
        *,
        weights: LossWeights | None = None,
        distance: Distance = F.mse_loss,
        settings: FitSettings | None = None,
    ) -> None:
        self.network, self.criterion, self.distance = network, criterion, distance
        self.weights, self.settings = weights or LossWeights(), settings or FitSettings()
        steps = {id(m.log2) for m in network.modules() if isinstance(m, LearnedStep)}
        parameters = [p for p in network.parameters() if p.requires_grad]
        groups: list[dict[str, Any]] = [
            {"params": [p for p in parameters if id(p) not in steps]},
            {"params": [p for p in parameters if id(p) in steps], "factor": self.settings.step_learning_rate},
        ]
        optimizer = torch.optim.Adam([group for group in groups if group["params"]], fused=True)
        self._descent = Descent(optimizer, parameters, self.settings.clip)

    def learning_rate(self, progress: float) -> float:
        """Of weights, after a share ``progress`` (0 to 1) of the training."""
        s = self.settings
        if progress < s.warm_up:
            return s.learning_rate * max(progress, 1e-3) / s.warm_up
        return s.learning_rate * cosine((progress - s.warm_up) / (1 - s.warm_up))

    def step(self, inputs: Inputs, target: Any, progress: float) -> Losses:
        """One step on one batch; returns its losses, detached.

        Raises:
            FloatingPointError: the loss or its gradient is not finite.
        """
        weights = self.weights.at(progress)
        found = losses(self.network, inputs, target, self.criterion, weights, self.distance)
        self._descent.clear()
        found.total.backward()
        _, bad = self._descent.step(self.learning_rate(progress))
        if bad:
            raise FloatingPointError("The loss or its gradient is not finite; lower the learning rate.")
        return Losses(
            *(t.detach() for t in (found.total, found.quantised, found.auxiliary, found.distillation))
        )


def fit(
    trainer: Trainer,
    samples: Callable[[int], Batches],
    *,
    iterations: int,
    convergence: Convergence | None = None,
) -> list[dict[str, float]]:
    """Pass over the training samples again and again until the total loss has converged.

    Args:
        samples: the number of a pass to its batches.
        iterations: most passes; the learning rate falls over all of them.
        convergence: the rule; None trains for all iterations.
    Returns:
        mean losses of each pass: "total", "quantised", "auxiliary", "distillation".
    Raises:
        ParameterError: there is no sample, or the number of batches is not known.
        FloatingPointError: a loss is not finite.
    """
    check(iterations >= 1, "Training needs at least one pass over the samples.")
    history = []
    trainer.network.train()
    for i in range(iterations):
        sums, count = dict.fromkeys(("total", "quantised", "auxiliary", "distillation"), 0.0), 0
        batches = samples(i)
        check(
            hasattr(batches, "__len__"),
            "samples must return batches whose number is known; make a list of them.",
        )
        check(len(batches) > 0, "There are no training samples.")
        for k, (inputs, target) in enumerate(batches):
            found = trainer.step(inputs, target, (i + k / len(batches)) / iterations)
            size = len(inputs[0] if isinstance(inputs, tuple) else inputs)
            count += size
            for name in sums:
                sums[name] += float(getattr(found, name)) * size
        history.append({name: value / count for name, value in sums.items()})
        if convergence is not None and convergence.update(history[-1]["total"]):
            break
    return history
