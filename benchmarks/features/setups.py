"""A task ready for coding: what the fixed front made of every picture, the labels, the tail and its loss."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import networks
import numpy as np
import torch
from datasets import Data
from torch import Tensor, nn

from texcodec.features.metrics import Meter
from texcodec.training.features.codec_task import TaskData
from texcodec.training.features.losses import loss_of_kind, usual_weight
from texcodec.training.features.splitting import split


@dataclass
class Setup:
    """One task of one data set.

    Attributes:
        name: of the network.
        kind: of the task.
        training, test: float16 N x C x H x W features.
        training_labels: as in ``Data``.
        data: pictures and labels to test on.
        front, tail: of the network, without gradients to their weights.
        uncoded: the network's own value on the test pictures.
    """

    name: str
    kind: str
    training: Tensor
    training_labels: Tensor
    test: Tensor
    data: Data
    front: nn.Module
    tail: nn.Module
    uncoded: float

    def task_data(self, order: Tensor | None = None) -> TaskData:
        """For training; ``order``: of the pictures, where a task is to see others than the task beside it."""
        features, labels = self.training, self.training_labels
        if order is not None:
            features, labels = features[order], labels[order]
        return TaskData(
            self.kind, features, labels, self.tail, loss_of_kind(self.kind), usual_weight(self.kind)
        )

    @torch.no_grad()
    def value(self, features: Tensor, batch: int = 50) -> tuple[float, float]:
        """The task's measure and mean loss for features of the test pictures."""
        meter, loss_of, losses = Meter(self.kind), loss_of_kind(self.kind), []
        for first in range(0, len(features), batch):
            rows = slice(first, first + batch)
            label = self.data.label(self.kind, rows)
            answer = self.tail(features[rows].float())
            meter.add(answer.numpy(), label.numpy())
            losses.append(loss_of(answer, label))
        return meter.value(), float(torch.cat(losses).mean())


def load(name: str, folder: Path | None, work: Path, quick: bool = False) -> Setup:
    """The task of a network, its features computed now if they are not in the work folder."""
    network, facts = networks.get(name, folder, work, quick)
    parts = split(network, "front").freeze()
    front, tail = parts.front, parts.tail
    assert front is not None and tail is not None
    training, test = networks.data_of(name, folder, work / "data", quick)
    kind = network.kind
    pictures, labels = training.pictures, training.labels[kind]
    if not name.startswith("shapes"):
        # photographs may be mirrored: twice as many examples from the same few pictures
        pictures = torch.cat([pictures, pictures.flip(-1)])
        labels = torch.cat([labels, labels.flip(-1) if labels.ndim > 1 else labels])
    path = work / "features" / f"{name}.pt"
    if path.exists():
        features = torch.load(path, weights_only=True)
    else:
        features = [_features(front, pictures), _features(front, test.pictures)]
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}")
        torch.save(features, part)
        part.replace(path)
    setup = Setup(name, kind, features[0], labels, features[1], test, front, tail, float("nan"))
    setup.uncoded = setup.value(features[1])[0]
    return setup


@torch.no_grad()
def _features(front: nn.Module, pictures: Tensor, batch: int = 32) -> Tensor:
    parts = [front(pictures[i : i + batch].float()).half() for i in range(0, len(pictures), batch)]
    return torch.cat(parts)


def shuffled(count: int, seed: int) -> Tensor:
    """An order in which no picture is at its own place, so that a pair of tasks sees unrelated pictures."""
    order = np.random.default_rng(seed).permutation(count)
    return torch.from_numpy(np.roll(order, 1)[np.argsort(order)])
