"""Size and depth from the first bytes of a JPEG XL file (ISO/IEC 18181-1, annexes D and 18181-2).

The plugin that reads the format decodes all pixels when it opens a file, and gives 8 bits whatever there was:
both have to be known before.
"""

from __future__ import annotations

from dataclasses import dataclass

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_SIDE_BITS = (9, 13, 18, 30)


@dataclass(frozen=True)
class JxlHeader:
    """Displayed width and height in pixels before orientation, and bits per channel (32 for floats)."""

    width: int
    height: int
    bits: int


def read_jxl_header(data: bytes) -> JxlHeader | None:
    """The header of a bare codestream or of the first one in a container; None if it is not in `data`."""
    start = 0
    if not data.startswith(b"\xff\x0a"):
        whole, parts = data.find(b"jxlc"), data.find(b"jxlp")
        if whole >= 0 and (parts < 0 or whole < parts):
            start = whole + 4
        elif parts >= 0:
            start = parts + 8  # a part begins with its number
        else:
            return None
        if data[start : start + 2] != b"\xff\x0a":
            return None
    bits = _Bits(data[start + 2 : start + 66])
    try:
        width, height = _size(bits)
        return JxlHeader(width, height, _depth(bits))
    except EOFError:
        return None


class _Bits:
    """Bits of a byte string, least significant first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def read(self, count: int) -> int:
        if count > self._left:
            raise EOFError
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        self._left -= count
        return value


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.read(1)

    def side() -> int:
        return 8 * (bits.read(5) + 1) if small else bits.read(_SIDE_BITS[bits.read(2)]) + 1

    height = side()
    ratio = bits.read(3)
    if ratio == 0:
        return side(), height
    over, under = _RATIOS[ratio]
    return height * over // under, height


def _depth(bits: _Bits) -> int:
    if bits.read(1):  # all fields have their defaults
        return 8
    if bits.read(1):  # orientation, and sizes for display, preview and animation
        bits.read(3)
        if bits.read(1):
            _size(bits)
        if bits.read(1):
            return 8  # a preview: the fields behind it are not worth a parser
        if bits.read(1):
            return 8
    if bits.read(1):
        return 32
    choice = bits.read(2)
    return (8, 10, 12)[choice] if choice < 3 else bits.read(6) + 1
