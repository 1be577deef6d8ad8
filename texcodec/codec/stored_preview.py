"""The preview that ``encode`` stores in a file: how large it may be, what it shows, and its way back.

It shows what the file shows: nothing of the picture that a crop leaves out.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..container import DROP, EXIF, ICCP, PREV, XMPD, Crop, Reader
from ..container.rewriting import with_chunk
from ..images import Picture, PreviewError, pack_preview, unpack_preview
from ..limits import Limits
from ..notices import Warn
from .rate_control import Target

SHARE = 0.02
"""Of a file's bytes, that its preview may have."""
_FRAME = 12
"""Bytes of a chunk beside its payload."""
_NONE = "No preview was stored: even the smallest would have more than 2 % of the file, or make it larger than asked."


def preview_chunks(picture: Picture, crop: Crop | None, target: Target) -> list[tuple[bytes, bytes]]:
    """The chunk for a file of which the size is given: the preview has to be there before its tiles are.

    Returns:
        (type, payload), or nothing where there is no such target or no preview as small.
    """
    asked = _bytes_asked(target, picture)
    if asked is None:
        return []
    most = int(SHARE * asked) - _FRAME
    preview = pack_preview(_as_shown(picture, crop), most)
    return [] if preview is None else [(PREV, preview)]


def with_preview(
    data: bytes, picture: Picture, crop: Crop | None, target: Target, limits: Limits, warn: Warn
) -> bytes:
    """The file with a preview of at most 2 % of its bytes; one that it has already stays if it has no more.

    Args:
        target: a size that it states is that of the file with its preview.
        limits: the preview counts among the metadata.
        warn: called if there is none.
    """
    bare = with_chunk(data, PREV, None, limits)
    if len(bare) < len(data) and len(data) - len(bare) <= SHARE * len(data):
        return data
    frame = len(with_chunk(bare, PREV, b"", limits)) - len(bare)
    most = int(SHARE / (1 - SHARE) * len(bare)) - frame
    room = limits.metadata - sum(len(chunk) for _, chunk in Reader(bare, limits).ancillary)
    asked = _bytes_asked(target, picture)
    if asked is not None:
        room = min(room, asked - len(bare) - frame)
    preview = pack_preview(_as_shown(picture, crop), min(most, room))
    if preview is None:
        warn(_NONE)
        return bare
    return with_chunk(bare, PREV, preview, limits)


def _bytes_asked(target: Target, picture: Picture) -> int | None:
    if target.bpp is None and target.size is None:
        return None
    return target.bytes(picture.width * picture.height)


def _as_shown(picture: Picture, crop: Crop | None) -> Picture:
    if crop is None or crop.outside != DROP:
        return picture
    rows, columns = slice(crop.y, crop.y + crop.height), slice(crop.x, crop.x + crop.width)
    pixels = np.full_like(picture.pixels, 128)
    pixels[rows, columns] = picture.pixels[rows, columns]
    alpha = picture.alpha
    if picture.alpha is not None:
        alpha = np.zeros_like(picture.alpha)
        alpha[rows, columns] = picture.alpha[rows, columns]
    return replace(picture, pixels=pixels, alpha=alpha)


def stored_preview(reader: Reader, warn: Warn) -> Picture | None:
    """The preview of an open file with the picture's metadata; None where there is none, or none that can be used."""
    data, header = reader.chunks.get(PREV), reader.header
    if data is None or not header.has_pixels:
        return None
    mode = ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha_mode else "")
    try:
        small = unpack_preview(data, header.width, header.height, mode)
    except PreviewError as error:
        warn(str(error))
        return None
    icc, exif, xmp = (reader.chunks.get(kind) for kind in (ICCP, EXIF, XMPD))
    return replace(small, icc=icc, exif=exif, xmp=xmp)
