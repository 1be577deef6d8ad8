"""Drawn tiles: the chapter of that name of docs/format.md. Pillow, if a payload needs it, decodes WebP."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from .container import TileRecord
from .fields import require


@dataclass(frozen=True)
class DrawnSamples:
    """The samples of a tile, u8, height x width x channels."""

    samples: np.ndarray

    def serialised(self) -> bytes:
        """What the symbol checksum is taken over."""
        return self.samples.tobytes()


def decode_drawn(tile: TileRecord, height: int, width: int, channels: int) -> DrawnSamples:
    """The samples of a drawn tile of this size."""
    method, rest = tile.payload[:1], tile.payload[1:]
    require(method in (b"\0", b"\1", b"\2"), "the method of a drawn tile is 0, 1 or 2")
    if method == b"\0":
        require(len(rest) == channels, "a drawn tile of one colour has one sample for each channel")
        samples = np.tile(np.frombuffer(rest, np.uint8), (height, width, 1))
    elif method == b"\1":
        require(len(rest) == height * width * channels, "plain samples fill the tile")
        samples = np.frombuffer(rest, np.uint8).reshape(height, width, channels)
    else:
        samples = _webp(rest, height, width)
        require(channels == 3 or not np.ptp(samples, axis=2).any(), "a grey tile holds no colours")
        samples = np.ascontiguousarray(samples[:, :, :channels])
    require(zlib.crc32(samples.tobytes()) & 0xFFFF == tile.symbol_checksum, "the symbol checksum")
    return DrawnSamples(samples)


def _webp(body: bytes, height: int, width: int) -> np.ndarray:
    from PIL import Image

    stream = b"\x2f" + struct.pack("<I", (width - 1) | (height - 1) << 14) + body
    chunk = b"VP8L" + struct.pack("<I", len(stream)) + stream + bytes(len(stream) % 2)
    file = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    try:
        with Image.open(io.BytesIO(file)) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, ValueError):
        require(False, "the WebP stream of a drawn tile is sound")
        raise
