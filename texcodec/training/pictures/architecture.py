"""Sizes of the networks of a model set, and the grids that the format fixes.

Everything here is a plain number: the dataclass is saved with the set's manifest and read back when training
continues.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...constants import (  # noqa: F401  the modules of training read them here
    ACTIVATION_FRACTION_BITS,
    HYPER_MAX,
    HYPER_STRIDE,
    LATENT_STRIDE,
    MEAN_FRACTION_BITS,
    RATE_INDICES,
    SCALE_LEVELS,
)
from ...errors import check

LAMBDA_MIN = 0.0002
LAMBDA_MAX = 0.512
"""Lagrange multipliers (bits per pixel for a squared grey level) at the two ends of the rate axis."""


@dataclass(frozen=True)
class Architecture:
    """Widths and depths of the networks of one model set.

    ``slices`` are the channel counts of the slices that the context model decodes one after the other; their sum is
    the number of latent channels.

    ``profile`` is the entropy profile of docs/format.md: with 1, the first slice is decoded in two passes
    over a checkerboard and an analysis network adds to the linear transform; with 2, the linear transform is
    lapped, the first slice is decoded in five passes over a pyramid, its block means as wavelet coefficients,
    and there is no analysis network. Presets have 2; 1 is the default here for sets and checkpoints that do not say.

    ``gains``, with profile 2: latents but the block means are multiplied before they are coded, and divided
    afterwards, by two gains per block (luminance and chrominance) that the hyper latents imply: smaller steps
    where eyes see more.

    ``nonlinear``, with profile 2: a network adds to the linear latents, and that of synthesis looks at the
    linear picture (``nonlinear``). ``deep_widths`` and ``deep_blocks`` are the channels and gated blocks of the
    analysis network at 1/4, 1/8 and 1/16 of the resolution, ``refinement`` the inner channels of the block that
    synthesis has more.

    ``post_filter``, with profile 2: channels of the filter at half the resolution that is the last part of synthesis
    (``post_filter``), 0 for none; ``post_filter_layers``: its convolutions between the first and the last.

    ``residual_limit``, with profile 2: what the gated blocks of synthesis, and the filter after them, may each add to a
    pixel at most, in base steps; 0 for no limit (docs/decisions/effort.md, "The highest qualities").
    """

    profile: int = 1
    slices: tuple[int, ...] = (16, 48, 80, 112)
    hyper_channels: int = 48
    analysis_width: int = 96
    analysis_blocks: int = 4
    synthesis_width: int = 128
    synthesis_blocks: int = 4
    hyper_width: int = 128
    feature_width: int = 96
    context_width: int = 64
    joint_width: int = 128
    fusion_width: int = 16
    classes: int = 3
    gains: bool = False
    nonlinear: bool = False
    deep_widths: tuple[int, ...] = (64, 192, 256)
    deep_blocks: tuple[int, ...] = (2, 4, 2)
    refinement: int = 56
    post_filter: int = 0
    post_filter_layers: int = 2
    residual_limit: float = 0.0

    def __post_init__(self) -> None:
        check(self.profile in (1, 2), "architecture.profile must be 1 or 2.")
        check(
            not self.nonlinear or self.profile > 1,
            "Nonlinear transforms (architecture.nonlinear) belong to entropy profile 2; set architecture.profile to 2.",
        )
        check(
            (self.post_filter == 0 or self.post_filter >= 4) and self.post_filter_layers >= 0,
            "architecture.post_filter must be 0, or 4 or more, and architecture.post_filter_layers not negative.",
        )
        check(
            not self.post_filter or self.profile > 1,
            "The filter after synthesis (architecture.post_filter) belongs to entropy profile 2; set "
            "architecture.profile to 2.",
        )
        check(
            0 <= self.residual_limit < float("inf"),
            "architecture.residual_limit must be 0, for none, or base steps.",
        )
        check(
            not self.residual_limit or self.profile > 1,
            "The limit of what synthesis adds (architecture.residual_limit) belongs to entropy profile 2; set "
            "architecture.profile to 2.",
        )
        check(
            len(self.deep_widths) == len(self.deep_blocks) == 3,
            "architecture.deep_widths and architecture.deep_blocks must be three numbers each.",
        )

    @property
    def latent_channels(self) -> int:
        """Number of latent channels C."""
        return sum(self.slices)
