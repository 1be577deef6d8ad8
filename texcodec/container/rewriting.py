"""A file with other ancillary chunks: header, tiles and alpha stay byte for byte as they are."""

from __future__ import annotations

from ..errors import ParameterError
from ..limits import Limits
from .chunks import PREV, SINGLE
from .reader import Readable, Reader
from .writer import write


def with_chunk(data: Readable, kind: bytes, payload: bytes | None, limits: Limits | None = None) -> bytes:
    """The file ``data``, which has pixels, with this chunk instead of the one of that type that it may have.

    Args:
        kind: type of a chunk that stands at most once in a file.
        payload: None leaves the chunk out.
    Raises:
        ParameterError: the file has no pixels, or the chunk cannot be placed.
        FormatError, LimitError, StreamError: as ``Reader`` and its ``verify``.
    """
    reader = Reader(data, limits)
    if not reader.header.has_pixels:
        raise ParameterError("Chunks can be changed of a file with pixels only; this one has none.")
    if kind not in SINGLE:
        raise ParameterError(f"Chunk {kind!r} may repeat; only one that stands alone can be replaced.")
    payloads = [reader.tile_bytes(index) for index in range(len(reader.tiles))]
    reader.check_data()
    if kind != PREV:
        reader.check_preview()
    chunks = [(other, content) for other, content in reader.ancillary if other != kind]
    if payload is not None:
        chunks.append((kind, payload))
    return write(reader.header, payloads, reader.tiles, chunks, reader.alpha)
