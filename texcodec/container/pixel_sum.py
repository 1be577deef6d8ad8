"""psum: a checksum of the decoded pixels.

Source: docs/format.md, "Ancillary chunks".
"""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

_CRC = 1


def pixels_crc(pixels: np.ndarray) -> int:
    """The CRC-32 of uint8 height x width x channels samples: rows from the top, channels in order."""
    return zlib.crc32(pixels.tobytes())


def pack_pixel_sum(pixels: np.ndarray) -> bytes:
    """The payload of the chunk for the whole picture, uint8 height x width x channels without alpha."""
    return struct.pack("<BI", _CRC, pixels_crc(pixels))


def unpack_pixel_sum(payload: bytes | None) -> int | None:
    """The CRC-32 of the pixels; None without the chunk, or for a method that this version does not know."""
    if payload is None or len(payload) != 5 or payload[0] != _CRC:
        return None
    return int(struct.unpack("<BI", payload)[1])
