"""What is wrong with a file that cannot be read, in one sentence that is true of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image, UnidentifiedImageError

from texcodec.errors import ImageError, LimitError, TexcodecError
from texcodec.images.formats import INSTALL_FORMATS, load_plugin, open_image, plugin_format
from texcodec.images.library_output import captured

# Files that people take for pictures, by how they begin.
_NO_PICTURES = (
    (b"%PDF-", "a PDF document"),
    (b"<svg", "an SVG drawing"),
    (b"\x1f\x8b", "compressed by gzip"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1aE\xdf\xa3", "a video (Matroska)"),
    (b"{\\rtf", "a text document"),
)
_TAR_AT, _VIDEO_AT = 257, 4
_SNIFFED = 4096  # bytes in which the beginning of an SVG is searched
# What Pillow's readers say, or raise, when a file ends too early.
_CUT = ("truncated", "unexpected end", "not enough image data", "requires a buffer", "end of file")


@contextmanager
def blamed(name: str) -> Iterator[None]:
    """Turns whatever a decoder raises on bad input into one sentence about the input."""
    with captured() as library_says:
        try:
            yield
        except TexcodecError:
            raise
        except Image.DecompressionBombError as error:
            raise LimitError(f"{name} declares a picture that is too large: {reason(error)}.") from error
        except MemoryError as error:
            raise LimitError(f"{name} needs more memory than there is; use a smaller picture.") from error
        except Exception as error:  # Pillow's plugins let any kind of exception out for damaged files
            raise _damaged(name, "", error, library_says()) from error


def unidentified(file: IO[bytes], header: bytes, name: str) -> ImageError:
    """The error for a file that no reader took.

    Args:
        file: seekable; its position is not kept.
        header: its first bytes.
        name: what the error calls it.
    """
    plugin = plugin_format(header)
    if plugin is not None and not load_plugin(plugin):
        return ImageError(f"{name} is {plugin}, which needs a plugin of Pillow's: {INSTALL_FORMATS}.")
    # A reader that knows the first bytes and gives up further on knows what is wrong.
    for image_format, reason_ in _refusals(file, header):
        return _damaged(name, image_format, reason_)
    start = header[:_SNIFFED].lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, what in _NO_PICTURES:
        svg = magic == b"<svg" and start.startswith((b"<?xml", b"<!")) and magic in start
        if start.startswith(magic) or svg:
            return ImageError(f"{name} is {what}, which Pillow cannot read; convert it to PNG first.")
    if header[_VIDEO_AT : _VIDEO_AT + 4] == b"ftyp" and plugin is None:
        return ImageError(f"{name} is a video (MP4 or QuickTime); save a frame as PNG first.")
    if header[_TAR_AT : _TAR_AT + 5] == b"ustar":
        return ImageError(f"{name} is a tar archive; unpack it first.")
    if plugin is not None:
        return ImageError(
            f"{name} is {plugin}, which the installed readers cannot read; convert it to PNG first."
        )
    return ImageError(f"{name} is in no format that Pillow can read; convert it to PNG first.")


def reason(error: BaseException) -> str:
    """An exception's text in one line, without a full stop."""
    if isinstance(error, KeyError):
        return f"unknown value {error}"
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")


def _refusals(file: IO[bytes], header: bytes) -> Iterator[tuple[str, BaseException]]:
    """The formats whose readers accept the first bytes, and what they raise further on."""
    for image_format in list(Image.ID):
        accept = Image.OPEN[image_format][1]
        try:
            accepted = accept is not None and accept(header[:16])
            if not accepted or isinstance(accepted, str):  # a string says that a library is missing
                continue
        except Exception:
            continue
        try:
            file.seek(0)
            Image.OPEN[image_format][0](file, "")
        except Exception as error:
            cause = error.__cause__
            # Pillow wraps what it meets in a SyntaxError of the same text; others say more than their cause.
            wrapped = isinstance(error, SyntaxError) and cause is not None and str(error) == str(cause)
            yield image_format, cause if wrapped and cause is not None else error


def _damaged(name: str, image_format: str, error: BaseException, library_says: str = "") -> ImageError:
    what = ": ".join(part for part in (reason(error), library_says) if part)
    kind = f" a {image_format} file that" if image_format else ""
    text = what.lower()
    if isinstance(error, (EOFError, struct.error, IndexError)) or any(part in text for part in _CUT):
        fault = f"is{kind} is truncated" if kind else "is truncated"
        return ImageError(f"{name} {fault}; get an undamaged copy.")
    if isinstance(error, (NotImplementedError, KeyError)) or any(
        part in text
        for part in (
            "unsupported",
            "unknown",
            "not supported",
            "cannot handle",
            "unimplemented",
            "unavailable",
        )
    ):
        fault = f"is{kind} cannot be read" if kind else "cannot be read"
        return ImageError(f"{name} {fault} ({what}); convert it to PNG first.")
    fault = f"is{kind} is damaged" if kind else "is damaged"
    return ImageError(f"{name} {fault} ({what}); get an undamaged copy.")


def opened(file: IO[bytes], header: bytes, name: str) -> Image.Image:
    """Opens a picture, loading the plugin that its first bytes ask for; the pixels are not loaded.

    Raises:
        ImageError: no reader takes it; the sentence says why.
    """
    plugin = plugin_format(header)
    if plugin is not None:
        load_plugin(plugin)
    try:
        return open_image(file)
    except UnidentifiedImageError as error:
        raise unidentified(file, header, name) from error
