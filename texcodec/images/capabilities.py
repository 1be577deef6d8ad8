"""What a format keeps, found out by writing a small picture in it and reading that again.

A list would be out of date with the next release of Pillow or of a plugin. Answers are kept for the life of the
process; each costs a few milliseconds, and more in formats whose writers are slow to start.
"""

from __future__ import annotations

import functools
import io
import time
from typing import Any, Literal

import numpy as np
from PIL import Image

from texcodec.images.exif import PREFIX
from texcodec.images.formats import open_image, recorded_warnings
from texcodec.images.profiles import make_profile

Alpha = Literal["soft", "hard", "none"]

_SIDE, _STRIPES = 16, 4
_COLOUR, _TOLERANCE = (180, 100, 60), 24
_DPI = 300
_XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>'
_MAKER = 0x010F
_NOT_OPENED = {"EPS"}  # reading it runs another program
_WITH_COLOUR = {"L": "RGB", "LA": "RGBA"}
# Without these, two files of the same picture differ.
_FIXED: dict[str, dict[str, Any]] = {"PDF": {"creationDate": time.gmtime(0), "modDate": time.gmtime(0)}}


# A decoded picture should not lose a second time without being asked.
_GENTLE_OPTIONS: dict[str, dict[str, Any]] = {
    "PNG": {"compress_level": 4},  # half the time of Pillow's 6 for 1 % more bytes
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"lossless": True, "exact": True},
    "AVIF": {"quality": 95, "subsampling": "4:4:4"},
    "TIFF": {"compression": "tiff_adobe_deflate"},
    "HEIF": {"quality": 95, "chroma": 444},
    "JXL": {"lossless": True},
    "PDF": {"quality": 95, "subsampling": 0},
}
_CHROMA_OPTIONS = ("subsampling", "chroma")


def gentle_options(image_format: str, *, grey: bool) -> dict[str, Any]:
    """Options for Pillow's writer with which a format loses little; in AVIF and HEIF, grey stays grey."""
    options = dict(_GENTLE_OPTIONS.get(image_format, {}))
    if grey and image_format in ("AVIF", "HEIF"):
        for name in _CHROMA_OPTIONS:
            options.pop(name, None)
    return options


@functools.cache
def kept_alpha(image_format: str, mode: str) -> tuple[Alpha, str]:
    """How much of alpha a format keeps, and the mode to write for that.

    Args:
        image_format: a name that Pillow can write.
        mode: LA or RGBA.
    Returns:
        `soft` for all values of alpha, `hard` for 0 and 255 only, or `none`; LA or RGBA.
    """
    modes = dict.fromkeys((mode, _WITH_COLOUR.get(mode, mode)))
    for hard in (False, True):
        for candidate in modes:
            if _keeps_alpha(_sample(candidate, hard), image_format):
                return "hard" if hard else "soft", candidate
    return "none", mode


@functools.cache
def keeps_colour(image_format: str) -> bool:
    """Whether RGB does not come back as something else."""
    data = _try(_sample("RGB"), image_format)
    back = None if data is None else _reopened(data, image_format)
    if back is None:
        return True
    try:
        middle = np.asarray(back.convert("RGB"))[back.height // 2, back.width // 2].astype(int)
    except Exception:
        return False
    return bool(np.abs(middle - _COLOUR).max() <= _TOLERANCE)


@functools.cache
def keeps_profile(image_format: str, mode: str, space: str | None) -> bool:
    """Whether pictures of a mode keep a profile for `RGB` or `GRAY` that is right for what is stored.

    Profiles of other colour spaces (None where that is not known) are judged by that for RGB.
    """
    grey = space == "GRAY"
    if grey and mode not in _WITH_COLOUR:
        return False
    icc = _profile(grey)
    back = _round_trip(mode, image_format, icc_profile=icc)
    if back is None or back.info.get("icc_profile") != icc:
        return False
    return not grey or back.mode in ("1", "L", "LA")


@functools.cache
def keeps(image_format: str, mode: str, what: Literal["exif", "xmp", "dpi"]) -> bool:
    """Whether pictures of a mode keep EXIF, XMP, or the resolution by itself."""
    if what in ("exif", "xmp") and image_format == "TIFF":
        return True  # as tags, which are written another way
    if what == "xmp" and image_format == "PNG":
        return True  # as text
    if what == "dpi" and image_format == "PDF":
        return True  # as the size of the page; Pillow does not read it
    value: Any = {"exif": _exif, "xmp": lambda: _XMP, "dpi": lambda: (_DPI, _DPI)}[what]()
    back = _round_trip(mode, image_format, **{what: value})
    if back is None:
        return False
    try:
        if what == "exif":
            return back.getexif().get(_MAKER) == "m"
        if what == "dpi":
            return all(abs(float(dots) - _DPI) < 1 for dots in back.info.get("dpi", (0, 0)))
    except Exception:
        return False
    return back.info.get("xmp") == value


def written(image: Image.Image, image_format: str, **options: Any) -> bytes:
    """The file that Pillow makes of an image; its writers let any kind of exception out."""
    buffer = io.BytesIO()
    with recorded_warnings():
        image.save(buffer, image_format, **options)
    return buffer.getvalue()


def stored_size(data: bytes, image_format: str) -> tuple[int, int] | None:
    """Width and height of a picture that was just written, or None where Pillow does not read the format."""
    if image_format in _NOT_OPENED or image_format not in Image.OPEN:
        return None
    try:
        return open_image(io.BytesIO(data), formats=[image_format]).size
    except Exception:
        return None


def _sample(mode: str, hard: bool = False) -> Image.Image:
    # Flat colours survive lossy formats and palettes; alpha has stripes of up to three values.
    samples = np.empty((_SIDE, _SIDE, len(mode)), np.uint8)
    colours = 1 if mode in _WITH_COLOUR else 3
    samples[:, :, :colours] = _COLOUR[:colours]
    if mode.endswith("A"):
        samples[:, :, -1] = np.repeat([0, 255 if hard else 128, 255, 0], _SIDE // _STRIPES)
    return Image.fromarray(samples if len(mode) > 1 else samples[:, :, 0])


def _keeps_alpha(image: Image.Image, image_format: str) -> bool:
    data = _try(image, image_format)
    if data is None or image_format in _NOT_OPENED:
        return False
    if image_format not in Image.OPEN:
        # A format that Pillow does not read keeps what changes its bytes.
        opaque = image.copy()
        opaque.putalpha(255)
        return data != _try(opaque, image_format)
    back = _reopened(data, image_format)
    if back is None:
        return False
    try:
        alpha = np.asarray(back.convert("RGBA").getchannel("A")).astype(int)
    except Exception:
        return False
    # In the middle of the stripes, as icons may come back in another size, and lossy formats blur.
    columns = [alpha.shape[1] * (2 * i + 1) // (2 * _STRIPES) for i in range(_STRIPES)]
    expected = np.asarray(image.getchannel("A"))[0, _SIDE // _STRIPES // 2 :: _SIDE // _STRIPES]
    return bool(np.abs(alpha[:, columns] - expected).max() <= _TOLERANCE)


def _round_trip(mode: str, image_format: str, **options: Any) -> Image.Image | None:
    """A sample written and read again, in the first mode that the format takes."""
    opaque = mode.removesuffix("A")
    for candidate in dict.fromkeys(
        (mode, _WITH_COLOUR.get(mode, mode), opaque, _WITH_COLOUR.get(opaque, opaque))
    ):
        data = _try(_sample(candidate), image_format, **options)
        if data is not None:
            return _reopened(data, image_format)
    return None


def _try(image: Image.Image, image_format: str, **options: Any) -> bytes | None:
    try:
        gentle = gentle_options(image_format, grey=image.mode in _WITH_COLOUR)
        return written(image, image_format, **gentle, **_FIXED.get(image_format, {}), **options)
    except Exception:
        return None


def _reopened(data: bytes, image_format: str) -> Image.Image | None:
    if image_format in _NOT_OPENED or image_format not in Image.OPEN:
        return None
    try:
        image = open_image(io.BytesIO(data), formats=[image_format])
        image.load()
        return image
    except Exception:
        return None


def _exif() -> bytes:
    tags = Image.Exif()
    tags[_MAKER] = "m"
    return PREFIX + tags.tobytes().removeprefix(PREFIX)


def _profile(grey: bool) -> bytes:
    chromaticities = ((0.3127, 0.3290), (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
    return make_profile("sample", chromaticities, 2.2, grey=grey)
