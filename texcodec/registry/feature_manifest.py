"""The manifest of a feature set (docs/format.md, "Feature sets")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..constants import FEATURE_PROFILE, MOST_TASKS
from ..container import task_identifier
from .manifest import FEATURES, SetManifest, read

TASK_KINDS = ("classification", "segmentation", "normals", "depth", "values", "tensor")
"""What a task's answer is: K logits; K x H x W logits; 3 x H x W directions; 1 x H x W distances; K numbers; any."""
SHARED = "reconstruction"
"""Name of the reconstruction graph that several tasks share."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_GROUPS = 4096
_MOST_GRID = 1 << 20
_MOST_LEVELS = 256


@dataclass(frozen=True)
class TaskInfo:
    """What a feature set says of one of its tasks.

    Attributes:
        name: letters, digits, hyphens and underscores.
        kind: one of ``TASK_KINDS``.
        channels: C of its feature tensor, C x H x W.
        factor: features per latent position and side.
        pixel_stride: features of a picture have ceil(height / stride) rows; None if they come from tensors only.
        stream: whether its features are coded; False for a task that was added later.
        chain: names of the graphs that turn latents into features, in their order.
        front, tail: whether the networks before and after the features are in the set.
        classes: names of the answer's channels, or None.
        sha256: by path of every file that the task uses, relative to the set's folder.
    """

    name: str
    kind: str
    channels: int
    factor: int
    pixel_stride: int | None
    stream: bool
    chain: tuple[str, ...]
    front: bool
    tail: bool
    classes: tuple[str, ...] | None
    sha256: dict[str, str]

    @property
    def identifier(self) -> int:
        """How streams name it, 16 bits."""
        return task_identifier(self.name)

    @property
    def files(self) -> list[str]:
        """Paths of its files, relative to the set's folder; the arrays last."""
        found = [f"graphs/{name}.onnx" for name in self.chain]
        found += [f"tasks/{self.name}.{end}.onnx" for end, there in self._ends() if there]
        return found + self.array_files

    @property
    def array_files(self) -> list[str]:
        """Paths of the files that hold its graphs' arrays."""
        shared = ["tasks/shared.safetensors"] if SHARED in self.chain else []
        own = any(name != SHARED for name in self.chain)
        return shared + ([f"tasks/{self.name}.safetensors"] if own else [])

    def _ends(self) -> tuple[tuple[str, bool], ...]:
        return ("front", self.front), ("tail", self.tail)

    @classmethod
    def of(cls, raw: dict[str, Any]) -> TaskInfo:
        """A task as the manifest states it; errors as for ``SetManifest.fields_of``."""
        stride, classes = raw["pixel_stride"], raw["classes"]
        return cls(
            name=str(raw["name"]),
            kind=str(raw["kind"]),
            channels=int(raw["channels"]),
            factor=int(raw["factor"]),
            pixel_stride=None if stride is None else int(stride),
            stream=bool(raw["stream"]),
            chain=tuple(map(str, raw["chain"])),
            front=bool(raw["front"]),
            tail=bool(raw["tail"]),
            classes=None if classes is None else tuple(map(str, classes)),
            sha256={str(path): str(digest) for path, digest in raw["sha256"].items()},
        )

    def is_sound(self) -> bool:
        """Whether the fields are in range and fit each other."""
        # names become parts of file names, so nothing else may stand in them
        return bool(
            all(_NAME.fullmatch(name) for name in (self.name, *self.chain))
            and self.kind in TASK_KINDS
            and self.channels > 0
            and 0 < self.factor <= 1 << 16
            and self.factor & (self.factor - 1) == 0
            and (self.pixel_stride is None or self.pixel_stride > 0)
            and self.chain
            and SHARED not in self.chain[1:]
            and not (self.front and self.pixel_stride is None)
            and set(self.files) <= set(self.sha256)
            and all(_HASH.fullmatch(digest) for digest in self.sha256.values())
        )


@dataclass(frozen=True, kw_only=True)
class FeatureManifest(SetManifest):
    """What a feature set says of itself, beside what every set says.

    Attributes:
        latent_channels: M.
        hyper_channels: V, numbers of the side information.
        groups: n, channels of the maps that the generator draws.
        codebook: tau, elements of the codebook.
        grid: rows and columns of the codebook's maps.
        levels: number of rate levels; 0 is the coarsest.
        default_level: the one that encoding takes by default.
        tasks: those of the streams in their order, and others.
    """

    KIND: ClassVar[str] = FEATURES
    PROFILES: ClassVar[tuple[int, ...]] = (FEATURE_PROFILE,)

    latent_channels: int
    hyper_channels: int
    groups: int
    codebook: int
    grid: tuple[int, int]
    levels: int
    default_level: int
    tasks: tuple[TaskInfo, ...]

    @property
    def stream_tasks(self) -> tuple[TaskInfo, ...]:
        """The tasks whose features streams hold, in the order of the manifest."""
        return tuple(task for task in self.tasks if task.stream)

    @classmethod
    def fields_of(cls, raw: dict[str, Any]) -> dict[str, Any]:
        height, width = map(int, raw["grid"])
        whole = ("latent_channels", "hyper_channels", "groups", "codebook", "levels", "default_level")
        return super().fields_of(raw) | {
            **{name: int(raw[name]) for name in whole},
            "grid": (height, width),
            "tasks": tuple(map(TaskInfo.of, raw["tasks"])),
        }

    def is_sound(self) -> bool:
        sizes = (self.latent_channels, self.hyper_channels, self.groups, self.codebook)
        names = [task.name for task in self.tasks]
        return bool(
            super().is_sound()
            and all(0 < size <= _MOST_GROUPS for size in sizes)
            and min(self.grid) > 0
            and self.grid[0] * self.grid[1] <= _MOST_GRID
            and 0 <= self.default_level < self.levels <= _MOST_LEVELS
            and self.stream_tasks
            and len(self.tasks) <= MOST_TASKS
            and len(set(names)) == len(names)
            and len({task.identifier for task in self.tasks}) == len(names)
            and all(task.is_sound() for task in self.tasks)
        )


def read_feature_manifest(folder: Path) -> FeatureManifest:
    """The manifest of the feature set in ``folder``; raises as ``manifest.read``."""
    return read(folder, FeatureManifest)
