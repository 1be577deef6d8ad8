"""How fast a training step is on a device, by batch and precision, and where its time goes.

    python benchmarks/training_step.py --architecture nonlinear --batch 16 --batch 32 --batch 64

Needs torch and numpy alone. On a GPU the gradients are replayed as a CUDA graph, as training does; with ``--compile``
also with the codec compiled by ``torch.compile``, whose time to compile is printed. Crops are noise with about the
spectrum of photographs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from texcodec.training.core.cuda_graphs import Graphs
from texcodec.training.core.stage import ObjectiveSettings, StageSettings
from texcodec.training.core.task import Batch
from texcodec.training.pictures.crops import CropTask
from texcodec.training.pictures.presets import PRESETS, preset_architecture
from texcodec.training.pictures.sampler import CropSampler
from texcodec.training.pictures.start import start_codec

REPEATS = 10
KERNELS = 20
"""Rows of the profile."""


def scenery(side: int, seed: int) -> np.ndarray:
    """uint8 side x side x 3: noise whose amplitude falls with the frequency."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None]) + 1 / side
    spectrum = np.fft.rfft2(random.normal(size=(3, side, side))) / frequency
    planes = np.fft.irfft2(spectrum, (side, side))
    return np.clip(128 + 50 * planes / planes.std(), 0, 255).astype(np.uint8).transpose(1, 2, 0)


def median_seconds(step: Callable[[], object], device: torch.device) -> float:
    """Of some repeats, after two that are not counted."""
    times = []
    for repeat in range(REPEATS + 2):
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        if repeat >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def step_of(task: CropTask, batch: Batch, device: torch.device) -> Callable[[], object]:
    """Computes the gradients of a batch."""
    parameters = [p for p in task.modules.parameters() if p.requires_grad]

    def gradients(batch: Batch) -> Tensor:
        task.modules.zero_grad(set_to_none=True)
        loss = task.cost(batch, device).loss
        loss.backward()
        return loss.detach()

    if device.type != "cuda":
        return lambda: gradients(batch)
    graphs = Graphs(gradients, parameters)
    return lambda: graphs(batch)


def profile(step: Callable[[], object], device: torch.device) -> str:
    """The kernels that take most of the time of one plain step."""
    activities = [torch.profiler.ProfilerActivity.CPU]
    if device.type == "cuda":
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    step()
    with torch.profiler.profile(activities=activities) as found:
        step()
    key = "self_cuda_time_total" if device.type == "cuda" else "self_cpu_time_total"
    return found.key_averages().table(sort_by=key, row_limit=KERNELS, max_name_column_width=60)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--architecture", choices=("linear", "nonlinear"), default="nonlinear")
    parser.add_argument("--preset", choices=tuple(PRESETS), default="full")
    parser.add_argument("--batch", type=int, action="append")
    parser.add_argument("--crop", type=int, default=256)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--profile", type=Path, help="write the profile of a plain step to this file")
    given = parser.parse_args()
    device = torch.device(given.device)
    architecture = preset_architecture(given.preset, given.architecture)
    pictures = [scenery(2 * given.crop, seed) for seed in range(4)]
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "processor"
    print(f"{name}, torch {torch.__version__}, {given.architecture} {given.preset}, crops of {given.crop}")
    print("| batch | precision | compiled | step, s | megapixels per second | memory, GB |")
    print("| --- | --- | --- | --- | --- | --- |")
    for batch_size in given.batch or [4]:
        settings = StageSettings(
            crop=given.crop, batch=batch_size, objective=ObjectiveSettings("log(rate+lambda*distortion)")
        )
        sampler = CropSampler(pictures, crop=given.crop, seed=1)
        torch.manual_seed(1)
        codec = start_codec(sampler.batches(8), architecture, "dct").to(device)
        task = CropTask(codec, sampler, settings)
        batch = task.draw(np.random.default_rng(0))
        plain = codec.forward
        for half in (False, True):
            codec.half_precision = half
            for compiled in (False, True) if given.compile else (False,):
                codec.forward = torch.compile(plain) if compiled else plain  # type: ignore[method-assign]
                if device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats(device)
                start = time.perf_counter()
                try:
                    step = step_of(task, batch, device)
                    step()
                    first = time.perf_counter() - start
                    seconds = median_seconds(step, device)
                except RuntimeError as error:
                    print(
                        f"| {batch_size} | {half} | {compiled} | {str(error).splitlines()[0]} | | |",
                        flush=True,
                    )
                    continue
                memory = torch.cuda.max_memory_allocated(device) / 1e9 if device.type == "cuda" else 0.0
                speed = batch_size * given.crop**2 / seconds / 1e6
                print(
                    f"| {batch_size} | {'bfloat16' if half else 'float32'} | {f'{first:.0f} s' if compiled else 'no'} "
                    f"| {seconds:.4f} | {speed:.1f} | {memory:.1f} |",
                    flush=True,
                )
                del step
        codec.forward = plain  # type: ignore[method-assign]
        if given.profile:
            given.profile.write_text(
                profile(lambda t=task, b=batch: t.cost(b, device).loss.backward(), device)
            )


if __name__ == "__main__":
    main()
