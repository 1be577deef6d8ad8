"""The bytes of the tiles in an open file: where they are, and whether they are sound."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from itertools import accumulate

from ..errors import ChecksumError, ParameterError, TruncatedError
from .index import TileEntry, tile_crc
from .source import Source

_PIECE = 1 << 20


class TileData:
    """The payloads of all tiles, which stand one behind the other.

    Args:
        tiles: the entries of the index.
        start: where in the file the first payload begins, in bytes; None where the file ends before it.
        crc: over all tiles' bytes, which compact files have.
    """

    def __init__(
        self, source: Source, tiles: Sequence[TileEntry], start: int | None, crc: int | None
    ) -> None:
        self._source, self._tiles, self._start, self._crc = source, tiles, start, crc
        self._places = list(accumulate((entry.length for entry in tiles), initial=0))

    @property
    def length(self) -> int:
        """Bytes of all tiles."""
        return self._places[-1]

    def offset(self, index: int) -> int:
        """Where in the file the payload of tile ``index`` starts, in bytes.

        Raises:
            ParameterError: there is no such tile in the grid.
            TruncatedError: a salvaged file has no tiles.
        """
        if not 0 <= index < len(self._tiles):
            raise ParameterError(f"There is no tile {index}; the file has {len(self._tiles)} tiles.")
        if self._start is None:
            raise TruncatedError(f"Tile {index} is missing, as the file ends before its tiles.")
        return self._start + self._places[index]

    def read(self, index: int) -> bytes:
        """The payload of tile ``index``, held against its checksum if it has one; empty for an absent tile.

        Raises:
            ParameterError: there is no such tile in the grid.
            ChecksumError, TruncatedError: naming the tile.
            StreamError: reading failed.
        """
        offset, entry = self.offset(index), self._tiles[index]
        if entry.absent:
            return b""
        try:
            payload = self._source.read(offset, entry.length)
        except TruncatedError:
            raise TruncatedError(f"The file ends before tile {index} does.") from None
        if entry.crc is not None and tile_crc(index, payload) != entry.crc:
            raise ChecksumError(f"Tile {index} is damaged: its bytes do not match their checksum.")
        return payload

    def check(self) -> None:
        """Hold all tiles' bytes against the checksum over them; without one, do nothing.

        Raises:
            ChecksumError: it does not match.
            TruncatedError, StreamError: as ``read``.
        """
        if self._crc is None:
            return
        offset, crc = self.offset(0), 0
        end = offset + self.length
        while offset < end:
            piece = self._source.read(offset, min(_PIECE, end - offset))
            crc = zlib.crc32(piece, crc)
            offset += len(piece)
        if crc != self._crc:
            raise ChecksumError("The tiles are damaged: their bytes do not match the file's checksum.")
