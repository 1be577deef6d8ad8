"""Open ``.tcx`` files: sizes, metadata, pictures whole or in part."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, overload

import numpy as np

from ..container import EXIF, ICCP, TEXT, XMPD, Crop, Header, Reader, TileEntry
from ..errors import ChecksumError, ModelError, ParameterError, StreamError
from ..images import Picture, to_array, to_image
from ..limits import Limits, limits_or_default
from ..notices import Warn, issue
from ..tiles import STRIDE
from .decode import Decoder
from .requirements import Models
from .stored_preview import stored_preview
from .workers import Progress

if TYPE_CHECKING:
    from PIL import Image

Source = str | os.PathLike[str] | bytes | BinaryIO
Output = Literal["pillow", "numpy"]
_METADATA = {"icc": ICCP, "exif": EXIF, "xmp": XMPD, "text": TEXT}


@overload
def decode(
    data: Source,
    *,
    output: Literal["pillow"] = ...,
    region: Sequence[int] | None = ...,
    crop_only: bool = ...,
    models: Models = ...,
    threads: int | None = ...,
    salvage: bool = ...,
    limits: Limits | None = ...,
    progress: Progress | None = ...,
    warn: Warn | None = ...,
) -> Image.Image: ...


@overload
def decode(
    data: Source,
    *,
    output: Literal["numpy"],
    region: Sequence[int] | None = ...,
    crop_only: bool = ...,
    models: Models = ...,
    threads: int | None = ...,
    salvage: bool = ...,
    limits: Limits | None = ...,
    progress: Progress | None = ...,
    warn: Warn | None = ...,
) -> np.ndarray: ...


def decode(
    data: Source,
    *,
    output: Output = "pillow",
    region: Sequence[int] | None = None,
    crop_only: bool = False,
    models: Models = None,
    threads: int | None = None,
    salvage: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    warn: Warn | None = None,
) -> Image.Image | np.ndarray:
    """Decode a ``.tcx`` file to a Pillow image (L, LA, RGB or RGBA; ICC profile, EXIF and XMP in ``info``) or to an
    array.

    Args:
        data: the file: its bytes, its path, or a binary file object.
        output: "pillow", or "numpy" for uint8, H x W (grey), H x W x 2 (grey and alpha), H x W x 3 (RGB) or
            H x W x 4 (RGBA).
        region: (x, y, width, height) in displayed pixels; only the tiles it needs are decoded, and the result
            equals the same crop of the whole picture.
        crop_only: decode the region that the file was cropped to when it was encoded.
        models: name or folder of the model set; default: the installed set that the file names.
        threads: default: the cores this process may use. The pixels do not depend on it.
        salvage: decode the sound tiles of a damaged file; ``warn`` names the others, which stay grey.
        limits: largest sizes accepted.
        progress: called with (tiles done, tiles in all).
        warn: called with sentences for the user, such as those of salvage; by default each one is a
            ``TexcodecWarning``.
    Raises:
        FormatError: the file is damaged or not a ``.tcx`` file.
        UnsupportedError: it needs a newer texcodec.
        LimitError: it declares more than ``limits`` allows.
        ModelError: its model set is missing or damaged.
        ParameterError: the region is empty or outside the picture, or the file has no crop.
        ParameterTypeError: an argument is of a type that is not accepted; a TypeError, too.
    """
    _check_output(output)
    with TcxFile(data, limits=limits, salvage=salvage) as file:
        if crop_only:
            if region is not None:
                raise ParameterError("A region and the file's crop exclude each other; ask for one of them.")
            region = file.crop_region()
        picture = file.decode_picture(region, models=models, threads=threads, progress=progress, warn=warn)
    return _as_output(picture, output)


def _check_output(output: Output) -> None:
    if output not in ("pillow", "numpy"):
        raise ParameterError(f"The output is 'pillow' or 'numpy', not {output!r}.")


def _as_output(picture: Picture, output: Output) -> Image.Image | np.ndarray:
    return to_image(picture) if output == "pillow" else to_array(picture)


def open(source: Source, *, limits: Limits | None = None, salvage: bool = False) -> TcxFile:  # noqa: A001  as PIL's
    """Open a ``.tcx`` file: a path, its bytes, or a binary file object. Only header, index and metadata are
    read at once.

    Raises:
        StreamError: the path cannot be opened or read.
        FormatError, UnsupportedError, LimitError: as ``decode``.
    """
    return TcxFile(source, limits=limits, salvage=salvage)


class TcxFile:
    """An open ``.tcx`` file. Use it as a context manager, or call ``close``. ``numpy.asarray`` decodes it.

    Attributes:
        header: the container's header.
        tiles: the container's tile entries, row-major.
        damaged: numbers of the tiles that the last salvaging decode found damaged.
    """

    def __init__(self, source: Source, *, limits: Limits | None = None, salvage: bool = False) -> None:
        self._limits = limits_or_default(limits)
        self._owned: BinaryIO | None = None
        self._name = getattr(source, "name", None)
        if isinstance(source, (str, os.PathLike)):
            self._name = path = os.fspath(source)
            try:
                source = self._owned = io.open(path, "rb")
            except (OSError, ValueError) as error:  # ValueError: a null character in the name
                reason = error.strerror if isinstance(error, OSError) else error
                raise StreamError(
                    f"{path!r} cannot be opened ({reason}); check its name and permissions."
                ) from None
        try:
            self._reader = Reader(source, self._limits, salvage=salvage)
        except BaseException:
            self.close()
            raise
        self.damaged: list[int] = []

    @property
    def header(self) -> Header:
        return self._reader.header

    @property
    def tiles(self) -> tuple[TileEntry, ...]:
        return self._reader.tiles

    @property
    def width(self) -> int:
        """Pixels."""
        return self.header.width

    @property
    def height(self) -> int:
        """Pixels."""
        return self.header.height

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.width, self.height

    @property
    def mode(self) -> str:
        """Pillow's mode of the decoded image: L, LA, RGB or RGBA."""
        return ("L" if self.header.channels == 1 else "RGB") + ("A" if self.header.alpha_mode else "")

    @property
    def file_bytes(self) -> int:
        """Size of the file."""
        return self._reader.file_bytes

    @property
    def container_bytes(self) -> int:
        """Bytes of the file that are not entropy-coded tiles."""
        return self._reader.container_bytes

    @property
    def metadata(self) -> dict[str, bytes]:
        """ICC profile ("icc"), EXIF ("exif"), XMP ("xmp") and text ("text"), those that the file has."""
        chunks = self._reader.chunks
        return {name: chunks[kind] for name, kind in _METADATA.items() if kind in chunks}

    @property
    def chunks(self) -> list[tuple[bytes, bytes]]:
        """(type, payload) of every ancillary chunk, in the file's order."""
        return list(self._reader.ancillary)

    @property
    def crop(self) -> Crop | None:
        """The region that the file was cropped to, and what became of the rest; None if it was coded whole.

        Raises CorruptError if the file says something impossible about it.
        """
        return self._reader.crop

    def crop_region(self) -> tuple[int, int, int, int]:
        """x, y, width and height of the crop, for ``decode``; raises ParameterError if the file has none."""
        if self.crop is None:
            raise ParameterError(
                "The file has no crop: it was encoded whole; decode it whole or by a region."
            )
        return self.crop.region

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._owned is not None:
            self._owned.close()

    def __del__(self) -> None:
        # numpy.asarray(texcodec.open(path)) leaves nobody to close it
        if getattr(self, "_owned", None) is not None:
            self.close()

    def __enter__(self) -> TcxFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        name = f" {self._name!r}" if isinstance(self._name, str) else ""
        what = self.mode if self.header.has_pixels else "features only"
        return f"<texcodec.TcxFile{name} {self.width} x {self.height} {what}, {self.file_bytes} bytes>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The decoded pixels, for ``numpy.asarray``; see ``texcodec.imread``."""
        if copy is False:
            raise ValueError("Decoding makes a new array; ask for copy=None or True.")
        return to_array(self.decode_picture()).astype(dtype or np.uint8, copy=False)

    def verify(self) -> None:
        """Check every byte against the checksums; needs no model set.

        Raises:
            FormatError: naming what is damaged. In a file of entropy profile 2, which tile it is takes decoding: it is
                named if the model set is at hand.
        """
        try:
            self._reader.verify()
        except ChecksumError:
            if self.header.compact:
                with contextlib.suppress(ModelError):
                    Decoder(self._reader, None, self._limits).name_damage()
            raise

    @overload
    def decode(
        self,
        region: Sequence[int] | None = ...,
        *,
        output: Literal["pillow"] = ...,
        models: Models = ...,
        threads: int | None = ...,
        progress: Progress | None = ...,
        warn: Warn | None = ...,
    ) -> Image.Image: ...

    @overload
    def decode(
        self,
        region: Sequence[int] | None = ...,
        *,
        output: Literal["numpy"],
        models: Models = ...,
        threads: int | None = ...,
        progress: Progress | None = ...,
        warn: Warn | None = ...,
    ) -> np.ndarray: ...

    def decode(
        self,
        region: Sequence[int] | None = None,
        *,
        output: Output = "pillow",
        models: Models = None,
        threads: int | None = None,
        progress: Progress | None = None,
        warn: Warn | None = None,
    ) -> Image.Image | np.ndarray:
        """Decode to a Pillow image or an array; see ``texcodec.decode``."""
        _check_output(output)
        picture = self.decode_picture(region, models=models, threads=threads, progress=progress, warn=warn)
        return _as_output(picture, output)

    def decode_picture(
        self,
        region: Sequence[int] | None = None,
        *,
        models: Models = None,
        threads: int | None = None,
        progress: Progress | None = None,
        warn: Warn | None = None,
    ) -> Picture:
        """Decode to a ``texcodec.Picture``; see ``texcodec.decode``."""
        decoder = Decoder(self._reader, models, self._limits)
        self.damaged = decoder.damaged
        return decoder.picture(region, threads, progress, warn)

    def preview(
        self,
        *,
        at_least: int | None = None,
        models: Models = None,
        threads: int | None = None,
        progress: Progress | None = None,
        warn: Warn | None = None,
    ) -> Image.Image:
        """A small picture, as a Pillow image: the one that the file holds, if it was encoded with ``preview``, else one
        of 1/16 the width and height, a pixel for each lattice square of 16 x 16 pixels.

        The first needs no model set. For the second, only the first slice of tiles coded with entropy profile 2 is
        decoded, which holds the block means, and no network makes pixels of it; the symbols' checksum is not verified.
        Other files are decoded whole and averaged.

        Args:
            at_least: pixels that the longer side shall have; what has fewer is passed over, and the whole picture
                decoded where nothing smaller is left.
            models: as for ``texcodec.decode``.
            threads: likewise.
            progress: likewise.
            warn: likewise; a stored preview that cannot be used is a notice.

        Raises: as ``texcodec.decode``.
        """
        return to_image(
            self.preview_picture(
                at_least=at_least, models=models, threads=threads, progress=progress, warn=warn
            )
        )

    def preview_picture(
        self,
        *,
        at_least: int | None = None,
        models: Models = None,
        threads: int | None = None,
        progress: Progress | None = None,
        warn: Warn | None = None,
    ) -> Picture:
        """The preview as a ``texcodec.Picture``; see ``preview``."""
        stored = stored_preview(self._reader, warn or issue)
        if stored is not None and max(stored.width, stored.height) >= (at_least or 1):
            return stored
        if at_least is not None and at_least * STRIDE > max(self.width, self.height):
            return self.decode_picture(models=models, threads=threads, progress=progress, warn=warn)
        decoder = Decoder(self._reader, models, self._limits)
        self.damaged = decoder.damaged
        return decoder.preview(threads, progress, warn)

    def symbols_hash(self, *, models: Models = None, threads: int | None = None) -> str:
        """SHA-256, hexadecimal, of all tiles' decoded symbols: the same on every machine.

        Raises: as ``decode``.
        """
        return Decoder(self._reader, models, self._limits).symbols_hash(threads)
