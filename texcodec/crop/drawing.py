"""Pictures of a crop: its region drawn on a picture, and the probabilities that it comes from."""

from __future__ import annotations

import numpy as np

from ..errors import ParameterError
from ..tiles import Box
from .profile import Profile
from .region import reference_pixel, soft_mask

FRAME = (255, 48, 48)
"""Colour of the region's frame."""
DIMMED = 0.35
"""What is left of the brightness outside the region."""
LONGEST = 776
"""Pixels of the longer side of the picture of probabilities."""


def draw_region(pixels: np.ndarray, box: Box) -> np.ndarray:
    """The picture with everything outside the region dimmed and a frame around the region.

    Args:
        pixels: uint8 H x W x C, C = 1 or 3.

    Returns:
        uint8 H x W x 3.
    """
    out = np.broadcast_to(pixels, (*pixels.shape[:2], 3)).astype(np.float32)
    grey = out.mean(2, keepdims=True)
    shown = DIMMED * (0.5 * out + 0.5 * grey)
    inside = np.s_[box.top : box.bottom, box.left : box.right]
    shown[inside] = out[inside]
    result = np.rint(shown).astype(np.uint8)
    _frame(result, box, max(1, round(max(out.shape[:2]) / 400)))
    return result


def draw_probabilities(profile: Profile, background: np.ndarray | None = None) -> np.ndarray:
    """The keep probabilities from black (0) to bright (1), with the region's frame and the reference pixel.

    Args:
        background: a typical picture in any size, uint8 H x W x C, shown through the probabilities.

    Returns:
        uint8 H x W x 3, the longer side LONGEST pixels or a little less.

    Raises:
        ParameterError: the profile has no probabilities.
    """
    from PIL import Image

    if profile.size is None:
        raise ParameterError(
            "The profile has a region but no probabilities, so only the region can be drawn."
        )
    pixel = reference_pixel(profile.reference, profile.size)
    mask = soft_mask(profile.keep, pixel, profile.size)
    zoom = max(1, LONGEST // max(profile.size))
    width, height = (n * zoom for n in profile.size)
    enlarged = np.kron(mask, np.ones((zoom, zoom)))
    # hues from dark blue over green to yellow, so that small differences show
    stops = np.array([[16, 16, 40], [24, 64, 128], [32, 144, 128], [136, 200, 80], [255, 240, 96]], float)
    at = enlarged * (len(stops) - 1)
    low = np.minimum(at.astype(int), len(stops) - 2)
    out = stops[low] + (at - low)[..., None] * (stops[low + 1] - stops[low])
    if background is not None:
        flat = background[:, :, 0] if background.shape[2] == 1 else background
        below = np.asarray(Image.fromarray(flat).convert("RGB").resize((width, height)))
        out = 0.55 * out + 0.45 * below
    result = np.rint(out).astype(np.uint8)
    _frame(result, profile.box(width, height), max(1, zoom // 3))
    x, y = (round((v + 0.5) * zoom) for v in pixel)
    reach = max(2, zoom)
    result[y - reach : y + reach + 1, x] = result[y, max(x - reach, 0) : x + reach + 1] = 255
    return result


def _frame(pixels: np.ndarray, box: Box, thickness: int) -> None:
    for left, top, right, bottom in (
        (box.left, box.top, box.right, box.top + thickness),
        (box.left, box.bottom - thickness, box.right, box.bottom),
        (box.left, box.top, box.left + thickness, box.bottom),
        (box.right - thickness, box.top, box.right, box.bottom),
    ):
        pixels[max(top, 0) : bottom, max(left, 0) : right] = FRAME
