"""The inner loop of every stage: schedule, optimiser, moving average, checkpoints, skipped steps, interruption.

What is optimised is a ``Task``. The loop imports torch and numpy only, runs on a CPU or a GPU, alone or as one
of several processes.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ParameterError, StreamError
from . import processes
from .checkpoints import damaged, read_checkpoint, write_checkpoint
from .cuda_graphs import Graphs
from .descent import Descent, adam, cosine
from .prefetch import ahead
from .reports import Report
from .settings_json import differences, from_json, to_json
from .stage import StageSettings
from .stopping import Stopped, stop_signals
from .task import Batch, Task, Terms

LOG_STEPS = 200
"""Steps between two rows of the CSV file."""
STEERING = frozenset(
    {
        "minutes",
        "steps",
        "gigapixels",
        "learning_rate",
        "last_learning_rate",
        "schedule",
        "warm_up",
        "clip",
        "checkpoint_seconds",
        "cuda_graphs",
    }
)
"""Settings that may change while a stage is continued: they say how the rest of it is run, not what it is.
Open training may change all settings of its stage but ``freeze``.
"""
WARM_UP_STEPS = 100
"""Steps in which a constant learning rate rises at the beginning of each run."""
CHECK_EVERY = 20
"""Steps between two looks at a GPU: each look waits for it."""


class Loop:
    """Optimises a task until a budget is spent; continues from its checkpoint when there is one.

    Args:
        folder: of the checkpoint ``name.pt`` and the curves.
        device: of modules and batches.
        context: more settings (JSON) that a checkpoint must agree with, such as the architecture.
        defaults: by name of such a setting, the values of parts that a checkpoint of an earlier version does not have.
        open_ended: the budgets are those of this run, not of the stage; without any it runs until it is
            stopped.
        saved: called with every checkpoint that was written, by the first of several processes.
        log: called with sentences.
        clock: seconds.
    Attributes:
        average: moving average of the task's modules, which is what is kept.
        steps, elapsed: steps done, seconds of training.
        pixels: of the crops trained on, of all processes.
    Raises:
        ValueError: the checkpoint is damaged.
        ParameterError: the checkpoint belongs to other settings.
    """

    def __init__(
        self,
        task: Task,
        settings: StageSettings,
        folder: Path,
        name: str,
        *,
        device: torch.device | None = None,
        context: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Mapping[str, Any]] | None = None,
        open_ended: bool = False,
        saved: Callable[[Mapping[str, Any]], None] = lambda state: None,
        log: Callable[[str], None] = lambda sentence: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task, self.settings, self.folder, self.name = task, settings, folder, name
        self.device, self.log, self.clock = device or torch.device("cpu"), log, clock
        self.configuration = {"stage": to_json(settings), **(context or {})}
        self.open_ended, self.saved, self.defaults = open_ended, saved, defaults or {}
        folder.mkdir(parents=True, exist_ok=True)
        modules = task.modules.to(self.device)
        self.optimizer, _ = adam(modules, settings)
        self.parameters = [p for p in modules.parameters() if p.requires_grad]
        self.descent = Descent(self.optimizer, self.parameters, settings.clip)
        self.average = copy.deepcopy(modules).requires_grad_(False)
        pairs = zip(self.average.parameters(), modules.parameters())
        self._moving = [(a, b) for a, b in pairs if b.requires_grad]
        found = getattr(task, "objective", None)
        self.objective = found.to(self.device) if found is not None else None
        captures = self.device.type == "cuda" and settings.cuda_graphs
        self.graphs = Graphs(self._gradients, self.parameters) if captures else None
        self.steps, self.elapsed, self.pixels = 0, 0.0, 0
        self.stopping = False
        self._names: list[str] = []
        self._totals = torch.zeros(0)
        self._counted = 0
        self._random: dict[str, Tensor] = {}
        if self.checkpoint.exists():
            self._continue()
        self._begun = self.elapsed, self.steps, self.pixels

    @property
    def checkpoint(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}.pt"

    @property
    def skipped(self) -> int:
        """Steps that were skipped, as their loss was not finite."""
        return self.descent.skipped

    @property
    def finished(self) -> bool:
        """Whether a budget is spent."""
        return self.progress >= 1

    @property
    def pixels_per_step(self) -> int:
        """Pixels that a step trains on, of all processes."""
        s = self.settings
        own: int = getattr(self.task, "pixels_per_step", s.batch * s.crop**2)
        return own * processes.world()

    @property
    def progress(self) -> float:
        """The share of the budget that is spent."""
        spent = self.elapsed, self.steps, self.pixels
        if not self.open_ended:
            return self.settings.progress(*spent)
        if not self.settings.budgeted:
            return 0.0
        seconds, steps, pixels = (now - begun for now, begun in zip(spent, self._begun))
        return self.settings.progress(seconds, round(steps), round(pixels))

    def _differences(self, before: Mapping[str, Any]) -> list[str]:
        """What keeps a checkpoint with these settings from being continued."""
        # settings that a later version has added have the values that all had before
        before = {**before, "stage": to_json(from_json(StageSettings(), before["stage"]))}
        before |= {key: {**parts, **before[key]} for key, parts in self.defaults.items() if key in before}
        if not self.open_ended:
            return differences(before, self.configuration, STEERING)
        kept = [k for k in self.configuration if k != "stage"]
        old, new = (
            {**{k: s[k] for k in kept if k in s}, "freeze": s["stage"]["freeze"]}
            for s in (before, self.configuration)
        )
        return differences(old, new, frozenset())

    def _continue(self) -> None:
        state = read_checkpoint(self.checkpoint, self.device)
        changed = self._differences(state["settings"])
        if changed:
            raise ParameterError(
                f"The checkpoint {self.checkpoint} is of a run with other settings ({'; '.join(changed[:4])}"
                f"{'; and more' if len(changed) > 4 else ''}); give those again, or name another folder for the work."
            )
        try:
            self.task.modules.load_state_dict(state["modules"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            for p, moments in self.optimizer.state.items():
                # the fused optimiser does not look, and would write beyond the end
                if moments["exp_avg"].shape != p.shape:
                    raise ValueError("the state of the optimiser is of other parameters")
            if self.objective is not None:
                self.objective.load_state_dict(state["objective"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise damaged(self.checkpoint) from error
        self.steps, self.elapsed, self._random = state["steps"], state["elapsed"], state["random"]
        self.descent.resume(self.steps, state["skipped"])
        # checkpoints of 0.3.0 do not count their pixels
        self.pixels = state.get("pixels", self.steps * self.pixels_per_step)

    def save(self) -> None:
        """Write the checkpoint: complete, or the one before stays.

        Raises:
            StreamError: it cannot be written, as on a full disk.
        """
        state = {
            "modules": self.task.modules.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "objective": self.objective.state_dict() if self.objective is not None else {},
            "steps": self.steps,
            "elapsed": self.elapsed,
            "pixels": self.pixels,
            "skipped": self.skipped,
            "settings": self.configuration,
            "random": self._random_state(),
        }
        write_checkpoint(self.checkpoint, state)
        self.saved(state)

    def _random_state(self) -> dict[str, Tensor]:
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def learning_rate(self) -> float:
        """Of this moment: linear rise, then a cosine or a constant."""
        s = self.settings
        if s.schedule == "constant":
            return s.learning_rate * min(1.0, (self.steps - self._begun[1] + 1) / WARM_UP_STEPS)
        done = min(1.0, self.progress)
        falling = s.last_learning_rate + (s.learning_rate - s.last_learning_rate) * cosine(done)
        return falling * min(1.0, done / s.warm_up + 1e-3)

    def run(self) -> nn.Module:
        """Train until the time is up; returns the averaged modules.

        Raises:
            Stopped: on Ctrl-C or SIGTERM, after the checkpoint was written.
            FloatingPointError: the loss was not finite for too many steps; the last checkpoint stays as it is.
            StreamError: the last checkpoint cannot be written.
        """
        if self.finished:
            return self.average
        first = processes.rank() == 0
        report = Report(self.folder, self.name, visible=first, log=self.log)
        with stop_signals() as stop:
            try:
                self._loop(report, stop)
            finally:
                report.close()
            if first:
                self.save()
        if self.stopping:
            raise Stopped(
                f"Stopped after {self.steps} steps; the same command continues from {self.checkpoint}."
            )
        return self.average

    def _loop(self, report: Report, stop: list[int]) -> None:
        self._seed()
        self.task.modules.train()
        start = saved = shown = self.clock()
        for batch in self._batches():
            self.step(batch)
            if self.device.type == "cuda" and self.steps % CHECK_EVERY:
                continue
            now = self.clock()
            seconds, stopping = self._agree(now - start, float(bool(stop)))
            start, self.elapsed, self.stopping = now, self.elapsed + seconds, stopping > 0
            sound = self.descent.check(
                self.name,
                f"the last checkpoint {self.checkpoint} stays"
                if self.checkpoint.exists()
                else "nothing was saved",
            )
            over = self.stopping or self.finished
            if now - shown > 1 and self._counted:
                means = self._means()
                report.show(self.progress, self.elapsed, self._shown(means))
                shown = now
            if self._counted >= LOG_STEPS or (over and self._counted):
                report.add(self._row())
            if over:
                return
            if now - saved > self.settings.checkpoint_seconds and sound and not processes.rank():
                self._try_to_save()
                saved = now

    def _try_to_save(self) -> None:
        try:
            self.save()
        except StreamError as error:
            self.log(f"{error} Training goes on; the last good checkpoint stays.")

    def _seed(self) -> None:
        torch.manual_seed(self.settings.seed + self.steps + 1000 * processes.rank())
        if self._random and not processes.rank():
            torch.set_rng_state(self._random["cpu"].cpu())
            if self.device.type == "cuda" and "cuda" in self._random:
                torch.cuda.set_rng_state(self._random["cuda"].cpu(), self.device)

    def _draws(self) -> Iterator[Any]:
        """Batches for ever. Each has random numbers of its own, so a continued run draws what it would have."""
        step = self.steps
        while True:
            yield self.task.draw(np.random.default_rng([self.settings.seed, step, processes.rank()]))
            step += 1

    def _batches(self) -> Iterator[Any]:
        return ahead(self._draws()) if self.device.type == "cuda" else self._draws()

    def _agree(self, *values: float) -> list[float]:
        """The means of some numbers over all processes, so that all stop at the same step."""
        if not processes.shared():
            return list(values)
        return processes.mean(torch.tensor(values, dtype=torch.float64, device=self.device)).tolist()

    def _gradients(self, batch: Any) -> Terms:
        """The cost of a batch, and its gradients in the parameters."""
        self.descent.clear()
        terms = self.task.cost(batch, self.device)
        terms.loss.backward()
        extras = {k: v.detach() for k, v in terms.extras.items()}
        return Terms(terms.loss.detach(), terms.rate.detach(), terms.distortion.detach(), extras)

    def _terms(self, batch: Any) -> Terms:
        if self.graphs is None or not isinstance(batch, Batch):
            return self._gradients(batch)
        try:
            return self.graphs(batch)
        except RuntimeError as error:
            self.graphs = None
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            self.log(f"The step cannot run as a CUDA graph ({reason}); it runs plainly, which is slower.")
            return self._gradients(batch)

    def step(self, batch: Any) -> None:
        """One step of gradient descent; nothing changes if the gradients are not finite."""
        s = self.settings
        learning_rate = self.learning_rate()
        terms = self._terms(batch)
        norm, bad = self.descent.step(learning_rate)
        self.steps += 1
        self.pixels += self.pixels_per_step
        decay = min(s.decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_([a for a, _ in self._moving], [b for _, b in self._moving], 1 - decay)
            if self.objective is not None and self.objective.settings.bounded:
                both = processes.mean(torch.stack([terms.rate, terms.distortion]))
                self.objective.ascend(both[0], both[1], learning_rate)
            self._count(terms, norm, bad)

    def _count(self, terms: Terms, norm: Tensor, bad: Tensor) -> None:
        psnr = 10 * torch.log10(255.0**2 / terms.distortion.clamp(min=1e-3))
        values = {"loss": terms.loss, "rate": terms.rate, "psnr": psnr, **terms.extras, "norm": norm}
        found = torch.where(bad, 0.0, torch.stack([v.double() for v in values.values()]))
        self._totals = self._totals + found if self._counted else found
        self._names = list(values)
        self._counted += 1

    def _means(self) -> dict[str, float]:
        return dict(zip(self._names, (self._totals / self._counted).tolist()))

    def _shown(self, means: dict[str, float]) -> str:
        """What the progress bar says."""
        if hasattr(self.task, "columns"):
            extras = (f"{k} {v:.4g}" for k, v in means.items() if k not in ("loss", "rate", "psnr", "norm"))
            return ", ".join([*extras, f"loss {means['loss']:.4f}"])
        return f"{means['rate']:.3f} bpp, {means['psnr']:.2f} dB, loss {means['loss']:.4f}"

    def _row(self) -> dict[str, float]:
        """Means since the last row, which begins a new one."""
        means = self._means()
        self._counted = 0
        row = {"step": self.steps, "seconds": round(self.elapsed, 1), "loss": means.pop("loss")}
        named = getattr(self.task, "columns", ("bpp", "psnr"))
        found = zip(named, (means.pop("rate"), means.pop("psnr")))
        row |= {name: value for name, value in found if name}
        row |= {"gradient_norm": means.pop("norm"), **means}
        if self.objective is not None and self.objective.settings.bounded:
            row["multiplier"] = float(self.objective.multiplier)
        return row | {"learning_rate": self.learning_rate(), "skipped": self.skipped}
