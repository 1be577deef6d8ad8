"""The specification of a feature training, a JSON file (docs/guides/train-features.md has the fields as tables)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ...errors import check
from ...registry.feature_manifest import TASK_KINDS
from ..core.settings_json import from_json
from ..core.stage import StageSettings
from .settings import CodecSettings, TaskShape, preset

DEFAULT_MINUTES = 10.0
STAGE = StageSettings(
    minutes=DEFAULT_MINUTES, batch=16, learning_rate=2e-3, linear_learning_rate=0.5, decay=0.998, warm_up=0.03
)
"""How codecs are trained unless a spec says otherwise."""
NETWORK_STAGE = StageSettings(
    batch=24, learning_rate=3e-3, decay=0.99, warm_up=0.05, linear_learning_rate=1.0
)
"""How task networks are trained that a spec asks to train; minutes as the task says."""


@dataclass(frozen=True)
class DataSpec:
    """The training pictures, all of one size.

    Attributes:
        folder: with the layout that each task's kind has (``texcodec.features.examples``); empty: pictures of the
            renderer of shapes are drawn.
        count: of pictures drawn, or the most that are read; 0 reads all.
        seed: of the renderer.
        width, height: of drawn pictures.
        held_out: share of the pictures that are not trained on but checked with.
    """

    folder: str = ""
    count: int = 0
    seed: int = 1
    width: int = 64
    height: int = 64
    held_out: float = 0.05

    def __post_init__(self) -> None:
        check(self.count >= 0 and self.seed >= 0, "data.count and data.seed must not be negative.")
        check(0 < self.held_out < 1, "data.held_out must be above 0 and below 1.")


@dataclass(frozen=True)
class TaskSpec:
    """One task.

    Attributes:
        name: of the task.
        kind: one of ``TASK_KINDS``.
        network: import path "package.module:callable" of what builds the network.
        arguments: keyword arguments of that callable.
        weights: file with its state dict.
        layer: after which it is split; "picture" codes the picture itself, "answer" the answer.
        front, tail: files with ONNX forms of the two parts, instead of ``network``.
        train_minutes: time to train the network before anything else; for networks without weights.
        folder: of this task's pictures and labels, where it is not that of the data; the pictures must be the same.
        weight: of its loss; 1 is what suits the kind.
        factor: features per latent in each direction.
        along: train the network along with the codec, instead of leaving it as it is.
        classes: names of the answer's channels.
    """

    name: str = ""
    kind: str = "classification"
    network: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    layer: str = ""
    front: str = ""
    tail: str = ""
    train_minutes: float = 0.0
    folder: str = ""
    weight: float = 1.0
    factor: int = 1
    along: bool = False
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.name:
            return  # the form that JSON is read onto
        TaskShape(self.name, 1, self.factor)
        check(self.kind in TASK_KINDS, f"kind must be one of {', '.join(TASK_KINDS)}.")
        check(
            bool(self.network) != bool(self.front or self.tail),
            "a task needs either network and layer, or front and tail (ONNX files).",
        )
        check(not self.network or bool(self.layer), "layer must say after which layer the network is split.")
        check(self.weight > 0, "weight must be above 0.")
        check(self.train_minutes >= 0, "train_minutes must not be negative.")
        check(
            bool(self.network) or not (self.train_minutes or self.along),
            "train_minutes and along need a network as import path: ONNX files cannot be trained.",
        )


@dataclass(frozen=True)
class Spec:
    """A feature set to be trained.

    Attributes:
        data: pictures.
        tasks: of the streams, in their order.
        sizes: of the codec; ``grid_given`` says whether the grid is that of the spec.
        training: of the codec.
    """

    data: DataSpec
    tasks: tuple[TaskSpec, ...]
    sizes: CodecSettings
    training: StageSettings
    grid_given: bool = False


SHAPES_NETWORK = "texcodec.training.features.task_networks:shapes_network"


def shapes_task(kind: str, minutes: float) -> dict[str, Any]:
    """The spec of one of the renderer's tasks, with a network that is trained for so long."""
    from ...examples.shapes import CLASSES, SEGMENTS

    classes = {"classification": CLASSES, "segmentation": SEGMENTS}.get(kind, ())
    names = {"classification": "class"}
    return {
        "name": names.get(kind, kind),
        "kind": kind,
        "network": SHAPES_NETWORK,
        "arguments": {"kind": kind},
        "layer": "front",
        "train_minutes": minutes,
        "classes": list(classes),
    }


def shapes_spec(minutes: float = DEFAULT_MINUTES) -> dict[str, Any]:
    """The preset "shapes": segmentation and class of rendered pictures; a third of the time goes to the networks."""
    return {
        "data": {"count": 4000},
        "tasks": [shapes_task(kind, minutes / 6) for kind in ("segmentation", "classification")],
        "training": {"minutes": minutes * 2 / 3},
    }


SPEC_PRESETS = {"shapes": shapes_spec}


def spec_of(raw: Mapping[str, Any], *, minutes: float | None = None) -> Spec:
    """A spec from its JSON form.

    Args:
        minutes: of training the codec, instead of what it says.
    Raises:
        ParameterError: a field is unknown or has a wrong value; the sentence names it.
    """
    known = ("data", "tasks", "sizes", "training")
    for key in raw:
        check(key in known, f"{key!r} is not a part of a spec; those that exist are: {', '.join(known)}.")
    tasks = raw.get("tasks")
    check(isinstance(tasks, list) and bool(tasks), "A spec needs a list of tasks.")
    assert isinstance(tasks, list)
    specs = tuple(task_of(task, f"tasks[{i}]") for i, task in enumerate(tasks))
    names = [task.name for task in specs]
    check(len(set(names)) == len(names), "Every task of a spec needs a name of its own.")
    sizes = raw.get("sizes", {})
    check(isinstance(sizes, Mapping), "sizes must be an object with names and values.")
    changes = {k: v for k, v in sizes.items() if k != "preset"}
    training = from_json(STAGE, raw.get("training", {}), "training")
    if minutes is not None:
        training = from_json(training, {"minutes": minutes})
    return Spec(
        from_json(DataSpec(), raw.get("data", {}), "data"),
        specs,
        from_json(preset(str(sizes.get("preset", "small"))), changes, "sizes"),
        training,
        grid_given="grid" in changes,
    )


def task_of(raw: Any, where: str) -> TaskSpec:
    """A task from its JSON form.

    Raises:
        ParameterError: as for ``spec_of``.
    """
    check(isinstance(raw, Mapping), f"{where} must be an object with names and values.")
    check(isinstance(raw.get("name"), str) and bool(raw["name"]), f"{where} needs a name.")
    arguments = raw.get("arguments", {})
    check(isinstance(arguments, Mapping), f"{where}.arguments must be an object with names and values.")
    plain = {k: v for k, v in raw.items() if k != "arguments"}
    return from_json(TaskSpec(arguments=dict(arguments)), plain, where)


def shapes_new_task(kind: str) -> dict[str, Any]:
    """One of the renderer's tasks, to be added to a set."""
    return {"data": {"count": 4000}, "task": shapes_task(kind, 2.0), "training": {"minutes": 3.0}}


def new_task_of(
    raw: Mapping[str, Any], *, minutes: float | None = None
) -> tuple[TaskSpec, DataSpec, StageSettings]:
    """A task that shall be added to a set, what it is trained from, and how, from the JSON form.

    Raises:
        ParameterError: as for ``spec_of``.
    """
    known = ("data", "task", "training")
    for key in raw:
        check(key in known, f"{key!r} is not a part of a new task; those that exist are: {', '.join(known)}.")
    training = from_json(STAGE, raw.get("training", {}), "training")
    if minutes is not None:
        training = from_json(training, {"minutes": minutes})
    return task_of(raw.get("task"), "task"), from_json(DataSpec(), raw.get("data", {}), "data"), training
