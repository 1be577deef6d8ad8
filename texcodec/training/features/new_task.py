"""A new task for streams that exist: a reconstruction of its own is trained, everything else stays as it is.

The training pictures are coded with the set itself, so the reconstruction learns from the very latents that streams
hold. There is no rate in the loss: old streams keep their bytes, and new ones are what they would have been.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ParameterError
from ...features.coder import FeatureCoder
from ...features.encode import picture_features, quantise
from ...features.metrics import MEASURES, Meter
from ...registry import FeatureSet, load_feature_set
from ...registry.manifest import read_json
from ..core.loop import Loop
from ..core.settings_json import from_json, to_json
from ..core.stage import StageSettings
from ..core.stopping import exit_code
from ..core.task import Batch, Terms
from .codec_task import START_SAMPLES, TaskData
from .export import TaskExport, check_task, export_task
from .networks import Reconstruction, Whitening, blocks_of, start_from_regression
from .parts import Parts, check_network, parts_of, pixel_stride, shape_of, task_data, trained_network
from .samples import Samples, features_of, load_samples, split_samples
from .settings import CodecSettings, TaskShape
from .spec import DataSpec, TaskSpec

STREAMS_A_PICTURE = 2
"""Levels, drawn at random, at which each training picture is coded."""
CHECKED_PICTURES = 100


@dataclass(frozen=True)
class NewTask:
    """What shall be added, and what it is trained from."""

    task: TaskSpec
    data: DataSpec
    training: StageSettings


class Restoration(nn.Module):
    """Latents to the features of the new task."""

    def __init__(self, settings: CodecSettings, shape: TaskShape) -> None:
        super().__init__()
        self.whitening = Whitening(shape.channels)
        self.reconstruction = Reconstruction(settings, shape)


class RestorationTask:
    """Trains a reconstruction on coded latents.

    Args:
        modules: started from the data here.
        latents: S x M x h x w of streams.
        pictures: S, which picture each stream is of.
        data: features and labels by picture.
        batch: streams per step.
    """

    columns = (None, None)

    def __init__(
        self, modules: Restoration, latents: Tensor, pictures: Tensor, data: TaskData, batch: int
    ) -> None:
        self.modules: nn.Module = modules
        self.restoration, self.latents, self.pictures = modules, latents, pictures
        self.data, self.batch = data, batch
        if data.tail is not None:
            data.tail.eval().requires_grad_(False)
        first = min(START_SAMPLES * STREAMS_A_PICTURE, len(latents))
        target = data.features[pictures[:first]]
        modules.whitening.measure(target)
        shape = modules.reconstruction.separation.shape
        start_from_regression(
            modules.reconstruction.separation,
            latents[:first].float(),
            blocks_of(modules.whitening(padded_to(target, latents.shape[2:], shape.factor)), shape.factor),
        )

    def draw(self, random: np.random.Generator) -> Batch:
        """Latents of some streams with their pictures' features and labels."""
        chosen = torch.from_numpy(random.integers(0, len(self.latents), self.batch))
        picture = self.pictures[chosen]
        tensors = {"latents": self.latents[chosen].float(), "features": self.data.features[picture]}
        if self.data.labels is not None:
            tensors["labels"] = self.data.labels[picture]
        return Batch(tensors)

    def cost(self, batch: Batch, device: torch.device) -> Terms:
        """The loss of the new task alone."""
        tensors = {k: v.to(device) for k, v in batch.tensors.items()}
        h, w = tensors["features"].shape[2:]
        whitened = self.restoration.reconstruction(tensors["latents"])[:, :, :h, :w]
        restored = self.restoration.whitening.undo(whitened)
        target = self.restoration.whitening(tensors["features"])
        loss = self.data.cost(restored, whitened, target, tensors.get("labels")).mean()
        return Terms(loss, torch.zeros_like(loss), torch.ones_like(loss))


def padded_to(h: Tensor, latents: torch.Size, factor: int) -> Tensor:
    """Features with their last rows and columns repeated to ``factor`` times the latents' size."""
    rows, columns = (n * factor - have for n, have in zip(latents, h.shape[2:]))
    return nn.functional.pad(h, (0, columns, 0, rows), mode="replicate") if rows or columns else h


def add_task(
    folder: Path,
    new: NewTask,
    work: Path,
    *,
    log: Callable[[str], None],
    threads: int | None = None,
    card: Mapping[str, Any] | None = None,
) -> int:
    """Train a reconstruction for a new task and add it to the set in ``folder``.

    Returns:
        the exit code: 0, or 130 after the user has stopped it.
    Raises:
        ParameterError: the task exists already, or does not fit the set; its network cannot be used.
        ModelError: there is no feature set in the folder, or it is damaged.
    """
    if threads:
        torch.set_num_threads(threads)
    check_task(folder, new.task.name)
    return exit_code(lambda: _add(folder, new, work, log, dict(card or {})), log)


def _add(folder: Path, new: NewTask, work: Path, log: Callable[[str], None], card: dict[str, Any]) -> None:
    network, features = check_network(new.task), load_feature_set(str(folder))
    settings = _settings(features)
    task, seed = new.task, new.training.seed
    samples, held_out = split_samples(load_samples(new.data, (task,)), new.data.held_out)
    log(f"{len(samples)} pictures to train on, {len(held_out)} to check with.")
    if network is not None and task.train_minutes:
        log(f"Training the network of the task {task.name}.")
        network = trained_network(
            task, network, samples.pictures, samples.labels[task.name], work, seed=seed, log=log
        )
    parts = parts_of(task, network, samples.pictures[:1].float())
    h = features_of(parts.front, samples.pictures)
    shape, stride = shape_of(task, h), pixel_stride(samples.pictures, h, task.name)
    log("Coding the training pictures with the set.")
    latents, pictures = coded_latents(features, samples.pictures, seed)
    wanted = tuple(-(-n // shape.factor) for n in h.shape[2:])
    if wanted != tuple(latents.shape[2:]):
        raise ParameterError(
            f"The features of the task {task.name} need {wanted[0]} x {wanted[1]} latents, but streams of "
            f"{features.name} have {latents.shape[2]} x {latents.shape[3]}; choose another layer or factor."
        )
    torch.manual_seed(seed)
    modules = Restoration(settings, shape)
    data = task_data(task, parts, h, samples.labels[task.name])
    todo = RestorationTask(modules, latents, pictures, data, new.training.batch)
    context = {"set": features.manifest.identity, "task": to_json(shape)}
    log("Training the reconstruction.")
    loop = Loop(todo, new.training, work, f"task-{task.name}", context=context, log=log)
    found = loop.run()
    assert isinstance(found, Restoration)
    card |= {"minutes": round(loop.elapsed / 60, 1), "steps": loop.steps, "training": to_json(new.training)}
    export = TaskExport(shape, task.kind, stride, task.classes or None, parts.front_data, parts.tail_data)
    quality = _quality(features, found.eval(), parts, task, held_out.part(slice(0, CHECKED_PICTURES)))
    export_task(folder, export, settings, found.reconstruction, found.whitening, card | {"quality": quality})
    load_feature_set(str(folder)).verify()
    if quality:
        levels = ", ".join(f"{v:.4g}" for v in quality["levels"])
        log(f"{task.name}: {quality['measure']} {quality['uncoded']:.4g} uncoded, {levels} coded.")


def _settings(features: FeatureSet) -> CodecSettings:
    """Sizes for the reconstruction: those of the set."""
    known = read_json(features.folder).get("settings", {})
    manifest = features.manifest
    settings = from_json(CodecSettings(), known, "settings")
    return from_json(settings, {"latent_channels": manifest.latent_channels, "levels": manifest.levels})


def coded_latents(features: FeatureSet, pictures: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Decoded latents of streams of pictures, at levels drawn at random.

    Args:
        pictures: uint8 N x 3 x H x W.
    Returns:
        float16 S x M x h x w, and int64 S: the picture that each is of.
    """
    random, coder = np.random.default_rng(seed), FeatureCoder(features)
    found, of = [], []
    for i, picture in enumerate(pictures.permute(0, 2, 3, 1).numpy()):
        tensors = picture_features(picture, features)
        levels = features.manifest.levels
        for level in random.choice(levels, min(levels, STREAMS_A_PICTURE), replace=False):
            coded, _ = quantise(tensors, features, int(level))
            found.append(coder.latents(coded, int(level)).astype(np.float16))
            of.append(i)
    return torch.from_numpy(np.stack(found)), torch.tensor(of)


@torch.no_grad()
def _quality(
    features: FeatureSet, found: Restoration, parts: Parts, task: TaskSpec, samples: Samples
) -> dict[str, Any]:
    """The measure of the new task on held-out pictures, uncoded and at each level."""
    if parts.tail is None:
        return {}
    coder, labels = FeatureCoder(features), samples.labels[task.name]
    h = features_of(parts.front, samples.pictures)
    meters = [Meter(task.kind) for _ in range(features.manifest.levels)]
    uncoded = Meter(task.kind)
    for i, picture in enumerate(samples.pictures.permute(0, 2, 3, 1).numpy()):
        label = labels[i : i + 1].numpy()
        uncoded.add(parts.tail(h[i : i + 1]).numpy(), label)
        tensors = picture_features(picture, features)
        for level, meter in enumerate(meters):
            coded, _ = quantise(tensors, features, level)
            z = torch.from_numpy(coder.latents(coded, level))[None]
            x = found.reconstruction(z)[:, :, : h.shape[2], : h.shape[3]]
            meter.add(parts.tail(found.whitening.undo(x)).numpy(), label)
    return {
        "measure": MEASURES[task.kind].name,
        "uncoded": round(uncoded.value(), 5),
        "levels": [round(meter.value(), 5) for meter in meters],
    }
