"""Bits of the headers, and the number of the compact form (docs/format.md).

Plain integers: an Enum takes time to import, and opening a file through Pillow needs them.
"""

from __future__ import annotations

from ..constants import COMPACT_PROFILE

FORM = COMPACT_PROFILE
"""The byte behind the magic of a compact file; it states what the head holds."""


class ThdrFlag:
    """Of THDR."""

    NO_PIXELS = 0x01
    LEAN = 0x02
    FUSION = 0x04
    CICP = 0x08
    ORIGIN = 0x10
    DRAWN = 0x20
    KNOWN = NO_PIXELS | LEAN | FUSION | CICP | ORIGIN | DRAWN


class CompactFlag:
    """Of the head of a compact file."""

    GREY = 0x01
    FUSION = 0x02
    SMALL_TILES = 0x04
    ALPHA = 0x08
    CHUNKS = 0x10
    ORIGIN = 0x20
    CICP = 0x40
    DRAWN = 0x80
    LARGE_TILES = 0x100
    KNOWN = 0x1FF
