"""From a folder of pictures to a model set, stage by stage.

    scan         how busy the pictures are                            -> stages.json
    parent       one codec for all classes, on crops                  -> parent.pt
    anneal       the same, its learning rate falling to zero          -> anneal.pt
    specialists  each class's own copy of its transforms              -> specialists.pt
    entropy      the entropy networks alone, transforms fixed         -> entropy.pt
    synthesis    the decoder's float networks alone                   -> synthesis.pt
    fusion       the fusion network, on the seams the codec leaves    -> fusion.pt
    end-to-end   codec and fusion together, on whole pictures         -> end-to-end.pt
    export       the model set                                        -> OUT
    self-check   held-out pictures through the set                    -> its card

Every stage takes what the stages before left in the work folder; a stopped one goes on from its checkpoint, a
finished one is not repeated, and each can be run alone. What needs onnx is imported by the two last stages
only, so the others run where there is torch alone.

With a folder of an open training (``open_training``), the stage parent is trained without an end: each run
adds to it and writes it back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...errors import ParameterError
from ...registry import load_set
from ...registry.picture_manifest import read_manifest
from ..core import processes
from ..core.checkpoints import read_checkpoint
from ..core.fixed_point import compute_as_exported
from ..core.loop import Loop
from ..core.set_folder import check_like, check_out
from ..core.settings_json import to_json
from ..core.stopping import Stopped
from .architecture import Architecture
from .card import run_card
from .collection import Collection
from .correction import choices_for
from .crops import CropTask
from .fusion import Fusion
from .growth import grown_architecture
from .half_precision import choose_precision, precision
from .joined_entropy import check_exportable
from .lineage import Lineage
from .open_training import OpenTraining
from .options import STAGES, TORCH_STAGES
from .restore import restore_architecture, restore_codec
from .scan import scan_textures
from .seams import SeamTask
from .settings import TrainingSettings
from .stage_tasks import StageTasks, quantises
from .tuning import with_gains
from .whole import PictureCodec, PictureTask
from .work_folder import WorkFolder, remains, save_settings

DEFAULTS = {"architecture": to_json(Architecture())}
"""What the checkpoints of earlier versions do not say of themselves."""


class Pipeline:
    """One run over one collection of pictures.

    Args:
        pictures: folders, or files.
        work: folder of checkpoints and curves.
        start: folder of a model set to continue from; its networks decide the architecture, to which that of the
            settings may add networks, and the classes; no parent is trained.
        checkpoint: folder of an open training, where the parent comes from; trained on if that is the stage
            to be run.
        begin: folder of another open training, whose moving average a new one in ``checkpoint`` begins from.
        piece_bytes: as for ``OpenTraining``.
        device: where networks are trained.
        log: called with sentences on what goes on.
    Raises:
        ModelNotFoundError, ModelDamagedError: there is no sound set in ``start``.
        ParameterError: the settings add networks that its entropy profile does not have.
    """

    def __init__(
        self,
        pictures: list[Path],
        work: Path,
        settings: TrainingSettings,
        *,
        start: Path | None = None,
        checkpoint: Path | None = None,
        begin: Path | None = None,
        piece_bytes: int = 0,
        device: torch.device | None = None,
        log: Callable[[str], None] = print,
    ) -> None:
        if start is not None:
            known = read_manifest(start)
            settings = replace(
                settings,
                architecture=grown_architecture(restore_architecture(start), settings.architecture),
                classes=replace(settings.classes, names=known.classes, thresholds=known.thresholds),
            )
            settings = with_gains(settings)
        self.settings, self.start = settings, start
        self.work = WorkFolder(work)
        self.open = (
            OpenTraining(checkpoint, begin, piece_bytes=piece_bytes) if checkpoint is not None else None
        )
        self.device = device or torch.device("cpu")
        self.log = log if not processes.rank() else lambda sentence: None
        self.pictures = Collection(pictures, settings, work, open_ended=self.open is not None, log=self.log)
        self.lineage = Lineage(self.work, start, settings, self.log)
        self.tasks = StageTasks(settings, self.pictures, self.lineage, device=self.device, log=self.log)

    def run(
        self,
        stages: Sequence[str] | None = None,
        *,
        out: Path | None = None,
        name: str = "",
        card: dict[str, Any] | None = None,
    ) -> None:
        """Run stages in their order.

        Args:
            stages: names out of ``options.STAGES``; None for all that have a budget, or for the parent of an open
                training.
            out: folder of the model set, which export and self-check need.
            name: of the set.
            card: entries for the set's card besides those that the run itself knows.
        Raises:
            Stopped: the user interrupted; the same call continues.
            ParameterError: ``out`` is missing or holds something else than a model set, a stage has nothing to
                start from, or a checkpoint belongs to other settings.
            ValueError: no picture can be read, or a checkpoint is damaged.
            FloatingPointError: the loss was not finite for too many steps.
            StreamError: the disk is full.
        """
        if self.open is not None:
            stages = stages or ("parent",)
            if "parent" in stages and set(stages) != {"parent"}:
                raise ParameterError(
                    "The parent of an open training is trained in a run of its own; leave the other stages out."
                )
        named = stages is not None
        chosen = [s for s in STAGES if stages is None or s in stages]
        if out is None and {"export", "self-check"} & set(chosen):
            raise ParameterError("Exporting needs a folder for the model set; name one.")
        if out is not None and "export" in chosen:
            self._like(out)  # before hours of training
        if named and "parent" in chosen and self.start is not None:
            raise ParameterError(
                "A run that continues from a model set trains no parent; leave that stage out."
            )
        if self.open is not None and self.start is not None:
            raise ParameterError("A run starts from a model set or from a checkpoint; name one of them.")
        if self.settings.quantise.entropy and self.start is not None:
            check_exportable(restore_codec(self.start).entropy)
        if set(chosen) & set(TORCH_STAGES):
            self.work.check_sizes(self.settings.architecture)
        self.work.folder.mkdir(parents=True, exist_ok=True)
        if not processes.rank():
            if set(chosen) & set(TORCH_STAGES):
                save_settings(self.work.folder, self.settings)
            if self.open is not None:
                self.open.bring(self.work, self.settings.architecture)
        processes.wait()
        if processes.shared():
            _ = self.pictures.loaded  # processes that share a memory map must all be there when it is made
        for stage in chosen:
            if stage == "scan":
                self._scan(named=named)
            elif stage == "parent" and self.open is not None:
                self._train_openly(self.open)
            elif stage in TORCH_STAGES:
                self._train(stage, named=named)
            elif not processes.rank() and out is not None:
                if stage == "export":
                    self._export(out, name or out.name, card or {})
                else:
                    self._self_check(out)
            processes.wait()

    def adopt(self, works: Sequence[Path]) -> None:
        """Let the open training go on from what the stage anneal has reached in work folders
        (``OpenTraining.adopt``, which says what is raised).
        """
        assert self.open is not None
        if not processes.rank():
            self.log(self.open.adopt(works, self.settings, self.pictures.held_out, self.device))
        processes.wait()

    def _scan(self, *, named: bool) -> None:
        """Say how the pictures fall into the classes, and which thresholds would part them evenly."""
        if "scan" in self.work.records() and not named:
            return
        found = scan_textures(self.pictures.loaded.arrays, self.settings.classes.thresholds)
        self.log(found.sentence(self.settings.classes.names))
        if not processes.rank():
            self.work.finish("scan", found.to_json())

    def _train(self, stage: str, *, named: bool) -> None:
        """One stage of gradient descent, unless it has no budget or is finished already."""
        settings, record = self.settings.stage(stage), self.work.records().get(stage)
        if not settings.budgeted or (stage == "parent" and self.start is not None):
            if named:
                raise ParameterError(
                    f"The stage {stage} has no budget; give it one with --time, --steps, --gigapixels or --settings."
                )
            return
        codec, source = self.lineage.before(stage)
        if record and not (named and remains(settings, record)):
            self.log(f"The stage {stage} is finished ({record['minutes']} min, {record['steps']} steps).")
            if record["from"] != source:
                self.log(
                    f"It started from {record['from']}, and would now start from {source}; to repeat it, remove "
                    f"{self.work.checkpoint(stage)} and {self.work.folder / 'stages.json'}."
                )
            return
        task = self.tasks.of(stage, codec)
        if task is None:
            return
        loop = Loop(
            task,
            settings,
            self.work.folder,
            stage,
            device=self.device,
            context=self._context(stage, source),
            defaults=DEFAULTS,
            log=self.log,
        )
        chosen = self._run(loop)
        average = loop.average
        if isinstance(task, SeamTask):
            before, after = task.held_out_error(average.cpu())
            self.log(
                f"Fusion: held-out squared error on seam bands {before:.4f} -> {after:.4f} squared steps."
            )
        if not processes.rank():
            entry: dict[str, Any] = {
                "minutes": round(loop.elapsed / 60, 2),
                "steps": loop.steps,
                "gigapixels": loop.pixels / 1e9,
                "skipped": loop.skipped,
                "from": source,
            }
            self.work.finish(stage, entry | ({"precision": chosen} if chosen else {}))

    def _train_openly(self, training: OpenTraining) -> None:
        """The parent of an open training, until the budget of this run is spent or the user stops it; then
        the checkpoint and a line of the log are written.
        """
        settings = self.settings.parent
        first = training.first(self.settings)
        if first is not None and not self.work.checkpoint("parent").exists():
            self.log(
                f"The training in {training.folder} begins with the weights of that in {training.begin}."
            )
        task = self.tasks.of("parent", first)
        assert task is not None
        context = {k: v for k, v in self._context("parent", "").items() if k != "from"}
        loop = Loop(
            task,
            settings,
            self.work.folder,
            "parent",
            device=self.device,
            context=context,
            defaults=DEFAULTS,
            open_ended=True,
            saved=(lambda state: training.keep(state, self.settings))
            if training.piece_bytes
            else lambda state: None,
            log=self.log,
        )
        before = loop.steps
        self.log(f"The training goes on after {before} steps, {loop.pixels / 1e9:.3f} gigapixels.")
        stopped, chosen = None, ""
        try:
            chosen = self._run(loop)
        except Stopped as error:
            stopped, chosen = error, precision(task.codec)  # type: ignore[attr-defined]
        if not processes.rank() and loop.steps > before:
            state = read_checkpoint(loop.checkpoint)
            held_out = self.pictures.held_out
            self.log(training.write(state, self.settings, held_out, device=self.device, precision=chosen))
        if stopped is not None:
            raise Stopped(
                f"Stopped after {loop.steps} steps; the same command continues from {training.folder}."
            )

    def _run(self, loop: Loop) -> str:
        """Train; returns what the codec's transforms were trained in, or nothing."""
        task = loop.task
        codec = task.codec if isinstance(task, CropTask) else None
        codec = task.pictures.codec if isinstance(task, PictureTask) else codec
        try:
            if codec is not None and not loop.finished:
                self.log(choose_precision(task, codec, self.device))
            loop.run()
        except torch.cuda.OutOfMemoryError as error:
            raise ValueError(
                f"The memory of {self.device} is too small for batches of {loop.settings.batch}; lower "
                f"{loop.name.replace('-', '_')}.batch with --settings."
            ) from error
        return precision(codec) if codec is not None else ""

    def _context(self, stage: str, source: str) -> dict[str, Any]:
        """What a checkpoint must agree with besides the settings of its stage."""
        context: dict[str, Any] = {
            "architecture": to_json(self.settings.architecture),
            "thresholds": list(self.settings.classes.thresholds),
            "from": source,
        }
        if quantises(self.settings, stage):
            context["quantise"] = to_json(self.settings.quantise)
        return context

    def _export(self, out: Path, name: str, card: dict[str, Any]) -> None:
        from .export import export_set
        from .statistics import Statistics

        check_out(out)
        s = self.settings
        codec, fusion = self.lineage.result()
        kept = self.lineage.kept()
        statistics = None
        if kept is None:
            statistics = Statistics(codec.architecture)
            compute_as_exported(codec.entropy)  # the tables shall fit what the set will predict
            # of corrected latents, as most files have them
            choices = choices_for(s.parent.objective, s.architecture, corrected=True)
            statistics.gather(codec, self.pictures.statistics_batches(), choices=choices)
        export_set(
            codec,
            statistics,
            out,
            name=name,
            class_names=s.classes.names,
            thresholds=s.classes.thresholds,
            distortion=self.lineage.distortion(),
            fusion=fusion,
            card={**card, **self._card()},
            byte_weights=s.quantise.synthesis,
            kept=kept,
            like=self._like(out),
        )
        load_set(out)  # refuses what is no sound set

    def _like(self, out: Path) -> Path | None:
        """The folder of the set whose arrays the one in ``out`` leaves out where they are equal."""
        name = self.settings.export.like
        if not name:
            return None
        like = out.parent / name
        check_like(like, out)
        return like

    def _self_check(self, out: Path) -> None:
        from ..core.set_folder import add_to_card
        from .selfcheck import self_check

        codec, fusion = self.lineage.result()
        trained = PictureCodec(codec, fusion or Fusion(codec.architecture), self.settings.classes.thresholds)
        found = self_check(out, trained, self.pictures.held_out)
        if found is None:
            self.log(
                "There are no held-out pictures to check the set with; with ten pictures there would be one."
            )
            return
        add_to_card(out, {"self_check": found.to_json()})
        self.log(found.sentence())

    def _card(self) -> dict[str, Any]:
        """What the run knows of itself."""
        card = run_card(self.settings, self.work.records(), self.device) | self.pictures.counts
        return card | ({"continued_from": self.start.name} if self.start is not None else {})
