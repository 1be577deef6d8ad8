"""Samples to bytes and back without loss, a rectangle at a time (docs/format.md, "Lossless tiles")."""

from texcodec.lossless.payload import (
    DRAWN_EFFORT,
    FAST_EFFORT,
    PHOTO_EFFORT,
    Effort,
    available,
    pack_samples,
    unpack_samples,
)

__all__ = [
    "DRAWN_EFFORT",
    "FAST_EFFORT",
    "PHOTO_EFFORT",
    "Effort",
    "available",
    "pack_samples",
    "unpack_samples",
]
