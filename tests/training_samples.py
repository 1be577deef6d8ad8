"""What the tests of training share: the smallest networks, a clock that counts steps, small tasks. Needs torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from cli_runs import save_photograph
from pictures import photograph
from torch import Tensor, nn

from texcodec.registry import ModelSet, read_model_set
from texcodec.training.core.loop import Loop
from texcodec.training.core.stage import StageSettings
from texcodec.training.core.task import Terms
from texcodec.training.pictures.architecture import Architecture
from texcodec.training.pictures.codec import Codec
from texcodec.training.pictures.crops import CropTask
from texcodec.training.pictures.export import export_set
from texcodec.training.pictures.sampler import CropSampler
from texcodec.training.pictures.statistics import Statistics
from texcodec.training.pictures.transforms import start_coefficients

SMALLEST = Architecture(
    slices=(4, 8, 12),
    hyper_channels=4,
    analysis_width=8,
    analysis_blocks=1,
    synthesis_width=8,
    synthesis_blocks=1,
    hyper_width=8,
    feature_width=8,
    context_width=8,
    joint_width=8,
    fusion_width=8,
)


class StepClock:
    """A second per call, and the loop calls once per step."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def stage(steps: int, **changes: Any) -> StageSettings:
    """Settings of a stage of so many steps, on small crops."""
    return StageSettings(**{"steps": steps, "crop": 64, "batch": 3, "learning_rate": 2e-3, **changes})


def photographs(count: int = 3, width: int = 200, height: int = 150) -> list[np.ndarray]:
    return [photograph(width, height, seed=s) for s in range(count)]


def sampler(settings: StageSettings | None = None, **changes: Any) -> CropSampler:
    settings = settings or stage(1)
    options = {"crop": settings.crop, "seed": settings.seed, "balance": settings.balance}
    return CropSampler(photographs(), **{**options, **changes})


def started(architecture: Architecture = SMALLEST, *, specialised: bool = False) -> Codec:
    """An untrained codec: a linear transform."""
    torch.manual_seed(0)
    codec = Codec(architecture)
    codec.linear.start_from(start_coefficients(sampler().batches(4), architecture.latent_channels))
    return codec.specialise() if specialised else codec


def stirred(codec: Codec) -> Codec:
    """With every layer of the transforms at work, as after some training."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for key, value in codec.transforms.named_parameters():
            value += 0.05 * torch.randn(value.shape, generator=generator)
            if key.endswith("gain.rate.2.weight"):
                value.mul_(0.1)
    return codec


def exported(
    codec: Codec, folder: Path, *, fusion: nn.Module | None = None, distortion: str = "mse"
) -> ModelSet:
    export_set(
        codec,
        Statistics(codec.architecture),
        folder,
        name="tried",
        class_names=("smooth", "medium", "busy"),
        thresholds=(8.0, 18.0),
        fusion=fusion,
        distortion=distortion,
        card={},
    )
    found = read_model_set(folder)
    found.verify()
    return found


def crop_loop(folder: Path, settings: StageSettings, *, codec: Codec | None = None, **options: Any) -> Loop:
    """A loop over crops with a clock that counts steps."""
    task = CropTask(codec or started(), sampler(settings), settings)
    return Loop(task, settings, folder, "t", **{"clock": StepClock(), **options})


class Point(nn.Module):
    """One number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


class Parabola:
    """A task of one number, whose loss is its square; ``poison`` says in which draws the loss is not finite."""

    def __init__(self, poison: set[int] | None = None, value: float = 1.0) -> None:
        self.modules = Point(value)
        self.poison, self.drawn = poison or set(), 0

    def draw(self, random: np.random.Generator) -> int:
        self.drawn += 1
        return self.drawn

    def cost(self, batch: int, device: torch.device) -> Terms:
        factor = float("nan") if batch in self.poison else 1.0
        loss: Tensor = factor * self.modules.value.square()
        return Terms(loss, loss, loss)


def photos(folder: Path, count: int = 3) -> Path:
    """A folder of so many pictures, made here."""
    folder.mkdir()
    for seed in range(count):
        save_photograph(folder / f"{seed}.png", 300, 280, seed=seed)
    return folder
