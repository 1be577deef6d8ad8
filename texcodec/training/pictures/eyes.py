"""What encoders for eyes weigh against bits, for training that does as they do (``codec.eyes``)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from ...constants import LATENT_STRIDE, MEAN_CHANNELS
from ...similarity import MULTIPLE, masking, missing_structure, similarity_worth
from .rates import lagrangian
from .transforms import LinearTransform


class Eyes:
    """The pictures of a batch as encoders for eyes see them.

    Args:
        x: B x 3 x H x W, the pictures, grey levels, sides multiples of 16.
        t: B rates in [0, 1].
        linear: the transform of the latents.
        share: of structural similarity in what is weighed against bits, 0 to 1.
    Attributes:
        weights: B x C x h x w, what a squared error of each latent counts; 1 if it counts as squared error does.
    """

    @torch.no_grad()
    def __init__(self, x: Tensor, t: Tensor, linear: LinearTransform, share: float) -> None:
        self.share = share
        self.worth = similarity_worth(lagrangian(t))[:, None, None, None]
        energies, grey = (values.to(x.device) for values in linear.energies())
        h, w = (n // LATENT_STRIDE for n in x.shape[2:])
        shown = torch.stack([part[:, :h, :w] for part in masking(_whole(x).mean(1))], 1)
        similar = self.worth * torch.einsum("cs,bshw->bchw", energies, shown)
        grey = grey[:, None, None]
        self.weights = share * similar + (1 - share) * grey + (1 - grey).clamp(min=0)

    def of_symbols(self) -> Tensor:
        """The weights for the choice of symbols, B x C x h x w: those of block means are predicted together, and
        count as squared error does.
        """
        weights = self.weights.clone()
        for channel in MEAN_CHANNELS:
            weights[:, channel] = 1
        return weights

    @torch.no_grad()
    def missing(self, x: Tensor, pixels: Tensor) -> Tensor:
        """What decoded pictures lack, B x 3 x H x W: for squared error, their difference to the pictures."""
        difference = x - pixels
        grey = difference.mean(1, keepdim=True)
        structure = missing_structure(_whole(x), _whole(pixels))[..., : x.shape[2], : x.shape[3]]
        return self.share * self.worth * structure + (1 - self.share) * grey + difference - grey


def _whole(x: Tensor) -> Tensor:
    """Extended by its last rows and columns to sides that similarity can be computed for."""
    bottom, right = (-n % MULTIPLE for n in x.shape[2:])
    return F.pad(x, (0, right, 0, bottom), mode="replicate") if bottom or right else x
