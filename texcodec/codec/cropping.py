"""From what the caller asks for to a rectangle of the picture."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence

from ..container import COARSE, DROP, Crop
from ..crop import Profile, read_profile
from ..errors import ParameterError
from ..tiles import Box

CropSource = str | os.PathLike[str] | Profile | Sequence[int]


def find_crop(source: CropSource | None, outside: str | None, width: int, height: int) -> Crop | None:
    """The crop of a picture of ``width`` x ``height`` pixels.

    Args:
        source: a profile, the path of one, or the rectangle (x, y, width, height) in pixels; None for no crop.
        outside: "drop" (the default) leaves out the tiles outside, "coarse" codes them at the coarsest rate.

    Raises:
        ParameterError: the region is empty or not inside the picture, or ``outside`` is something else.
        StreamError, UnsupportedError: as ``texcodec.crop.read_profile``.
    """
    if source is None:
        if outside is not None:
            raise ParameterError("'outside' needs a crop.")
        return None
    if outside not in (None, DROP, COARSE):
        raise ParameterError(f"What is outside the crop is {DROP!r} or {COARSE!r}, not {outside!r}.")
    if isinstance(source, (str, os.PathLike)):
        source = read_profile(source)
    box = source.box(width, height) if isinstance(source, Profile) else region_box(source, width, height)
    return Crop(box.left, box.top, box.width, box.height, outside or DROP)


def region_box(region: Sequence[int], width: int, height: int) -> Box:
    """The box of a region (x, y, width, height) of a picture of ``width`` x ``height`` pixels.

    Raises:
        ParameterError: it is empty or not inside the picture.
    """
    try:
        x, y, w, h = (operator.index(v) for v in region)
    except (TypeError, ValueError):
        raise ParameterError(
            f"A region is four whole numbers x, y, width and height, not {region!r}."
        ) from None
    if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
        raise ParameterError(
            f"The region {x},{y},{w},{h} is empty or not inside the picture of {width} x {height} pixels."
        )
    return Box.of(x, y, w, h)
