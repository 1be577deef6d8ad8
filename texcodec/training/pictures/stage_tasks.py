"""What each stage of gradient descent optimises: of which networks, on which pictures, with which terms."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..core.fixed_point import compute_as_exported
from ..core.stage import StageSettings
from ..core.task import Task
from .codec import Codec
from .collection import Collection
from .crops import CropTask
from .fusion import PICTURE_SIDE, Fusion, collect_seams
from .joined_entropy import JoinedCropTask, check_exportable
from .lineage import Lineage
from .resident import DevicePictures, fits_on
from .sampler import CropSampler
from .seams import SeamTask
from .settings import TrainingSettings
from .start import start_codec
from .whole import PictureCodec, PictureTask


def quantises(settings: TrainingSettings, stage: str) -> bool:
    """Whether a stage trains the entropy networks as they are exported."""
    return settings.quantise.entropy and stage in ("entropy", "end-to-end")


class StageTasks:
    """The tasks of one run.

    Args:
        device: where networks are trained.
        log: called with a sentence where there is nothing to train on.
    """

    def __init__(
        self,
        settings: TrainingSettings,
        pictures: Collection,
        lineage: Lineage,
        *,
        device: torch.device,
        log: Callable[[str], None],
    ) -> None:
        self.settings, self.pictures, self.lineage = settings, pictures, lineage
        self.device, self.log = device, log

    def of(self, stage: str, codec: Codec | None) -> Task | None:
        """What a stage optimises; None where the pictures do not allow it.

        Args:
            codec: which the stage starts from; None for one from the pictures' own statistics.
        Raises:
            ParameterError: the codec's networks cannot be trained in the way that the settings ask for.
            ValueError: no picture can be read.
        """
        s, settings = self.settings, self.settings.stage(stage)
        if stage == "fusion":
            assert codec is not None
            return self._of_seams(codec, settings)
        sampler = self.pictures.sampler(settings)
        codec = self._prepared(stage, codec or self._started(sampler))
        if stage == "end-to-end":
            known = self.lineage.fusion(s.architecture, before=stage) or Fusion(s.architecture)
            return PictureTask(PictureCodec(codec, known, s.classes.thresholds), sampler, settings)
        resident = None
        if fits_on(self.device, sampler.arrays):
            resident = DevicePictures(sampler.arrays, settings.crop, self.device)
        if stage == "entropy" and s.quantise.helpers:
            torch.manual_seed(settings.seed)  # of what the helpers start from
            return JoinedCropTask(codec, sampler, settings, resident=resident, quantise=s.quantise)
        return CropTask(codec, sampler, settings, resident=resident)

    def _started(self, sampler: CropSampler) -> Codec:
        torch.manual_seed(self.settings.seed)
        return start_codec(sampler.batches(64), self.settings.architecture, self.settings.linear_start)

    def _prepared(self, stage: str, codec: Codec) -> Codec:
        """The codec with class models, shared layers and rounding as the stage has them."""
        s = self.settings
        if s.architecture.gains:
            codec.entropy.gains.set_planes(codec.linear.analysis)
        if codec.specialised:
            codec.share(s.classes.shared)
        elif stage not in ("parent", "anneal", "synthesis"):
            codec = codec.specialise(s.classes.shared)
        if quantises(s, stage):
            check_exportable(codec.entropy)
            compute_as_exported(codec.entropy)
        return codec

    def _of_seams(self, codec: Codec, settings: StageSettings) -> SeamTask | None:
        s, arrays = self.settings, self.pictures.loaded.arrays
        if not any(min(a.shape[:2]) >= PICTURE_SIDE for a in arrays):
            self.log(
                f"Fusion is not trained: that needs pictures of at least {PICTURE_SIDE} pixels per side."
            )
            return None
        torch.manual_seed(s.seed)
        fusion = self.lineage.first_fusion() or Fusion(s.architecture)
        codec.half_precision = False
        whole = PictureCodec(codec, fusion, s.classes.thresholds).to(self.device)
        seams = collect_seams(whole, arrays, blocks=s.fusion.blocks, seed=settings.seed)
        return SeamTask(fusion, seams, settings.batch)
