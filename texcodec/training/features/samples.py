"""Training pictures and labels in memory, and the features that a front gives for them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ParameterError
from ...examples.shapes import render
from ...features.examples import Example, drawn, examples
from .spec import DataSpec, TaskSpec

AT_ONCE = 16
"""Pictures that go through a front together."""


@dataclass
class Samples:
    """N pictures and their labels.

    Attributes:
        pictures: uint8 N x 3 x H x W.
        labels: by task, N x ...; integers stay integers.
    """

    pictures: Tensor
    labels: dict[str, Tensor]

    def __len__(self) -> int:
        return len(self.pictures)

    def part(self, chosen: slice | Tensor) -> Samples:
        """Some of them, by a slice or by indices."""
        return Samples(self.pictures[chosen], {k: v[chosen] for k, v in self.labels.items()})


def load_samples(data: DataSpec, tasks: tuple[TaskSpec, ...]) -> Samples:
    """All pictures of a spec with the labels of its tasks.

    Raises:
        ParameterError: a folder does not exist or has not the layout; pictures differ in size; tasks have other
            pictures.
        ImageError: a picture or label cannot be read.
    """
    first: tuple[list[str], Tensor] | None = None
    labels: dict[str, Tensor] = {}
    for task, found in _examples(data, tasks):
        names, pictures, labels[task.name] = _stacked(found, task.name)
        if first is None:
            first = names, pictures
        elif names != first[0]:
            raise ParameterError(
                f"The pictures of the task {task.name} are not those of {tasks[0].name}; tasks of one stream need "
                "labels for the same pictures."
            )
    assert first is not None
    return Samples(first[1], labels)


def split_samples(samples: Samples, held_out: float) -> tuple[Samples, Samples]:
    """Those to train on, and those to check with: one in ``1 / held_out``, as folders are sorted by class or by time.

    Raises:
        ParameterError: there are fewer than two pictures.
    """
    if len(samples) < 2:
        raise ParameterError("There must be at least two pictures: to train on, and to check with.")
    every = min(len(samples), max(2, round(1 / held_out)))
    number = torch.arange(len(samples))
    last = number % every == every - 1
    return samples.part(number[~last]), samples.part(number[last])


@torch.no_grad()
def features_of(front: nn.Module, pictures: Tensor) -> Tensor:
    """What a front gives: N x C x h x w float32 of uint8 N x 3 x H x W.

    Raises:
        ParameterError: it gives something else, or numbers that are not finite.
    """
    parts = [front(pictures[i : i + AT_ONCE].float()) for i in range(0, len(pictures), AT_ONCE)]
    out = torch.cat(parts)
    if out.dim() != 4 or not out.is_floating_point() or not torch.isfinite(out).all():
        raise ParameterError(
            f"The layers before the features give {tuple(out.shape)}; they must give finite numbers, "
            "channels x rows x columns for each picture."
        )
    return out


def _examples(data: DataSpec, tasks: tuple[TaskSpec, ...]) -> Iterator[tuple[TaskSpec, Iterator[Example]]]:
    scenes = None
    for task in tasks:
        folder = task.folder or data.folder
        if folder:
            if not Path(folder).is_dir():
                raise ParameterError(f"The folder {folder} does not exist; check its name.")
            found = examples(Path(folder), task.kind)
            yield task, _spread(list(found), data.count) if data.count else found
            continue
        if scenes is None:
            scenes = render(data.seed, data.count or 1000, width=data.width, height=data.height)
        yield task, drawn(scenes, task.kind)


def _spread(found: list[Example], count: int) -> Iterator[Example]:
    """At most ``count``, from all over the list."""
    return iter([found[i * len(found) // count] for i in range(count)] if count < len(found) else found)


def _stacked(found: Iterator[Example], name: str) -> tuple[list[str], Tensor, Tensor]:
    names, pictures, labels = [], [], []
    for example in found:
        names.append(example.name)
        pictures.append(example.picture.transpose(2, 0, 1))
        labels.append(example.label)
    for what, arrays in (("pictures", pictures), ("labels", labels)):
        sizes = {a.shape for a in arrays}
        if len(sizes) > 1:
            one, other = sorted(sizes)[:2]
            raise ParameterError(
                f"The {what} of the task {name} have different sizes ({one} and {other}); bring them to one size."
            )
    return names, torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.stack(labels))
