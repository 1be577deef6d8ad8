"""Training with corrected latents: what a decoder learns when encoders close the loop around it.

From effort 2 on, encoders correct latents by what decoding leaves of the picture (docs/decisions/effort.md). A codec
that never sees such latents in training decodes them well enough; one that does may rely on them.
"""

from __future__ import annotations

from ...constants import EYES_CORRECTION, SQUARED_ERROR_CORRECTION
from ...errors import check
from ..core.stage import ObjectiveSettings
from .architecture import Architecture


def is_corrected(architecture: Architecture) -> bool:
    """Whether encoders correct latents of such networks: of linear transforms of entropy profile 2."""
    return architecture.profile > 1 and not architecture.nonlinear


def correction_for(objective: ObjectiveSettings) -> float:
    """The share of the correction that encoders make with a set that is trained for this."""
    return SQUARED_ERROR_CORRECTION if objective.distortion == "mse" else EYES_CORRECTION


def check_corrections(architecture: Architecture, share: float) -> None:
    """Refuse to correct latents that encoders do not correct.

    Args:
        share: of the steps with corrected latents.
    Raises:
        ParameterError: encoders correct those of linear analysis transforms of entropy profile 2 alone.
    """
    check(
        not share or is_corrected(architecture),
        "Encoders correct latents of linear transforms of entropy profile 2 only; set corrected_share to 0.",
    )
