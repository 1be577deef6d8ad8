"""Writing pictures in any format that Pillow writes, with as much metadata as the format takes."""

from __future__ import annotations

import io
import os
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from texcodec.errors import ImageError, ParameterError, StreamError
from texcodec.images import metadata
from texcodec.images.picture import Picture

# Known without loading all of Pillow's plugins.
_COMMON_FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".bmp": "BMP",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pnm": "PPM",
}

# A decoded picture should not lose a second time without being asked.
_GENTLE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 4},  # half the time of Pillow's 6 for 1 % more bytes
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "TIFF": {"compression": "tiff_adobe_deflate"},
}

_KEEPS_ICC = {"PNG", "JPEG", "WEBP", "TIFF", "AVIF"}
_KEEPS_EXIF = {"PNG", "JPEG", "WEBP", "TIFF", "AVIF"}
_KEEPS_XMP = {"PNG", "JPEG", "WEBP", "TIFF", "AVIF"}
_KEEPS_ALPHA = {"PNG", "WEBP", "TIFF", "AVIF", "JPEG2000", "TGA", "BMP", "ICO", "ICNS", "SGI", "DDS", "GIF"}

_JPEG_SEGMENT = 65_533  # bytes that a JPEG marker segment holds
_EXIF_ROOM = _JPEG_SEGMENT - len(b"Exif\x00\x00")
_XMP_ROOM = _JPEG_SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\x00")


def to_image(picture: Picture) -> Image.Image:
    """A Pillow image of mode L, LA, RGB or RGBA, with profile, EXIF and XMP in its `info`."""
    if picture.alpha is None:
        samples = picture.pixels[:, :, 0] if picture.channels == 1 else picture.pixels
    else:
        samples = np.dstack([picture.pixels, picture.alpha])
    image = Image.fromarray(np.ascontiguousarray(samples))
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    if picture.exif:
        image.info["exif"] = metadata.exif_for_pillow(picture.exif)
    if picture.xmp:
        image.info["xmp"] = picture.xmp
    return image


def format_for(path: str | os.PathLike[str]) -> str:
    """Pillow's name of the format that a file name's extension asks for.

    Raises:
        ParameterError: when the extension is unknown, or Pillow cannot write its format.
    """
    extension = os.path.splitext(os.fspath(path))[1].lower()
    name = _COMMON_FORMATS.get(extension) or Image.registered_extensions().get(extension)
    if name is None:
        raise ParameterError(
            f"Cannot tell the format of {os.fspath(path)} from its extension; use .png, .jpg or the like."
        )
    _require_writable(name)
    return name


def save_picture(picture: Picture, file: BinaryIO, image_format: str = "PNG", **options: Any) -> list[str]:
    """Writes the picture and returns one sentence for each thing that the format could not hold.

    Lossy formats are written at high quality (JPEG 95 without subsampling), WebP losslessly.

    Args:
        file: binary, need not seek; written once, when the whole file is ready.
        image_format: a name that Pillow knows, such as `PNG`, or the extension's from `format_for`.
        options: for Pillow's writer, over the defaults.

    Raises:
        ParameterError: unknown format.
        ImageError: the format cannot hold this picture, for instance because of its size.
        StreamError: writing to `file` failed.
    """
    image_format = image_format.upper()
    _require_writable(image_format)
    options = {**_GENTLE_OPTIONS.get(image_format, {}), **options}
    notices: list[str] = []
    if picture.alpha is not None and image_format not in _KEEPS_ALPHA:
        notices.append(f"{image_format} cannot hold transparency, which was left out.")
        picture = Picture(picture.pixels, icc=picture.icc, exif=picture.exif, xmp=picture.xmp)
    options.update(_metadata_options(picture, image_format, notices))
    if image_format == "GIF" and picture.mode != "L":
        notices.append("GIF holds at most 256 colours, to which the picture was reduced.")
    data = _encode(to_image(picture), image_format, options)
    try:
        file.write(data)
    except OSError as error:
        raise StreamError(f"Cannot write the picture: {error.strerror or error}.") from error
    return notices


def _metadata_options(picture: Picture, image_format: str, notices: list[str]) -> dict[str, Any]:
    def fits(what: str, blob: bytes | None, formats: set[str], room: int | None = None) -> bool:
        if not blob:
            return False
        if image_format not in formats:
            notices.append(f"{image_format} cannot hold {what}, which was left out.")
            return False
        if image_format == "JPEG" and room is not None and len(blob) > room:
            notices.append(
                f"JPEG cannot hold {what} of {len(blob)} bytes (at most {room}), which was left out."
            )
            return False
        return True

    options: dict[str, Any] = {}
    if fits("a colour profile", picture.icc, _KEEPS_ICC):
        options["icc_profile"] = picture.icc
    exif = picture.exif if fits("EXIF data", picture.exif, _KEEPS_EXIF, _EXIF_ROOM) else None
    xmp = picture.xmp if fits("XMP data", picture.xmp, _KEEPS_XMP, _XMP_ROOM) else None
    if image_format == "TIFF":
        if exif or xmp:
            options["exif"] = _tiff_tags(exif, xmp)
            options["compression"] = None  # libtiff, which compresses, refuses the directories inside EXIF
        return options
    if exif:
        options["exif"] = metadata.exif_for_pillow(exif)
    if xmp and image_format == "PNG":
        try:
            options["pnginfo"] = _png_text(xmp)
        except UnicodeDecodeError:
            notices.append("PNG cannot hold XMP data that is not UTF-8, which was left out.")
    elif xmp:
        options["xmp"] = xmp
    return options


def _png_text(xmp: bytes) -> Any:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8"))
    return text


def _tiff_tags(exif: bytes | None, xmp: bytes | None) -> Image.Exif:
    # In a TIFF file, EXIF and XMP are tags of the picture itself.
    tags = Image.Exif()
    if exif:
        tags.load(metadata.exif_for_pillow(exif))
    if xmp:
        tags[700] = xmp
    return tags


def _encode(image: Image.Image, image_format: str, options: dict[str, Any]) -> bytes:
    # Grey is written as grey where the format has it, else as RGB.
    modes = [image.mode] + ([{"L": "RGB", "LA": "RGBA"}[image.mode]] if image.mode in ("L", "LA") else [])
    for mode in modes:
        buffer = io.BytesIO()
        try:
            candidate = image if mode == image.mode else image.convert(mode)
            candidate.info = {}  # everything that is to be written is in the options
            candidate.save(buffer, image_format, **options)
        except Exception as error:  # Pillow's writers let any kind of exception out
            failure = error
            continue
        return buffer.getvalue()
    reason = " ".join(str(failure).split()) or type(failure).__name__
    raise ImageError(
        f"The {image.width} x {image.height} picture cannot be written as {image_format} ({reason}); "
        "use PNG or another format."
    ) from failure


def _require_writable(image_format: str) -> None:
    if image_format not in Image.SAVE:
        Image.init()
    if image_format not in Image.SAVE:
        raise ParameterError(f"Pillow cannot write {image_format} pictures; use PNG, JPEG, WEBP or TIFF.")
