"""What the training loop optimises: rate of the latents against the answers of the task networks.

Features are what a fixed front gave for the training pictures; they are computed once and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ParameterError
from ..core.task import Batch, Terms
from .codec import FeatureCodec

Loss = Callable[[Tensor, Tensor], Tensor]
"""(answer, label), B x ..., to B losses."""
START_SAMPLES = 256
"""Samples that statistics and principal components are taken from."""


@dataclass
class TaskData:
    """What is known of one task.

    Attributes:
        name: as in its shape.
        features: N x C x H x W, any float dtype.
        labels: N x ...; None where the features themselves are to be restored.
        tail: features to the answer, in float32; None where there are no further layers.
        loss: of answers, one number a sample; None: mean squared error of whitened features.
        weight: of this loss beside those of other tasks.
    """

    name: str
    features: Tensor
    labels: Tensor | None = None
    tail: nn.Module | None = None
    loss: Loss | None = None
    weight: float = 1.0

    def cost(self, features: Tensor, whitened: Tensor, target: Tensor, label: Tensor | None) -> Tensor:
        """B losses of restored features; ``target`` is what ``whitened`` should be."""
        if self.loss is None or label is None:
            return (whitened - target).square().mean((1, 2, 3))
        return self.loss(self.tail(features) if self.tail is not None else features, label)


class CodecTask:
    """Trains a feature codec: bits per latent position + multiplier of the level * sum of weighted losses.

    Args:
        codec: to be trained; it is started from the features here.
        tasks: with the same samples in the same order.
        batch: samples per step.
        rounding: while training, one of ``stage.TRAINABLE``.
    """

    columns = ("bits_a_latent", None)

    def __init__(
        self,
        codec: FeatureCodec,
        tasks: Sequence[TaskData],
        batch: int,
        *,
        rounding: str = "relaxed",
    ) -> None:
        if {t.name for t in tasks} != {s.name for s in codec.shapes}:
            raise ParameterError("The tasks with data are not those of the codec.")
        if len({len(t.features) for t in tasks}) != 1:
            raise ParameterError("All tasks must have features of the same pictures.")
        self.modules: nn.Module = codec
        by_name = {t.name: t for t in tasks}
        self.codec, self.batch, self.rounding = codec, batch, rounding
        self.tasks = tuple(by_name[s.name] for s in codec.shapes)
        self.lambdas = torch.tensor(codec.settings.lambdas())
        for task in tasks:
            if task.tail is not None:
                task.tail.eval().requires_grad_(False)
        codec.start_from({t.name: t.features[:START_SAMPLES].float() for t in tasks})

    def draw(self, random: np.random.Generator) -> Batch:
        """Samples and a level for each."""
        chosen = torch.from_numpy(random.integers(0, len(self.tasks[0].features), self.batch))
        level = torch.from_numpy(random.integers(0, self.codec.settings.levels, self.batch))
        tensors = {"level": level, "samples": chosen}
        for task in self.tasks:
            tensors[f"features {task.name}"] = task.features[chosen].float()
            if task.labels is not None:
                tensors[f"labels {task.name}"] = task.labels[chosen]
        return Batch(tensors)

    def features(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """B x C x H x W features of every task in a batch."""
        return {t.name: tensors[f"features {t.name}"] for t in self.tasks}

    def cost(self, batch: Batch, device: torch.device) -> Terms:
        """The loss of a batch; ``rate`` is in bits per latent position."""
        tensors = {k: v.to(device) for k, v in batch.tensors.items()}
        level = tensors["level"]
        features = self.features(tensors)
        coded = self.codec(features, level, self.rounding)
        bits = coded.bits + coded.side_bits
        rate = bits / (coded.latents.shape[2] * coded.latents.shape[3])
        total, extras = (
            torch.zeros_like(rate),
            {"bytes": bits.mean() / 8, "side_bytes": coded.side_bits.mean() / 8},
        )
        for task, whitening in zip(self.tasks, self.codec.whitening):
            restored = coded.features[task.name]
            target = whitening(features[task.name])
            loss = task.cost(restored, coded.whitened[task.name], target, tensors.get(f"labels {task.name}"))
            extras[task.name] = loss.mean()
            total = total + task.weight * loss
        weight = self.lambdas.to(device)[level]
        balanced = weight / weight.new_tensor(self._middle())
        loss = ((rate + weight * total) / balanced**self.codec.settings.balance).mean()
        return Terms(loss, rate.mean(), total.mean(), extras)

    def _middle(self) -> float:
        return float(self.lambdas.log().mean().exp())
