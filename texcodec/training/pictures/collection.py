"""The pictures that a run is trained on: found, decoded when they are first needed, cut into crops."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.stage import StageSettings
from .decoded import Pictures
from .drawn import PAGE_SIDE, drawn_pages
from .files import list_pictures, split_held_out
from .sampler import CropSampler
from .settings import TrainingSettings

STATISTICS_BATCH = 8


class Collection:
    """Training pictures and held-out pictures.

    Args:
        places: folders, or files.
        work: folder of the memory map.
        open_ended: whether the parent is trained whatever its budget is.
        log: called with a sentence for every file that is left out.
    """

    def __init__(
        self,
        places: Sequence[Path],
        settings: TrainingSettings,
        work: Path,
        *,
        open_ended: bool,
        log: Callable[[str], None],
    ) -> None:
        self.places, self.settings, self.work = list(places), settings, work
        self.open_ended, self.log = open_ended, log

    @cached_property
    def files(self) -> tuple[list[Path], list[Path]]:
        """Those to train on, and those held out."""
        return split_held_out(list_pictures(self.places), self.settings.data.held_out)

    @property
    def held_out(self) -> list[Path]:
        """Pictures that are not trained on."""
        return self.files[1]

    @cached_property
    def loaded(self) -> Pictures:
        """The training pictures, decoded.

        Raises:
            ValueError: there is none that can be read.
        """
        s = self.settings
        trained = (s.parent, s.anneal, s.specialists, s.entropy, s.synthesis, s.end_to_end)
        used = [stage.crop for stage in trained if stage.budgeted or (self.open_ended and stage is s.parent)]
        loaded = Pictures(
            self.files[0],
            smallest=max([s.specialists.crop, *used]),
            settings=s.data,
            work=self.work,
            seed=s.seed,
        )
        for file, why in loaded.skipped:
            self.log(f"{file} is left out, as it cannot be read: {why.rstrip('.')}.")
        if not loaded.arrays:
            folders = ", ".join(map(str, self.places))
            raise ValueError(
                f"There is no picture in {folders} that can be read ({sum(map(len, self.files))} files were "
                "looked at); name folders with PNG, JPEG, WebP, TIFF or other files that Pillow reads."
            )
        return loaded

    @property
    def counts(self) -> dict[str, int]:
        """How many pictures are trained on and held out, for the set's card."""
        trained = len(self.files[0]) - len(self.loaded.skipped)
        return {"pictures": trained, "held_out": len(self.held_out)}

    def sampler(self, settings: StageSettings) -> CropSampler:
        """Crops for a stage, with drawn pages among them where that is set."""
        data, side = self.settings.data, max(PAGE_SIDE, settings.crop)
        return CropSampler(
            self.loaded.arrays,
            crop=settings.crop,
            seed=settings.seed,
            thresholds=self.settings.classes.thresholds,
            balance=settings.balance,
            drawn=drawn_pages(data.drawn_pages, self.settings.seed, side) if data.drawn_share else (),
            drawn_share=data.drawn_share,
        )

    def statistics_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Crops and their classes, for counting symbols."""
        s = self.settings
        sampler = self.sampler(replace(s.specialists, balance="texture"))
        random = np.random.default_rng([s.seed, 5])
        for _ in range(s.export.statistics_batches):
            places = sampler.draw(random, STATISTICS_BATCH)
            pixels = torch.from_numpy(sampler.cut(places)).permute(0, 3, 1, 2).float()
            yield pixels, torch.from_numpy(places.classes)
