"""A tile between the stations of the codec, and what a coder of tiles offers.

picture -> AnalysedTile -> TileCoder -> CodedTile -> payload
payload -> TileCoder -> CodedTile -> TileLatents -> reconstruction
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from ..tiles import Grid


@dataclass(frozen=True)
class AnalysedTile:
    """A tile from which payloads of any rate are made.

    Attributes:
        class_index: by texture.
        latents: float32 C x h x w in grey levels.
        masking: float32 5 x h x w from ``eyes.masking_of``, with sets for eyes.
    """

    class_index: int
    latents: np.ndarray
    masking: np.ndarray | None = None


@dataclass(frozen=True)
class TileLatents:
    """A decoded tile as reconstruction takes it: class, rate index, float32 C x h x w latents in symbols."""

    class_index: int
    rate_index: int
    values: np.ndarray


@dataclass(frozen=True)
class TileSamples:
    """A tile whose samples are in the file as they are shown; uint8 height x width x channels."""

    values: np.ndarray


DecodedTile = TileLatents | TileSamples


class CodedTile(Protocol):
    """All that a payload holds of one tile."""

    @property
    def class_index(self) -> int:
        """The class that the index of the file names; its coder reads the payload."""
        ...

    def canonical_bytes(self) -> bytes:
        """The decoded symbols as bytes, for checksums: the same on every machine."""
        ...

    def decoded(self) -> DecodedTile:
        """What reconstruction makes pixels of."""
        ...


T = TypeVar("T", bound=CodedTile)
R = TypeVar("R", bound=CodedTile, covariant=True)


class TileReader(Protocol[R]):
    """What decoding needs of a coder."""

    def read(self, payload: bytes, class_index: int, rate_index: int, grid: Grid, index: int) -> R:
        """What the payload of the tile ``index`` of ``grid`` holds; raises CorruptError."""
        ...


class TileCoder(Protocol[T]):
    """One way to code tiles. ``coders`` says which classes it codes; threads share it."""

    def quantise(self, tile: AnalysedTile, rate_index: int) -> T:
        """What the payload of a tile is to hold at a rate index from 0 (coarsest) to 255."""
        ...

    def bits(self, coded: T) -> float:
        """About the bits of the payload, without writing it."""
        ...

    def write(self, coded: T, index: int) -> bytes:
        """The payload of the tile ``index`` of a grid."""
        ...

    def read(self, payload: bytes, class_index: int, rate_index: int, grid: Grid, index: int) -> T:
        """The inverse of ``write``, for the tile ``index`` of ``grid``; raises CorruptError."""
        ...
