"""Latents corrected by what decoding leaves of the picture: the encoder closes the loop around synthesis.

Analysis is linear, synthesis is not: its networks give back some of what quantisation took, so that some symbols are
not needed, and they err in places where symbols can set it right. The latents of what is decoded, and those of the
difference that the picture has to it, add up to what should have been quantised; rounding by cost then chooses anew
(docs/decisions/effort.md).
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ..constants import EYES_CORRECTION, LARGEST_CORRECTION, LEAST_WEIGHT, SQUARED_ERROR_CORRECTION
from ..errors import ParameterError
from ..registry import ModelSet, PyramidSet
from ..registry.picture_manifest import PSNR, SSIM
from .analysis import AnalysedPicture, lapped
from .eyes import REACH, is_for_eyes, missing_to_eyes, weights
from .lapping import open_sides
from .padding import padded_planes
from .reconstruction import synthesise
from .tile import AnalysedTile, TileLatents
from .workers import Counter, Workers

LARGEST = np.float32(LARGEST_CORRECTION)
"""Symbols by which a latent may be off in a block that is corrected. Quantisation alone moves none so far: there the
networks are beyond what they were trained for, and what they do to the next latents cannot be foreseen."""
SHARES = {PSNR: np.float32(SQUARED_ERROR_CORRECTION), SSIM: np.float32(EYES_CORRECTION)}
"""Of the correction that is made, by what a set is tuned for: squared error is not all that eyes see."""
LEAST_EFFORT, MOST_EFFORT, DEFAULT_EFFORT = 1, 9, 2


def check_effort(effort: int | None) -> int:
    """The effort to use; None is the default.

    Raises:
        ParameterError: there is no such effort.
    """
    try:
        number = operator.index(DEFAULT_EFFORT if effort is None else effort)
    except TypeError:
        number = 0
    if not LEAST_EFFORT <= number <= MOST_EFFORT:
        raise ParameterError(f"The effort must be a whole number from 1 to 9, not {effort!r}.")
    return number


def can_correct(models: ModelSet) -> bool:
    """Whether latents of a set can be corrected: its analysis is linear, as in sets of entropy profile 2."""
    return isinstance(models, PyramidSet) and not models.analyses_deeply


def passes_of(effort: int | None, models: ModelSet) -> int:
    """How often the latents of a picture are corrected: not at all at effort 1, once more at every further one.

    Raises:
        ParameterError: there is no such effort.
    """
    return check_effort(effort) - LEAST_EFFORT if can_correct(models) else 0


def refined(
    analysed: AnalysedPicture,
    tiles: Mapping[int, AnalysedTile],
    decoded: Mapping[int, TileLatents],
    pixels: np.ndarray,
    models: ModelSet,
    workers: Workers,
    counter: Counter | None = None,
) -> dict[int, AnalysedTile]:
    """What to quantise in the place of the latents that tiles were quantised from.

    Args:
        analysed: the picture as it was before any correction, without its drawn tiles.
        tiles: what its tiles were quantised from.
        decoded: what they were decoded to: all tiles of the layout that networks code, by their numbers.
        pixels: uint8 H x W x C, the whole picture.
    """
    layout, share = analysed.layout, SHARES[models.manifest.tune]
    grid, bounds = layout.grid, layout.grid.snap(layout.area)
    planes = padded_planes(pixels, layout)[0] if is_for_eyes(models) else None
    # what lies beyond the picture may be anything: nothing is missing there
    missing = np.zeros((3, bounds.height, bounds.width), np.float16)

    def decode(index: int) -> None:
        if index not in decoded:
            return
        box = grid.box(index)
        shown = box.clip(layout.shown)
        found = shown.cut(synthesise(grid, index, decoded, models), box)
        if pixels.shape[2] == 1:
            found = found.mean(0, keepdims=True)
        shown.cut(missing, bounds)[...] = shown.cut(pixels.transpose(2, 0, 1)) - np.clip(found, 0, 255)

    def lacking(index: int, tile: TileLatents) -> np.ndarray:
        """Latents of what is missing in a tile; for eyes, divided by what their errors count."""
        own, shown = grid.latent_box(index), analysed.tiles[index].masking
        sides = open_sides(grid, index, decoded.__contains__)
        if planes is None or shown is None or not isinstance(models, PyramidSet):
            return lapped(own, missing, bounds, models, tile.class_index, sides)
        around = own.grow(REACH).clip(bounds)
        parts = (around.cut(planes, bounds), around.cut(missing, bounds))
        lacks = missing_to_eyes(*parts, models, tile.rate_index)
        more = lapped(own, lacks, around, models, tile.class_index, sides)
        return more / np.maximum(weights(models, shown, tile.rate_index), np.float32(LEAST_WEIGHT))

    def correct(index: int) -> AnalysedTile:
        tile = decoded[index]
        steps = models.steps[tile.rate_index][:, None, None]
        more = lacking(index, tile)
        near = (np.abs(more) <= LARGEST * steps).all(0)
        first, before = analysed.tiles[index], tiles[index].latents
        change = share * (tile.values * steps + more - before)
        return replace(first, latents=np.where(near, before + change, first.latents))

    for _ in workers.map(decode, layout.coded, counter):
        pass
    return dict(zip(decoded, workers.map(correct, decoded)))
