"""Training with corrected latents: what a decoder learns when encoders close the loop around it.

From effort 2 on, encoders correct latents by what decoding leaves of the picture (docs/decisions/effort.md). A codec
that never sees such latents in training decodes them well enough; one that does may rely on them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ...constants import (
    EYES_CORRECTION,
    EYES_SHARE,
    LARGEST_CORRECTION,
    LEAST_WEIGHT,
    SQUARED_ERROR_CORRECTION,
)
from ...errors import check
from ..core.stage import ObjectiveSettings
from .architecture import Architecture
from .eyes import Eyes


def is_corrected(architecture: Architecture) -> bool:
    """Whether encoders correct latents of such networks: of linear transforms of entropy profile 2."""
    return architecture.profile > 1 and not architecture.nonlinear


@dataclass(frozen=True)
class Choices:
    """How encoders find the latents and symbols of a picture, beside choosing symbols by cost.

    Attributes:
        correction: the share that is made of a correction of the latents; 0 for none.
        similarity: the share of structural similarity in what they weigh against bits; 0 for squared error alone.
    """

    correction: float = 0.0
    similarity: float = 0.0


PLAIN = Choices()


def choices_for(objective: ObjectiveSettings, architecture: Architecture, *, corrected: bool) -> Choices:
    """What encoders do with a set that is trained for this.

    Args:
        corrected: whether they correct latents once, as from effort 2 on.
    """
    if not is_corrected(architecture):
        return PLAIN
    if objective.distortion == "mse":
        return Choices(SQUARED_ERROR_CORRECTION if corrected else 0.0)
    return Choices(EYES_CORRECTION if corrected else 0.0, EYES_SHARE)


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
    eyes: Eyes | None = None,
) -> Tensor:
    """What should have been quantised in the place of latents: B x C x h x w in symbols.

    Args:
        v, decoded: B x C x h x w latents in symbols, of the pictures and of what was decoded.
        x: B x 3 x H x W, the pictures, grey levels.
        pixels: B x 3 x H' x W', what they were decoded to, which may lack a border: nothing is missing there.
        linear: the analysis transform, of B x 3 x H x W grey levels.
        steps: B x C quantisation steps in grey levels.
        share: of the correction that is made.
        eyes: what is missing to them is corrected; default: squared error.
    """
    border = (x.shape[2] - pixels.shape[2]) // 2
    inside = x[..., border : x.shape[2] - border, border : x.shape[3] - border]
    pixels = pixels.clamp(0, 255)
    missing = inside - pixels if eyes is None else eyes.missing(inside, pixels)
    more = linear(F.pad(missing, (border, border, border, border))) / steps[:, :, None, None]
    if eyes is not None:
        more = more / eyes.weights.clamp(min=LEAST_WEIGHT)
    near = (more.abs() <= LARGEST_CORRECTION).all(1, keepdim=True)
    return torch.where(near, v + share * (decoded + more - v), v)
