"""Half precision where it is faster: on a processor without bfloat16 units it is emulated, ten times slower
than float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from ..core import processes
from ..core.task import Task
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
    single = min(_step(task, batch, device, clock) for _ in range(MEASURED_STEPS))
    codec.half_precision = True
    half = _step(task, batch, device, clock)
    if device.type == "cuda" or half < HOPELESS * single:
        half = min(half, *(_step(task, batch, device, clock) for _ in range(MEASURED_STEPS - 1)))
    single, half = processes.mean(torch.tensor([single, half], dtype=torch.float64, device=device)).tolist()
    codec.half_precision = half < single
    return (
        f"Transforms are trained in {precision(codec)}: a step took {single:.3g} s in float32 and {half:.3g} s in "
        "bfloat16."
    )


def precision(codec: Codec) -> str:
    """What a codec's transforms are trained in: "float32" or "bfloat16"."""
    return "bfloat16" if codec.half_precision else "float32"


def _step(task: Task, batch: object, device: torch.device, clock: Callable[[], float]) -> float:
    def wait() -> None:
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        wait()
        start = clock()
        task.cost(batch, device).loss.backward()
        wait()
        seconds = clock() - start
    task.modules.zero_grad(set_to_none=True)
    return seconds
