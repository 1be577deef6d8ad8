"""Training with corrected latents: what a decoder learns when encoders close the loop around it.

From effort 2 on, encoders correct latents by what decoding leaves of the picture (docs/decisions/effort.md). A codec
that never sees such latents in training decodes them well enough; one that does may rely on them.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ...constants import EYES_CORRECTION, LARGEST_CORRECTION, SQUARED_ERROR_CORRECTION
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


def corrected(
    v: Tensor,
    decoded: Tensor,
    x: Tensor,
    pixels: Tensor,
    *,
    linear: Callable[[Tensor], Tensor],
    steps: Tensor,
    share: float,
) -> Tensor:
    """What should have been quantised in the place of latents: B x C x h x w in symbols.

    Args:
        v, decoded: B x C x h x w latents in symbols, of the pictures and of what was decoded.
        x: B x 3 x H x W, the pictures, grey levels.
        pixels: B x 3 x H' x W', what they were decoded to, which may lack a border: nothing is missing there.
        linear: the analysis transform, of B x 3 x H x W grey levels.
        steps: B x C quantisation steps in grey levels.
        share: of the correction that is made.
    """
    border = (x.shape[2] - pixels.shape[2]) // 2
    inside = x[..., border : x.shape[2] - border, border : x.shape[3] - border]
    missing = F.pad(inside - pixels.clamp(0, 255), (border, border, border, border))
    more = linear(missing) / steps[:, :, None, None]
    near = (more.abs() <= LARGEST_CORRECTION).all(1, keepdim=True)
    return torch.where(near, v + share * (decoded + more - v), v)
