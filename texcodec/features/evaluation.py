"""How good a feature set is: bytes of whole files and quality of the answers, at each rate level and uncoded."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ..container import Reader, unpack_stream
from ..errors import ParameterError
from ..examples.shapes import render
from ..registry import FeatureSet
from ..registry.feature_manifest import TaskInfo
from .decode import answer, decode_stream
from .encode import feature_file, picture_features, tensor_stream
from .examples import examples
from .metrics import MEASURES, Meter

SHAPES = "shapes"
"""Name of the data that are drawn instead of read."""
SHAPES_SEED = 90_000
"""Of the pictures that are drawn for evaluation; training draws from small seeds."""

_BATCH = 32
_LABELLED_BY = {
    "classification": ("classification",),
    "segmentation": ("segmentation",),
    ".npy": ("normals", "depth", "values", "tensor"),
}


@dataclass(frozen=True)
class Labelled:
    """A picture, uint8 H x W x 3, and its labels by the kind of task."""

    picture: np.ndarray
    labels: dict[str, np.ndarray]


@dataclass
class Point:
    """What was measured at one level, or without coding (level None).

    Attributes:
        bytes: of all files; uncoded, of the float32 tensors.
        meters: by task.
    """

    level: int | None
    meters: dict[str, Meter]
    bytes: int = 0


@dataclass
class FeatureReport:
    """The points of a feature set on some data."""

    features: FeatureSet
    tasks: list[TaskInfo]
    points: list[Point] = field(default_factory=list)
    pictures: int = 0
    pixels: int = 0

    def as_json(self) -> dict[str, Any]:
        """What ``texcodec features evaluate --json`` prints."""
        return {
            "models": self.features.name,
            "identity": self.features.identity.hex(),
            "pictures": self.pictures,
            "pixels": self.pixels,
            "tasks": [
                {
                    "name": task.name,
                    "kind": task.kind,
                    "measure": MEASURES[task.kind].name,
                    "unit": MEASURES[task.kind].unit,
                    "higher_is_better": MEASURES[task.kind].higher_is_better,
                }
                for task in self.tasks
            ],
            "points": [
                {
                    "level": point.level,
                    "bytes": round(point.bytes / self.pictures, 3),
                    "bits_per_pixel": round(8 * point.bytes / self.pixels, 6),
                    "quality": {name: _finite(meter.value()) for name, meter in point.meters.items()},
                }
                for point in self.points
            ],
        }


def labelled_data(
    source: str, *, count: int | None = None, seed: int = SHAPES_SEED, size: int = 64
) -> Iterator[Labelled]:
    """Pictures with labels: drawn for ``SHAPES``, else those of a folder (``texcodec.features.examples``).

    Args:
        count: pictures at most; default: 256 drawn ones, or all of the folder.
        seed, size: of drawn ones.
    Raises:
        ParameterError: the folder has neither of the layouts.
    """
    if source == SHAPES:
        return _drawn(256 if count is None else count, seed, size)
    return islice(_read(Path(source)), count)


def _drawn(count: int, seed: int, size: int) -> Iterator[Labelled]:
    for first in range(0, count, _BATCH):
        scenes = render(seed, min(_BATCH, count - first), first=first, width=size, height=size)
        for i in range(len(scenes)):
            labels = {
                "classification": scenes.classes[i],
                "segmentation": scenes.segmentation[i],
                "normals": scenes.normals[i],
                "depth": scenes.depth[i],
            }
            yield Labelled(scenes.pictures[i], labels)


def _read(folder: Path) -> Iterator[Labelled]:
    if not folder.is_dir():
        raise ParameterError(f"{folder} is not a folder; give a folder of pictures with labels, or {SHAPES}.")
    kinds = _LABELLED_BY["classification"]
    if (folder / "images").is_dir() and (folder / "labels").is_dir():
        maps = any((folder / "labels").glob("*.png"))
        kinds = _LABELLED_BY["segmentation" if maps else ".npy"]
    for example in examples(folder, kinds[0]):
        yield Labelled(example.picture, dict.fromkeys(kinds, example.label))


def evaluate(
    features: FeatureSet,
    data: Iterable[Labelled],
    *,
    tasks: Sequence[str] = (),
    levels: Sequence[int] = (),
    progress: Callable[[int], None] | None = None,
) -> FeatureReport:
    """Code every picture's features at every level, decode them, and measure the answers against the labels.

    Args:
        tasks: names; default: all that the data have labels for and that can answer.
        levels: default: all of the set.
        progress: called with the number of pictures done.
    Raises:
        ParameterError: the data are empty, or have no labels for a task; a level that the set does not have.
    """
    chosen = [features.level(level) for level in (levels or range(features.manifest.levels))]
    report: FeatureReport | None = None
    for done, one in enumerate(data, start=1):
        if report is None:
            report = FeatureReport(features, _tasks(features, tasks, one.labels))
            report.points = [
                Point(level, {task.name: Meter(task.kind) for task in report.tasks})
                for level in (*chosen, None)
            ]
        _measure(report, one)
        if progress is not None:
            progress(done)
    if report is None:
        raise ParameterError(
            "There are no pictures to evaluate on; see the documentation for the layout of folders."
        )
    return report


def _tasks(features: FeatureSet, names: Sequence[str], labels: dict[str, np.ndarray]) -> list[TaskInfo]:
    if names:
        found = [features.task(name) for name in names]
        missing = [task.name for task in found if task.kind not in labels]
        if missing:
            raise ParameterError(
                f"The data have labels of {', '.join(labels)}, so not of {', '.join(missing)}."
            )
        return found
    found = [task for task in features.manifest.tasks if task.tail and task.front and task.kind in labels]
    if not found:
        kinds = ", ".join(f"{task.name} ({task.kind})" for task in features.manifest.tasks)
        raise ParameterError(
            f"The data have labels of {', '.join(labels)}, which no task of {features.name} answers: {kinds}."
        )
    # one folder holds the labels of one task: those that could be meant must not be two
    if len(found) > len({id(labels[task.kind]) for task in found}):
        listed = ", ".join(f"{task.name} ({task.kind})" for task in found)
        raise ParameterError(f"The labels could be of several tasks: {listed}; choose with --task.")
    return found


def _measure(report: FeatureReport, one: Labelled) -> None:
    features, size = report.features, (one.picture.shape[0], one.picture.shape[1])
    report.pictures += 1
    report.pixels += size[0] * size[1]
    coded = picture_features(one.picture, features)
    missing = [task.name for task in report.tasks if task.name not in coded]
    uncoded = coded | picture_features(one.picture, features, missing)
    for point in report.points:
        if point.level is None:
            answers = {
                task.name: answer(features, task.name, uncoded[task.name], size) for task in report.tasks
            }
            point.bytes += sum(uncoded[task.name].nbytes for task in report.tasks)
        else:
            # through the bytes of a whole file, as a user's would go
            data = feature_file(tensor_stream(coded, features, level=point.level), size[1], size[0])
            reader = Reader(data)
            decoded = decode_stream(unpack_stream(reader.features[0]), features, reader.header)
            answers = {task.name: decoded.answer(task.name) for task in report.tasks}
            point.bytes += len(data)
        for task in report.tasks:
            point.meters[task.name].add(answers[task.name][None], np.asarray(one.labels[task.kind])[None])


def _finite(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
