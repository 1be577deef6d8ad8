"""Writing pictures in any format that Pillow writes, with as much metadata as the format takes."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Set
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texcodec.errors import ImageError, StreamError
from texcodec.images import exif as exif_stream
from texcodec.images.capabilities import (
    gentle_options,
    keeps,
    keeps_colour,
    keeps_profile,
    kept_alpha,
    stored_size,
    written,
)
from texcodec.images.formats import recorded_warnings, require_writable
from texcodec.images.picture import Picture, to_array
from texcodec.images.profiles import colour_space, describes_srgb, to_srgb

# Formats of fewer colours, under Pillow's name of the family.
_NARROW = {"PGM": ("PPM", "L", "holds no colour"), "PBM": ("PPM", "1", "holds black and white only")}

_JPEG_SEGMENT = 65_533  # bytes that a JPEG marker segment holds
_EXIF_ROOM = _JPEG_SEGMENT - len(exif_stream.PREFIX)
_XMP_ROOM = _JPEG_SEGMENT - len(b"http://ns.adobe.com/xap/1.0/\x00")
_XMP_TAG = 700  # of TIFF
_TIFF_TAGS = exif_stream.DESCRIPTIVE_TAGS | {exif_stream.EXIF_DIRECTORY, exif_stream.GPS_DIRECTORY}
_ROW_STRIDE = 16  # of the rows that say how much of a picture repeats
_REPEATS = 0.5  # photographs have up to 0.3 of their pixels equal to the neighbour, screenshots from 0.8
_HARD_EDGE = 128  # alpha from which a pixel counts as opaque where there is no more than that


def to_image(picture: Picture) -> Image.Image:
    """A Pillow image of mode L, LA, RGB or RGBA, with profile, EXIF, XMP and resolution in its `info`."""
    image = _image_of(picture)
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    if picture.exif:
        image.info["exif"] = exif_stream.PREFIX + picture.exif
        dpi = exif_stream.resolution_of(picture.exif)
        if dpi is not None:
            image.info["dpi"] = dpi
    if picture.xmp:
        image.info["xmp"] = picture.xmp
    return image


def save_picture(
    picture: Picture, file: BinaryIO, image_format: str = "PNG", *, strict: bool = False, **options: Any
) -> list[str]:
    """Writes the picture and returns one sentence for each thing that the format could not hold.

    Lossy formats are written at high quality (JPEG 95 without subsampling), WebP and JPEG XL losslessly. Where
    the format keeps no profile, colours are converted to sRGB.

    Args:
        file: binary, need not seek; written once, when the whole file is ready.
        image_format: a name that Pillow knows, such as `PNG`, or the extension's from `format_for`.
        strict: raise instead of leaving out or changing anything.
        options: for Pillow's writer, over the defaults.

    Raises:
        ParameterError: unknown format, or one whose plugin is not installed.
        ImageError: the format cannot hold this picture, for instance because of its size; with `strict`, nor
            all that belongs to it.
        StreamError: writing to `file` failed.
    """
    image_format, narrow = image_format.upper(), None
    notices: list[str] = []
    if image_format in _NARROW:
        name = image_format
        image_format, narrow, why = _NARROW[name]
        if picture.channels == 3 or narrow == "1":
            notices.append(f"{name} {why}, and the picture was converted.")
    require_writable(image_format)
    options = {**gentle_options(image_format, grey=picture.channels == 1), **options}
    if image_format == "PNG" and not _repeats(picture.pixels):
        options.setdefault("compress_type", zlib.Z_RLE)
    if image_format == "ICO":
        options.setdefault("sizes", [(picture.width, picture.height)])
    picture, modes = _with_possible_alpha(picture, image_format, notices)
    picture = _with_possible_colours(picture, image_format, notices)
    options.update(_metadata_options(picture, image_format, notices))
    if image_format == "GIF" and picture.mode != "L":
        notices.append("GIF holds at most 256 colours, to which the picture was reduced.")
    if strict and notices:
        raise ImageError(f"The picture cannot be written as it is: {' '.join(notices)}")
    image = _image_of(picture)
    data = _encode(image if narrow is None else image.convert(narrow), image_format, modes, options)
    try:
        file.write(data)
    except OSError as error:
        raise StreamError(f"Cannot write the picture: {error.strerror or error}.") from error
    return notices


def _repeats(pixels: NDArray[np.uint8]) -> bool:
    # Without repetitions, a search for them takes a third of the time of writing a PNG and finds no fewer bytes.
    rows = pixels[::_ROW_STRIDE]
    return bool((rows[:, 1:] == rows[:, :-1]).all(axis=2).mean() > _REPEATS) if pixels.shape[1] > 1 else True


def _image_of(picture: Picture) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(to_array(picture)))


def _with_possible_alpha(
    picture: Picture, image_format: str, notices: list[str]
) -> tuple[Picture, tuple[str, ...]]:
    """The picture with as much transparency as the format holds, and the modes to try writing it in.

    Grey is written as grey where the format has it, else as RGB.
    """
    if picture.alpha is not None:
        kind, mode = kept_alpha(image_format, picture.mode)
        if kind == "soft":
            return picture, (mode,)
        if kind == "hard":
            hard = np.where(picture.alpha < _HARD_EDGE, np.uint8(0), np.uint8(255))
            if not np.array_equal(hard, picture.alpha):
                notices.append(
                    f"{image_format} holds no half transparency; pixels became transparent or opaque."
                )
            return dataclasses.replace(picture, alpha=hard), (mode,)
        notices.append(f"{image_format} cannot hold transparency, which was left out.")
        picture = dataclasses.replace(picture, alpha=None)
    return picture, ("L", "RGB") if picture.channels == 1 else ("RGB",)


def _with_possible_colours(picture: Picture, image_format: str, notices: list[str]) -> Picture:
    """The picture in colours that the format can describe.

    Raises:
        ImageError: the format makes grey of colours.
    """
    if picture.channels == 3 and not keeps_colour(image_format):
        raise ImageError(f"{image_format} cannot hold a colour picture of 8 bits; use PNG or another format.")
    if not picture.icc or keeps_profile(image_format, picture.mode, colour_space(picture.icc)):
        return picture
    article = "this" if colour_space(picture.icc) == "GRAY" else "a"  # WebP keeps those for colours
    what = f"{image_format} cannot hold {article} colour profile"
    pixels = picture.pixels
    if describes_srgb(picture.icc):
        notices.append(f"{what}, which was left out (it is that of sRGB, which is assumed without one).")
    else:
        image = Image.fromarray(pixels[:, :, 0] if picture.channels == 1 else pixels)
        converted = to_srgb(image, picture.icc)
        if converted is None:
            notices.append(f"{what}, which was left out.")
        else:
            notices.append(f"{what}; the colours were converted to sRGB.")
            pixels = np.array(converted)
            if picture.channels == 1 and (pixels == pixels[:, :, :1]).all():
                pixels = np.ascontiguousarray(pixels[:, :, :1])
    return dataclasses.replace(picture, pixels=pixels, icc=None)


def _metadata_options(picture: Picture, image_format: str, notices: list[str]) -> dict[str, Any]:
    def fits(what: str, kept: bool, blob: bytes, room: int) -> bool:
        if not kept:
            notices.append(f"{image_format} cannot hold {what}, which was left out.")
            return False
        if image_format == "JPEG" and len(blob) > room:
            notices.append(
                f"JPEG cannot hold {what} of {len(blob)} bytes (at most {room}), which was left out."
            )
            return False
        return True

    options: dict[str, Any] = {}
    mode = picture.mode
    if picture.icc:
        options["icc_profile"] = picture.icc
    exif, xmp = _descriptive(picture.exif, notices), picture.xmp
    dpi = exif_stream.resolution_of(exif) if exif else None
    if dpi is not None and keeps(image_format, mode, "dpi"):
        options["dpi"] = dpi
        if exif is not None and exif_stream.says_only_resolution(exif):
            exif = None
    if exif is not None and not fits("EXIF data", keeps(image_format, mode, "exif"), exif, _EXIF_ROOM):
        exif = None
    if xmp is not None and not fits("XMP data", keeps(image_format, mode, "xmp"), xmp, _XMP_ROOM):
        xmp = None
    if image_format == "TIFF":
        options.update(_tiff_options(exif, xmp, notices))
        return options
    if exif is not None:
        options["exif"] = exif_stream.PREFIX + exif
    if xmp is not None and image_format == "PNG":
        try:
            options["pnginfo"] = _png_text(xmp)
        except UnicodeDecodeError:
            notices.append("PNG cannot hold XMP data that is not UTF-8, which was left out.")
    elif xmp is not None:
        options["xmp"] = xmp
    return options


def _descriptive(exif: bytes | None, notices: list[str]) -> bytes | None:
    """EXIF that is true in any file; files of earlier versions carry it as they found it."""
    if not exif:
        return None
    try:
        return exif_stream.clean(exif).data
    except exif_stream.ExifError:
        notices.append("The EXIF data is damaged and was left out.")
        return None


def _png_text(xmp: bytes) -> Any:
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8"))
    return text


def _tiff_options(exif: bytes | None, xmp: bytes | None, notices: list[str]) -> dict[str, Any]:
    # In a TIFF file, EXIF and XMP are tags of the picture itself.
    tags = _tags_of(exif, _TIFF_TAGS)
    if _unwritable(tags):
        sound = {tag for tag in _TIFF_TAGS if not _unwritable(_tags_of(exif, {tag}))}
        tags = _tags_of(exif, sound)
        notices.append("The EXIF data is damaged in part, and only the sound part was kept.")
    if xmp is not None:
        tags[_XMP_TAG] = xmp
    if not len(tags):
        return {}
    # libtiff, which compresses, refuses the directories inside EXIF.
    return {"exif": tags, "compression": None}


def _tags_of(exif: bytes | None, wanted: Set[int]) -> Image.Exif:
    tags = Image.Exif()
    if exif is not None:
        with recorded_warnings():
            tags.load(exif_stream.PREFIX + exif)
            for tag in set(tags) - wanted:
                del tags[tag]
    return tags


def _unwritable(tags: Image.Exif) -> bool:
    # Damaged EXIF has values of types that their tags cannot have.
    if not len(tags):
        return False
    try:
        written(Image.new("L", (1, 1)), "TIFF", exif=tags, compression=None)
    except Exception:
        return True
    return False


def _encode(image: Image.Image, image_format: str, modes: tuple[str, ...], options: dict[str, Any]) -> bytes:
    if image.mode == "1":
        modes = ("1",)
    elif image.mode == "L" and "L" not in modes:  # a narrow format
        modes = ("L",)
    failure: Exception | None = None
    for mode in modes:
        try:
            candidate = image if mode == image.mode else image.convert(mode)
            candidate.info = {}  # everything that is to be written is in the options
            data = written(candidate, image_format, **options)
        except Exception as error:  # Pillow's writers let any kind of exception out
            failure = error
            continue
        size = stored_size(data, image_format)
        if size is not None and size != image.size:
            raise ImageError(
                f"{image_format} would hold the {image.width} x {image.height} picture as {size[0]} x {size[1]}; "
                "use PNG or another format."
            )
        return data
    reason = " ".join(str(failure).split()) or type(failure).__name__
    raise ImageError(
        f"The {image.width} x {image.height} picture cannot be written as {image_format} ({reason}); "
        "use PNG or another format."
    ) from failure
