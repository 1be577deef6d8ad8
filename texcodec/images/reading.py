"""Reading pictures: every layout Pillow knows, reduced to the two the codec has.

The order is the defence: header first, then the checks on size and depth, and only then pixels.
"""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from texcodec.errors import ImageError, LimitError, StreamError, TexcodecError
from texcodec.images import metadata
from texcodec.images.depth import HEADER_BYTES, bits_in_header, bits_in_image
from texcodec.images.picture import Picture
from texcodec.limits import Limits

_Samples = NDArray[np.uint8]
_Layers = tuple[_Samples, _Samples | None]

# Opening these runs another program on the file's contents.
_REFUSED_FORMATS = {"EPS"}

_GREY_MODES = {"1", "L", "LA", "La"}

# Layouts that are converted to RGB, and whether their ICC profile then still describes the samples.
_CONVERTED = {"CMYK": False, "LAB": False, "HSV": False, "YCbCr": True}

_open_lock = threading.Lock()


def read_picture(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    limits: Limits | None = None,
    *,
    name: str | None = None,
) -> Picture:
    """The picture in a file, in bytes, or in an open binary file (which stays open).

    Args:
        source: a path, the bytes of a file, or a binary file object; one that cannot seek is read to its end.
        limits: what is too large; checked before any pixel is decoded.
        name: what errors call the source, by default its path.

    Raises:
        StreamError: the file cannot be opened or read.
        ImageError: not a picture, empty, truncated, damaged, or of more than 8 bits a channel.
        LimitError: more pixels than `limits` allow.
    """
    if isinstance(source, (str, os.PathLike)):
        name = name or os.fspath(source)
        try:
            with Path(source).open("rb") as opened:
                return _read(opened, limits or Limits(), name)
        except OSError as error:
            raise StreamError(f"Cannot read {name}: {_reason(error)}.") from error
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read(io.BytesIO(source), limits or Limits(), name or "The picture")
    given = getattr(source, "name", None)
    name = name or (given if isinstance(given, str) else "The picture")
    try:
        file = source if source.seekable() else io.BytesIO(source.read())
    except OSError as error:
        raise StreamError(f"Cannot read {name}: {_reason(error)}.") from error
    return _read(file, limits or Limits(), name)


def from_image(image: Image.Image, limits: Limits | None = None, *, name: str = "The picture") -> Picture:
    """The picture in a Pillow image, its ICC profile, EXIF and XMP included; the image is not changed.

    Raises:
        ImageError: empty, damaged, or of more than 8 bits a channel.
        LimitError: more pixels than `limits` allow.
    """
    limits = limits or Limits()
    _check_size(image, limits, name)
    _check_depth(bits_in_image(image), name)
    notices: list[str] = []
    with _blame(name):
        if image.mode not in _READERS and image.mode not in _CONVERTED:
            raise ImageError(f"{name} has the unsupported layout {image.mode}; convert it to RGB first.")
        key = _transparent_key(image)
        image.load()
        _check_size(image, limits, name)  # icon formats learn their size only now
        icc = image.info.get("icc_profile") or None
        if image.mode in _CONVERTED:
            notices.append(f"The picture is {image.mode} and was converted to RGB.")
            if icc and not _CONVERTED[image.mode]:
                notices.append(f"The {image.mode} colour profile does not describe RGB and was left out.")
                icc = None
            pixels, alpha = _samples(image, "RGB"), None
        else:
            pixels, alpha = _READERS[image.mode](image, key)
        exif = metadata.exif_of(image)
        xmp = metadata.xmp_of(image.info)
    if exif:
        try:
            orientation, exif = metadata.take_orientation(exif)
        except ValueError:
            notices.append("The EXIF data is damaged and was left out.")
            exif, orientation = None, 1
        if orientation != 1:
            pixels = _turn(pixels, orientation)
            alpha = None if alpha is None else _turn(alpha, orientation)
            xmp = xmp and metadata.with_upright_xmp(xmp)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    pixels = np.ascontiguousarray(pixels)
    alpha = None if alpha is None else np.ascontiguousarray(alpha)
    return Picture(pixels, alpha, icc=icc, exif=exif, xmp=xmp, notices=notices)


def _read(file: BinaryIO, limits: Limits, name: str) -> Picture:
    start = file.tell()
    header = file.read(HEADER_BYTES)
    file.seek(start)
    if not header:
        raise ImageError(f"{name} is empty; give a picture.")
    if header.startswith(b"\x89TCX"):
        raise ImageError(f"{name} is a .tcx file already; use texcodec decode to get its picture.")
    with _blame(name), _open(file) as image:
        _check_size(image, limits, name)
        if image.format in _REFUSED_FORMATS:
            raise ImageError(f"{name} is {image.format}, a program that draws; convert it to PNG first.")
        _check_depth(bits_in_header(image.format, header), name)
        frames = _frames(image)
        picture = from_image(image, limits, name=name)
    if frames > 1:
        picture.notices.append(
            f"The file holds {frames} pictures (frames or pages) and only the first was used."
        )
    return picture


def _open(file: BinaryIO) -> Image.Image:
    # Pillow's own bomb limit is a global of the whole process: it would warn about pictures that our limits
    # allow and refuse those that the caller has allowed. Opening reads only the header, so our check comes in
    # time; the limit is back in force while pixels inside container formats (icons) are opened.
    with _open_lock:
        before = Image.MAX_IMAGE_PIXELS
        Image.MAX_IMAGE_PIXELS = None
        try:
            return Image.open(file)
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _frames(image: Image.Image) -> int:
    # Counting reads ahead in some formats; damage behind the first frame does not matter.
    try:
        frames = int(getattr(image, "n_frames", 1))
        if image.tell() != 0:
            image.seek(0)
    except Exception:
        return 1
    return frames


def _check_size(image: Image.Image, limits: Limits, name: str) -> None:
    if image.width < 1 or image.height < 1:
        raise ImageError(
            f"{name} is empty ({image.width} x {image.height} pixels); give one with at least one pixel."
        )
    try:
        limits.check_picture(image.width, image.height, 1 if image.mode in _GREY_MODES else 3)
    except LimitError as error:
        raise LimitError(str(error) if name == "The picture" else f"{name}: {error}") from error


def _check_depth(bits: int, name: str) -> None:
    if bits > 8:
        raise ImageError(
            f"{name} has {bits} bits a channel and only 8 are supported; convert it to 8 bits first."
        )


@contextmanager
def _blame(name: str) -> Iterator[None]:
    """Turns whatever a decoder raises on bad input into one sentence about the input."""
    try:
        yield
    except TexcodecError:
        raise
    except Image.DecompressionBombError as error:
        raise LimitError(f"{name} declares a picture that is too large: {_reason(error)}.") from error
    except MemoryError as error:
        raise LimitError(f"{name} needs more memory than there is; use a smaller picture.") from error
    except UnidentifiedImageError as error:
        raise ImageError(
            f"{name} is not a picture in a format that Pillow can read; convert it to PNG first."
        ) from error
    except Exception as error:  # Pillow's plugins let any kind of exception out for damaged files
        truncated = isinstance(error, EOFError) or "truncated" in str(error).lower()
        what = "is truncated" if truncated else f"is damaged ({_reason(error)})"
        raise ImageError(f"{name} {what}; get an undamaged copy.") from error


def _reason(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")


def _transparent_key(image: Image.Image) -> Any:
    """The sample value that is transparent (PNG, GIF): an int, a tuple for RGB, or None."""
    key = image.info.get("transparency")
    # Pillow widens grey samples of 2 and 4 bits to 8, but not the key, which PNG gives in the file's own
    # unit.
    for tile in getattr(image, "tile", ()):
        if isinstance(key, int):
            key *= {"L;2": 85, "L;4": 17}.get(str(tile[3]), 1)
    return key


def _grey(image: Image.Image, key: Any) -> _Layers:
    samples = _samples(image, "L")
    return samples, _opaque_unless(samples == key) if isinstance(key, int) else None


def _colour(image: Image.Image, key: Any) -> _Layers:
    samples = _samples(image, "RGB")
    if not isinstance(key, tuple) or len(key) != 3:
        return samples, None
    return samples, _opaque_unless((samples == np.array(key)).all(axis=2))


def _grey_alpha(image: Image.Image, _key: Any) -> _Layers:
    samples = _samples(image, "LA")
    return samples[:, :, 0], samples[:, :, 1]


def _colour_alpha(image: Image.Image, _key: Any) -> _Layers:
    samples = _samples(image, "RGBA")
    return samples[:, :, :3], samples[:, :, 3]


def _palette(image: Image.Image, key: Any) -> _Layers:
    see_through = key is not None or (image.palette is not None and image.palette.mode == "RGBA")
    pixels, alpha = _colour_alpha(image, key) if see_through else (_samples(image, "RGB"), None)
    # A palette of greys costs a third as one channel; a profile for RGB would not fit that channel.
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    if not image.info.get("icc_profile") and np.array_equal(red, green) and np.array_equal(red, blue):
        return red, alpha
    return pixels, alpha


def _samples(image: Image.Image, mode: str) -> _Samples:
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _opaque_unless(transparent: NDArray[np.bool_]) -> _Samples:
    return np.where(transparent, np.uint8(0), np.uint8(255))


_READERS: dict[str, Callable[[Image.Image, Any], _Layers]] = {
    "1": _grey,
    "L": _grey,
    "LA": _grey_alpha,
    "La": _grey_alpha,
    "RGB": _colour,
    "RGBX": _colour,
    "RGBA": _colour_alpha,
    "RGBa": _colour_alpha,
    "P": _palette,
    "PA": _colour_alpha,
}


def _turn(samples: _Samples, orientation: int) -> _Samples:
    """Samples (height x width, or with channels) turned as EXIF's orientation 2 to 8 wants them displayed."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
