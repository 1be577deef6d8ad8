"""The inner loop of every stage: schedule, optimiser, moving average, checkpoints, skipped steps, interruption.

What is optimised is a ``Task``. The loop imports torch and numpy only, runs on a CPU or a GPU, alone or as one
of several processes.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ...errors import ParameterError, StreamError
from ..pictures.objectives import Objective
from ..pictures.settings import StageSettings, differences, to_json
from . import processes
from .checkpoints import damaged, read_checkpoint, write_checkpoint
from .cuda_graphs import Graphs
from .interrupts import stop_signals
from .prefetch import ahead
from .reports import Report

LOG_STEPS = 200
"""Steps between two rows of the CSV file."""
MOST_IN_A_ROW = 100
WINDOW, MOST_IN_WINDOW = 1000, 300
"""Steps whose loss is not finite are skipped; so many in a row, or in a window of so many, end the training."""
STEERING = frozenset(
    {
        "minutes",
        "steps",
        "gigapixels",
        "rate",
        "last_rate",
        "schedule",
        "warm_up",
        "clip",
        "checkpoint_seconds",
    }
)
"""Settings that may change while a stage is continued: they say how the rest of it is run, not what it is.
Open training may change all settings of its stage but ``freeze``.
"""
WARM_UP_STEPS = 100
"""Steps in which a constant learning rate rises at the beginning of each run."""
CHECK_EVERY = 20
"""Steps between two looks at a GPU: each look waits for it."""


@dataclass
class Batch:
    """One batch.

    Attributes:
        tensors: on the CPU when drawn; always of the same shapes.
        fixed: what else the cost depends on, such as a choice between two ways of padding; few different
            values.
    """

    tensors: dict[str, Tensor]
    fixed: Hashable = ()


@dataclass
class Terms:
    """What a batch costs.

    Attributes:
        loss: scalar to minimise.
        rate: mean bits a pixel, scalar.
        distortion: mean squared error on the 0..255 scale, scalar.
        extras: more scalars for the curves; "psnr" replaces the PSNR of the mean squared error.
    """

    loss: Tensor
    rate: Tensor
    distortion: Tensor
    extras: dict[str, Tensor] = field(default_factory=dict)


class Task(Protocol):
    """What the loop trains. A task with a bound also has ``objective: Objective``, whose multiplier is learned.

    A task that has no pixels says so with ``columns``: the names of rate and distortion in curves, None for
    those that are left out. One whose batches are not ``batch`` crops has ``pixels_per_step``.
    """

    modules: nn.Module

    def draw(self, random: np.random.Generator) -> Any:
        """One batch on the CPU; a ``Batch`` where the step shall run as a CUDA graph."""

    def cost(self, batch: Any, device: torch.device) -> Terms:
        """The differentiable cost of a batch, with ``modules`` on the device."""


class Stopped(Exception):
    """The user asked to stop; the checkpoint is written."""


def adam(modules: nn.Module, settings: StageSettings) -> tuple[Any, list[str]]:
    """The optimiser of a stage, and the names of its parameters in the order of its state; the frozen ones
    are switched off.
    """
    for key, p in modules.named_parameters():
        p.requires_grad_(not key.startswith(settings.freeze) if settings.freeze else True)
    named = [(k, p) for k, p in modules.named_parameters() if p.requires_grad]
    slow = [(k, p) for k, p in named if k.startswith("linear.") or ".linear." in k]
    fast = [pair for pair in named if not any(pair[1] is p for _, p in slow)]
    groups = [
        {"params": [p for _, p in part], "factor": factor}
        for part, factor in ((fast, 1.0), (slow, settings.linear_rate))
        if part
    ]
    return torch.optim.Adam(groups, lr=1e-8, betas=(0.9, 0.98), fused=True), [k for k, _ in [*fast, *slow]]


class Loop:
    """Optimises a task until a budget is spent; continues from its checkpoint when there is one.

    Args:
        folder: of the checkpoint ``name.pt`` and the curves.
        device: of modules and batches.
        context: more settings (JSON) that a checkpoint must agree with, such as the architecture.
        open_ended: the budgets are those of this run, not of the stage; without any it runs until it is
            stopped.
        say: called with sentences.
        clock: seconds.
    Attributes:
        average: moving average of the task's modules, which is what is kept.
        steps, elapsed, skipped: steps done, seconds of training, steps skipped as their loss was not finite.
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
        open_ended: bool = False,
        say: Callable[[str], None] = lambda sentence: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.task, self.settings, self.folder, self.name = task, settings, folder, name
        self.device, self.say, self.clock = device or torch.device("cpu"), say, clock
        self.told = {"stage": to_json(settings), **(context or {})}
        self.open_ended = open_ended
        folder.mkdir(parents=True, exist_ok=True)
        modules = task.modules.to(self.device)
        self.optimizer, _ = adam(modules, settings)
        self.parameters = [p for p in modules.parameters() if p.requires_grad]
        self.average = copy.deepcopy(modules).requires_grad_(False)
        pairs = zip(self.average.parameters(), modules.parameters())
        self._moving = [(a, b) for a, b in pairs if b.requires_grad]
        found = getattr(task, "objective", None)
        self.objective: Objective | None = found.to(self.device) if isinstance(found, Objective) else None
        self.graphs = Graphs(self._gradients, self.parameters) if self.device.type == "cuda" else None
        self.steps, self.elapsed, self.skipped, self.pixels = 0, 0.0, 0, 0
        self.stopping = False
        self._names: list[str] = []
        self._totals = torch.zeros(0)
        self._counted = 0
        # steps skipped in a row, in this window, and in all
        self._bad = torch.zeros(3, dtype=torch.float64, device=self.device)
        self._random: dict[str, Tensor] = {}
        if self.checkpoint.exists():
            self._continue()
        self._begun = self.elapsed, self.steps, self.pixels

    @property
    def checkpoint(self) -> Path:
        """Its file."""
        return self.folder / f"{self.name}.pt"

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
        if not self.open_ended:
            return differences(before, self.told, STEERING)
        kept = [k for k in self.told if k != "stage"]
        old, new = (
            {**{k: s[k] for k in kept if k in s}, "freeze": s["stage"]["freeze"]} for s in (before, self.told)
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
            if self.objective is not None:
                self.objective.load_state_dict(state["objective"])
        except (RuntimeError, KeyError, ValueError) as error:
            raise damaged(self.checkpoint) from error
        self.steps, self.elapsed, self.skipped = state["steps"], state["elapsed"], state["skipped"]
        # checkpoints of 0.3.0 do not count their pixels
        self.pixels = state.get("pixels", self.steps * self.pixels_per_step)
        self._bad[2], self._random = self.skipped, state["random"]

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
            "settings": self.told,
            "random": self._random_state(),
        }
        write_checkpoint(self.checkpoint, state)

    def _random_state(self) -> dict[str, Tensor]:
        state = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            state["cuda"] = torch.cuda.get_rng_state(self.device)
        return state

    def learning_rate(self) -> float:
        """Of this moment: linear rise, then a cosine or a constant."""
        s = self.settings
        if s.schedule == "constant":
            return s.rate * min(1.0, (self.steps - self._begun[1] + 1) / WARM_UP_STEPS)
        done = min(1.0, self.progress)
        falling = s.last_rate + (s.rate - s.last_rate) * 0.5 * (1 + math.cos(math.pi * done))
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
        report = Report(self.folder, self.name, visible=first, say=self.say)
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
            sound = self._check()
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
            self.say(f"{error} Training goes on; the last good checkpoint stays.")

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
        for p in self.parameters:
            p.grad = None
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
            self.say(f"The step cannot run as a CUDA graph ({reason}); it runs plainly, which is slower.")
            return self._gradients(batch)

    def step(self, batch: Any) -> None:
        """One step of gradient descent; nothing changes if the gradients are not finite."""
        s = self.settings
        rate = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        terms = self._terms(batch)
        processes.average_gradients(self.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, s.clip)
        bad = torch.logical_not(torch.isfinite(norm))
        # the fused optimiser itself leaves everything as it is where this is 1: no need to wait for a GPU
        self.optimizer.found_inf = bad.float()
        self.optimizer.step()
        self.steps += 1
        self.pixels += self.pixels_per_step
        decay = min(s.decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            torch._foreach_lerp_([a for a, _ in self._moving], [b for _, b in self._moving], 1 - decay)
            if self.objective is not None and self.objective.settings.bounded:
                both = processes.mean(torch.stack([terms.rate, terms.distortion]))
                self.objective.ascend(both[0], both[1], rate)
            self._count(terms, norm, bad)

    def _count(self, terms: Terms, norm: Tensor, bad: Tensor) -> None:
        psnr = 10 * torch.log10(255.0**2 / terms.distortion.clamp(min=1e-3))
        values = {"loss": terms.loss, "rate": terms.rate, "psnr": psnr, **terms.extras, "norm": norm}
        found = torch.where(bad, 0.0, torch.stack([v.double() for v in values.values()]))
        self._totals = self._totals + found if self._counted else found
        self._names = list(values)
        self._counted += 1
        if self.steps % WINDOW == 0:
            self._bad[1] = 0
        self._bad += bad
        self._bad[0] *= bad

    def _check(self) -> bool:
        """Whether the last step was sound; ends the training where too many are not."""
        row, window, total = map(int, self._bad.tolist())
        self.skipped = total
        if row >= MOST_IN_A_ROW or window >= MOST_IN_WINDOW:
            where = (
                f"the last checkpoint {self.checkpoint} stays"
                if self.checkpoint.exists()
                else "nothing was saved"
            )
            raise FloatingPointError(
                f"The loss of {self.name} was not finite in {row if row >= MOST_IN_A_ROW else window} of the last "
                f"{row if row >= MOST_IN_A_ROW else WINDOW} steps; lower the learning rate ({where})."
            )
        return row == 0

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
