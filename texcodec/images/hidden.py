"""Colours that cannot be seen, replaced by ones that cost nothing and bleed into nothing.

Where alpha is 0, the colours below are arbitrary, often black or noise. A lossy codec blurs them into the visible
pixels beside them, and spends bits on them. So they become what their visible neighbours suggest: coarse
averages of visible pixels first, smoothed on the way to full size.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from texcodec.images.picture import Picture

_SMOOTHINGS = 4  # passes on each scale
_FEW_COLOURS = 256

_Floats = NDArray[np.float32]
_Mask = NDArray[np.bool_]


def with_hidden_filled(picture: Picture) -> Picture:
    """The picture with colours that continue the visible ones wherever alpha is 0.

    Visible pixels and alpha stay as they are; so does a picture in which nothing is visible, or all is.
    Drawn pictures (of at most 256 visible colours) get no new colours.
    """
    if picture.alpha is None:
        return picture
    visible = picture.alpha > 0
    if visible.all() or not visible.any():
        return picture
    pixels = picture.pixels
    drawn = _has_few_colours(pixels[visible])
    filled = _filled(pixels.astype(np.float32), visible, drawn)
    result = np.where(visible[:, :, np.newaxis], pixels, np.rint(filled).clip(0, 255).astype(np.uint8))
    return dataclasses.replace(picture, pixels=result)


def _has_few_colours(colours: NDArray[np.uint8]) -> bool:
    codes = colours.astype(np.uint32) @ np.array([1, 256, 65536][: colours.shape[1]], np.uint32)
    return len(np.unique(codes)) <= _FEW_COLOURS


def _filled(pixels: _Floats, known: _Mask, drawn: bool) -> _Floats:
    """Pixels (height x width x channels) with the unknown ones made up from the known ones."""
    if known.all():
        return pixels
    if pixels.shape[:2] == (1, 1):
        return pixels
    small, small_known = _halved(pixels, known, drawn)
    coarse = _filled(small, small_known, drawn)
    height, width = known.shape
    guess = coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width]
    result = np.where(known[:, :, np.newaxis], pixels, guess)
    if not drawn:
        _smooth(result, ~known)
    return result


def _halved(pixels: _Floats, known: _Mask, drawn: bool) -> tuple[_Floats, _Mask]:
    """Half the size: means of the known pixels of each 2 x 2 block, or the first of them."""
    height, width = known.shape
    pad = ((0, height % 2), (0, width % 2))
    known = np.pad(known, pad)
    pixels = np.pad(pixels, (*pad, (0, 0)))
    parts = [(pixels[y::2, x::2], known[y::2, x::2, np.newaxis]) for y in (0, 1) for x in (0, 1)]
    some = np.logical_or.reduce([mask for _, mask in parts])
    if drawn:
        first = np.zeros_like(parts[0][0])
        for colours, mask in reversed(parts):
            first = np.where(mask, colours, first)
        return first, some[:, :, 0]
    total, count = np.zeros_like(parts[0][0]), np.zeros(some.shape, np.float32)
    for colours, mask in parts:
        total += np.where(mask, colours, np.float32(0))
        count += mask
    return total / np.maximum(count, np.float32(1)), some[:, :, 0]


def _smooth(pixels: _Floats, free: _Mask) -> None:
    """Moves the free pixels towards the mean of their four neighbours, in place."""
    rows, columns = np.nonzero(free)
    if not rows.size:
        return
    height, width = free.shape
    above, below = np.maximum(rows - 1, 0), np.minimum(rows + 1, height - 1)
    left, right = np.maximum(columns - 1, 0), np.minimum(columns + 1, width - 1)
    for _ in range(_SMOOTHINGS):
        pixels[rows, columns] = (
            pixels[above, columns] + pixels[below, columns] + pixels[rows, left] + pixels[rows, right]
        ) / 4
