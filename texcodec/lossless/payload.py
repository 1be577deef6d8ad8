"""The payload of a lossless tile: a method byte, then one colour, plain samples, or a WebP lossless stream."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..errors import CorruptError
from . import webp
from .webp import available

__all__ = ["DRAWN_EFFORT", "FAST_EFFORT", "PHOTO_EFFORT", "available", "pack_samples", "unpack_samples"]

_COLOUR, _PLAIN, _WEBP = 0, 1, 2
_ALWAYS_PLAIN = 8
"""Samples that a stream of WebP never beats."""


class Effort(NamedTuple):
    """Settings of the WebP encoder."""

    method: int
    quality: int


FAST_EFFORT = Effort(0, 20)
"""For estimates: a tenth of the time, and 5 to 20 % more bytes for photographs."""
DRAWN_EFFORT = Effort(4, 75)
"""For tiles of drawn pictures, where more effort gains nothing (docs/decisions/drawn.md)."""
PHOTO_EFFORT = Effort(6, 75)
"""For whole pictures."""


def pack_samples(samples: np.ndarray, effort: Effort = DRAWN_EFFORT) -> bytes:
    """The smallest payload.

    Args:
        samples: uint8 height x width x channels, 1 or 3 channels, sides below 16384.
    Raises:
        LibraryError: Pillow was built without WebP, and the tile is neither tiny nor of one colour.
    """
    first = samples[0, 0]
    if (samples == first).all():
        return bytes([_COLOUR]) + first.tobytes()
    if samples.size <= _ALWAYS_PLAIN:
        return bytes([_PLAIN]) + samples.tobytes()
    packed = bytes([_WEBP]) + webp.compress(samples, method=effort.method, quality=effort.quality)
    return packed if len(packed) <= samples.size else bytes([_PLAIN]) + samples.tobytes()


def unpack_samples(payload: bytes, height: int, width: int, channels: int) -> np.ndarray:
    """The samples of a tile; uint8 height x width x channels.

    Raises:
        CorruptError: the payload does not hold exactly these samples.
        LibraryError: Pillow was built without WebP, which this payload needs.
    """
    method, rest = payload[:1], payload[1:]
    if method == bytes([_COLOUR]) and len(rest) == channels:
        return np.broadcast_to(np.frombuffer(rest, np.uint8), (height, width, channels)).copy()
    if method == bytes([_PLAIN]) and len(rest) == height * width * channels:
        return np.frombuffer(rest, np.uint8).reshape(height, width, channels).copy()
    if method == bytes([_WEBP]) and rest:
        return webp.decompress(rest, height, width, channels)
    if not method or method[0] > _WEBP:
        known = "is empty" if not method else f"has the unknown method {method[0]}"
        raise CorruptError(f"The lossless payload {known}.")
    raise CorruptError(
        f"The lossless payload has {len(payload)} bytes, which do not fit a tile of {width} x {height} pixels."
    )
