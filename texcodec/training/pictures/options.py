"""The options of ``texcodec train`` and of ``python -m texcodec.training``.

Neither torch nor click is imported: the one is not needed for the help, the other is not there on a machine with torch
alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ..core.stage import DISTORTIONS, OBJECTIVES, Budget
from ..core.times import minutes
from .presets import PRESETS
from .settings import LEAST_FILTER_CHANNELS, MOST_FILTER_CHANNELS, MOST_HELPERS

TORCH_STAGES = ("scan", "parent", "anneal", "specialists", "entropy", "synthesis", "fusion", "end-to-end")
"""Stages that need torch alone."""
STAGES = (*TORCH_STAGES, "export", "self-check")
"""In their order."""
ARCHITECTURES = ("linear", "nonlinear")
QUANTISED = ("entropy", "synthesis")


@dataclass(frozen=True)
class Option:
    """One option of the command line.

    Attributes:
        flag: such as "--time".
        help: one or two sentences.
        metavar: name of the value; empty where there are ``choices``.
        convert: text to value; raises ValueError with a sentence.
        choices: the values that there are; empty for others.
        repeated: whether it may be given several times.
    """

    flag: str
    help: str
    metavar: str = ""
    convert: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    repeated: bool = False


def _whole(lowest: int, highest: int | None = None) -> Callable[[str], int]:
    def convert(text: str) -> int:
        limits = f"from {lowest} to {highest}" if highest else f"of at least {lowest}"
        if not text.isdecimal() or int(text) < lowest or (highest and int(text) > highest):
            raise ValueError(f"{text!r} is not a whole number {limits}.")
        return int(text)

    return convert


def _above_zero(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not a number above 0.")
    return value


def _option(flag: str, help: str, *value: Any, **more: Any) -> Any:
    option = Option(flag, help, *value, **more)
    return field(default=() if option.repeated else None, metadata={"option": option})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the user asked for; None, or nothing, is not given.

    Attributes:
        pictures: folders or files.
        out: folder of the model set.
        work: folder of checkpoints and curves.
        device: as for ``processes.find_device``.
        minutes, steps, gigapixels: budget of the run; the first that is spent ends a stage.
        exports: whether a run whose stages are not named makes a model set, for which torch alone is not enough.
    """

    pictures: tuple[Path, ...]
    work: Path
    out: Path | None = None
    exports: bool = True
    checkpoint: Path | None = _option(
        "--checkpoint",
        "Go on with the open training in this folder, or begin one, for as long as this run may take or until it is "
        "stopped; makes no model set. With --stage: run that stage on what the training has reached.",
        "FOLDER",
        Path,
    )
    minutes: float | None = _option("--time", "Time for all stages together; default: 60m.", "TIME", minutes)
    steps: int | None = _option(
        "--steps", "Steps of all stages together; with --time, what ends first.", "N", _whole(1)
    )
    gigapixels: float | None = _option(
        "--gigapixels",
        "Gigapixels of crops for all stages together; with --time or --steps, what ends first.",
        "G",
        _above_zero,
    )
    preset: str | None = _option(
        "--preset",
        "Sizes of the networks; default: full; tiny is for trying things out.",
        choices=tuple(PRESETS),
    )
    architecture: str | None = _option(
        "--architecture",
        "Transforms of a new training: linear and lapped, or with networks that add to them; default: linear, or those "
        "of --from.",
        choices=ARCHITECTURES,
    )
    post_filter: int | None = _option(
        "--post-filter",
        "Add a filter of N channels to the end of synthesis, which begins without effect; default: none, or that of "
        "--from.",
        "N",
        _whole(LEAST_FILTER_CHANNELS, MOST_FILTER_CHANNELS),
    )
    piece_size: int | None = _option(
        "--piece-size",
        "Write the checkpoint of the open training as files of at most N MiB, and whenever the run saves its state, "
        "not at its end alone.",
        "N",
        _whole(1),
    )
    start: str | None = _option(
        "--from",
        "Continue from a model set (name or folder): longer training, or fine-tuning on pictures of a kind. With a new "
        "--checkpoint: begin from the folder of another open training. Networks that the architecture has more begin "
        "without effect.",
        "MODELS",
    )
    adopted: tuple[Path, ...] = _option(
        "--adopt",
        "Let the open training go on from what its stage anneal has reached in this work folder; may be repeated for "
        "the mean of several. Trains nothing.",
        "WORK",
        Path,
        repeated=True,
    )
    stages: tuple[str, ...] = _option(
        "--stage", "Run this stage alone; may be repeated. Default: all.", choices=STAGES, repeated=True
    )
    objective: str | None = _option(
        "--objective",
        "What is minimised; default: rate+lambda*distortion, for all rates. The bounded ones train one rate.",
        choices=OBJECTIVES,
    )
    distortion: str | None = _option(
        "--distortion",
        "What a difference costs; default: mse, which is what PSNR measures. ms-ssim and mixed are for eyes, give the "
        "set gains per block, and need pytorch-msssim.",
        choices=DISTORTIONS,
    )
    bpp: float | None = _option(
        "--bpp-bound",
        "Of bound-rate: at most B bits per pixel, on average over balanced crops.",
        "B",
        _above_zero,
    )
    psnr: float | None = _option(
        "--psnr-bound",
        "Of bound-distortion: a mean squared error of at most that of P dB.",
        "P",
        _above_zero,
    )
    quantise: tuple[str, ...] = _option(
        "--quantise",
        "entropy: train the entropy networks with the integers they are exported with. synthesis: keep synthesis "
        "weights as a byte each. May be repeated.",
        choices=QUANTISED,
        repeated=True,
    )
    helpers: int | None = _option(
        "--helpers",
        "With --quantise entropy: N full-precision structures beside each convolution while training.",
        "N",
        _whole(0, MOST_HELPERS),
    )
    settings: Path | None = _option(
        "--settings",
        "Changes to any setting of the run, as in settings.json of the work folder.",
        "FILE.json",
        Path,
    )
    device: str | None = _option("--device", "auto, cpu, cuda or cuda:N for training; default: auto.", "D")
    seed: int | None = _option("--seed", "Of everything drawn at random; default: 1.", "N", _whole(0))
    threads: int | None = _option("--threads", "Threads of torch; default: all cores.", "N", _whole(1))

    @property
    def budget(self) -> Budget:
        """What was given of it."""
        return Budget(self.minutes or 0.0, self.steps or 0, self.gigapixels or 0.0)


def declared() -> Iterator[tuple[str, Option]]:
    """The options of the command line by the names of their fields."""
    return ((f.name, f.metadata["option"]) for f in fields(Options) if f.metadata)


def work_beside(folder: Path) -> Path:
    """The work folder where none is named."""
    return folder.with_name(folder.resolve().name + ".work")
