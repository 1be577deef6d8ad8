"""Which formats there are: those of Pillow, and those of plugins that are loaded when they are needed."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

from PIL import Image, features

from texcodec.errors import ParameterError

INSTALL_FORMATS = 'pip install "texcodec[formats]"'

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
    ".pnm": "PPM",
}

# Extensions that promise fewer colours than the format that Pillow writes under them.
_NARROW_FORMATS = {".pgm": "PGM", ".pbm": "PBM"}

_PLUGIN_FORMATS = {
    ".heic": "HEIF",
    ".heics": "HEIF",
    ".heif": "HEIF",
    ".heifs": "HEIF",
    ".hif": "HEIF",
    ".jxl": "JXL",
    ".avif": "AVIF",
    ".avifs": "AVIF",
}
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")

_lock = threading.RLock()


def open_image(file: IO[bytes], formats: list[str] | None = None) -> Image.Image:
    """`PIL.Image.open` without Pillow's limit on pixels; the pixels are not loaded.

    That limit is a global of the whole process: it would warn about pictures that our limits allow and refuse
    those that the caller has allowed. Opening reads only the header, so our check comes in time; the limit is
    back in force while pixels inside container formats (icons) are opened.
    """
    with changed(Image, MAX_IMAGE_PIXELS=None), recorded_warnings():
        return Image.open(file, formats=formats)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Collects what Pillow warns about, in one thread at a time, instead of printing it."""
    texts: list[str] = []
    with _lock, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            yield texts
        finally:
            texts += dict.fromkeys(" ".join(str(warning.message).split()) for warning in caught)


@contextmanager
def changed(module: Any, **values: Any) -> Iterator[None]:
    """Sets globals of a module of Pillow's for a while, in one thread at a time."""
    with _lock:
        before = {name: getattr(module, name) for name in values}
        try:
            for name, value in values.items():
                setattr(module, name, value)
            yield
        finally:
            for name, value in before.items():
                setattr(module, name, value)


def format_for(path: str | os.PathLike[str]) -> str:
    """The name of the format that a file name's extension asks for, as `save_picture` takes it.

    It is Pillow's name, but for `PGM` and `PBM`, which are PPM without colour and with two colours.

    Raises:
        ParameterError: when the extension is unknown, or neither Pillow nor an installed plugin can write its
            format.
    """
    extension = os.path.splitext(os.fspath(path))[1].lower()
    if extension in _NARROW_FORMATS:
        return _NARROW_FORMATS[extension]
    name = _COMMON_FORMATS.get(extension) or Image.registered_extensions().get(extension)
    name = name or _PLUGIN_FORMATS.get(extension)
    # .pfm: floating-point samples, which a picture does not have; .tcx: where texcodec.pillow is imported
    if name is None or extension in (".pfm", ".tcx"):
        raise ParameterError(
            f"Cannot tell the format of {os.fspath(path)} from its extension; use .png, .jpg or the like."
        )
    require_writable(name)
    return name


# Read by other programs that Pillow calls, or only recognised.
_NOT_IN_FOLDERS = {"EPS", "PDF", "WMF", "MPEG", "BUFR", "GRIB", "HDF5", "FITS"}


def names_readable_picture(name: str) -> bool:
    """Whether a file's extension is that of a format whose pictures can be read, plugins included."""
    extension = os.path.splitext(name)[1].lower()
    if extension in _COMMON_FORMATS or extension in _NARROW_FORMATS or extension in _PLUGIN_FORMATS:
        return True
    found = Image.registered_extensions().get(extension)
    return found in Image.OPEN and found not in _NOT_IN_FOLDERS and found != "TCX"


def picture_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Width and height that a picture's header declares, or None where it is not one that Pillow reads."""
    try:
        with open_image(file) as image:
            return image.size
    except Exception:
        return None


def require_writable(name: str) -> None:
    """Loads the plugin that writes a format.

    Raises:
        ParameterError: there is none.
    """
    if name in Image.SAVE:
        return
    Image.preinit()  # PNG and JPEG among them; a tenth of a second less than all plugins take
    if name in Image.SAVE:
        return
    Image.init()
    load_plugin(name)
    if name in Image.SAVE:
        return
    if name in _PLUGIN_FORMATS.values():
        raise ParameterError(f"Writing {name} needs a plugin of Pillow's: {INSTALL_FORMATS}.")
    raise ParameterError(f"Pillow cannot write {name} pictures; use PNG, JPEG, WEBP or TIFF.")


def plugin_format(header: bytes) -> str | None:
    """`HEIF`, `AVIF` or `JXL` if a file that begins like this is in a format that may need a plugin."""
    if header.startswith(b"\xff\x0a") or header[4:12] == b"JXL \r\n\x87\n":
        return "JXL"
    if header[4:8] != b"ftyp":
        return None
    if header[8:12] in (b"avif", b"avis"):
        return "AVIF"
    return "HEIF" if header[8:12] in _HEIF_BRANDS else None


def load_plugin(name: str) -> bool:
    """Registers the installed plugin for `AVIF`, `HEIF` or `JXL` with Pillow; whether the format is known."""
    try:
        if name == "AVIF":
            if not features.check("avif"):
                import pillow_avif  # noqa: F401  registers itself
        elif name in Image.OPEN:
            return True
        elif name == "HEIF":
            import pillow_heif

            pillow_heif.register_heif_opener()
        elif name == "JXL":
            import pillow_jxl  # noqa: F401  registers itself
        else:
            return False
    except Exception:  # a plugin that is built for another system fails in its own ways
        return False
    return True
