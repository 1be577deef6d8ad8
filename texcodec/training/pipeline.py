"""From a folder of pictures to a model set: parent, specialists, fusion, export.

Each stage writes a checkpoint in the work folder and continues from it when the same command is given again.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..codec.workers import available_cores
from ..registry import load_set
from ..registry.manifest import read_manifest
from ..texture import classify, complexity
from .architecture import Architecture
from .codec import Codec
from .crops import CropSettings, CropTrainer
from .data import CropSampler, Pictures, list_pictures, split_held_out
from .export import Statistics, check_out, export_set
from .fusion import PICTURE_SIDE, collect_seams, train_fusion
from .restore import restore_architecture, restore_codec
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
    specialists: CropSettings = CropSettings(minutes=30, rate=4e-4, batch=9)
    fusion_minutes: float = 4
    fusion_blocks: int = 3000
    statistics_batches: int = 400
    class_names: tuple[str, ...] = ("smooth", "medium", "busy")
    thresholds: tuple[float, ...] = (8.0, 18.0)


TINY = Architecture(
    slices=(8, 24, 32),
    hyper_channels=12,
    analysis_width=24,
    analysis_blocks=1,
    synthesis_width=24,
    synthesis_blocks=1,
    hyper_width=32,
    feature_width=24,
    context_width=16,
    joint_width=32,
    fusion_width=8,
)
SMALL = Architecture(
    analysis_width=64, analysis_blocks=3, synthesis_width=64, synthesis_blocks=3, hyper_width=96
)
PRESETS = {"tiny": TINY, "small": SMALL, "full": Architecture()}


def preset_settings(
    preset: str, minutes: float, shares: dict[str, float], *, seed: int = 1, continued: bool = False
) -> PipelineSettings:
    """Settings for a run of ``minutes``.

    Args:
        preset: "tiny", "small" or "full".
        shares: of the time, by stage: "parent", "specialists", "fusion".
        continued: the run starts from a set, so the parent's time goes to the specialists.
    """
    parent, specialists = shares["parent"] * minutes, shares["specialists"] * minutes
    if continued:
        parent, specialists = 0.0, parent + specialists
    rate = 2e-3 if preset == "tiny" else 1e-3
    return PipelineSettings(
        architecture=PRESETS[preset],
        parent=CropSettings(minutes=parent, rate=rate, last_rate=0.3 * rate, seed=seed),
        specialists=CropSettings(minutes=specialists, rate=0.4 * rate, batch=9, seed=seed + 1),
        fusion_minutes=shares["fusion"] * minutes,
        fusion_blocks=max(60, min(3000, int(minutes * 60))),
        statistics_batches=max(8, min(400, int(minutes * 8))),
    )


def start_coefficients(sampler: CropSampler, count: int) -> np.ndarray:
    """Numbers of the ``count`` DCT coefficients with the largest variance on training crops, largest
    first.
    """
    basis, energy = dct_basis(), np.zeros(768)
    batches = sampler.batches(64)
    for _ in range(10):
        x = next(batches).astype(np.float32) - 128
        b, side = x.shape[0], x.shape[1] // 16 * 16
        x = (
            x[:, :side, :side]
            .reshape(b, side // 16, 16, side // 16, 16, 3)
            .transpose(0, 1, 3, 5, 2, 4)
            .reshape(-1, 768)
        )
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
        start: folder of a model set to continue from; its networks decide the architecture, and no parent is
            trained.
        say: called with sentences on what goes on.
    Raises:
        ValueError: there is no picture that can be read.
    """

    def __init__(
        self,
        pictures: list[Path],
        work: Path,
        settings: PipelineSettings,
        *,
        start: Path | None = None,
        say: Callable[[str], None] = print,
    ) -> None:
        if start is not None:
            known = read_manifest(start)
            settings = replace(
                settings,
                architecture=restore_architecture(start),
                class_names=known.classes,
                thresholds=known.thresholds,
                specialists=replace(settings.specialists, thresholds=known.thresholds),
            )
        self.settings, self.work, self.say, self.start = settings, work, say, start
        training, held_out = split_held_out(list_pictures(pictures))
        smallest = max(settings.parent.crop, settings.specialists.crop)
        loaded = Pictures(training, smallest=smallest)
        for file, why in loaded.skipped:
            say(f"{file} is left out, as it cannot be read: {why}.")
        if not loaded.arrays:
            folders = ", ".join(map(str, pictures))
            raise ValueError(
                f"There is no picture in {folders} that can be read ({len(training) + len(held_out)} files were "
                "looked at); name folders with PNG, JPEG, WebP, TIFF, BMP or PPM files."
            )
        self.arrays = loaded.arrays
        self.card: dict[str, Any] = {
            "pictures": len(training) - len(loaded.skipped),
            "held_out": len(held_out),
        }

    def sampler(self, settings: CropSettings) -> CropSampler:
        """Balanced crops for a stage."""
        return CropSampler(self.arrays, crop=settings.crop, seed=settings.seed)

    def run(self, out: Path, *, name: str, card: dict[str, Any] | None = None) -> None:
        """All stages, then the export to ``out``.

        Args:
            card: entries for the set's card besides those that the run itself knows.
        Raises:
            Stopped: the user interrupted; the same call continues.
            ParameterError: ``out`` holds something else than a model set.
        """
        check_out(out)
        if self.start is not None:
            codec = restore_codec(self.start)
            self.card["continued_from"] = self.start.name
            first = codec if codec.specialised else codec.specialise()
        else:
            first = self.parent().specialise()
        settings = self.settings.specialists
        codec = self._crops("specialists", first, settings, self.sampler(settings))
        card = {**(card or {}), "settings": asdict(self.settings), "seed": self.settings.parent.seed}
        self.export(codec, out, name=name, card=card)

    def parent(self) -> Codec:
        """Train (or continue) the parent; returns its averaged weights."""
        s = self.settings.parent
        sampler = self.sampler(s)
        codec = Codec(self.settings.architecture)
        codec.linear.start_from(start_coefficients(sampler, self.settings.architecture.latent_channels))
        return self._crops("parent", codec, s, sampler)

    def _crops(self, name: str, codec: Codec, settings: CropSettings, sampler: CropSampler) -> Codec:
        trainer = CropTrainer(codec, settings, self.work, name)
        averaged = trainer.run(sampler) if trainer.elapsed < 60 * settings.minutes else trainer.average
        self.card[f"{name}_minutes"], self.card[f"{name}_steps"] = (
            round(trainer.elapsed / 60, 1),
            trainer.steps,
        )
        return averaged

    def export(self, codec: Codec, folder: Path, *, name: str, card: dict[str, Any]) -> None:
        """Count statistics, write the set, train fusion on its seams, and write it again with fusion."""
        s = self.settings
        codec.half_precision = False
        statistics = Statistics(s.architecture)
        statistics.gather(codec, statistics_batches(self.sampler(s.specialists), s))
        card = {
            **card,
            **self.card,
            "processor": platform.processor() or platform.machine(),
            "cores": available_cores(),
            "torch": torch.__version__,
        }
        common: dict[str, Any] = {"name": name, "class_names": s.class_names, "thresholds": s.thresholds}
        export_set(codec, statistics, folder, **common, fusion=None, card=card)
        if s.fusion_minutes and not any(min(a.shape[:2]) >= PICTURE_SIDE for a in self.arrays):
            self.say(
                f"The set has no fusion network, which needs pictures of at least {PICTURE_SIDE} pixels a side."
            )
        elif s.fusion_minutes:
            seams = collect_seams(load_set(folder), self.arrays, blocks=s.fusion_blocks, seed=7)
            fusion, before, after = train_fusion(s.architecture, seams, minutes=s.fusion_minutes)
            self.say(f"Fusion: held-out squared error on seam bands {before:.4f} -> {after:.4f}.")
            card["fusion_minutes"] = s.fusion_minutes
            export_set(codec, statistics, folder, **common, fusion=fusion, card=card)
