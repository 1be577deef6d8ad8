"""The runs of the experiment, and how one of them is trained and scored."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from one_module import OneModuleNetwork
from task import Task
from torch import nn

from texcodec.quantisation import (
    AuxiliaryNetwork,
    FitSettings,
    LossWeights,
    QuantisationSettings,
    Trainer,
    freeze,
    integer_layers,
    quantise,
)

FLOAT_STAGE, QUANTISED_STAGE = 0, 1


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        seed: of everything drawn.
        bits: of weights and activations; 32 is the float network that the others start from.
        helpers: "none" (plain quantisation-aware training), "each" convolution joined to a structure, or "one" module.
        width: n of the structures.
        distillation: weight of the distillation loss.
        as_long_as: name of the run whose time this one may take; "" for the protocol's steps.
    """

    seed: int
    bits: int
    helpers: str = "none"
    width: int = 0
    distillation: float = 0.0
    as_long_as: str = ""

    @property
    def kind(self) -> str:
        """What is compared between seeds."""
        if self.bits == 32:
            return "float"
        if self.helpers == "none":
            return f"{self.bits} bits, plain" + (", equal time" if self.as_long_as else "")
        helpers = f"n = {self.width}" if self.helpers == "each" else "one module"
        return f"{self.bits} bits, {helpers}" + (", distillation" if self.distillation else "")

    @property
    def name(self) -> str:
        """For the file of its result."""
        return f"{self.kind}, seed {self.seed}".replace(", ", "_").replace(" ", "")


def all_runs(protocol: dict[str, Any]) -> list[Run]:
    """All runs, each after those that it needs: the float network, and the run that it takes as long as."""
    main, runs = protocol["main"], []
    for seed in protocol["seeds"]:
        runs.append(Run(seed, 32))
        for number, which in protocol["bits"].items():
            bits = int(number)
            first = Run(seed, bits, **main)
            group = [Run(seed, bits), first, Run(seed, bits, as_long_as=first.name)]
            if which == "all":
                betas = 0.0, main["distillation"]
                # wide helpers cost most of the time there is: fewer seeds see them
                widths = [
                    n for n in protocol["widths"] if n == main["width"] or seed in protocol["wide_seeds"]
                ]
                group += [Run(seed, bits, "each", width, beta) for width in widths for beta in betas]
                group += [Run(seed, bits, "one", 0, beta) for beta in betas]
            runs += list(dict.fromkeys(group))
    return runs


def train_float(task: Task) -> tuple[nn.Module, dict[str, Any]]:
    """The float network that the others start from."""
    torch.manual_seed(task.seed)
    network, t, start = task.network(), task.training, time.process_time()
    trainer = Trainer(network, F.mse_loss, settings=FitSettings(t["float_rate"]))
    for step in range(t["float_steps"]):
        trainer.step(*task.batch(FLOAT_STAGE, step), step / t["float_steps"])
    found = {"psnr": task.psnr(network.eval()), "psnr_of_input": task.psnr_of_input()}
    return network, found | {"steps": t["float_steps"], "seconds": time.process_time() - start}


def train(run: Run, task: Task, network: nn.Module, seconds: float | None = None) -> dict[str, Any]:
    """Train one quantised network and score what is exported.

    Args:
        network: the float network of the run's seed.
        seconds: of this process's time on a processor to train for, instead of the protocol's steps: with one thread
            that is the time on a quiet machine, however busy this one is.
    Returns:
        psnr of the exported network in dB, steps, seconds on a processor, seconds on the wall.
    Raises:
        ParameterError: the exported network is not exact in float32.
    """
    t = task.training
    how = task.protocol["plain" if run.helpers == "none" else "helped"]
    torch.manual_seed(1000 + run.seed)
    example = task.batch(QUANTISED_STAGE, 0)[0]
    settings = QuantisationSettings(run.bits, run.bits, edge_bits=t["edge_bits"])
    trained = quantised = quantise(network, example, settings)
    weights = LossWeights()
    if run.helpers != "none":
        rest = {key: how[key] for key in ("auxiliary", "detach_teacher", "fade")}
        weights = LossWeights(distillation=run.distillation, **rest)
    if run.helpers == "each":
        trained = AuxiliaryNetwork(quantised, example, width=run.width, start=how["start"])
    elif run.helpers == "one":
        trained = OneModuleNetwork(quantised, example)
    trainer = Trainer(
        trained,
        F.mse_loss,
        weights=weights,
        settings=FitSettings(how["rate"], step_learning_rate=how["step_rate"]),
    )
    wall, start, step, used = time.monotonic(), time.process_time(), 0, 0.0
    while step < t["steps"] if seconds is None else used < seconds:
        trainer.step(
            *task.batch(QUANTISED_STAGE, step), step / t["steps"] if seconds is None else used / seconds
        )
        step += 1
        used = time.process_time() - start
    exported = freeze(quantised)
    integer_layers(exported)
    return {
        "psnr": task.psnr(exported),
        "steps": step,
        "seconds": used,
        "wall_seconds": time.monotonic() - wall,
        "run": asdict(run),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "cpus": os.cpu_count(),
    }
