"""What the tests of training feature codecs share: the smallest sizes, features that can be predicted. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from training_samples import StepClock

from texcodec.registry import FeatureSet, load_feature_set
from texcodec.training.core.loop import Loop
from texcodec.training.core.stage import StageSettings
from texcodec.training.features.codec import FeatureCodec
from texcodec.training.features.codec_task import CodecTask, TaskData
from texcodec.training.features.export import TaskExport, export_feature_set
from texcodec.training.features.settings import CodecSettings, TaskShape

SMALLEST = CodecSettings(
    latent_channels=6,
    hyper_channels=3,
    groups=4,
    codebook=5,
    grid=(3, 4),
    levels=3,
    width=8,
    blocks=1,
    fusion_channels=4,
    hyper_width=6,
    generator_width=7,
    predictor_width=8,
)
SHAPES = (TaskShape("coarse", 5, 1), TaskShape("fine", 3, 2))


def features(count: int = 6, h: int = 5, w: int = 7, seed: int = 0) -> dict[str, Tensor]:
    """Features of both tasks for h x w latents; the rows of "fine" are one short of a multiple of its factor."""
    random = torch.Generator().manual_seed(seed)
    hidden = torch.randn(count, 2, h, w, generator=random)
    mixed = torch.einsum("kc,nchw->nkhw", torch.randn(5, 2, generator=random), hidden)
    coarse = 3 * mixed + 0.2 * torch.randn(count, 5, h, w, generator=random) + 10
    fine = hidden.mean(1, keepdim=True).repeat_interleave(2, 2).repeat_interleave(2, 3).repeat(1, 3, 1, 1)
    return {"coarse": coarse, "fine": fine[:, :, :-1]}


def codec(shapes: tuple[TaskShape, ...] = SHAPES, settings: CodecSettings = SMALLEST) -> FeatureCodec:
    """A codec whose every weight differs from zero, as after training."""
    torch.manual_seed(3)
    found = FeatureCodec(settings, shapes)
    found.start_from({s.name: features(40)[s.name] for s in shapes})
    for module in found.modules():
        if isinstance(module, nn.Conv2d) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.05)
    nn.init.normal_(found.prior.predictor.leave.weight, std=0.1)
    return found.eval()


def exported(folder: Path, found: FeatureCodec, **options: Any) -> FeatureSet:
    """A set of a codec, without task networks."""
    tasks = [TaskExport(shape, "tensor") for shape in found.shapes]
    export_feature_set(found, tasks, folder, name="test", card={}, **options)
    return load_feature_set(str(folder))


def codec_loop(folder: Path, steps: int, found: FeatureCodec | None = None, **options: Any) -> Loop:
    """A loop over features to be restored, of so many steps."""
    found = found or FeatureCodec(SMALLEST, SHAPES)
    torch.manual_seed(0)
    known = features(40)
    task = CodecTask(found, [TaskData(s.name, known[s.name]) for s in found.shapes], 4)
    stage = StageSettings(steps=steps, learning_rate=3e-3, decay=0.9)
    return Loop(task, stage, folder, "codec", **{"clock": StepClock(), **options})
