"""How one stage of gradient descent is run: its budget, its schedule, and what it minimises. Needs no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...constants import RATE_INDICES
from ...errors import check

OBJECTIVES = (
    "rate+lambda*distortion",
    "log(rate+lambda*distortion)",
    "distortion+rate/lambda",
    "bound-rate",
    "bound-distortion",
)
TRAINABLE = ("relaxed", "noise")
"""Ways of rounding that pass gradients: a relaxed choice between two symbols by their cost; the nearest symbol with
the gradient of the identity, whose bits are those of a noisy one.
"""
DISTORTIONS = ("mse", "ms-ssim", "mixed")
SCHEDULES = ("cosine", "constant")
BALANCES = ("texture", "classes")


@dataclass(frozen=True)
class ObjectiveSettings:
    """What training minimises; rate is in bits per pixel, distortion in squared grey levels of 0..255.

    Attributes:
        kind: "rate+lambda*distortion" or "distortion+rate/lambda", each over all rates;
            "log(rate+lambda*distortion)": the mean logarithm of the first over the crops, so that smooth
            crops count as much as busy ones, which is what a BD-rate averages; "bound-rate": the least
            distortion at a mean rate of at most ``bpp``; "bound-distortion": the least rate at a mean squared
            error of at most that of ``psnr``. The bounded forms train one rate index only.
        bpp: bound in bits per pixel.
        psnr: bound in dB.
        rate_index: of the bounded forms, 0..255; -1 takes the one whose usual result is nearest to the bound.
        usual_share: share of the crops whose rate is drawn from those of about 0.1 to 1.5 bits per pixel; the
            others' rates are drawn from the whole axis.
        speed: of the multiplier's dual ascent, in learning rates of the weights: a bound missed by a factor
            of e changes its logarithm by that much a step. So both come to rest together.
        distortion: "mse": mean squared error; "ms-ssim": what MS-SSIM lacks to 1, on the scale of squared errors;
            "mixed": that in the place of a share of the luminance's squared error, and the squared error of
            chrominance (``pictures.distortions``).
        similarity_share: of "mixed", 0 to 1.
    """

    kind: str = OBJECTIVES[0]
    bpp: float = 0.0
    psnr: float = 0.0
    rate_index: int = -1
    usual_share: float = 0.7
    speed: float = 1.0
    distortion: str = DISTORTIONS[0]
    similarity_share: float = 0.75

    def __post_init__(self) -> None:
        check(
            self.distortion in DISTORTIONS, f"objective.distortion must be one of {', '.join(DISTORTIONS)}."
        )
        check(0 <= self.similarity_share <= 1, "objective.similarity_share must be between 0 and 1.")
        check(
            self.kind != "bound-distortion" or self.distortion == "mse",
            "The objective bound-distortion has a bound in dB; it goes with the distortion mse alone.",
        )
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
        batch: crops per step, of each process.
        balance: crops are drawn equally often from bins of "texture", or a fixed number from each of the
            "classes" (which gives a step fixed shapes, as CUDA graphs need).
        learning_rate: at its peak.
        last_learning_rate: learning rate at the end; above zero for a stage that another one continues.
        schedule: "cosine": the learning rate falls to ``last_learning_rate``; "constant": it stays, and the
            moving average stands for the fall, so that the stage can always be continued.
        warm_up: share of the budget in which the learning rate rises; a constant one rises over the first
            steps of each run.
        linear_learning_rate: of the linear transform, as a fraction of ``learning_rate``.
        clip: largest norm of the gradient.
        decay: of the moving average of the weights, which is what is kept.
        rounding: how gradients pass through rounding: "relaxed", or additive "noise" in the rate.
        corrected_share: share of the steps whose latents are corrected once by what decoding leaves of the crops, as
            encoders do from effort 2 on; linear analysis transforms of entropy profile 2 only.
        objective: what is minimised.
        freeze: prefixes of the parameters that stay as they are; an asterisk stands for any characters.
        checkpoint_seconds: between two checkpoints.
        cuda_graphs: whether a step on a GPU runs as a CUDA graph.
        seed: of everything drawn.
    """

    minutes: float = 0.0
    steps: int = 0
    gigapixels: float = 0.0
    crop: int = 128
    batch: int = 8
    balance: str = "texture"
    learning_rate: float = 8e-4
    last_learning_rate: float = 0.0
    schedule: str = "cosine"
    warm_up: float = 0.02
    linear_learning_rate: float = 0.02
    clip: float = 1.0
    decay: float = 0.999
    rounding: str = "relaxed"
    corrected_share: float = 0.0
    objective: ObjectiveSettings = ObjectiveSettings()
    freeze: tuple[str, ...] = ()
    checkpoint_seconds: float = 90.0
    cuda_graphs: bool = True
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
            0 <= self.last_learning_rate <= self.learning_rate <= 1 and self.learning_rate > 0,
            "learning_rate must be above 0, at least last_learning_rate and at most 1.",
        )
        check(0 <= self.corrected_share <= 1, "corrected_share must be between 0 and 1.")
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
