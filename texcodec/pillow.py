"""Pillow's plugin for ``.tcx`` files.

    import texcodec.pillow
    Image.open("in.tcx").save("out.tcx", quality=50)

Importing this module registers the format with Pillow. Opening reads header, index and metadata; the codec is imported
when pixels are needed. Errors are those that callers of Pillow expect: ``UnidentifiedImageError`` and ``OSError`` for
files, ``Image.DecompressionBombError`` for sizes, ``ValueError`` for options.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from PIL import Image, ImageFile, UnidentifiedImageError

from .container.chunks import EXIF, ICCP, MAGIC, PREV, XMPD
from .container.outline import Outline, outline
from .errors import FormatError, LimitError, ParameterError, TexcodecError, UnsupportedError
from .exif_entries import PREFIX, resolution_of

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from .images import Picture
    from .limits import Limits
    from .registry import ModelSet

__all__ = ["TcxImageFile", "register"]

FORMAT = "TCX"
MIME = "image/x-tcx"
EXTENSION = ".tcx"
_UNLIMITED = 1 << 62
_MOST_DPI = 1e6
_OPTIONS = (
    *("quality", "bpp", "size", "psnr", "nearest", "lossless", "models", "tune", "effort", "threads", "tile"),
    *("crop", "outside", "preview", "limits", "progress", "warn"),
)
"""Options of ``save`` that go to ``texcodec.encode``; others are ignored, as by Pillow's own writers."""


class _Settings:
    models: str | os.PathLike[str] | ModelSet | None = None
    threads: int | None = None


_settings = _Settings()


def register(*, models: str | os.PathLike[str] | ModelSet | None = None, threads: int | None = None) -> None:
    """Let Pillow open and save ``.tcx`` files, as importing this module does; called again, change the settings.

    Args:
        models: model set to decode with, and to encode with where ``save`` is given none; default: the set that the
            file names, and ``texcodec.encode``'s default.
        threads: default: the cores this process may use. Use 1 in the workers of a data loader.
    """
    _settings.models, _settings.threads = models, threads
    Image.register_open(FORMAT, TcxImageFile, _accept)
    Image.register_save(FORMAT, _save)
    Image.register_extension(FORMAT, EXTENSION)
    Image.register_mime(FORMAT, MIME)


class TcxImageFile(ImageFile.ImageFile):
    """A ``.tcx`` file that Pillow has opened; mode L, LA, RGB or RGBA.

    ``info`` has ``icc_profile``, ``exif``, ``xmp`` and ``dpi`` where the file has them.
    """

    format = FORMAT
    format_description = "texcodec"

    def _open(self) -> None:
        assert self.fp is not None
        self._start = self.fp.tell()
        self._fault: FormatError | None = None
        self._drafted: Image.Image | None = None
        # a size that Pillow would warn about is a matter for limits
        found = outline(self.fp, self._start)
        if found is None or found.width * found.height > (
            Image.MAX_IMAGE_PIXELS or found.width * found.height
        ):
            found = self._read()
        self._size, self._mode = (found.width, found.height), found.mode
        # stands for the pixels until they are loaded
        self.tile = [ImageFile._Tile("raw", (0, 0, *self._size), self._start, self._mode)]
        for name, kind in (("icc_profile", ICCP), ("xmp", XMPD)):
            if kind in found.chunks:
                self.info[name] = found.chunks[kind]
        if EXIF in found.chunks:
            self.info["exif"] = PREFIX + found.chunks[EXIF]
            dpi = _resolution(found.chunks[EXIF])
            if dpi is not None:
                self.info["dpi"] = dpi
        self._preview = found.chunks.get(PREV)

    def _read(self) -> Outline:
        """The outline of a file that is unusual, or large, or damaged."""
        from .container import Reader, read_header

        with _sizes_as_bombs():
            try:
                header = read_header(self._file(), _limits())
            except UnsupportedError as error:
                raise UnidentifiedImageError(error.with_advice) from error
            except FormatError as error:
                raise SyntaxError(str(error)) from error
            if not header.has_pixels:
                raise UnidentifiedImageError("The .tcx file holds feature streams and no picture.")
            try:
                # what is damaged after the header is reported when it is needed, as for other formats
                chunks = Reader(self._file(), _limits(), salvage=True).chunks
            except FormatError as error:
                self._fault, chunks = error, {}
        mode = ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha_mode else "")
        return Outline(header.width, header.height, mode, chunks)

    def draft(
        self, mode: str | None, size: tuple[int, int] | None
    ) -> tuple[str, tuple[int, int, float, float]] | None:
        """Let the preview that the file may hold stand for the picture, where it fills a box of this size; see
        ``PIL.Image.Image.draft``. ``thumbnail`` calls it.

        Args:
            mode: ignored.
        Returns:
            mode and box, or None where the picture itself has to be decoded.
        """
        if self._preview is None or size is None or not self.tile or self._drafted is not None:
            return None
        from .images import PreviewError, preview_image

        width, height = self.size
        scale = min(size[0] / width, size[1] / height, 1.0)
        try:
            small = preview_image(self._preview, width, height, self.mode)
        except PreviewError:
            self._preview = None
            return None
        if small.width < int(width * scale) or small.height < int(height * scale):
            return None
        self._drafted, self._size = small, small.size
        return self.mode, (0, 0, *small.size)

    def verify(self) -> None:
        """Check all bytes against their checksums, without decoding; the file has to be opened again afterwards.

        Raises:
            OSError: naming what is damaged.
        """
        from .container import Reader

        with _as_os_errors():
            Reader(self._file(), _limits()).verify()
        super().verify()

    def load(self) -> Image.core.PixelAccess | None:
        """Decode the picture; see ``PIL.Image.Image.load``.

        With ``ImageFile.LOAD_TRUNCATED_IMAGES``, sound tiles of a damaged file are decoded, the others are grey, and a
        ``TexcodecWarning`` names them.

        Raises:
            OSError: the file is damaged, or its model set is missing.
        """
        if self.tile:
            self._decode()
        return Image.Image.load(self)

    def load_prepare(self) -> None:
        """Nothing: ``load`` makes the pixels."""

    def _decode(self) -> None:
        self.im = (self._drafted or self._whole()).im
        self.tile, self.readonly = [], 0
        if self._exclusive_fp:
            self._close_fp()
        self.fp = None

    def _whole(self) -> Image.Image:
        from .codec import TcxFile

        salvage = bool(ImageFile.LOAD_TRUNCATED_IMAGES)
        with _as_os_errors():
            if self._fault is not None:
                raise self._fault
            file = TcxFile(self._file(), limits=_limits(), salvage=salvage)
            return file.decode(models=_settings.models, threads=_settings.threads)

    def _file(self) -> Any:
        """The file, at the beginning of the picture."""
        if self.fp is None:
            raise ValueError("Operation on closed image")
        self.fp.seek(self._start)
        return self.fp


def _accept(prefix: bytes) -> bool:
    return prefix.startswith(MAGIC)


def _limits() -> Limits:
    """Pillow's limit on pixels; other sizes grow with it where the user has raised it."""
    from .limits import Limits

    most = Image.MAX_IMAGE_PIXELS
    if most is None:
        return Limits(_UNLIMITED, _UNLIMITED, _UNLIMITED, _UNLIMITED)
    default, pixels = Limits(), 2 * most  # above twice the limit Pillow refuses, before that it warns
    factor = max(1, -(-pixels // default.pixels))
    return Limits(max(1, pixels), default.side, default.tiles * factor, default.memory * factor)


def _resolution(exif: bytes) -> tuple[float, float] | None:
    """Pixels per inch, where they are sensible."""
    dpi = resolution_of(exif)
    return dpi if dpi is not None and max(dpi) < _MOST_DPI else None


def _save(image: Image.Image, file: IO[bytes], filename: str | bytes) -> None:
    from .codec import encode

    given = {"models": _settings.models, "threads": _settings.threads, **image.encoderinfo}
    if given.get("tune") is not None and "models" not in image.encoderinfo:
        given["models"] = None  # the tune chooses the set
    with _as_os_errors():
        picture = _picture(image, given)
        data = encode(picture, **{name: given[name] for name in _OPTIONS if name in given})
    file.write(data)


def _picture(image: Image.Image, given: dict[str, Any]) -> Picture:
    """The picture with the metadata that ``save`` was given, else with its own; None or nothing leaves it out."""
    from .images import from_image
    from .images.exif import ExifError, with_resolution

    blobs = {name: _blob(name, given[name]) for name in ("icc_profile", "exif", "xmp") if name in given}
    limits = given.get("limits") or _limits()
    with _info_changed(image, {name: blob for name, blob in blobs.items() if blob}):
        picture = from_image(image, limits)
    if blobs.get("icc_profile") == b"":
        picture.icc = None
    if blobs.get("exif") == b"":
        picture.exif = None
    if blobs.get("xmp") == b"":
        picture.xmp = None
    if given.get("dpi") is not None:
        try:
            across, down = (float(value) for value in given["dpi"])
            if not (0 < across < _MOST_DPI and 0 < down < _MOST_DPI):  # nor are these not a number
                raise ValueError
            picture.exif = with_resolution(picture.exif, (across, down))
        except (TypeError, ValueError, OverflowError, ExifError):
            raise ParameterError(f"The dpi must be two positive numbers, not {given['dpi']!r}.") from None
    return picture


def _blob(name: str, value: Any) -> bytes:
    if isinstance(value, Image.Exif):
        value = value.tobytes()
    if isinstance(value, str) and name == "xmp":
        value = value.encode("utf-8")
    if value is not None and not isinstance(value, (bytes, bytearray)):
        raise ParameterError(f"The {name} must be bytes or None, not {type(value).__name__}.")
    return bytes(value or b"")


@contextmanager
def _info_changed(image: Image.Image, values: dict[str, bytes]) -> Iterator[None]:
    # a copy of the image would forget its format and tags
    before = image.info
    image.info = {**before}
    image.info.update(values)
    try:
        yield
    finally:
        image.info = before


@contextmanager
def _sizes_as_bombs() -> Iterator[None]:
    try:
        yield
    except LimitError as error:
        raise Image.DecompressionBombError(str(error)) from error


@contextmanager
def _as_os_errors() -> Iterator[None]:
    """Errors of files, pictures and model sets as OSError; what the caller got wrong stays a ValueError."""
    with _sizes_as_bombs():
        try:
            yield
        except (ParameterError, LimitError):
            raise
        except TexcodecError as error:
            raise OSError(str(error)) from error


register()
