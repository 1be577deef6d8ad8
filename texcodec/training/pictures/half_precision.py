"""Half precision where it is faster: on a processor without bfloat16 units it is emulated, ten times slower
than float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ..core import processes
from ..core.cuda_graphs import Graphs
from ..core.task import Batch, Task
from .codec import Codec

MEASURED_STEPS = 3
"""Steps timed in each precision; the fastest counts."""
HOPELESS = 3.0
"""Half precision is not timed again if its first step on a processor takes that many times longer."""


def choose_precision(
    task: Task, codec: Codec, device: torch.device, *, clock: Callable[[], float] = time.perf_counter
) -> str:
    """Measure steps in float32 and with the transforms in bfloat16, and leave the codec with the faster one;
    several processes choose the same.

    Args:
        task: whose batches are timed; nothing of it changes.
        codec: of that task; ``half_precision`` is set.
    Returns:
        a sentence with the choice and both times.
    """
    batch = task.draw(np.random.default_rng(0))
    codec.half_precision = False
    single = _fastest(task, batch, device, clock)
    codec.half_precision = True
    half = _fastest(task, batch, device, clock, hopeless=HOPELESS * single)
    single, half = processes.mean(torch.tensor([single, half], dtype=torch.float64, device=device)).tolist()
    codec.half_precision = half < single
    return (
        f"Transforms are trained in {precision(codec)}: a step took {single:.3g} s in float32 and {half:.3g} s in "
        "bfloat16."
    )


def precision(codec: Codec) -> str:
    """What a codec's transforms are trained in: "float32" or "bfloat16"."""
    return "bfloat16" if codec.half_precision else "float32"


def _fastest(
    task: Task,
    batch: object,
    device: torch.device,
    clock: Callable[[], float],
    *,
    hopeless: float = float("inf"),
) -> float:
    """Seconds of the fastest of some steps; on a processor, only one is taken if it is ``hopeless``."""
    step = _step_of(task, batch, device)

    def seconds() -> float:
        _wait(device)
        start = clock()
        step()
        _wait(device)
        return clock() - start

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        found = seconds()
        if device.type == "cuda" or found < hopeless:
            found = min(found, *(seconds() for _ in range(MEASURED_STEPS - 1)))
    task.modules.zero_grad(set_to_none=True)
    return found


def _step_of(task: Task, batch: object, device: torch.device) -> Callable[[], object]:
    """Computes the gradients of a batch as the loop does: on a GPU as a CUDA graph, where launching every kernel by
    itself takes longer than what most of them compute.
    """

    def gradients(batch: object) -> Tensor:
        task.modules.zero_grad(set_to_none=True)
        loss = task.cost(batch, device).loss
        loss.backward()
        return loss.detach()

    settings = getattr(task, "settings", None)
    if device.type == "cuda" and isinstance(batch, Batch) and getattr(settings, "cuda_graphs", True):
        graphs = Graphs(gradients, [p for p in task.modules.parameters() if p.requires_grad])
        try:
            graphs(batch)
        except RuntimeError:
            return lambda: gradients(batch)
        return lambda: graphs(batch)
    return lambda: gradients(batch)


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
