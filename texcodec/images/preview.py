"""The preview that a file may hold beside its picture: a small picture file of another format, made and read here.

It comes from whoever wrote the file. So its format, bytes and sides are checked before anything is decoded, and
whatever is wrong with it leads to a ``PreviewError``, never to one about the picture.

Source: docs/format.md, "Ancillary chunks".
"""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image, features

from texcodec.images.formats import open_image, recorded_warnings
from texcodec.images.picture import Picture, from_array
from texcodec.images.saving import to_image
from texcodec.images.scaling import fitted

FORMATS = ["WEBP", "JPEG", "PNG"]
MOST_BYTES = 1 << 18
MOST_SIDE = 512
"""Pixels; what a reader takes. Writers stay below."""
SIDES = (256, 192, 128, 96, 64, 48)
"""Pixels of the longer side that a preview is made with: the largest that its bytes allow."""
QUALITIES = (80, 65, 50, 35)
"""Of WebP or JPEG, tried in this order before a smaller side is."""


class PreviewError(Exception):
    """The preview cannot be used. It becomes a notice: the picture beside it is not at fault."""


def pack_preview(picture: Picture, most_bytes: int) -> bytes | None:
    """A preview of at most ``most_bytes`` bytes, without metadata; None where none is as small.

    It is WebP, or JPEG where Pillow was built without it (and no transparent picture has one then).
    """
    image_format = "WEBP" if features.check("webp") else "JPEG"
    if picture.alpha is not None and image_format == "JPEG":
        return None
    bare = replace(picture, icc=None, exif=None, xmp=None, notices=[])
    longer, bare = max(picture.width, picture.height), fitted(bare, SIDES[0])
    for side in SIDES:
        if side >= longer:
            continue
        small = to_image(fitted(bare, side))
        for quality in QUALITIES:
            buffer = io.BytesIO()
            small.save(buffer, image_format, quality=quality, **_OPTIONS[image_format])
            if len(buffer.getvalue()) <= most_bytes:
                return buffer.getvalue()
    return None


_OPTIONS: dict[str, dict[str, int | bool]] = {
    "WEBP": {"method": 4},
    "JPEG": {"optimize": True, "progressive": False},
}


def preview_size(data: bytes, width: int, height: int) -> tuple[str, int, int]:
    """Format, width and height of the preview of a picture of ``width`` x ``height`` pixels, which is not decoded.

    Raises:
        PreviewError: it has another format, too many bytes or pixels, or other proportions than the picture.
    """
    with _open(data, width, height) as image:
        return image.format or "", *image.size


def preview_image(data: bytes, width: int, height: int, mode: str) -> Image.Image:
    """The preview of a picture of ``width`` x ``height`` pixels, in the picture's mode: L, LA, RGB or RGBA.

    Raises:
        PreviewError: as ``preview_size``, or it is damaged.
    """
    with _open(data, width, height) as image, recorded_warnings():
        try:
            image.load()
        except Exception as error:  # Pillow's decoders let any kind of exception out
            raise PreviewError(f"The preview is damaged ({_reason(error)}).") from error
        small = image.convert(mode)
    small.info = {}
    return small


def unpack_preview(data: bytes, width: int, height: int, mode: str) -> Picture:
    """As ``preview_image``, as a picture without metadata."""
    return from_array(np.asarray(preview_image(data, width, height, mode)))


def _open(data: bytes, width: int, height: int) -> Image.Image:
    if len(data) > MOST_BYTES:
        raise PreviewError(f"The preview has {len(data)} bytes, and at most {MOST_BYTES} are taken.")
    try:
        image = open_image(io.BytesIO(data), FORMATS)
    except Exception as error:
        raise PreviewError("The preview is no JPEG, PNG or WebP file, or damaged.") from error
    if max(image.size) > MOST_SIDE:
        raise PreviewError(
            f"The preview has {image.width} x {image.height} pixels, and at most {MOST_SIDE} per side are taken."
        )
    # each side is rounded by less than a pixel
    if abs(image.width * height - image.height * width) > max(width, height):
        raise PreviewError(
            f"The preview has {image.width} x {image.height} pixels, which are not the proportions of the picture."
        )
    return image


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
