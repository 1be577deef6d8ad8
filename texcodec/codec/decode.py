"""From the bytes of a ``.tcx`` file to pictures, whole or in part."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from ..container import EXIF, ICCP, TEXT, XMPD, Crop, Header, Reader, TileEntry, symbols_crc
from ..errors import ChecksumError, CorruptError, FormatError, ParameterError, StreamError, UnsupportedError
from ..images import Picture, decompress_alpha, to_image
from ..limits import DEFAULT_LIMITS, Limits
from ..registry import ModelSet, find_identity
from ..registry.manifest import ENTROPY_PROFILE
from ..registry.model_set import RATE_INDICES
from ..tiles import STRIDE, Grid
from .cropping import region_box
from .decoder import Plan, TileLatents, plan, render
from .tile_coder import TileCoder, TileSymbols
from .workers import Counter, Progress, Workers

if TYPE_CHECKING:
    from PIL import Image

Models = str | os.PathLike[str] | ModelSet | None
CANVAS_BYTES = 24
"""Memory a pixel that decoding needs at most: latents, unrounded and rounded pixels."""


def decode(
    data: bytes,
    *,
    region: Sequence[int] | None = None,
    crop_only: bool = False,
    models: Models = None,
    threads: int | None = None,
    salvage: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> Image.Image:
    """Decode a ``.tcx`` file to a Pillow image (L, LA, RGB or RGBA; ICC profile, EXIF and XMP in ``info``).

    Args:
        data: the file.
        region: (x, y, width, height) in displayed pixels; only the tiles it needs are decoded, and the result
            equals the same crop of the whole picture.
        crop_only: decode the region that the file was cropped to when it was encoded.
        models: name or folder of the model set; default: the installed set that the file names.
        threads: default: the cores this process may use. The pixels do not depend on it.
        salvage: decode the sound tiles of a damaged file; ``notice`` names the others, which stay grey.
        limits: largest sizes accepted.
        progress: called with (tiles done, tiles in all).
        notice: called with sentences for the user.
    Raises:
        FormatError: the file is damaged or not a ``.tcx`` file.
        UnsupportedError: it needs a newer texcodec.
        LimitError: it declares more than ``limits`` allows.
        ModelError: its model set is missing or damaged.
        ParameterError: the region is empty or outside the picture, or the file has no crop.
    """
    with TcxFile(data, limits=limits, salvage=salvage) as file:
        if crop_only:
            if region is not None:
                raise ParameterError("A region and the file's crop exclude each other; ask for one of them.")
            region = file.crop_region()
        return file.decode(region, models=models, threads=threads, progress=progress, notice=notice)


def open(  # noqa: A001  named as PIL.Image.open is
    source: str | os.PathLike[str] | bytes | BinaryIO, *, limits: Limits | None = None, salvage: bool = False
) -> TcxFile:
    """Open a ``.tcx`` file: a path, its bytes, or a binary file object. Only header, index and metadata are
    read at once.

    Raises:
        StreamError: the path cannot be opened or read.
        FormatError, UnsupportedError, LimitError: as ``decode``.
    """
    return TcxFile(source, limits=limits, salvage=salvage)


class TcxFile:
    """An open ``.tcx`` file. Use it as a context manager, or call ``close``.

    Attributes:
        header: the container's header.
        tiles: the container's tile entries, row-major.
        damaged: numbers of the tiles that the last salvaging decode found damaged.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes | BinaryIO,
        *,
        limits: Limits | None = None,
        salvage: bool = False,
    ) -> None:
        self._limits = limits or DEFAULT_LIMITS
        self._salvage = salvage
        self._owned: BinaryIO | None = None
        stream: bytes | BinaryIO
        if isinstance(source, (str, os.PathLike)):
            try:
                stream = self._owned = io.open(Path(source), "rb")
            except (OSError, ValueError) as error:  # ValueError: a null character in the name
                reason = error.strerror if isinstance(error, OSError) else error
                raise StreamError(
                    f"{os.fspath(source)!r} cannot be opened ({reason}); check its name and permissions."
                ) from None
        else:
            stream = bytes(source) if isinstance(source, (bytearray, memoryview)) else source
        try:
            self._reader = Reader(stream, self._limits, salvage=salvage)
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
        names = {"icc": ICCP, "exif": EXIF, "xmp": XMPD, "text": TEXT}
        return {
            name: self._reader.chunks[kind] for name, kind in names.items() if kind in self._reader.chunks
        }

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
            raise ParameterError("The file has no crop: it was encoded whole; decode it whole or by a region.")
        return self.crop.region

    def close(self) -> None:
        """Close the file if it was opened here."""
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> TcxFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def verify(self) -> None:
        """Check every byte against the checksums; needs no model set.

        Raises:
            FormatError: naming what is damaged.
        """
        self._reader.verify()

    def decode(
        self,
        region: Sequence[int] | None = None,
        *,
        models: Models = None,
        threads: int | None = None,
        progress: Progress | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> Image.Image:
        """Decode to a Pillow image; see ``texcodec.decode``."""
        picture = self.decode_picture(
            region, models=models, threads=threads, progress=progress, notice=notice
        )
        return to_image(picture)

    def decode_picture(
        self,
        region: Sequence[int] | None = None,
        *,
        models: Models = None,
        threads: int | None = None,
        progress: Progress | None = None,
        notice: Callable[[str], None] | None = None,
    ) -> Picture:
        """Decode to a ``texcodec.images.Picture``; see ``texcodec.decode``."""
        self._check_supported()
        say = notice or (lambda sentence: None)
        grid = self._grid()
        box = grid.picture if region is None else region_box(region, grid.width, grid.height)
        header = self.header
        loaded = self._models(models)
        wanted = plan(grid, box, fusion=header.fusion, halo=header.halo)
        self._limits.check_memory(len(wanted.decoded) * grid.side**2 * CANVAS_BYTES, "decoding")
        alpha = self._alpha(say)
        with Workers(threads) as workers:
            counter = Counter(len(wanted.decoded) + len(wanted.synthesised), progress)
            tiles = self._tile_latents(grid, wanted, loaded, workers, counter, say)
            pixels = render(
                grid,
                wanted,
                tiles,
                loaded,
                workers,
                fusion=header.fusion,
                rate_index=header.rate_index,
                grey=header.channels == 1,
                counter=counter,
            )
        meta = self.metadata
        return Picture(
            pixels,
            None if alpha is None else np.ascontiguousarray(box.cut(alpha)),
            meta.get("icc"),
            meta.get("exif"),
            meta.get("xmp"),
        )

    def symbols_hash(self, *, models: Models = None, threads: int | None = None) -> str:
        """SHA-256, hexadecimal, of all tiles' decoded symbols: the same on every machine.

        Raises: as ``decode``.
        """
        self._check_supported()
        grid, loaded = self._grid(), self._models(models)
        coder = TileCoder(loaded)
        present = [i for i, entry in enumerate(self.tiles) if not entry.absent]
        digest = hashlib.sha256()
        with Workers(threads) as workers:
            for symbols in workers.map(
                lambda i: self._tile_symbols(i, grid, coder).canonical_bytes(), present
            ):
                digest.update(symbols)
        return digest.hexdigest()

    # -- inside
    def _grid(self) -> Grid:
        header = self.header
        return Grid(header.width, header.height, header.tile_log2, header.origin_x, header.origin_y)

    def _check_supported(self) -> None:
        header = self.header
        if header.no_pixels:
            raise UnsupportedError(
                "The file holds feature streams and no pixels, so there is no picture to decode; use texcodec "
                "features infer for the answers of its tasks, or features decode for the tensors."
            )
        if header.entropy_profile != ENTROPY_PROFILE:
            raise UnsupportedError(
                f"The file uses entropy profile {header.entropy_profile}, but this version of texcodec knows "
                f"{ENTROPY_PROFILE} only; use a newer version."
            )

    def _models(self, models: Models) -> ModelSet:
        header = self.header
        if isinstance(models, ModelSet) and models.identity == header.identity:
            loaded = models
        else:
            loaded = find_identity(header.identity, models.folder if isinstance(models, ModelSet) else models)
        manifest = loaded.manifest
        if (
            1 << header.latent_log2 != STRIDE
            or header.halo != manifest.halo
            or header.classes != loaded.classes
        ):
            raise CorruptError(
                "The header's latent stride, halo or classes are not those of the model set that it names; "
                "get another copy of the file."
            )
        if header.fusion and not manifest.fusion:
            raise CorruptError(
                "The header asks for fusion, which the model set that it names does not have; "
                "get another copy of the file."
            )
        for index, entry in enumerate(self.tiles):
            if not entry.absent and not 0 <= header.rate_index + entry.offset < RATE_INDICES:
                raise CorruptError(
                    f"Tile {index} has rate index {header.rate_index + entry.offset}, beyond the step table; "
                    "get another copy of the file."
                )
        if header.rate_index >= RATE_INDICES:
            raise CorruptError(
                f"The header has rate index {header.rate_index}, beyond the step table; "
                "get another copy of the file."
            )
        return loaded

    def _alpha(self, say: Callable[[str], None]) -> np.ndarray | None:
        if not self.header.alpha_mode:
            return None
        try:
            if self._reader.alpha is None:
                raise CorruptError("The alpha channel is missing; get another copy of the file.")
            return decompress_alpha(self._reader.alpha, self.height, self.width)
        except FormatError as error:
            if not self._salvage:
                raise
            say(f"The picture is made opaque: {error}")
            return np.full((self.height, self.width), 255, np.uint8)

    def _tile_symbols(self, index: int, grid: Grid, coder: TileCoder) -> TileSymbols:
        entry = self.tiles[index]
        rate = self.header.rate_index + entry.offset
        payload = self._reader.tile_bytes(index)
        try:
            symbols = coder.read(payload, entry.cls, rate, grid.latent_shape(index))
        except CorruptError as error:
            raise CorruptError(f"Tile {index} is damaged: {error}") from None
        if symbols_crc(symbols.canonical_bytes()) != entry.symbols_crc:
            raise ChecksumError(
                f"The symbols of tile {index} do not match their checksum: the file is damaged, or this "
                "machine computes differently (please report that)."
            )
        return symbols

    def _tile_latents(
        self,
        grid: Grid,
        wanted: Plan,
        models: ModelSet,
        workers: Workers,
        counter: Counter,
        say: Callable[[str], None],
    ) -> dict[int, TileLatents]:
        coder = TileCoder(models)
        self.damaged = []

        def run(index: int) -> TileLatents | FormatError | None:
            entry = self.tiles[index]
            if entry.absent:
                return None
            try:
                symbols = self._tile_symbols(index, grid, coder)
            except FormatError as error:
                if not self._salvage:
                    raise
                return error
            return TileLatents(entry.cls, self.header.rate_index + entry.offset, symbols.latents())

        tiles = {}
        for index, result in zip(wanted.decoded, workers.map(run, wanted.decoded, counter)):
            if isinstance(result, TileLatents):
                tiles[index] = result
            elif result is not None:
                self.damaged.append(index)
                say(f"Tile {index} is left grey: {result}")
        if self._salvage:
            for problem in self._reader.problems:
                say(problem)
            if self.damaged and not tiles:
                raise CorruptError("No tile of the file is sound, so there is nothing to salvage.")
        return tiles
