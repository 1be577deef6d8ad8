"""Everything that a training run can be told, as one tree of dataclasses with a JSON form.

The tree is saved in the work folder and with the model set (docs/reference/training-settings.md has it as a
table).
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ...errors import ParameterError
from ..core.rounding import TRAINABLE
from .architecture import RATE_INDICES, Architecture

OBJECTIVES = (
    "rate+lambda*distortion",
    "log(rate+lambda*distortion)",
    "distortion+rate/lambda",
    "bound-rate",
    "bound-distortion",
)
SCHEDULES = ("cosine", "constant")
BALANCES = ("texture", "classes")


def check(sound: bool, sentence: str) -> None:
    """Raise ParameterError with the sentence unless it is sound."""
    if not sound:
        raise ParameterError(sentence)


@dataclass(frozen=True)
class DataSettings:
    """The training pictures.

    Attributes:
        scales: factors by which pictures are kept; a reduced one is left out if it would be smaller than two
            crops.
        spread: every reduced scale is drawn between ``scale * (1 - spread)`` and ``scale * (1 + spread)``, for
            each picture anew.
        held_out: one file in so many is not trained on; 0 trains on all of them.
        memory_share: share of the machine's memory that decoded pictures may take; more of them go to a memory
            map in the work folder.
        drawn_share: share of the crops that show drawn pages (``drawn``): text, windows, charts and icons.
        drawn_pages: how many pages are drawn for them.
    """

    scales: tuple[float, ...] = (1.0, 0.7, 0.5)
    spread: float = 0.1
    held_out: int = 10
    memory_share: float = 0.4
    drawn_share: float = 0.0
    drawn_pages: int = 100

    def __post_init__(self) -> None:
        check(
            bool(self.scales) and all(0 < s <= 1 for s in self.scales),
            "data.scales must be factors above 0 and at most 1.",
        )
        check(0 <= self.spread < 1, "data.spread must be at least 0 and below 1.")
        check(self.held_out != 1 and self.held_out >= 0, "data.held_out must be 0, or 2 or more.")
        check(0 <= self.memory_share <= 1, "data.memory_share must be between 0 and 1.")
        check(0 <= self.drawn_share <= 1, "data.drawn_share must be between 0 and 1.")
        check(self.drawn_pages >= 1, "data.drawn_pages must be at least 1.")


@dataclass(frozen=True)
class ClassSettings:
    """The texture classes.

    Attributes:
        names: smoothest first.
        thresholds: of texture complexity (mean |dx| + |dy| of a tile) between neighbouring classes.
        shared: parts of the transforms that are one for all classes and learn from all crops
            (docs/decisions/classes.md); the others are the classes' own.
    """

    names: tuple[str, ...] = ("smooth", "medium", "busy")
    thresholds: tuple[float, ...] = (8.0, 18.0)
    shared: tuple[str, ...] = (
        "analysis.enter",
        "analysis.blocks",
        "hyper_analysis.enter",
        "hyper_analysis.down",
        "synthesis.blocks",
    )

    def __post_init__(self) -> None:
        check(
            len(self.names) == len(self.thresholds) + 1,
            "classes.names must be one more than classes.thresholds.",
        )
        check(
            list(self.thresholds) == sorted(set(self.thresholds)),
            "classes.thresholds must rise from each to the next.",
        )


@dataclass(frozen=True)
class ObjectiveSettings:
    """What training minimises; rate is in bits a pixel, distortion is the mean squared error of 0..255.

    Attributes:
        kind: "rate+lambda*distortion" or "distortion+rate/lambda", each over all rates;
            "log(rate+lambda*distortion)": the mean logarithm of the first over the crops, so that smooth
            crops count as much as busy ones, which is what a BD-rate averages; "bound-rate": the least
            distortion at a mean rate of at most ``bpp``; "bound-distortion": the least rate at a mean squared
            error of at most that of ``psnr``. The bounded forms train one rate index only.
        bpp: bound in bits a pixel.
        psnr: bound in dB.
        rate_index: of the bounded forms, 0..255; -1 takes the one whose usual result is nearest to the bound.
        usual_share: share of the crops whose rate is drawn from those of about 0.1 to 1.5 bits a pixel; the
            others' rates are drawn from the whole axis.
        speed: of the multiplier's dual ascent, in learning rates of the weights: a bound missed by a factor
            of e changes its logarithm by that much a step. So both come to rest together.
    """

    kind: str = OBJECTIVES[0]
    bpp: float = 0.0
    psnr: float = 0.0
    rate_index: int = -1
    usual_share: float = 0.7
    speed: float = 1.0

    def __post_init__(self) -> None:
        check(self.kind in OBJECTIVES, f"objective.kind must be one of {', '.join(OBJECTIVES)}.")
        check(
            self.kind != "bound-rate" or self.bpp > 0, "The objective bound-rate needs a bound: bpp above 0."
        )
        check(
            self.kind != "bound-distortion" or self.psnr > 0,
            "The objective bound-distortion needs a bound: psnr above 0.",
        )
        check(
            -1 <= self.rate_index < RATE_INDICES, f"objective.rate_index must be -1 or 0..{RATE_INDICES - 1}."
        )
        check(0 < self.speed <= 100, "objective.speed must be above 0 and at most 100.")
        check(0 <= self.usual_share <= 1, "objective.usual_share must be between 0 and 1.")

    @property
    def bounded(self) -> bool:
        """Whether there is a bound, so a multiplier to learn and one rate only."""
        return self.kind.startswith("bound-")


@dataclass(frozen=True)
class Budget:
    """How long to train. Of the limits above zero, the first that is reached ends the training.

    Attributes:
        minutes: of wall time.
        steps: of gradient descent.
        gigapixels: of the crops trained on, 10^9 pixels.
    """

    minutes: float = 0.0
    steps: int = 0
    gigapixels: float = 0.0

    def __bool__(self) -> bool:
        return max(self.minutes, self.steps, self.gigapixels) > 0

    def share(self, part: float) -> Budget:
        """A part (0 to 1) of every limit; steps are rounded up."""
        return Budget(part * self.minutes, math.ceil(part * self.steps), part * self.gigapixels)

    @property
    def usual_minutes(self) -> float:
        """About how many minutes a full-sized codec takes for it on two cores: the least of the limits."""
        guesses = (self.minutes, self.steps / USUAL_STEPS, self.gigapixels / USUAL_GIGAPIXELS)
        return min(g for g in (*guesses, math.inf) if g > 0)


USUAL_STEPS, USUAL_GIGAPIXELS = 150.0, 0.04
"""Per minute."""


@dataclass(frozen=True)
class StageSettings:
    """One stage of gradient descent. It ends when the first of its budgets is spent, over which the schedule
    runs: over wall time it anneals fully on any machine.

    Attributes:
        minutes: of training; 0 for no such budget. A stage without any budget is left out.
        steps: likewise.
        gigapixels: of crops, likewise.
        crop: side of the crops (or pictures) in pixels.
        batch: crops a step, of each process.
        balance: crops are drawn equally often from bins of "texture", or a fixed number from each of the
            "classes" (which gives a step fixed shapes, as CUDA graphs need).
        rate: peak learning rate.
        last_rate: learning rate at the end; above zero for a stage that another one continues.
        schedule: "cosine": the learning rate falls to ``last_rate``; "constant": it stays, and the moving
            average stands for the fall, so that the stage can always be continued.
        warm_up: share of the budget in which the learning rate rises; with a constant rate it rises over the
            first steps of each run.
        linear_rate: learning rate of the linear transform as a fraction of ``rate``.
        clip: largest norm of the gradient.
        decay: of the moving average of the weights, which is what is kept.
        rounding: how gradients pass through rounding: "relaxed", or additive "noise" in the rate.
        objective: what is minimised.
        freeze: prefixes of the parameters that stay as they are.
        checkpoint_seconds: between two checkpoints.
        seed: of everything drawn.
    """

    minutes: float = 0.0
    steps: int = 0
    gigapixels: float = 0.0
    crop: int = 128
    batch: int = 8
    balance: str = "texture"
    rate: float = 8e-4
    last_rate: float = 0.0
    schedule: str = "cosine"
    warm_up: float = 0.02
    linear_rate: float = 0.02
    clip: float = 1.0
    decay: float = 0.999
    rounding: str = "relaxed"
    objective: ObjectiveSettings = ObjectiveSettings()
    freeze: tuple[str, ...] = ()
    checkpoint_seconds: float = 90.0
    seed: int = 1

    def __post_init__(self) -> None:
        check(
            min(self.minutes, self.steps, self.gigapixels) >= 0,
            "The minutes, steps and gigapixels of a stage must not be negative.",
        )
        check(self.schedule in SCHEDULES, f"schedule must be one of {', '.join(SCHEDULES)}.")
        check(self.crop >= 64 and self.crop % 16 == 0, "crop must be a multiple of 16 of at least 64 pixels.")
        check(self.batch >= 1, "batch must be at least 1.")
        check(self.balance in BALANCES, f"balance must be one of {', '.join(BALANCES)}.")
        check(self.rounding in TRAINABLE, f"rounding must be one of {', '.join(TRAINABLE)}.")
        check(
            0 < self.rate <= 1 and 0 <= self.last_rate <= self.rate,
            "rate must be above last_rate and at most 1.",
        )
        check(0 < self.warm_up < 1, "warm_up must be between 0 and 1.")
        check(
            self.clip > 0 and 0 <= self.decay < 1, "clip must be above 0, and decay at least 0 and below 1."
        )

    @property
    def budget(self) -> Budget:
        """All of its limits."""
        return Budget(self.minutes, self.steps, self.gigapixels)

    @property
    def budgeted(self) -> bool:
        """Whether the stage has any budget; one without is left out."""
        return bool(self.budget)

    def progress(self, seconds: float, steps: int, pixels: int) -> float:
        """The largest share of a budget that is spent; 1 where there is none."""
        budgets = ((self.minutes, seconds / 60), (self.steps, steps), (self.gigapixels, pixels / 1e9))
        return max((spent / budget for budget, spent in budgets if budget > 0), default=1.0)


MOST_HELPERS = 8
ENTROPY_ONLY = ("linear.", "transforms.", "log_steps")
"""Frozen where the entropy networks alone are trained."""


@dataclass(frozen=True)
class FusionSettings:
    """Training the fusion network on the seams that the codec leaves.

    Attributes:
        minutes, steps, gigapixels: of training (collecting the seams comes on top), as in ``StageSettings``;
            without any of them it is left out. Pixels are those of the blocks.
        blocks: seam blocks to collect.
        batch: blocks a step.
        rate: peak learning rate.
        seed: of everything drawn.
    """

    minutes: float = 0.0
    steps: int = 0
    gigapixels: float = 0.0
    blocks: int = 3000
    batch: int = 16
    rate: float = 2e-3
    seed: int = 7


@dataclass(frozen=True)
class QuantiseSettings:
    """Which parts are trained, or kept, as the low-precision networks that the set will have
    (docs/guides/quantise.md).

    Attributes:
        entropy: the entropy networks are trained with the integer weights that they are exported with, in the
            stages entropy and end-to-end.
        synthesis: synthesis weights are exported as a byte each.
        helpers: full-precision structures n of each entropy network's convolution while the stage entropy
            trains it, thrown away afterwards; 0 for none.
        auxiliary: weight of the loss of the network with helpers.
        distillation: weight of the mean squared difference between what both networks predict.
    """

    entropy: bool = False
    synthesis: bool = False
    helpers: int = 0
    auxiliary: float = 0.1
    distillation: float = 0.1

    def __post_init__(self) -> None:
        check(0 <= self.helpers <= MOST_HELPERS, f"quantise.helpers must be from 0 to {MOST_HELPERS}.")
        check(
            self.entropy or not self.helpers,
            "Helpers (quantise.helpers) train the quantised entropy networks; switch quantise.entropy on, or leave "
            "them out.",
        )
        check(
            0 <= self.auxiliary < float("inf") and 0 <= self.distillation < float("inf"),
            "quantise.auxiliary and quantise.distillation must not be negative.",
        )


@dataclass(frozen=True)
class ExportSettings:
    """Making a model set of the trained networks.

    Attributes:
        statistics_batches: batches of 8 crops that are counted for the probability tables.
    """

    statistics_batches: int = 200


@dataclass(frozen=True)
class TrainingSettings:
    """One training run: sizes, data, classes, and one part for each stage."""

    architecture: Architecture = field(default_factory=Architecture)
    data: DataSettings = DataSettings()
    classes: ClassSettings = ClassSettings()
    parent: StageSettings = StageSettings(minutes=60)
    anneal: StageSettings = StageSettings()
    specialists: StageSettings = StageSettings(minutes=30, rate=4e-4, batch=9, balance="classes")
    entropy: StageSettings = StageSettings(rate=2e-4, batch=9, balance="classes", freeze=ENTROPY_ONLY)
    fusion: FusionSettings = FusionSettings(minutes=4)
    end_to_end: StageSettings = StageSettings(rate=1e-4, crop=512, batch=1)
    quantise: QuantiseSettings = QuantiseSettings()
    export: ExportSettings = ExportSettings()
    seed: int = 1

    def __post_init__(self) -> None:
        check(
            len(self.classes.names) == self.architecture.classes,
            f"There are {len(self.classes.names)} class names for {self.architecture.classes} classes; "
            "change classes.names or architecture.classes.",
        )


T = TypeVar("T")


def to_json(settings: Any) -> dict[str, Any]:
    """A settings dataclass as what JSON can hold: dictionaries, lists, numbers, strings."""
    plain: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(settings)))
    return plain


def from_json(base: T, changes: Mapping[str, Any], where: str = "") -> T:
    """The settings ``base`` with the changes that a (partial) JSON form asks for.

    Raises:
        ParameterError: an unknown key, or a value of the wrong type or out of its range.
    """
    place = where or "the settings"
    check(isinstance(changes, Mapping), f"{place} must be an object with names and values.")
    hints, values = get_type_hints(type(base)), {}
    for key, value in changes.items():
        check(
            key in hints,
            f"{key!r} is not a setting of {place}; those that exist are: {', '.join(hints)}.",
        )
        name = f"{where}.{key}" if where else key
        if dataclasses.is_dataclass(hints[key]):
            values[key] = from_json(getattr(base, key), value, name)
        else:
            values[key] = _value(value, hints[key], name)
    try:
        return dataclasses.replace(base, **values)  # type: ignore[type-var]
    except ParameterError as error:
        raise ParameterError(f"{place}: {error}" if where else str(error)) from None


def _value(value: Any, kind: Any, name: str) -> Any:
    if get_origin(kind) is tuple:
        check(isinstance(value, list | tuple), f"{name} must be a list.")
        return tuple(_value(v, get_args(kind)[0], f"An entry of {name}") for v in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    check(
        isinstance(value, kind) and not (kind is int and isinstance(value, bool)),
        f"{name} must be {words[kind]}.",
    )
    return value


def read_settings(file: Path, base: TrainingSettings) -> TrainingSettings:
    """``base`` with the changes in a JSON file.

    Raises:
        ParameterError: it cannot be read, is not JSON, or holds what ``from_json`` refuses.
    """
    try:
        changes = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise ParameterError(
            f"The settings {file} cannot be read ({error.strerror}); check the name."
        ) from None
    except ValueError as error:
        raise ParameterError(f"The settings {file} are not JSON ({error}); correct them.") from None
    try:
        return from_json(base, changes)
    except ParameterError as error:
        raise ParameterError(f"The settings {file} are wrong: {error}") from None


def differences(before: Mapping[str, Any], now: Mapping[str, Any], ignored: frozenset[str]) -> list[str]:
    """What differs between two JSON forms: "crop: 128 before, 256 now" and so on; nested names have dots."""
    old, new = _flat(before), _flat(now)
    return [
        f"{key}: {old.get(key, 'nothing')} before, {new.get(key, 'nothing')} now"
        for key in [*old, *(k for k in new if k not in old)]
        if old.get(key) != new.get(key) and key.rsplit(".", 1)[-1] not in ignored
    ]


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, value in tree.items():
        out |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return out
