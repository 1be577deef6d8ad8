"""How many bits a sample has in the file, which is not always what Pillow hands out.

Pillow reduces colour samples of more than 8 bits silently for several formats. A codec that claims to keep 8
bits may not quietly start from less than what was given, so such files are recognised from their headers and
refused.
"""

from __future__ import annotations

import re

from PIL import Image

_DEEP_MODES = ("I", "F")

HEADER_BYTES = 65_536
"""Bytes from the beginning of a file that `bits_in_header` wants to see."""


def bits_in_image(image: Image.Image) -> int:
    """Bits a sample of an opened image, 8 where nothing says otherwise (call before loading its pixels)."""
    if image.mode.startswith("I;16"):
        return 16
    if image.mode in _DEEP_MODES:
        return 32
    tiff_tags = getattr(image, "tag_v2", None)
    if tiff_tags is not None:
        declared = tiff_tags.get(258, (8,))  # BitsPerSample
        return max(declared) if isinstance(declared, tuple) else int(declared)
    for tile in getattr(image, "tile", ()):
        args = tile[3] if isinstance(tile[3], tuple) else (tile[3],)
        if any(isinstance(arg, str) and ";16" in arg for arg in args):
            return 16
        # The decoders of PPM are told the greatest sample value.
        if tile[0] in ("ppm", "ppm_plain") and isinstance(args[-1], int) and args[-1] > 255:
            return 16
        if tile[0] == "SGI16":
            return 16
    return 8


def bits_in_header(image_format: str | None, header: bytes) -> int:
    """Bits a sample as the first `HEADER_BYTES` of a JPEG 2000 or AVIF file say; 8 for every other format."""
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
