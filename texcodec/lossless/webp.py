"""WebP lossless without its wrapping: the bits behind the header of a VP8L stream (RFC 9649, section 3).

A file of one still picture begins with 25 bytes that follow from its size: the RIFF header, the header of the chunk
VP8L, and the stream's own with width and height. They are left out and put back, so a payload cannot declare a size of
its own.
"""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image, features

from ..errors import CorruptError, LibraryError, LimitError

_SIGNATURE = 0x2F
_WRAPPING = 25


def available() -> bool:
    """Whether this Pillow was built with WebP."""
    return bool(features.check("webp"))


def compress(samples: np.ndarray, *, method: int, quality: int) -> bytes:
    """The stream behind its header.

    Args:
        samples: uint8 height x width x 1 or 3, sides from 1 to 16383.
        method: 0 (fastest) to 6, as ``cwebp -m``.
        quality: effort from 0 to 100, as ``cwebp -q`` means it with ``-lossless``.
    Raises:
        LibraryError: Pillow was built without WebP.
    """
    _require()
    buffer = io.BytesIO()
    # a grey sample stands in all three channels, of which the coder then needs one
    colours = samples if samples.shape[2] == 3 else np.repeat(samples, 3, axis=2)
    Image.fromarray(colours).save(buffer, "WEBP", lossless=True, method=method, quality=quality, exact=True)
    data = buffer.getvalue()
    (length,) = struct.unpack_from("<I", data, 16)
    body = data[_WRAPPING : 20 + length]
    if data[:_WRAPPING] != _wrapping(len(body), *samples.shape[:2]):
        raise LibraryError("This Pillow writes lossless WebP in another form than RFC 9649's simple one.")
    return body


def decompress(body: bytes, height: int, width: int, channels: int) -> np.ndarray:
    """The inverse of ``compress``: uint8 height x width x channels.

    Raises:
        CorruptError: the stream ends early, cannot be, or holds colours where it should be grey.
        LibraryError: Pillow was built without WebP.
    """
    _require()
    data = _wrapping(len(body), height, width) + body + b"\0" * (len(body) + 1 & 1)
    try:
        with Image.open(io.BytesIO(data), formats=["WEBP"]) as image:
            samples = np.asarray(image.convert("RGB"))
    except Image.DecompressionBombError as error:
        raise LimitError(f"Pillow's own limit is too small for a tile: {error}.") from error
    except MemoryError as error:
        raise LimitError("A lossless tile needs more memory than there is.") from error
    except Exception as error:  # Pillow lets several kinds of exception out for damaged files
        raise CorruptError("The lossless payload does not decode.") from error
    if samples.shape != (height, width, 3):
        raise CorruptError("The lossless payload has another size than the tile.")
    if channels == 3:
        return samples
    grey = samples[:, :, 1:2]
    if not (samples == grey).all():
        raise CorruptError("The lossless payload of a grey tile holds colours.")
    return np.ascontiguousarray(grey)


def _require() -> None:
    if not available():
        raise LibraryError("Lossless tiles need a Pillow with WebP, and this one was built without it.")


def _wrapping(body: int, height: int, width: int) -> bytes:
    """The 25 bytes before a stream of ``body`` bytes, opaque."""
    stream = body + 5
    riff = 12 + stream + (stream & 1)
    sizes = (width - 1) | (height - 1) << 14
    return struct.pack("<4sI4s4sIBI", b"RIFF", riff, b"WEBP", b"VP8L", stream, _SIGNATURE, sizes)
