"""Files with feature streams: alone, or beside the pixels of a file that is written anew."""

from __future__ import annotations

from dataclasses import replace

from ..constants import IDENTITY_BYTES
from ..errors import ParameterError
from ..limits import Limits
from .chunks import FEAT_ANCILLARY
from .feature_stream import FeatureStream, pack_stream
from .header import FEATURES_MINOR, Header
from .reader import Readable, Reader
from .writer import write


def feature_header(width: int, height: int) -> Header:
    """The header of a file that holds feature streams and no pixels.

    Args:
        width, height: of the picture that they were taken from; without one, of the first task's tensor.
    """
    return Header(
        width=width,
        height=height,
        channels=3,
        identity=bytes(IDENTITY_BYTES),
        rate_index=0,
        classes=1,
        has_pixels=False,
        minor=FEATURES_MINOR,
    )


def attach(data: Readable, stream: FeatureStream, limits: Limits | None = None) -> bytes:
    """The file ``data``, which has pixels, with a feature stream beside them; its pixels stay as they are.

    Raises:
        ParameterError: the file has no pixels.
        FormatError, LimitError, StreamError: as ``Reader`` and its ``verify``.
    """
    reader = Reader(data, limits)
    header = reader.header
    if not header.has_pixels:
        raise ParameterError("Features can be added to a file with pixels only; this one has none.")
    payloads = [reader.tile_bytes(index) for index in range(len(reader.tiles))]
    reader.check_data()
    reader.check_preview()
    header = replace(header, lean=False, minor=max(header.minor, FEATURES_MINOR))
    chunks = [*reader.ancillary, (FEAT_ANCILLARY, pack_stream(stream))]
    return write(header, payloads, reader.tiles, chunks, reader.alpha)
