"""What the difference of two pictures costs: squared error, MS-SSIM, or both, in squared grey levels.

A set is tuned for eyes by putting what MS-SSIM lacks to 1 in the place of squared error. Both are brought to one scale,
so that a rate index means about the same quality with each: 1 - MS-SSIM is multiplied by what it is worth in squared
error on the curve of a codec trained for squared error, D'(rate) / (1 - MS-SSIM)'(rate).

MS-SSIM sees little of colours (a shift of chrominance leaves the structure of each channel as it is), so "mixed" leaves
the squared error of chrominance as it is and puts MS-SSIM in the place of a share of that of luminance only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ...errors import ParameterError
from ...similarity import similarity_worth
from ..core.stage import ObjectiveSettings
from .architecture import LATENT_STRIDE
from .codec import lagrangian

SCALES, WINDOW, SIGMA = 5, 11, 1.5
"""Of MS-SSIM as it is defined: scales, taps of the Gaussian window and its standard deviation in pixels."""


def window_taps(side: int) -> int:
    """Taps of the window of MS-SSIM for pictures of ``side`` x ``side`` pixels.

    The five scales need 161 pixels with the usual window of 11. On smaller crops the window shrinks, so that all scales
    and their weights stay: 5 taps for 96 pixels, as crops of 128 have without their border.

    Raises:
        ParameterError: below 49 pixels no window is left.
    """
    largest = (side - 1) // 2 ** (SCALES - 1) + 1
    taps = min(WINDOW, largest if largest % 2 else largest - 1)
    if taps < 3:
        raise ParameterError(
            f"MS-SSIM needs crops of at least 96 pixels, of which {side} are compared here; set crop to 256."
        )
    return taps


@dataclass(frozen=True)
class Distortion:
    """What pictures cost, each alone.

    Attributes:
        minimised: B, squared grey levels: the distortion of the objective.
        squared_error: B, mean squared error on the 0..255 scale.
        similarity: B, MS-SSIM; None where it was not needed.
    """

    minimised: Tensor
    squared_error: Tensor
    similarity: Tensor | None = None

    def extras(self) -> dict[str, Tensor]:
        """Scalars for the curves."""
        found = {} if self.similarity is None else {"ms_ssim": self.similarity.detach().mean()}
        psnr = 10 * torch.log10(255.0**2 / self.squared_error.detach().clamp(min=1e-3))
        return {"psnr": psnr.mean()} | found


class Distortions:
    """Compares pictures as the settings ask.

    Args:
        settings: of the objective.
        side: smallest side of the pictures that will be compared, in pixels.
    Raises:
        ParameterError: the pictures are too small for MS-SSIM, or the library for it is missing.
    """

    def __init__(self, settings: ObjectiveSettings, side: int) -> None:
        self.kind, self.share = settings.distortion, settings.similarity_share
        if self.kind != "mse":
            self.taps = window_taps(side)
            require_library()

    def __call__(self, decoded: Tensor, original: Tensor, t: Tensor) -> Distortion:
        """The distortion of B pictures.

        Args:
            decoded, original: B x 3 x H x W grey levels; the former need not be within 0..255.
            t: B rates in [0, 1].
        """
        difference = decoded - original
        squares = difference.square().mean((1, 2, 3))
        if self.kind == "mse":
            return Distortion(squares, squares)
        similarity = self.similarity(decoded, original)
        lacking = similarity_worth(lagrangian(t)) * (1 - similarity)
        if self.kind == "ms-ssim":
            return Distortion(lacking, squares, similarity)
        luminance = difference.mean(1).square().mean((1, 2))
        minimised = self.share * lacking + (1 - self.share) * luminance + (squares - luminance)
        return Distortion(minimised, squares, similarity)

    def similarity(self, decoded: Tensor, original: Tensor) -> Tensor:
        """MS-SSIM of B pictures; the mean of that of the three channels."""
        from pytorch_msssim import ms_ssim

        sigma = SIGMA * self.taps / WINDOW
        found: Tensor = ms_ssim(
            decoded.contiguous(),
            original.contiguous(),
            data_range=255,
            size_average=False,
            win_size=self.taps,
            win_sigma=sigma,
        )
        return found


def crop_distortions(settings: ObjectiveSettings, crop: int) -> Distortions:
    """For crops that are compared whole or without a border of one latent.

    Args:
        crop: pixels per side.
    """
    return Distortions(settings, crop - 2 * LATENT_STRIDE)


def require_library() -> None:
    """Refuse to train for MS-SSIM without the library for it.

    Raises:
        ParameterError: it is missing.
    """
    try:
        import pytorch_msssim  # noqa: F401
    except ImportError:
        raise ParameterError(
            "Training for MS-SSIM needs pytorch-msssim; install it with: pip install pytorch-msssim."
        ) from None
