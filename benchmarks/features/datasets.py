"""The data of the benchmark as arrays in memory: rendered shapes, road scenes, small photographs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from texcodec.examples.shapes import render
from texcodec.features.examples import examples

TRAINING_SEED, TEST_SEED = 1, 2
"""Seeds of the renderer: no picture is in both."""
SHAPE_TASKS = ("classification", "segmentation", "normals", "depth")


@dataclass(frozen=True)
class Data:
    """N pictures and their labels.

    Attributes:
        pictures: uint8 N x 3 x H x W.
        labels: by task: int64 N or uint8 N x H x W, or int8 (normals, in 1/127) or float16 maps.
    """

    pictures: Tensor
    labels: dict[str, Tensor]

    def label(self, task: str, rows: Tensor | slice) -> Tensor:
        """Labels of some pictures in natural units."""
        found = self.labels[task][rows]
        if task == "normals":
            return found.float() / 127
        return found.float() if found.is_floating_point() else found.long()

    def first(self, count: int) -> Data:
        """The first pictures."""
        return Data(self.pictures[:count], {task: labels[:count] for task, labels in self.labels.items()})


def shapes(seed: int, count: int, cache: Path | None = None) -> Data:
    """Rendered pictures of 64 x 64 pixels; kept in a file of ``cache``, because drawing takes longer than reading."""
    path = cache / f"shapes-{seed}-{count}.pt" if cache else None
    if path is None or not path.exists():
        parts = []
        for first in range(0, count, 250):
            scenes = render(seed, min(250, count - first), first=first)
            parts.append(
                (
                    torch.from_numpy(scenes.pictures.transpose(0, 3, 1, 2).copy()),
                    torch.from_numpy(scenes.classes),
                    torch.from_numpy(scenes.segmentation),
                    torch.from_numpy(np.rint(scenes.normals * 127).astype(np.int8)),
                    torch.from_numpy(scenes.depth.astype(np.float16)),
                )
            )
        arrays = [torch.cat(column) for column in zip(*parts)]
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(f".{os.getpid()}")
            torch.save(arrays, part)
            part.replace(path)
    else:
        arrays = torch.load(path, weights_only=True)
    return Data(arrays[0], dict(zip(SHAPE_TASKS, arrays[1:])))


def camvid(folder: Path, split: str, limit: int | None = None) -> Data:
    """Road scenes of 320 x 240 pixels with 11 classes and void (11)."""
    return _read(folder / "camvid" / split, "segmentation", limit)


def tiny(folder: Path, split: str, limit: int | None = None) -> Data:
    """Photographs of 64 x 64 pixels in 20 classes."""
    return _read(folder / "tiny20" / split, "classification", limit)


def _read(folder: Path, kind: str, limit: int | None) -> Data:
    # evenly spread: examples are sorted by class or by scene
    pictures, labels = [], []
    for example in examples(folder, kind):
        pictures.append(torch.from_numpy(example.picture.transpose(2, 0, 1).copy()))
        labels.append(torch.from_numpy(example.label.copy()))
    every = -(-len(pictures) // limit) if limit else 1
    return Data(torch.stack(pictures[::every]), {kind: torch.stack(labels[::every])})
