"""The manifest of a feature set (docs/format.md, "Feature sets")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..constants import IDENTITY_BYTES
from ..container import task_identifier
from ..errors import ModelDamagedError, ModelNotFoundError
from .manifest import FEATURES, kind_of, read_json

TASK_KINDS = ("classification", "segmentation", "normals", "depth", "values", "tensor")
"""What a task's answer is: K logits; K x H x W logits; 3 x H x W directions; 1 x H x W distances; K numbers; any."""
SHARED = "reconstruction"
"""Name of the reconstruction graph that several tasks share."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_MOST_GROUPS = 4096
_MOST_GRID = 1 << 20


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


@dataclass(frozen=True)
class FeatureManifest:
    """What a feature set says of itself.

    Attributes:
        name: of the set.
        latent_channels: M.
        hyper_channels: V, numbers of the side information.
        groups: n, channels of the maps that the generator draws.
        codebook: tau, elements of the codebook.
        grid: rows and columns of the codebook's maps.
        levels: number of rate levels; 0 is the coarsest.
        default_level: the one that encoding takes unless told otherwise.
        tasks: those of the streams in their order, and others.
        identity: hexadecimal identity of the entropy decoder.
        encoder: hash of the encoder's graphs and arrays, hexadecimal.
        card: training data, command, seed, hardware, time, licence.
    """

    name: str
    latent_channels: int
    hyper_channels: int
    groups: int
    codebook: int
    grid: tuple[int, int]
    levels: int
    default_level: int
    tasks: tuple[TaskInfo, ...]
    identity: str
    encoder: str
    card: dict[str, Any]

    @property
    def stream_tasks(self) -> tuple[TaskInfo, ...]:
        """The tasks whose features streams hold, in the order of the manifest."""
        return tuple(task for task in self.tasks if task.stream)


def read_feature_manifest(folder: Path) -> FeatureManifest:
    """Read and check ``folder/manifest.json``.

    Raises:
        ModelNotFoundError: the folder holds no manifest, or that of another kind of set.
        ModelDamagedError: the manifest is not one this release understands.
    """
    path = folder / "manifest.json"
    raw = read_json(folder)
    if kind_of(raw) != FEATURES:
        raise ModelNotFoundError(
            f"{path} is that of a model set for pictures; name a feature set, or use texcodec encode and decode."
        )
    try:
        height, width = map(int, raw["grid"])
        manifest = FeatureManifest(
            name=str(raw["name"]),
            latent_channels=int(raw["latent_channels"]),
            hyper_channels=int(raw["hyper_channels"]),
            groups=int(raw["groups"]),
            codebook=int(raw["codebook"]),
            grid=(height, width),
            levels=int(raw["levels"]),
            default_level=int(raw["default_level"]),
            tasks=tuple(_task(task) for task in raw["tasks"]),
            identity=str(raw["identity"]),
            encoder=str(raw["encoder"]),
            card=dict(raw["card"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelDamagedError(
            f"{path} lacks a field or has one of the wrong type ({error!r}); install the feature set again."
        ) from None
    if not _sound(manifest):
        raise ModelDamagedError(
            f"{path} contradicts itself: its sizes, levels, tasks or identity are not those of a feature set; "
            "install it again."
        )
    return manifest


def _task(raw: dict[str, Any]) -> TaskInfo:
    stride, classes = raw["pixel_stride"], raw["classes"]
    return TaskInfo(
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


def _sound(manifest: FeatureManifest) -> bool:
    sizes = (manifest.latent_channels, manifest.hyper_channels, manifest.groups, manifest.codebook)
    names = [task.name for task in manifest.tasks]
    return bool(
        all(0 < size <= _MOST_GROUPS for size in sizes)
        and min(manifest.grid) > 0
        and manifest.grid[0] * manifest.grid[1] <= _MOST_GRID
        and 0 <= manifest.default_level < manifest.levels <= 256
        and manifest.stream_tasks
        and len(manifest.tasks) <= 255
        and len(set(names)) == len(names)
        and len({task.identifier for task in manifest.tasks}) == len(names)
        and all(map(_sound_task, manifest.tasks))
        and re.fullmatch(f"[0-9a-f]{{{2 * IDENTITY_BYTES}}}", manifest.identity)
    )


def _sound_task(task: TaskInfo) -> bool:
    # names become parts of file names, so nothing else may stand in them
    return bool(
        all(_NAME.fullmatch(name) for name in (task.name, *task.chain))
        and task.kind in TASK_KINDS
        and task.channels > 0
        and 0 < task.factor <= 1 << 16
        and task.factor & (task.factor - 1) == 0
        and (task.pixel_stride is None or task.pixel_stride > 0)
        and task.chain
        and SHARED not in task.chain[1:]
        and not (task.front and task.pixel_stride is None)
        and set(task.files) <= set(task.sha256)
        and all(_HASH.fullmatch(digest) for digest in task.sha256.values())
    )
