"""Everything that can be set of a training run, as one tree of dataclasses with a JSON form.

The tree is saved in the work folder and with the model set (docs/reference/training-settings.md has it as a
table).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ...errors import check
from ..core.stage import StageSettings
from .architecture import Architecture


@dataclass(frozen=True)
class DataSettings:
    """The training pictures.

    Attributes:
        scales: factors by which pictures are kept; a reduced one is left out if it would be smaller than two
            crops.
        spread: every reduced scale is drawn between ``scale * (1 - spread)`` and ``scale * (1 + spread)``, for
            each picture anew.
        held_out: one file in this number is not trained on; 0 trains on all of them.
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
        "synthesis.post_filter",
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


MOST_HELPERS = 8
LEAST_FILTER_CHANNELS, MOST_FILTER_CHANNELS = 4, 64
LINEAR_STARTS = ("dct", "means")
ENTROPY_ONLY = ("linear.", "transforms.", "log_steps")
"""Frozen where the entropy networks alone are trained."""
SYNTHESIS_ONLY = (
    "entropy.",
    "log_steps",
    "linear.analysis",
    "transforms.*.analysis.",
    "transforms.*.hyper_analysis.",
)
"""Frozen where the decoder's float networks alone are trained: files stay what they are but for the pictures that they
decode to."""


@dataclass(frozen=True)
class FusionSettings:
    """Training the fusion network on the seams that the codec leaves.

    Attributes:
        minutes, steps, gigapixels: of training (collecting the seams comes on top), as in ``StageSettings``;
            without any of them it is left out. Pixels are those of the blocks.
        blocks: seam blocks to collect.
        batch: blocks per step.
        learning_rate: at its peak.
        seed: of everything drawn.
    """

    minutes: float = 0.0
    steps: int = 0
    gigapixels: float = 0.0
    blocks: int = 3000
    batch: int = 16
    learning_rate: float = 2e-3
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
        like: folder, beside that of the model set, of a set whose arrays are not stored again where they are equal; the
            two then have to stay beside each other. Empty: none.
    """

    statistics_batches: int = 200
    like: str = ""


@dataclass(frozen=True)
class TrainingSettings:
    """One training run: sizes, data, classes, and one part for each stage.

    ``linear_start`` is what the linear transform of a new parent is: "dct", or "means", which leaves all latents but
    the block means to the networks (with architecture.nonlinear).
    """

    architecture: Architecture = field(default_factory=Architecture)
    linear_start: str = "dct"
    data: DataSettings = DataSettings()
    classes: ClassSettings = ClassSettings()
    parent: StageSettings = StageSettings(minutes=60)
    anneal: StageSettings = StageSettings()
    specialists: StageSettings = StageSettings(minutes=30, learning_rate=4e-4, batch=9, balance="classes")
    entropy: StageSettings = StageSettings(
        learning_rate=2e-4, batch=9, balance="classes", freeze=ENTROPY_ONLY
    )
    synthesis: StageSettings = StageSettings(batch=4, crop=256, freeze=SYNTHESIS_ONLY)
    fusion: FusionSettings = FusionSettings(minutes=4)
    end_to_end: StageSettings = StageSettings(learning_rate=1e-4, crop=512, batch=1)
    quantise: QuantiseSettings = QuantiseSettings()
    export: ExportSettings = ExportSettings()
    seed: int = 1

    def __post_init__(self) -> None:
        check(self.linear_start in LINEAR_STARTS, f"linear_start must be one of {', '.join(LINEAR_STARTS)}.")
        check(
            self.linear_start == "dct" or self.architecture.nonlinear,
            'linear_start "means" needs networks in both transforms; set architecture.nonlinear.',
        )
        check(
            len(self.classes.names) == self.architecture.classes,
            f"There are {len(self.classes.names)} class names for {self.architecture.classes} classes; "
            "change classes.names or architecture.classes.",
        )

    def stage(self, name: str) -> StageSettings:
        """The settings of a stage of gradient descent, by its name among ``options.TORCH_STAGES`` without scan."""
        if name != "fusion":
            found: StageSettings = getattr(self, name.replace("-", "_"))
            return found
        f = self.fusion
        shared = {"batch": f.batch, "learning_rate": f.learning_rate, "seed": f.seed}
        return StageSettings(f.minutes, f.steps, f.gigapixels, **shared)  # type: ignore[arg-type]
