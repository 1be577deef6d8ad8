"""What ``texcodec features train`` does: samples -> task networks -> features -> codec -> set -> self-check."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ...errors import ParameterError
from ...registry import load_feature_set
from ...registry.manifest import FEATURES
from ..core.loop import Loop
from ..core.set_folder import add_to_card, check_out
from ..core.settings_json import from_json, to_json
from ..core.stopping import exit_code
from .along import Along, AlongTask
from .codec import FeatureCodec
from .codec_task import CodecTask, TaskData
from .export import TaskExport, export_feature_set
from .parts import (
    Parts,
    check_network,
    parts_of,
    pixel_stride,
    shape_of,
    task_data,
    trained_network,
    with_onnx,
)
from .samples import Samples, features_of, load_samples, split_samples
from .selfcheck import FeatureCheck, self_check
from .settings import TaskShape
from .spec import Spec, TaskSpec

CHECKED_PICTURES = 100
"""Held-out pictures that the self-check codes, at most."""


def train_features(
    spec: Spec,
    out: Path,
    work: Path,
    *,
    name: str,
    log: Callable[[str], None],
    threads: int | None = None,
    card: Mapping[str, Any] | None = None,
) -> int:
    """Train a feature set; goes on from the checkpoints in ``work``.

    Args:
        out: folder of the set.
        work: folder of checkpoints and curves.
        name: of the set.
        card: entries for its card.
    Returns:
        the exit code: 0, or 130 after the user has stopped it.
    Raises:
        TexcodecError: with a sentence for the user; what can be known before training is checked before.
    """
    if threads:
        torch.set_num_threads(threads)
    check_out(out, FEATURES)
    return exit_code(lambda: _train(spec, out, work, name, log, dict(card or {})), log)


@dataclass
class _Prepared:
    """One task, ready for the training of the codec."""

    task: TaskSpec
    parts: Parts
    data: TaskData
    shape: TaskShape
    stride: int

    def export(self) -> TaskExport:
        classes = self.task.classes or None
        parts = self.parts
        return TaskExport(self.shape, self.task.kind, self.stride, classes, parts.front_data, parts.tail_data)


def _train(
    spec: Spec, out: Path, work: Path, name: str, log: Callable[[str], None], card: dict[str, Any]
) -> None:
    networks = [check_network(task) for task in spec.tasks]
    samples, held_out = split_samples(load_samples(spec.data, spec.tasks), spec.data.held_out)
    log(f"{len(samples)} pictures to train on, {len(held_out)} to check with.")
    held_out, picture = held_out.part(slice(0, CHECKED_PICTURES)), samples.pictures[:1].float()
    _check_shapes(spec, networks, picture)
    prepared = []
    for task, network in zip(spec.tasks, networks):
        if network is not None and task.train_minutes:
            log(f"Training the network of the task {task.name}.")
            labels, seed = samples.labels[task.name], spec.training.seed
            network = trained_network(task, network, samples.pictures, labels, work, seed=seed, log=log)
        prepared.append(_prepare(task, network, samples))
    log("Training the codec.")
    trained, loop = _train_codec(spec, prepared, samples.pictures, work, log)
    checked = {p.task.name: features_of(p.parts.front, held_out.pictures) for p in prepared}
    card |= {"minutes": round(loop.elapsed / 60, 1), "steps": loop.steps, "training": to_json(spec.training)}
    export_feature_set(trained, [p.export() for p in prepared], out, name=name, card=card)
    found = check_set(out, trained, held_out, checked)
    add_to_card(out, {"self_check": found.to_json()})
    log(found.sentence())


def _check_shapes(spec: Spec, networks: Sequence[nn.Module | None], picture: Tensor) -> None:
    """Whether all networks take the pictures and can be exported, and their features go together: now, and not after
    their training.
    """
    shapes, features = [], {}
    for task, network in zip(spec.tasks, networks):
        h = features_of(parts_of(task, network, picture).front, picture)
        pixel_stride(picture, h, task.name)
        shapes.append(shape_of(task, h))
        features[task.name] = h
    with torch.no_grad():
        FeatureCodec(spec.sizes, tuple(shapes)).latents(features)


def _prepare(task: TaskSpec, network: nn.Module | None, samples: Samples) -> _Prepared:
    parts = parts_of(task, network, samples.pictures[:1].float())
    h = features_of(parts.front, samples.pictures)
    data = task_data(task, parts, h, samples.labels[task.name])
    return _Prepared(task, parts, data, shape_of(task, h), pixel_stride(samples.pictures, h, task.name))


def _train_codec(
    spec: Spec, prepared: list[_Prepared], pictures: Tensor, work: Path, log: Callable[[str], None]
) -> tuple[FeatureCodec, Loop]:
    """The codec after training; parts of networks that learned along are replaced."""
    sizes, first = spec.sizes, prepared[0]
    if not spec.grid_given:
        latents = [min(255, -(-n // first.shape.factor)) for n in first.data.features.shape[2:]]
        sizes = from_json(sizes, {"grid": latents}, "sizes")
    torch.manual_seed(spec.training.seed)
    codec = FeatureCodec(sizes, tuple(p.shape for p in prepared))
    todo = CodecTask(codec, [p.data for p in prepared], spec.training.batch, rounding=spec.training.rounding)
    along = {p.task.name: p.parts for p in prepared if p.task.along}
    if along:
        todo = AlongTask(todo, along, pictures)
    context = {"sizes": to_json(sizes), "tasks": [to_json(p.shape) for p in prepared], "along": sorted(along)}
    loop = Loop(todo, spec.training, work, "codec", context=context, log=log)
    trained = loop.run()
    if isinstance(trained, Along):
        for p in prepared:
            if p.task.along:
                p.parts = with_onnx(*trained.parts(p.task.name), pictures[:1].float())
        trained = trained.codec
    assert isinstance(trained, FeatureCodec)
    return trained, loop


def check_set(
    folder: Path, trained: FeatureCodec, samples: Samples, features: Mapping[str, Tensor]
) -> FeatureCheck:
    """Read the set in ``folder``, prove all of it, and code held-out features with it."""
    found = load_feature_set(str(folder))
    found.verify()
    return self_check(found, trained, features, {k: samples.labels[k] for k in features})


def default_name(out: Path) -> str:
    """The name of a set from its folder.

    Raises:
        ParameterError: the folder has none.
    """
    name = out.resolve().name
    if not name:
        raise ParameterError(f"{out} has no name of its own; give the set one with --name.")
    return name
