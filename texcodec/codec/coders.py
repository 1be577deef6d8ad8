"""Which coder codes a tile: by the entropy profile of the file and the tile's class.

A new way to code tiles is a ``TileCoder`` in a module of its own and one entry here: a profile for all classes of a
model set, or one class number beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..container import DRAWN, Header
from ..registry import ModelSet
from .drawn_coder import DrawnCoder
from .latent_coder import LatentCoder
from .pyramid_coder import PyramidCoder
from .tile import TileCoder, TileReader

PROFILES: Mapping[int, Callable[[Any], TileCoder[Any]]] = {
    1: LatentCoder,
    2: PyramidCoder,
}
"""The coder of a model set's classes, by entropy profile (docs/format.md, "Integer arithmetic")."""


def coders_of(models: ModelSet, profile: int) -> dict[int, TileCoder[Any]]:
    """The coder of every class of a model set."""
    return dict.fromkeys(range(models.classes), PROFILES[profile](models))


def decoders_for(header: Header, models: ModelSet | None) -> dict[int, TileReader]:
    """The coder of every class that the tiles of a file may have; ``models`` is None for a file that needs no set."""
    coders: dict[int, TileReader] = {} if models is None else dict(coders_of(models, header.entropy_profile))
    return coders | ({DRAWN: DrawnCoder(header.channels)} if header.drawn else {})
