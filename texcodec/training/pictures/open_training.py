"""A training without an end, which goes on across machines in a folder of a few files.

    checkpoint.safetensors   weights, their moving average, optimiser, counts (``portable``), or pieces of it
    settings.json            sizes of the networks and settings of the stages
    log.jsonl                a line per run: what it added, on what machine, and the held-out log cost after it

The learning rate is constant, so that no run is the last; what is used is the moving average, of which the
stage anneal makes the result.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch

from ...errors import ParameterError
from ...files import write_atomically
from ..core import processes
from ..core.checkpoints import read_checkpoint, write_checkpoint
from ..core.stage import Budget
from .adoption import STAGE as ANNEAL
from .adoption import adopted
from .architecture import Architecture
from .card import device_name, processor_name
from .codec import Codec
from .growth import grown
from .held_out import held_out_cost, held_out_crops
from .pieces import FoundCheckpoint, find_checkpoint, keep_checkpoint
from .presets import with_budget
from .settings import TrainingSettings
from .work_folder import WorkFolder, codec_of, same_sizes, save_settings, saved_settings

LOG = "log.jsonl"
OWNER = "training.txt"
"""In a work folder: the folder of the open training that its checkpoints are of."""
_SUMS = ("gigapixels", "steps", "seconds")


def open_settings(base: TrainingSettings) -> TrainingSettings:
    """Settings to begin an open training with: a constant learning rate, from which the stage anneal lets it
    fall.
    """
    parent = replace(base.parent, schedule="constant")
    anneal = replace(parent, schedule="cosine", last_learning_rate=0.0, seed=parent.seed + 4)
    return with_budget(replace(base, parent=parent, anneal=anneal), Budget())


def settings_of(folder: Path) -> TrainingSettings | None:
    """The settings of the open training in a folder; None where none has begun.

    Raises:
        ValueError: they are damaged.
    """
    found = saved_settings(folder)
    return found and replace(found, parent=replace(found.parent, schedule="constant"))


class OpenTraining:
    """The folder of one.

    Args:
        folder: made when a checkpoint is first written.
        begin: folder of another one, from whose moving average this one begins, with more networks where its
            settings add some.
        piece_bytes: the most that a file of the checkpoint may have; it is then written whenever a run saves its
            state, and not at its end alone. 0 for one file.
    """

    def __init__(self, folder: Path, begin: Path | None = None, *, piece_bytes: int = 0) -> None:
        self.folder, self.begin, self.piece_bytes = folder, begin, piece_bytes
        self._begun: dict[str, float] | None = None

    def found(self) -> FoundCheckpoint | None:
        """Its checkpoint, if there is one.

        Raises:
            ValueError: it is damaged.
        """
        return find_checkpoint(self.folder)

    def log(self) -> list[dict[str, Any]]:
        """All lines of the log.

        Raises:
            ValueError: it is damaged.
        """
        file = self.folder / LOG
        if not file.exists():
            return []
        try:
            return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]
        except ValueError as error:
            raise ValueError(f"{file} is damaged ({error}); put back the version before.") from None

    def bring(self, work: WorkFolder, architecture: Architecture) -> None:
        """Put the checkpoint into the work folder as that of the stage parent, unless that folder's own has as
        many steps.

        Raises:
            ParameterError: one of the two is of other sizes, or the work folder is that of another training.
            ValueError: one of them is damaged.
        """
        self._claim(work)
        self._begun = self._sums(self.log())  # before the run writes a checkpoint of its own
        found = self.found()
        if found is None:
            return
        own = work.checkpoint("parent")
        if own.exists():
            known = read_checkpoint(own)
            same_sizes(own, known["settings"], architecture)
            if known["steps"] >= found.steps:
                return
        state = found.read()
        same_sizes(found.files[0], state["settings"], architecture)
        write_checkpoint(own, state)

    def _claim(self, work: WorkFolder) -> None:
        """Note in the work folder whose it is: the checkpoint of another training would be taken for this one's."""
        note, here = work.folder / OWNER, str(self.folder.resolve())
        try:
            owner = note.read_text("utf-8").strip()
        except OSError:  # of a version that did not note it, or new
            owner = here
        # a folder that is no more there was moved
        if owner != here and work.checkpoint("parent").exists() and Path(owner).is_dir():
            raise ParameterError(
                f"The work folder {work.folder} is that of the training in {owner}; name another one with --work."
            )
        write_atomically(note, (here + "\n").encode(), force=True)

    def first(self, settings: TrainingSettings) -> Codec | None:
        """The codec that the first run begins with: the moving average of another training, with the networks that
        ``settings.architecture`` adds; None where this training has begun, or begins from nothing.

        Raises:
            ParameterError: there is no other training, or its networks are no part of those asked for.
            ValueError: its checkpoint is damaged.
        """
        if self.begin is None or self.found() is not None:
            return None
        found = find_checkpoint(self.begin)
        if found is None:
            raise ParameterError(
                f"There is no checkpoint in {self.begin} to begin from; name the folder of another open training with "
                "--from."
            )
        codec = codec_of(found.read(), found.files[0])
        return grown(codec, settings.architecture, name=str(self.begin), seed=settings.seed)

    def keep(self, state: Mapping[str, Any], settings: TrainingSettings) -> None:
        """Replace the checkpoint by a run's own.

        Raises:
            StreamError: a file cannot be written; those before stay.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        save_settings(self.folder, with_budget(settings, Budget()))
        keep_checkpoint(self.folder, state, self.piece_bytes)

    def write(
        self,
        state: Mapping[str, Any],
        settings: TrainingSettings,
        held_out: Sequence[Path],
        *,
        device: torch.device,
        precision: str,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Replace the checkpoint by what a run has reached, and add the run to the log.

        Args:
            state: the run's own checkpoint.
            held_out: pictures that are not trained on.
            device: where the codec was trained.
            precision: what its transforms were trained in.
            more: entries of the line in the place of, or beside, its usual ones.
        Returns:
            a sentence with what was added and the log cost.
        Raises:
            StreamError: a file cannot be written; those before stay.
        """
        lines = self.log()
        before = self._begun or self._sums(lines)
        self.keep(state, settings)
        # measured last, since it takes a while: who is killed here loses a line, whose sums the next one has
        crops = held_out_crops(held_out, settings.classes.thresholds)
        codec = codec_of(state, self.folder).to(device).eval()
        objective = settings.parent.objective
        cost = held_out_cost(codec, crops, device, objective=objective) if crops is not None else None
        corrected = None
        if crops is not None and settings.parent.corrected_share:
            corrected = held_out_cost(codec, crops, device, objective=objective, corrected=True)
        line: dict[str, Any] = {"date": datetime.now(timezone.utc).isoformat(timespec="seconds")}
        if not lines and self.begin is not None:
            begun = find_checkpoint(self.begin)
            line["from"] = f"{self.begin.name}, {begun.steps if begun else 0} steps"
        for key, value in _sums(state).items():
            line |= {key: round(value - before[key], 6), f"{key}_in_all": round(value, 6)}
        stage = state["settings"]["stage"]
        line |= {
            "skipped_in_all": state["skipped"],
            "processor": processor_name(),
            "device": device_name(device),
            "threads": torch.get_num_threads(),
            "processes": processes.world(),
            "torch": torch.__version__,
            "precision": precision,
            "crop": stage["crop"],
            "batch": stage["batch"],
            "learning_rate": stage["learning_rate"],
            "objective": stage["objective"]["kind"],
            "distortion": objective.distortion,
            "held_out": asdict(cost) if cost else None,
        }
        if corrected:
            line["held_out_corrected"] = asdict(corrected)
        line |= more or {}
        text = "".join(json.dumps(entry) + "\n" for entry in [*lines, line])
        write_atomically(self.folder / LOG, text.encode(), force=True)
        found = f"{cost.log_cost:.4f} on held-out crops" if cost else "unknown, without held-out pictures"
        found += f", {corrected.log_cost:.4f} with one correction" if corrected else ""
        return (
            f"The training in {self.folder} has gained {line['gigapixels']:.4g} gigapixels in {line['steps']} steps, "
            f"{line['gigapixels_in_all']:.4g} in all; its log cost is {found}."
        )

    def adopt(
        self,
        works: Sequence[Path],
        settings: TrainingSettings,
        held_out: Sequence[Path],
        device: torch.device,
    ) -> str:
        """Replace the checkpoint by what the stage anneal has made of it, and add that to the log.

        Args:
            works: work folders of the stage, of which the weights are averaged (``adoption``).
            held_out, device: as for ``write``.
        Returns:
            as ``write``.
        Raises:
            ParameterError: there is no training in the folder, or what is in a work folder does not belong to it.
            ValueError: a checkpoint is damaged.
            StreamError: a file cannot be written; those before stay.
        """
        found = self.found()
        if found is None:
            raise ParameterError(f"There is no open training in {self.folder}; begin one without --adopt.")
        state, stage = adopted(found.read(), works)
        records = (WorkFolder(work).records()[ANNEAL] for work in works)
        precision = ", ".join(sorted({record.get("precision", "float32") for record in records}))
        more = {key: stage[key] for key in ("crop", "batch", "learning_rate")}
        more["adopted"] = [work.resolve().name for work in works]
        return self.write(state, settings, held_out, device=device, precision=precision, more=more)

    def _sums(self, lines: list[dict[str, Any]]) -> dict[str, float]:
        """What the log accounts for; of a checkpoint without a log, all that it has."""
        if lines:
            return {key: lines[-1][f"{key}_in_all"] for key in _SUMS}
        found = self.found()
        return _sums(found.read()) if found else dict.fromkeys(_SUMS, 0)


def _sums(state: Mapping[str, Any]) -> dict[str, float]:
    return {"gigapixels": state["pixels"] / 1e9, "steps": state["steps"], "seconds": state["elapsed"]}
