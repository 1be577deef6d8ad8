"""Sizes of a feature codec and its tasks, as dataclasses with a JSON form (docs/guides/train-features.md)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from ...errors import ParameterError, check

LARGEST_FACTOR = 64
NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
"""Of tasks: they become names of files and of arrays."""


@dataclass(frozen=True)
class TaskShape:
    """What the codec needs to know of a task's features.

    Attributes:
        name: lower-case letters, digits, - and _.
        channels: C of the features, C x H x W.
        factor: features per latent in each direction; a power of two.
    """

    name: str
    channels: int
    factor: int = 1

    def __post_init__(self) -> None:
        check(
            bool(NAME.fullmatch(self.name)),
            f"The task name {self.name!r} must be lower-case letters, digits, - and _, at most 32 of them.",
        )
        check(self.channels >= 1, f"The task {self.name} must have at least one channel.")
        sound = 1 <= self.factor <= LARGEST_FACTOR and self.factor & (self.factor - 1) == 0
        check(sound, f"The factor of the task {self.name} must be a power of two from 1 to {LARGEST_FACTOR}.")


@dataclass(frozen=True)
class CodecSettings:
    """Sizes of the networks and the rates that they are trained for.

    Attributes:
        latent_channels: M of the latents z.
        hyper_channels: V numbers in the global side information v.
        groups: n combinations of the codebook, which are the channels that the predictor reads.
        codebook: tau maps in it.
        grid: rows and columns of those maps; best the size of the latents of the training pictures.
        levels: rates of the set; level 0 is the coarsest.
        width: channels of transform and reconstruction.
        blocks: residual blocks of each of the two.
        fusion_channels: what each task's fusion subnet gives, with several tasks.
        hyper_width, generator_width, predictor_width: channels of the networks around v.
        first_lambda, last_lambda: Lagrange multipliers of the coarsest and finest level (those between are spaced
            evenly in the logarithm): bits per latent position that one unit of a task's loss is worth.
        first_step, last_step: quantisation steps that coarsest and finest level start with, in standard deviations
            of the features.
        balance: each level's cost is divided by its multiplier to this power, so that all count alike.
    """

    latent_channels: int = 32
    hyper_channels: int = 16
    groups: int = 32
    codebook: int = 32
    grid: tuple[int, ...] = (8, 8)
    levels: int = 6
    width: int = 48
    blocks: int = 1
    fusion_channels: int = 16
    hyper_width: int = 32
    generator_width: int = 64
    predictor_width: int = 48
    first_lambda: float = 10.0
    last_lambda: float = 3000.0
    first_step: float = 4.0
    last_step: float = 0.7
    balance: float = 0.5

    def __post_init__(self) -> None:
        sizes = (
            "latent_channels",
            "hyper_channels",
            "groups",
            "codebook",
            "levels",
            "width",
            "fusion_channels",
        )
        for name in (*sizes, "hyper_width", "generator_width", "predictor_width"):
            check(getattr(self, name) >= 1, f"{name} must be at least 1.")
        check(self.blocks >= 0, "blocks must not be negative.")
        check(self.levels <= 64, "levels must be at most 64.")
        check(
            len(self.grid) == 2 and min(self.grid) >= 1 and max(self.grid) <= 255,
            "grid must be two numbers, rows and columns, from 1 to 255.",
        )
        check(
            0 < self.first_lambda <= self.last_lambda,
            "first_lambda must be above 0 and at most last_lambda.",
        )
        check(0 < self.last_step <= self.first_step, "last_step must be above 0 and at most first_step.")
        check(0 <= self.balance <= 1, "balance must be between 0 and 1.")

    def lambdas(self) -> list[float]:
        """The multiplier of each level."""
        return _spaced(self.first_lambda, self.last_lambda, self.levels)

    def steps(self) -> list[float]:
        """The quantisation step that each level starts with."""
        return _spaced(self.first_step, self.last_step, self.levels)


def _spaced(first: float, last: float, count: int) -> list[float]:
    if count == 1:
        return [math.sqrt(first * last)]
    return [first * (last / first) ** (i / (count - 1)) for i in range(count)]


SMALL = CodecSettings()
DOCUMENT = CodecSettings(
    latent_channels=128,
    hyper_channels=128,
    groups=128,
    codebook=512,
    width=256,
    blocks=3,
    fusion_channels=8,
    hyper_width=256,
    generator_width=512,
    predictor_width=256,
)
PRESETS = {"small": SMALL, "document": DOCUMENT}
"""Sizes: "small" for CPUs; "document" for features of about 1/64 of large pictures."""


def preset(name: str) -> CodecSettings:
    """The sizes of that name.

    Raises:
        ParameterError: there are none.
    """
    if name not in PRESETS:
        raise ParameterError(f"There are no sizes {name!r}; those that exist are: {', '.join(PRESETS)}.")
    return PRESETS[name]


def common_factor(shapes: tuple[TaskShape, ...]) -> int:
    """The factor of the transform behind the fusion subnets, which bring every task there."""
    return min(shape.factor for shape in shapes)
