"""Which networks a stage starts from, and what all stages have led to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ...errors import ParameterError
from ...registry.picture_manifest import read_manifest
from ..core.stage import DISTORTIONS
from .architecture import Architecture
from .codec import Codec
from .fusion import Fusion
from .growth import grown
from .restore import restore_architecture, restore_codec, restore_fusion
from .settings import SYNTHESIS_ONLY, TrainingSettings
from .work_folder import WorkFolder, codec_of


class Lineage:
    """The checkpoints of a work folder, and the model set that a run continues from, if it does.

    Args:
        start: folder of the set.
        settings: of the run, whose architecture may add networks to those of the set.
        log: called with a sentence where a stage starts from an unfinished one.
    """

    def __init__(
        self,
        work: WorkFolder,
        start: Path | None,
        settings: TrainingSettings,
        log: Callable[[str], None],
    ) -> None:
        self.work, self.start, self.settings, self.log = work, start, settings, log

    def before(self, stage: str) -> tuple[Codec | None, str]:
        """The codec that a stage starts from, and what to call that; None for one that is to be made."""
        if stage == "parent":
            return None, "the DCT"
        found = self.work.latest(stage)
        if found is not None:
            before, state = found
            if before not in self.work.records():
                self.log(f"The stage {before} is not finished; {stage} starts from what it has reached.")
            return codec_of(state, self.work.checkpoint(before)), f"{before}, {state['steps']} steps"
        if self.start is not None:
            known = read_manifest(self.start)
            return self._restored(self.start), f"{known.name} ({known.identity})"
        if stage == "end-to-end":
            return None, "the DCT"
        raise ParameterError(
            f"The stage {stage} starts from another one, of which {self.work.folder} has no checkpoint; run the "
            "stage parent first, or name a model set with --from."
        )

    def result(self) -> tuple[Codec, Fusion | None]:
        """The networks that all stages of training have led to."""
        found = self.work.latest()
        if found is not None:
            stage, state = found
            codec = codec_of(state, self.work.checkpoint(stage))
        elif self.start is not None:
            codec = self._restored(self.start)
        else:
            raise ParameterError(
                f"There is no checkpoint in {self.work.folder} to make a model set of; train first."
            )
        codec.half_precision = False
        return codec, self.fusion(codec.architecture)

    def kept(self) -> Path | None:
        """The folder of the set whose files the result leaves as they are but for the pictures that they decode to:
        synthesis alone was trained from it. None where more was.
        """
        found, s = self.work.latest(), self.settings
        if self.start is None or found is None or found[0] != "synthesis":
            return None
        if self.work.latest("synthesis") is not None or s.synthesis.freeze != SYNTHESIS_ONLY:
            return None
        known = restore_architecture(self.start)
        grown = replace(
            known,
            post_filter=s.architecture.post_filter,
            post_filter_layers=s.architecture.post_filter_layers,
            residual_limit=s.architecture.residual_limit,
        )
        return self.start if grown == s.architecture else None

    def _restored(self, start: Path) -> Codec:
        s = self.settings
        return grown(restore_codec(start), s.architecture, name=str(start), seed=s.seed)

    def distortion(self) -> str:
        """The distortion that the last stage was trained for; without any, that of the set."""
        found = self.work.latest()
        if found is not None:
            objective = found[1]["settings"]["stage"]["objective"]
            return str(objective.get("distortion", DISTORTIONS[0]))
        return read_manifest(self.start).distortion if self.start is not None else DISTORTIONS[0]

    def fusion(self, architecture: Architecture, before: str | None = None) -> Fusion | None:
        """The fusion network that training has led to (``before`` a stage), else that of the set."""
        return self.work.fusion(architecture, before) or self.first_fusion()

    def first_fusion(self) -> Fusion | None:
        """That of the set."""
        return restore_fusion(self.start) if self.start is not None else None
