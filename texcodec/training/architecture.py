"""Sizes of the networks of a model set, and the grids that the format fixes.

Everything here is a plain number: the dataclass is saved with the set's manifest and read back when training
continues.
"""

from __future__ import annotations

from dataclasses import dataclass

LATENT_STRIDE = 16
"""Pixels a latent in each direction (docs/format.md, "Latents")."""

HYPER_STRIDE = 4
"""Latents a hyper latent in each direction."""

RATE_INDICES = 256
"""Rows of the table of quantisation steps; row 0 is the coarsest."""

HYPER_MAX = 31
"""Hyper latents are integers in [-HYPER_MAX, HYPER_MAX]."""

SCALE_LEVELS = 64
SCALE_MIN = 0.08
SCALE_MAX = 64.0
"""The levels of the scale index are spaced evenly in the logarithm between these standard deviations, in
symbols.
"""

MEAN_FRACTION_BITS = 4
"""Predicted means lie on a grid of 1/16 symbol."""

ACTIVATION_FRACTION_BITS = 5
"""Hidden activations of the integer networks are integers in [0, 255] that stand for multiples of 1/32."""

LAMBDA_MIN = 0.0002
LAMBDA_MAX = 0.512
"""Lagrange multipliers (bits a pixel for a squared grey level) at the two ends of the rate axis."""


@dataclass(frozen=True)
class Architecture:
    """Widths and depths of the networks of one model set.

    ``slices`` are the channel counts of the slices that the context model decodes one after the other; their
    sum is the
    number of latent channels. The first slice is decoded in two checkerboard passes.
    """

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

    @property
    def latent_channels(self) -> int:
        """Number of latent channels C."""
        return sum(self.slices)
