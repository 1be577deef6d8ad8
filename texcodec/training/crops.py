"""Training the parent, and everything after it that runs on crops: one loop, timed, resumable."""

from __future__ import annotations

import copy
import csv
import dataclasses
import json
import math
import os
import pickle
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, distributed

from ..texture import classify, complexity
from .architecture import RATE_INDICES, Architecture
from .codec import Codec, lagrangian
from .data import CropSampler


@dataclass(frozen=True)
class CropSettings:
    """Settings of one stage of training on crops."""

    minutes: float
    crop: int = 128
    batch: int = 8
    rate: float = 8e-4
    """Peak learning rate; it rises over the first 2 % of the time and falls as a cosine."""
    last_rate: float = 0.0
    """Learning rate at the end: above zero for a stage that another one continues."""
    linear_rate: float = 0.02
    """Learning rate of the linear transform as a fraction of ``rate``."""
    clip: float = 1.0
    decay: float = 0.999
    """Of the moving average of the weights, which is what is kept."""
    noise: bool = True
    thresholds: tuple[float, ...] = (8.0, 18.0)
    seed: int = 1
    freeze: tuple[str, ...] = ()
    """Prefixes of parameters that stay as they are."""


def typical_cost(t: Tensor) -> Tensor:
    """bits + lambda * squared error of a trained codec, roughly: losses are divided by it so that every rate
    counts alike.
    """
    return 1.2 * (lagrangian(t) / 0.013) ** 0.45


def atomic_save(value: object, path: Path) -> None:
    """torch.save through a temporary file, so that an interrupted run keeps its last checkpoint."""
    part = path.with_suffix(".part")
    torch.save(value, part)
    os.replace(part, path)


class Stopped(Exception):
    """The user asked to stop; the checkpoint is written."""


class CropTrainer:
    """Optimises a codec on crops for a given time; continues from its checkpoint when there is one.

    Raises ValueError when the checkpoint is damaged or belongs to other settings.

    The schedule runs over wall time, so the same settings anneal fully on any machine.
    """

    def __init__(self, codec: Codec, settings: CropSettings, folder: Path, name: str) -> None:
        self.codec, self.settings, self.name, self.folder = codec, settings, name, folder
        folder.mkdir(parents=True, exist_ok=True)
        for key, p in codec.named_parameters():
            p.requires_grad_(not key.startswith(settings.freeze) if settings.freeze else True)
        named = [(k, p) for k, p in codec.named_parameters() if p.requires_grad]
        groups = [
            {"params": [p for k, p in named if not k.startswith("linear.")], "factor": 1.0},
            {"params": [p for k, p in named if k.startswith("linear.")], "factor": settings.linear_rate},
        ]
        codec.half_precision = True
        self.optimizer = torch.optim.Adam(
            [g for g in groups if g["params"]], lr=1e-8, betas=(0.9, 0.98), fused=True
        )
        self.average = copy.deepcopy(codec).requires_grad_(False)
        self.steps, self.elapsed, self.skipped = 0, 0.0, 0
        self.stopping = False
        self.shared = distributed.is_available() and distributed.is_initialized()
        """Whether several processes (torchrun) train together."""
        if self.checkpoint.exists():
            try:
                self._continue()
            except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
                raise ValueError(
                    f"The checkpoint {self.checkpoint} is damaged or of a run with other settings; "
                    "remove it, or name another folder for the work."
                ) from error

    def _continue(self) -> None:
        state = torch.load(self.checkpoint, weights_only=True)
        self.codec.load_state_dict(state["codec"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.steps, self.elapsed = state["steps"], state["elapsed"]

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.name}.pt"

    def save(self) -> None:
        state = {"codec": self.codec.state_dict(), "average": self.average.state_dict(), "steps": self.steps}
        state |= {"optimizer": self.optimizer.state_dict(), "elapsed": self.elapsed}
        atomic_save(state, self.checkpoint)

    def learning_rate(self) -> float:
        """Of this moment: linear rise over 2 % of the time, then a cosine."""
        s = self.settings
        done = min(1.0, self.elapsed / (60 * s.minutes))
        falling = s.last_rate + (s.rate - s.last_rate) * 0.5 * (1 + math.cos(math.pi * done))
        return falling * min(1.0, done / 0.02 + 1e-3)

    def run(self, sampler: CropSampler) -> Codec:
        """Train until the time is up; returns the averaged codec.

        Raises:
            Stopped: on Ctrl-C or SIGTERM, after the checkpoint was written.
        """
        stop: list[int] = []
        previous = {
            s: signal.signal(s, lambda number, frame: stop.append(number))
            for s in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            self._loop(sampler, stop)
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
        if not self.shared or distributed.get_rank() == 0:
            self.save()
        if self.stopping:
            raise Stopped(
                f"Stopped after {self.steps} steps; the same command continues from {self.checkpoint}."
            )
        return self.average

    def _loop(self, sampler: CropSampler, stop: list[int]) -> None:
        s = self.settings
        rank = distributed.get_rank() if self.shared else 0
        torch.manual_seed(s.seed + self.steps + 1000 * rank)
        sampler.random = np.random.default_rng([s.seed, self.steps, rank])
        random = np.random.default_rng([s.seed, self.steps, rank, 1])
        self.codec.train()
        totals, saved = np.zeros(4), time.monotonic()
        log = self.folder / f"{self.name}.csv"
        start = time.monotonic()
        for batch in sampler.batches(s.batch):
            if self.stopping or self.elapsed >= 60 * s.minutes:
                return
            totals += self._step(batch, random)
            now = time.monotonic()
            seconds, stopping = self._agree(now - start, float(bool(stop)))
            start, self.elapsed, self.stopping = now, self.elapsed + seconds, stopping > 0
            if self.steps % 200 == 0 and rank == 0:
                row = [
                    self.steps,
                    round(self.elapsed),
                    *(totals / 200).round(4),
                    round(self.learning_rate(), 7),
                    self.skipped,
                ]
                with log.open("a", newline="") as file:
                    csv.writer(file).writerow(row)
                print(self.name, *row, flush=True)
                totals[:] = 0
            if now - saved > 90 and rank == 0:
                self.save()
                saved = now

    def _agree(self, *values: float) -> list[float]:
        """The means of some numbers over all processes, so that all stop at the same step."""
        shared = torch.tensor(values, dtype=torch.float64)
        if self.shared:
            distributed.all_reduce(shared)
            shared /= distributed.get_world_size()
        return shared.tolist()

    def _average_gradients(self) -> None:
        """Mean of the gradients over all processes; each has drawn crops of its own."""
        parameters = [p for p in self.codec.parameters() if p.requires_grad]
        for p in parameters:
            if p.grad is None:  # no tile of its class was drawn here
                p.grad = torch.zeros_like(p)
        flat = torch.cat([p.grad.flatten() for p in parameters if p.grad is not None])
        distributed.all_reduce(flat)
        flat /= distributed.get_world_size()
        for p, part in zip(parameters, flat.split([p.numel() for p in parameters])):
            p.grad = part.view_as(p)

    def _step(self, batch: np.ndarray, random: np.random.Generator) -> np.ndarray:
        s = self.settings
        lr = self.learning_rate()
        for group in self.optimizer.param_groups:
            group["lr"] = lr * group["factor"]
        classes = torch.tensor([classify(complexity(p), s.thresholds) for p in batch])
        x = torch.from_numpy(batch).permute(0, 3, 1, 2).float().contiguous(memory_format=torch.channels_last)
        t = torch.from_numpy(random.integers(0, RATE_INDICES, len(batch))).float() / (RATE_INDICES - 1)
        halo = bool(random.integers(2))
        coded = self.codec(x, t, classes, halo=halo, noise=s.noise)
        target = x if halo else x[..., 16:-16, 16:-16]
        mse = (coded.pixels - target).square().mean((1, 2, 3))
        rate = coded.bits / (x.shape[2] * x.shape[3])
        cost = rate + lagrangian(t) * mse
        loss = (cost / typical_cost(t)).mean()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.shared:
            self._average_gradients()
        norm = torch.nn.utils.clip_grad_norm_((p for p in self.codec.parameters() if p.requires_grad), s.clip)
        self.steps += 1
        if not torch.isfinite(norm):
            self.skipped += 1
            if self.skipped > 100:
                raise FloatingPointError("The loss was not finite 100 times; lower the learning rate.")
            return np.zeros(4)
        self.optimizer.step()
        decay = min(s.decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            moving = [
                (a, b) for a, b in zip(self.average.parameters(), self.codec.parameters()) if b.requires_grad
            ]
            torch._foreach_lerp_([a for a, _ in moving], [b for _, b in moving], 1 - decay)
        psnr = (10 * torch.log10(255**2 / mse.clamp(min=1e-3))).mean()
        return np.array([loss.item(), rate.mean().item(), psnr.item(), norm.item()])


def describe(settings: CropSettings, architecture: Architecture) -> str:
    """The settings of a stage as JSON, saved beside its checkpoint."""
    return json.dumps(
        {"architecture": dataclasses.asdict(architecture), "stage": dataclasses.asdict(settings)}, indent=1
    )
