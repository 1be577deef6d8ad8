"""Tiles without a network: their samples, coded without loss (docs/format.md, "Drawn tiles")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..container import DRAWN, EXACT, REDUCED
from ..lossless import Effort, pack_samples, unpack_samples
from ..tiles import Grid
from .tile import TileSamples


@dataclass(frozen=True)
class DrawnTile:
    """A tile as its samples.

    Attributes:
        samples: uint8 height x width x channels, as they are shown.
        payload: of the file.
        error: sum of the squared differences to the picture; 0 if nothing was lost.
    """

    samples: np.ndarray
    payload: bytes
    error: float = 0.0

    @property
    def class_index(self) -> int:
        """The class that the index names."""
        return DRAWN

    @property
    def offset(self) -> int:
        """What the index says of the tile in the field of the rate offset."""
        return REDUCED if self.error else EXACT

    def decoded(self) -> TileSamples:
        """The samples, as reconstruction takes them."""
        return TileSamples(self.samples)

    def canonical_bytes(self) -> bytes:
        """The samples row by row, pixel by pixel, for checksums."""
        return self.samples.tobytes()


class DrawnCoder:
    """Codes the samples of tiles; a ``TileReader``."""

    def __init__(self, channels: int) -> None:
        self.channels = channels

    def read(self, payload: bytes, class_index: int, rate_index: int, grid: Grid, index: int) -> DrawnTile:
        """The tile ``index`` of ``grid``; class and rate mean nothing here.

        Raises:
            CorruptError: the payload does not hold exactly this tile.
            LibraryError: Pillow was built without WebP.
        """
        box = grid.box(index)
        return DrawnTile(unpack_samples(payload, box.height, box.width, self.channels), payload)


def drawn_tile(samples: np.ndarray, effort: Effort, original: np.ndarray | None = None) -> DrawnTile:
    """Code a tile.

    Args:
        samples: uint8 height x width x channels.
        original: of the picture, where ``samples`` are an approximation of it.
    """
    error = 0.0
    if original is not None:
        error = float(np.square(samples.astype(np.int32) - original.astype(np.int32)).sum(dtype=np.float64))
    return DrawnTile(samples, pack_samples(samples, effort), error)
