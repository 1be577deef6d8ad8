"""What a file holds beside its tiles: metadata, crop and alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..container import CROP, EXIF, ICCP, XMPD, Crop, pack_crop
from ..images import Picture, compress_alpha
from .layout import TileLayout


@dataclass(frozen=True)
class Surroundings:
    """Chunks beside the tiles.

    Attributes:
        ancillary: types and contents, in the order of the file.
        alpha: the compressed alpha plane, if there is one.
    """

    ancillary: Sequence[tuple[bytes, bytes]]
    alpha: bytes | None


def surroundings_of(
    picture: Picture, layout: TileLayout, crop: Crop | None, *, metadata: bool
) -> Surroundings:
    """What the file of a picture holds beside its tiles.

    Args:
        metadata: whether ICC profile, EXIF and XMP go into the file.
    """
    kept = [(ICCP, picture.icc), (EXIF, picture.exif), (XMPD, picture.xmp)] if metadata else []
    about = [(CROP, pack_crop(crop))] if crop else []
    return Surroundings(about + [(kind, data) for kind, data in kept if data], _alpha(picture, layout))


def _alpha(picture: Picture, layout: TileLayout) -> bytes | None:
    """The alpha plane of the file: transparent where a crop leaves the picture out."""
    if picture.alpha is None:
        return None
    plane = np.zeros_like(picture.alpha)
    layout.shown.cut(plane)[...] = layout.shown.cut(picture.alpha)
    return compress_alpha(plane)
