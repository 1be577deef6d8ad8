"""Smaller copies of pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from PIL import Image

from texcodec.images.picture import Picture, from_array
from texcodec.images.saving import to_image


def fitted(picture: Picture, side: int) -> Picture:
    """The picture, reduced to at most ``side`` pixels per side, at least one, in its proportions; never enlarged.

    Colours are weighted with their opacity, so that none bleeds out of transparent pixels. Metadata stays.
    """
    longer = max(picture.width, picture.height)
    if longer <= side:
        return picture
    size = (max(1, round(picture.width * side / longer)), max(1, round(picture.height * side / longer)))
    image = to_image(replace(picture, icc=None, exif=None, xmp=None))
    small = from_array(np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)))
    return replace(picture, pixels=small.pixels, alpha=small.alpha)
