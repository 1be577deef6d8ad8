"""Half precision where it is faster: on a processor without bfloat16 units it is emulated, ten times slower
than float32.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from .codec import Codec
from .loop import Task

MEASURED_STEPS = 2
"""Steps timed in each precision, after one that is not; the faster of them counts."""


def choose_precision(
    task: Task, codec: Codec, device: torch.device, *, clock: Callable[[], float] = time.perf_counter
) -> str:
    """Measure one step in float32 and one with the transforms in bfloat16, and leave the codec with the
    faster one.

    Args:
        task: whose batches are timed; nothing of it changes.
        codec: of that task; ``half_precision`` is set.
    Returns:
        a sentence with the choice and both times.
    """
    batch = task.draw(np.random.default_rng(0))
    seconds = {}
    for half in (False, True):
        codec.half_precision = half
        seconds[half] = min(_step(task, batch, device, clock) for _ in range(MEASURED_STEPS + 1))
    codec.half_precision = seconds[True] < seconds[False]
    names = {False: "float32", True: "bfloat16"}
    return (
        f"Transforms are trained in {names[codec.half_precision]}: a step took {seconds[False]:.3g} s in float32 and "
        f"{seconds[True]:.3g} s in bfloat16."
    )


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
