"""How many bits a sample has in the file, and the way from more than eight to eight.

What Pillow hands out is not always what the file holds: of most colour formats it keeps the upper byte of 16
bits and says nothing. So the depth is read from headers and decoder settings, and deep samples are fetched in
full and rounded here.
"""

from __future__ import annotations

import re
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texcodec.images.formats import open_image

HEADER_BYTES = 65_536
"""Bytes from the beginning of a file that `bits_in_header` wants to see."""

_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339  # TIFF
_SIGNED, _WHITE_IS_ZERO = 2, 0
_BC6H = 6  # half floats, of DDS


def bits_in_image(image: Image.Image) -> int:
    """Bits per channel of an opened image, 8 or less where nothing says otherwise.

    To be called before the pixels are loaded: loading forgets the settings of the decoder.
    """
    if (declared := image.info.get("bit_depth")) is not None:  # HEIF
        return int(declared)
    tiff_tags = getattr(image, "tag_v2", None)
    if tiff_tags is not None:
        declared = tiff_tags.get(_BITS_PER_SAMPLE, (8,))
        return int(max(declared)) if isinstance(declared, tuple) else int(declared)
    for tile in getattr(image, "tile", ()):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        # PPM's decoders are told the greatest sample value.
        if tile[0] in ("ppm", "ppm_plain") and isinstance(args[-1], int):
            return args[-1].bit_length()
        if tile[0] == "SGI16" or (tile[0] == "bcn" and args[0] == _BC6H):
            return 16
        # `BGR;16` and `BGR;15` are 16 and 15 bits per pixel; `RGB;16B` and its like are bits per channel.
        if any(isinstance(arg, str) and not arg.startswith("BGR") and ";16" in arg for arg in args):
            return 16
    if image.mode.startswith("I;16"):
        return 16
    return 32 if image.mode in ("I", "F") else 8


def bits_in_header(image_format: str | None, header: bytes) -> int:
    """Bits per channel as the first `HEADER_BYTES` of a JPEG 2000 or AVIF file say; 8 for other formats."""
    if image_format == "JPEG2000":
        return _jpeg2000_bits(header)
    if image_format == "AVIF":
        return _av1_bits(header)
    return 8


def _jpeg2000_bits(header: bytes) -> int:
    # SOC marker, SIZ marker, length; 36 bytes further on the components: Ssiz, XRsiz, YRsiz each.
    start = header.find(b"\xff\x4f\xff\x51")
    if start < 0 or len(header) < start + 42:
        return 8
    components = int.from_bytes(header[start + 40 : start + 42], "big")
    depths = header[start + 42 : start + 42 + 3 * components : 3]
    return max(((depth & 0x7F) + 1 for depth in depths), default=8)


def _av1_bits(header: bytes) -> int:
    # The codec's configuration box: marker and version, profile and level, then tier, high_bitdepth,
    # twelve_bit.
    bits = 8
    for match in re.finditer(rb"av1C\x81.(.)", header, re.DOTALL):
        flags = match[1][0]
        if flags & 0x40:
            bits = max(bits, 12 if flags & 0x20 else 10)
    return bits


def without_white(image: Image.Image) -> str | None:
    """What kind of samples these are if no value of theirs is white by definition, else None.

    Such samples (floating point, signed, 32 bits) have no conversion to 8 bits that would be right for all.
    """
    if image.mode == "F":
        return "floating-point samples"
    if image.mode == "I":
        tags = getattr(image, "tag_v2", {})
        declared = tags.get(_SAMPLE_FORMAT, (1,))
        if _SIGNED in (declared if isinstance(declared, tuple) else (declared,)):
            return f"signed samples of {bits_in_image(image)} bits"
        # Pillow scales PPM samples of more than 8 bits to the 16 bits that it keeps in this mode.
        return None if image.format == "PPM" else "samples of 32 bits"
    return None


def to_8_bits(samples: NDArray[Any], maximum: int) -> NDArray[np.uint8]:
    """Samples from 0 to `maximum` (at most 65535) as 0 to 255, rounded to the nearest."""
    scaled = np.minimum(samples, maximum).astype(np.uint32) * np.uint32(255)
    scaled += np.uint32(maximum // 2)
    scaled //= np.uint32(maximum)
    return scaled.astype(np.uint8)


def deep_samples(image: Image.Image, bits: int) -> tuple[NDArray[np.uint16], int] | None:
    """All bits of an opened image's samples, and the greatest value that they can have.

    The array is height x width, or height x width x channels in the order of the image's mode (premultiplied
    alpha is divided out). None where Pillow offers no more than 8 bits, which it has rounded itself, and for
    an image whose pixels are loaded already.
    """
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _deep_grey(image, bits)
    if getattr(image, "fp", None) is None:
        return None
    if image.format == "HEIF":
        return _heif_samples(image), (1 << bits) - 1 << 16 - bits
    tiles = getattr(image, "tile", ())
    if not tiles:
        return None
    if tiles[0][0] == "SGI16":
        return _sgi_samples(image), 65535
    modes = [_raw_mode(tile) for tile in tiles]
    if any(";16" not in mode for mode in modes):
        return None
    if all(mode == "LA;16B" for mode in modes):
        return _deep_grey_alpha(image), 65535
    upper = _decoded(image, {mode: mode.replace("RGBa;", "RGBA;") for mode in modes})
    lower = _decoded(image, {mode: _other_byte(mode).replace("RGBa;", "RGBA;") for mode in modes})
    samples = upper.astype(np.uint16) << np.uint16(8) | lower
    if any(mode.startswith("RGBa;") for mode in modes):
        alpha = samples[:, :, 3:].astype(np.uint64)
        colours = (samples[:, :, :3].astype(np.uint64) * 65535 + alpha // 2) // np.maximum(alpha, 1)
        samples[:, :, :3] = np.minimum(colours, 65535)
    return samples, 65535


def _deep_grey(image: Image.Image, bits: int) -> tuple[NDArray[np.uint16], int]:
    tags = getattr(image, "tag_v2", {})
    samples = np.asarray(image).astype(np.uint16)
    maximum = 65535
    if image.format == "JPEG2000" and 8 < bits < 16:  # Pillow moves samples to the upper end of 16 bits
        samples >>= np.uint16(16 - bits)
        maximum = (1 << bits) - 1
    elif image.format == "TIFF" and 8 < bits < 16:
        maximum = (1 << bits) - 1
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:  # which Pillow leaves as it is beyond 8 bits
        samples = np.uint16(maximum) - np.minimum(samples, np.uint16(maximum))
    return samples, maximum


def _deep_grey_alpha(image: Image.Image) -> NDArray[np.uint16]:
    # Four bytes per pixel: both of grey, both of alpha.
    quads = _decoded(image, {"LA;16B": "RGBA"}, mode="RGBA").astype(np.uint16)
    return quads[:, :, 0::2] << np.uint16(8) | quads[:, :, 1::2]


def _heif_samples(image: Any) -> NDArray[np.uint16]:
    from pillow_heif import open_heif

    frame = image.tell()
    image.fp.seek(0)
    return np.asarray(open_heif(image.fp, convert_hdr_to_8bit=False)[frame])


def _sgi_samples(image: Any) -> NDArray[np.uint16]:
    _, _, offset, args = image.tile[0]
    planes = len(image.getbands())
    image.fp.seek(offset)
    data = image.fp.read(2 * planes * image.width * image.height)
    if len(data) < 2 * planes * image.width * image.height:
        raise EOFError("image file is truncated")
    samples = np.frombuffer(data, ">u2").reshape(planes, image.height, image.width).astype(np.uint16)
    if args[-1] < 0:
        samples = samples[:, ::-1]
    return samples[0] if planes == 1 else np.moveaxis(samples, 0, 2)


def _raw_mode(tile: Any) -> str:
    args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
    return args[0] if args and isinstance(args[0], str) else ""


def _other_byte(raw_mode: str) -> str:
    """The layout that picks the lower byte where `raw_mode` picks the upper one."""
    order = raw_mode[-1]
    if order == "N":
        order = "L" if sys.byteorder == "little" else "B"
    return raw_mode[:-1] + ("L" if order == "B" else "B")


def _decoded(image: Any, layouts: dict[str, str], mode: str | None = None) -> NDArray[np.uint8]:
    """The file's pixels, decoded once more with other layouts in place of those that Pillow chose."""
    again: Any = open_image(image.fp, formats=[image.format])
    if mode is not None:
        again._mode = mode
    again.tile = [
        tile._replace(
            args=(layouts[_raw_mode(tile)], *tile.args[1:])
            if isinstance(tile.args, tuple)
            else layouts[_raw_mode(tile)]
        )
        for tile in again.tile
    ]
    return np.asarray(again)
