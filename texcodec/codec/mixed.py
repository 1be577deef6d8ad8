"""Pictures of which a part is drawn: small tiles part it from the rest, where that pays.

Large tiles code photographs in fewer bits. A page with a photograph in it needs small ones: the tiles that are drawn
go without a network, and a tile that holds something of both is coded badly in either way (docs/decisions/drawn.md).
"""

from __future__ import annotations

from collections.abc import Callable

from ..images import Picture
from ..tiles import SMALL_LOG2
from .drawn_tiles import area_of, looking_drawn
from .file_coder import FileCoder
from .layout import TileLayout, lay_out
from .rate_control import DEFAULT_QUALITY, Target, index_of_quality
from .rdoq import error_worth
from .workers import Workers

LOOKS_MIXED = 0.05
"""Share of the pixels, in small tiles that look drawn, from which on small tiles are tried."""


def small_tiles(picture: Picture, layout: TileLayout, workers: Workers) -> TileLayout | None:
    """The picture in small tiles, if it is to be tried in them beside the large ones of ``layout``."""
    small = lay_out(picture.width, picture.height, 1 << SMALL_LOG2)
    looking = looking_drawn(picture.pixels, small.area, small.grid, small.region, workers)
    if area_of(small.grid, looking) < LOOKS_MIXED * picture.width * picture.height:
        return None
    return small


def better_coder(large: FileCoder, small: Callable[[], FileCoder], target: Target) -> FileCoder:
    """The coder whose file costs less, in bits and worth of the error, at the quality asked for or else the usual one.

    Latents are not corrected for this.
    """
    quality = target.quality if target.quality is not None else DEFAULT_QUALITY
    index = index_of_quality(quality, large.models.manifest.qualities)
    parted = small()
    return parted if parted.draws_at(index) and _cost(parted, index) < _cost(large, index) else large


def _cost(coder: FileCoder, index: int) -> float:
    error = coder.estimated_error(index) * 3 / coder.picture.channels
    bits = 8 * coder.estimate([index] * len(coder.layout.region_tiles))
    return bits + error_worth(coder.models, index) * error
