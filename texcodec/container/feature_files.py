"""Files with feature streams: alone, or beside the pixels of a file that is written anew."""

from __future__ import annotations

from dataclasses import replace

from texcodec.constants import IDENTITY_BYTES
from texcodec.container.chunks import FEAT_ANCILLARY
from texcodec.container.feature_stream import FeatureStream, pack_stream
from texcodec.container.header import FEATURES_MINOR, Header
from texcodec.container.reader import Readable, Reader
from texcodec.container.writer import write
from texcodec.errors import ParameterError
from texcodec.limits import Limits


def feature_header(width: int, height: int) -> Header:
    """The header of a file that holds feature streams and no pixels.

    width, height  of the picture that they were taken from; without one, of the first task's tensor
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

    Raises ParameterError for a file without pixels, and as Reader does.
    """
    reader = Reader(data, limits)
    header = reader.header
    if not header.has_pixels:
        raise ParameterError("Features can be added to a file with pixels only; this one has none.")
    payloads = [reader.tile_bytes(index) for index in range(len(reader.tiles))]
    header = replace(header, lean=False, minor=max(header.minor, FEATURES_MINOR))
    chunks = [*reader.ancillary, (FEAT_ANCILLARY, pack_stream(stream))]
    return write(header, payloads, reader.tiles, chunks, reader.alpha)
