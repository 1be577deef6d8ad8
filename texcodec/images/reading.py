"""Reading pictures: from a file to the samples and metadata that the codec has.

The order is the defence: header first, then the checks on size and depth, and only then pixels.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texcodec.errors import ImageError, LimitError, StreamError
from texcodec.images import metadata
from texcodec.images.colour import described_colours
from texcodec.images.depth import HEADER_BYTES, bits_in_header, bits_in_image, without_white
from texcodec.images.faults import blamed, opened, reason
from texcodec.images.formats import changed, plugin_format, recorded_warnings
from texcodec.images.jxl import read_jxl_header
from texcodec.images.layouts import GREY_MODES, is_known, layers_of
from texcodec.images.picture import Picture
from texcodec.images.png import PngChunks, scan_png
from texcodec.images.profiles import describes_srgb
from texcodec.limits import Limits

# Opening these runs another program on the file's contents.
_REFUSED_FORMATS = {"EPS"}

_PILLOWS_TEXT = 1 << 20  # bytes of one chunk of text or profile that Pillow unpacks
_SUBFILE_TYPE = 254  # of TIFF; bit 0 means a smaller copy of another picture in the file


def read_picture(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    limits: Limits | None = None,
    *,
    name: str | None = None,
    strict: bool = False,
    metadata: bool = True,
) -> Picture:
    """The picture in a file, in bytes, or in an open binary file (which stays open).

    Args:
        source: a path, the bytes of a file, or a binary file object; one that cannot seek is read to its end.
        limits: what is too large; checked before any pixel is decoded.
        name: what errors call the source, by default its path.
        strict: refuse what would be changed or left out with a notice.
        metadata: whether metadata are wanted; if not, there is no notice of text that has no place in a `.tcx` file.

    Raises:
        StreamError: the file cannot be opened or read.
        ImageError: not a picture, empty, truncated or damaged; its samples have no white (floating point, signed,
            32 bits); with `strict`, the picture cannot be taken as it is.
        LimitError: more pixels or metadata than `limits` allow.
    """
    limits = limits or Limits()
    if isinstance(source, (str, os.PathLike)):
        name = name or os.fspath(source)
        try:
            with Path(source).open("rb") as opened_file:
                return _read(opened_file, limits, name, strict, metadata)
        except OSError as error:
            raise StreamError(f"Cannot read {name}: {reason(error)}.") from error
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _read(io.BytesIO(source), limits, name or "The picture", strict, metadata)
    given = getattr(source, "name", None)
    name = name or (given if isinstance(given, str) else "The picture")
    try:
        file = source if source.seekable() else io.BytesIO(source.read())
    except OSError as error:
        raise StreamError(f"Cannot read {name}: {reason(error)}.") from error
    return _read(file, limits, name, strict, metadata)


def from_image(
    image: Image.Image, limits: Limits | None = None, *, strict: bool = False, metadata: bool = True
) -> Picture:
    """The picture in a Pillow image, its ICC profile, EXIF and XMP included; the image is not changed.

    Args:
        strict, metadata: as for `read_picture`.

    Raises:
        ImageError: empty or damaged; its samples have no white (floating point, signed, 32 bits); with
            `strict`, it would be changed, or something of it left out, with a notice.
        LimitError: more pixels than `limits` allow.
    """
    name = "The picture"
    picture = _from_image(image, limits or Limits(), name, keep_metadata=metadata)
    return _strictly(picture, name, strict)


def _read(file: BinaryIO, limits: Limits, name: str, strict: bool, keep_metadata: bool) -> Picture:
    start = file.tell()
    header = file.read(HEADER_BYTES)
    file.seek(start)
    if not header:
        raise ImageError(f"{name} is empty; give a picture.")
    if header.startswith(b"\x89TCX"):
        raise ImageError(f"{name} is a .tcx file already; use texcodec decode to get its picture.")
    jxl = read_jxl_header(header) if plugin_format(header) == "JXL" else None
    if jxl is not None:  # the plugin decodes all pixels when it opens a file
        with _named(name):
            limits.check_picture(jxl.width, jxl.height, 3)
    with blamed(name):
        chunks = scan_png(file, limits.metadata)
        if chunks is not None:
            with _named(name):
                limits.check_metadata(chunks.metadata)
        file.seek(start)
        with _room_for(chunks), opened(file, header, name) as image:
            _check_size(image, limits, name)
            if image.format in _REFUSED_FORMATS:
                raise ImageError(f"{name} is {image.format}, a program that draws; convert it to PNG first.")
            frames = _frames(image)
            bits = max(bits_in_header(image.format, header), jxl.bits if jxl else 8)
            cicp = chunks.cicp if chunks else None
            picture = _from_image(
                image, limits, name, bits=bits, cicp=cicp, header=header, keep_metadata=keep_metadata
            )
    if frames > 1:
        picture.notices.append(
            f"The file holds {frames} pictures (frames or pages) and only the first was used."
        )
    return _strictly(picture, name, strict)


def _from_image(
    image: Image.Image,
    limits: Limits,
    name: str,
    *,
    bits: int = 8,
    cicp: tuple[int, int, int, int] | None = None,
    header: bytes = b"",
    keep_metadata: bool = True,
) -> Picture:
    """The picture in an image; `bits`, `cicp` and `header` are what the file says and Pillow does not."""
    _check_size(image, limits, name)
    with blamed(name):
        if (what := without_white(image)) is not None:
            raise ImageError(
                f"{name} has {what}, whose white is not defined; convert it to 8 or 16 bits first."
            )
        if not is_known(image.mode):
            raise ImageError(f"{name} has the unsupported layout {image.mode}; convert it to RGB first.")
        preview = getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0) & 1
        # Loading forgets what the file says of its depth.
        layers = layers_of(image, max(bits, bits_in_image(image)))
        # Icons learn their size only now.
        _check_size(image, limits, name)
        with recorded_warnings() as warned:
            exif = metadata.read_exif(image)
        xmp = metadata.xmp_of(image.info)
    notices = [*layers.notices, *exif.notices]
    if keep_metadata:
        notices += metadata.lost_text(image)
    notices += [f"Pillow warns: {text.rstrip('.')}." for text in warned]
    if preview:
        notices.append(
            "The picture is a smaller copy (preview) of another one in the file, which was not used."
        )
    icc = layers.icc
    if icc is None and "icc_profile" not in image.info:
        described = described_colours(image, cicp, header, grey=layers.pixels.ndim == 2)
        icc = described.icc
        notices += [described.notice] if described.notice else []
    elif icc is not None and image.format == "JXL" and describes_srgb(icc):
        icc = None  # made by the decoder, from less than a byte of the file
    pixels, alpha = layers.pixels, layers.alpha
    if exif.orientation != 1:
        pixels = _turn(pixels, exif.orientation)
        alpha = None if alpha is None else _turn(alpha, exif.orientation)
        xmp = xmp and metadata.with_upright_xmp(xmp)
    if pixels.ndim == 2:
        pixels = pixels[:, :, np.newaxis]
    pixels = np.ascontiguousarray(pixels)
    alpha = None if alpha is None else np.ascontiguousarray(alpha)
    return Picture(pixels, alpha, icc=icc, exif=exif.data, xmp=xmp, notices=notices)


def _strictly(picture: Picture, name: str, strict: bool) -> Picture:
    if strict and picture.notices:
        raise ImageError(
            f"{name} cannot be taken as it is, but with this notice: {' '.join(picture.notices)}"
        )
    return picture


def _room_for(chunks: PngChunks | None) -> AbstractContextManager[None]:
    """Lets the reader of PNG unpack what was found to be within the limits; by itself it takes a megabyte."""
    if chunks is None or chunks.largest <= _PILLOWS_TEXT:
        return nullcontext()
    from PIL import PngImagePlugin

    return changed(PngImagePlugin, MAX_TEXT_CHUNK=chunks.largest, MAX_TEXT_MEMORY=chunks.metadata)


def _frames(image: Image.Image) -> int:
    # Counting reads ahead in some formats; damage behind the first frame does not matter.
    try:
        frames = int(getattr(image, "n_frames", 1))
        if image.tell() != 0 and image.format != "HEIF":  # whose first picture need not be the main one
            image.seek(0)
    except Exception:
        return 1
    return frames


def _check_size(image: Image.Image, limits: Limits, name: str) -> None:
    if image.width < 1 or image.height < 1:
        raise ImageError(
            f"{name} is empty ({image.width} x {image.height} pixels); give one with at least one pixel."
        )
    with _named(name):
        limits.check_picture(image.width, image.height, 1 if image.mode in GREY_MODES else 3)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Puts the name before what a limit says."""
    try:
        yield
    except LimitError as error:
        raise LimitError(
            str(error) if name == "The picture" else f"{name}: {error}", advice=error.advice
        ) from error


def _turn(samples: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Samples (height x width, or with channels) turned as EXIF's orientation 2 to 8 wants them displayed."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return samples
