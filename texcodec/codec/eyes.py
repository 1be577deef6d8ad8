"""What encoders weigh against bits with sets for eyes: structural similarity beside squared error.

An error of a latent counts by how much it changes the structure of the picture, which texture hides and smooth places
show (docs/decisions/ssim.md). The gains of a set say some of it, as far as the hyper latents tell; the encoder, which
has the picture, knows it for each latent. Decoders need not know.
"""

from __future__ import annotations

import numpy as np

from ..constants import EYES_SHARE, MEAN_CHANNELS
from ..registry import ModelSet, PyramidSet
from ..registry.picture_manifest import SSIM
from ..similarity import MULTIPLE, masking, missing_structure, similarity_worth
from ..tiles import STRIDE, Box
from .rdoq import multiplier

REACH = 2 * STRIDE
"""Pixels around a tile that are looked at."""


def is_for_eyes(models: ModelSet) -> bool:
    """Whether encoders weigh similarity with a set: it is tuned for eyes, and its analysis is linear."""
    return isinstance(models, PyramidSet) and not models.analyses_deeply and models.manifest.tune == SSIM


def masking_of(own: Box, planes: np.ndarray, bounds: Box) -> np.ndarray:
    """How little the texture around each block of a tile hides, scale by scale (``similarity.masking``).

    Args:
        own: pixels of the tile, whole blocks.
        planes: 3 x H x W, grey levels.
        bounds: the box of whole blocks that they cover.
    Returns:
        float32 5 x h x w.
    """
    around = own.grow(REACH).clip(bounds)
    grey = around.cut(planes, bounds).astype(np.float32).mean(0)
    blocks = own.over(STRIDE, around)
    return np.stack([blocks.cut(scale) for scale in masking(_whole(grey))])


def weights(models: PyramidSet, shown: np.ndarray, rate_index: int) -> np.ndarray:
    """What a squared error of each latent counts, 1 if it counts as squared error does.

    Args:
        shown: 5 x h x w, from ``masking_of``.
    Returns:
        float32 C x h x w.
    """
    energies, grey = models.latent_energies
    worth = EYES_SHARE * similarity_worth(multiplier(models, rate_index))
    similar = np.tensordot(np.float32(worth) * energies, shown, 1)
    of_error = (1 - EYES_SHARE) * grey + np.maximum(1 - grey, 0)
    return np.asarray(similar + of_error[:, None, None].astype(np.float32))


def symbol_weights(models: PyramidSet, shown: np.ndarray, rate_index: int) -> np.ndarray:
    """The same for the choice of symbols: block means are predicted together, and count as squared error does."""
    found = weights(models, shown, rate_index)
    found[list(MEAN_CHANNELS)] = 1
    return found


def missing_to_eyes(
    original: np.ndarray, difference: np.ndarray, models: PyramidSet, rate_index: int
) -> np.ndarray:
    """What a decoded picture lacks: for squared error, the difference.

    Args:
        original: 3 x H x W grey levels.
        difference: of that shape, to what was decoded.
    Returns:
        float32 of that shape.
    """
    x, difference = original.astype(np.float32), difference.astype(np.float32)
    structure = missing_structure(_whole(x), _whole(x - difference))[:, : x.shape[1], : x.shape[2]]
    grey = difference.mean(0, keepdims=True)
    worth = np.float32(EYES_SHARE * similarity_worth(multiplier(models, rate_index)))
    return np.asarray(worth * structure + difference - np.float32(EYES_SHARE) * grey)


def _whole(planes: np.ndarray) -> np.ndarray:
    """Extended by its last rows and columns to sides that similarity can be computed for."""
    more = [(0, 0)] * (planes.ndim - 2) + [(0, -n % MULTIPLE) for n in planes.shape[-2:]]
    return np.pad(planes, more, mode="edge")
