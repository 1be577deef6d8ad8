"""From a folder of pictures to a model set: parent, specialists, fusion, export.

Each stage writes a checkpoint in the work folder and continues from it when the same command is given again.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..registry import load_set
from ..texture import classify, complexity
from .architecture import Architecture
from .codec import Codec
from .crops import CropSettings, CropTrainer
from .data import CropSampler, Pictures, list_pictures, split_held_out
from .export import Statistics, export_set
from .fusion import collect_seams, train_fusion
from .transforms import dct_basis


@dataclass(frozen=True)
class PipelineSettings:
    """What one training run does.

    Attributes:
        architecture: sizes of the networks.
        parent, specialists: settings of the two stages on crops; 0 minutes leaves a stage out.
        fusion_minutes: of training the fusion network (collecting its seams comes on top); 0 leaves it out.
        fusion_blocks: seam blocks to collect.
        statistics_batches: batches counted for the probability tables.
        class_names: smoothest first.
        thresholds: of texture complexity, mean |dx| + |dy|.
    """

    architecture: Architecture = field(default_factory=Architecture)
    parent: CropSettings = CropSettings(minutes=60)
    specialists: CropSettings = CropSettings(minutes=30, rate=3e-4, noise=False, batch=9)
    fusion_minutes: float = 4
    fusion_blocks: int = 3000
    statistics_batches: int = 400
    class_names: tuple[str, ...] = ("smooth", "medium", "busy")
    thresholds: tuple[float, ...] = (8.0, 18.0)


def start_coefficients(sampler: CropSampler, count: int) -> np.ndarray:
    """Numbers of the ``count`` DCT coefficients with the largest variance on training crops, largest first."""
    basis, energy = dct_basis(), np.zeros(768)
    batches = sampler.batches(64)
    for _ in range(10):
        x = next(batches).astype(np.float32) - 128
        b, side = x.shape[0], x.shape[1] // 16 * 16
        x = x[:, :side, :side].reshape(b, side // 16, 16, side // 16, 16, 3).transpose(0, 1, 3, 5, 2, 4).reshape(-1, 768)
        energy += np.square(x @ basis.T).mean(0)
    return np.argsort(-energy, kind="stable")[:count].copy()


def statistics_batches(sampler: CropSampler, settings: PipelineSettings) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches for counting symbols."""
    batches = sampler.batches(8)
    for _ in range(settings.statistics_batches):
        batch = next(batches)
        classes = torch.tensor([classify(complexity(p), settings.thresholds) for p in batch])
        yield torch.from_numpy(batch).permute(0, 3, 1, 2).float(), classes


class Pipeline:
    """One run over one collection of pictures.

    Args:
        pictures: folders.
        work: folder of checkpoints and logs.
        say: called with sentences on what goes on.
    """

    def __init__(
        self, pictures: list[Path], work: Path, settings: PipelineSettings, say: Callable[[str], None] = print
    ) -> None:
        self.settings, self.work, self.say = settings, work, say
        self.start = time.time()
        training, held_out = split_held_out(list_pictures(pictures))
        smallest = max(settings.parent.crop, settings.specialists.crop)
        loaded = Pictures(training, smallest=smallest)
        for file, why in loaded.skipped:
            say(f"skipped {file}: {why}")
        if not loaded.arrays:
            raise ValueError("no picture could be read")
        self.arrays = loaded.arrays
        self.card: dict[str, Any] = {"pictures": len(training) - len(loaded.skipped), "held_out": len(held_out)}

    def sampler(self, settings: CropSettings) -> CropSampler:
        """Balanced crops for a stage."""
        return CropSampler(self.arrays, crop=settings.crop, seed=settings.seed)

    def parent(self) -> Codec:
        """Train (or continue) the parent; returns its averaged weights."""
        s = self.settings.parent
        sampler = self.sampler(s)
        codec = Codec(self.settings.architecture)
        codec.linear.start_from(start_coefficients(sampler, self.settings.architecture.latent_channels))
        return self._crops("parent", codec, s, sampler)

    def specialists(self, parent: Codec) -> Codec:
        """Give every class its own transforms and train them on tiles of all classes."""
        s = self.settings.specialists
        return self._crops("specialists", parent.specialise(), s, self.sampler(s))

    def _crops(self, name: str, codec: Codec, settings: CropSettings, sampler: CropSampler) -> Codec:
        trainer = CropTrainer(codec, settings, self.work, name)
        averaged = trainer.run(sampler) if trainer.elapsed < 60 * settings.minutes else trainer.average
        self.card[f"{name}_minutes"], self.card[f"{name}_steps"] = round(trainer.elapsed / 60, 1), trainer.steps
        return averaged

    def export(self, codec: Codec, folder: Path, *, name: str, card: dict[str, Any]) -> None:
        """Count statistics, write the set, train fusion on its seams, and write it again with fusion."""
        s = self.settings
        codec.half_precision = False
        statistics = Statistics(s.architecture)
        statistics.gather(codec, statistics_batches(self.sampler(s.specialists), s))
        card = {**card, **self.card, "processor": platform.processor() or platform.machine(), "torch": torch.__version__}
        common: dict[str, Any] = {"name": name, "class_names": s.class_names, "thresholds": s.thresholds}
        export_set(codec, statistics, folder, **common, fusion=None, card=card)
        if s.fusion_minutes:
            seams = collect_seams(load_set(folder), self.arrays, blocks=s.fusion_blocks, seed=7)
            fusion, before, after = train_fusion(s.architecture, seams, minutes=s.fusion_minutes)
            self.say(f"fusion: held-out squared error on seam bands {before:.4f} -> {after:.4f}")
            card["fusion_minutes"] = s.fusion_minutes
            export_set(codec, statistics, folder, **common, fusion=fusion, card=card)
