"""From the tiles of an open ``.tcx`` file to pixels: entropy decoding, salvage, reconstruction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from ..container import EXIF, ICCP, PSUM, XMPD, Reader, pixels_crc, symbols_crc, unpack_pixel_sum
from ..errors import ChecksumError, CorruptError, FormatError
from ..images import Picture, decompress_alpha
from ..limits import DEFAULT_LIMITS, Limits
from ..notices import Warn, issue
from ..registry import PyramidSet
from .coders import decoders_for
from .cropping import region_box
from .preview import PreviewCanvas, averaged, mean_levels, reduced, reduced_plane
from .pyramid_coder import PyramidCoder
from .reconstruction import Plan, paste, plan, render
from .requirements import Models, check_supported, models_for
from .tile import CodedTile, DecodedTile, TileSamples
from .workers import Counter, Progress, Workers

T = TypeVar("T")
CANVAS_BYTES = 24
"""Memory per pixel that decoding needs at most: latents, unrounded and rounded pixels."""


class Decoder:
    """An open file with its model set.

    Attributes:
        damaged: numbers of the tiles that salvage found damaged.
    """

    def __init__(self, reader: Reader, models: Models = None, limits: Limits | None = None) -> None:
        self._reader, self._header, self._limits = reader, reader.header, limits or DEFAULT_LIMITS
        check_supported(self._header)
        self._models = models_for(self._header, reader.tiles, models)
        self._coders = decoders_for(self._header, self._models)
        self._grid = self._header.grid
        self.damaged: list[int] = []

    def picture(
        self,
        region: Sequence[int] | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
        warn: Warn | None = None,
    ) -> Picture:
        """The picture, or a region of it; see ``texcodec.decode``."""
        header, grid, warn = self._header, self._grid, warn or issue
        box = grid.picture if region is None else region_box(region, grid.width, grid.height)
        wanted = plan(grid, box, fusion=header.fusion, halo=header.halo)
        covered = sum(b.width * b.height for b in map(grid.latent_box, wanted.decoded))
        self._limits.check_memory(covered * CANVAS_BYTES, "decoding")
        alpha = self._alpha(warn)
        with Workers(threads) as workers:
            counter = Counter(len(wanted.decoded) + len(wanted.synthesised), progress)
            tiles = self._tiles(wanted, workers, counter, warn)
            if box == grid.picture and not self.damaged:
                self._check_data(warn)
            pixels = self._pixels(wanted, tiles, workers, counter)
        if box == grid.picture:
            self._check_sum(pixels, warn)
        plane = None if alpha is None else np.ascontiguousarray(box.cut(alpha))
        icc, exif, xmp = (self._reader.chunks.get(kind) for kind in (ICCP, EXIF, XMPD))
        return Picture(pixels, plane, icc, exif, xmp)

    def preview(
        self, threads: int | None = None, progress: Progress | None = None, warn: Warn | None = None
    ) -> Picture:
        """A picture of one pixel per lattice square; see ``TcxFile.preview``."""
        coders = {k: c for k, c in self._coders.items() if isinstance(c, PyramidCoder)}
        if not isinstance(self._models, PyramidSet):
            whole = self.picture(None, threads, progress, warn)
            return replace(
                whole, pixels=reduced(whole.pixels, self._grid), alpha=reduced_plane(whole.alpha, self._grid)
            )
        header, grid, models, warn = self._header, self._grid, self._models, warn or issue
        canvas, alpha = PreviewCanvas(grid), reduced_plane(self._alpha(warn), grid)
        sound = self._data_is_sound()

        def levels(index: int) -> np.ndarray | None:
            entry = self._reader.tiles[index]
            if entry.absent:
                return None
            if entry.drawn:
                samples = self._tile(index).decoded()
                assert isinstance(samples, TileSamples)
                return averaged(samples.values.transpose(2, 0, 1), grid.box(index), grid)
            if not sound:
                self._tile(index)  # its checksum is at the end of the stream, beyond the means
            rate, payload = header.rate_index + entry.offset, self._reader.tile_bytes(index)
            try:
                means = coders[entry.class_index].read_means(payload, entry.class_index, rate, grid, index)
            except CorruptError as error:
                raise CorruptError(f"Tile {index} is damaged: {error}") from None
            return mean_levels(means, rate, models)

        with Workers(threads) as workers:
            counter = Counter(len(grid), progress)
            for index, found in self._sound(range(len(grid)), levels, workers, counter, warn).items():
                canvas.put(index, found)
        if not sound and not self.damaged:
            self._check_data(warn)
        icc, exif, xmp = (self._reader.chunks.get(kind) for kind in (ICCP, EXIF, XMPD))
        return Picture(canvas.pixels(grey=header.channels == 1), alpha, icc, exif, xmp)

    def _pixels(
        self, wanted: Plan, tiles: dict[int, DecodedTile], workers: Workers, counter: Counter
    ) -> np.ndarray:
        header = self._header
        if self._models is None:
            return paste(wanted, tiles, header.channels, counter)
        grey = header.channels == 1
        return render(
            wanted, tiles, self._models, workers, rate_index=header.rate_index, grey=grey, counter=counter
        )

    def _data_is_sound(self) -> bool:
        """Whether the checksum of all tiles' bytes matches, if the file has one."""
        try:
            self._reader.check_data()
        except FormatError:
            return False
        return True

    def _check_data(self, warn: Warn) -> None:
        """Hold all tiles' bytes against their checksum, where each tile has passed its own."""
        try:
            self._reader.check_data()
        except FormatError as error:
            if not self._reader.salvage:
                raise
            warn(str(error))

    def name_damage(self) -> None:
        """Decode the symbols of all tiles; raises FormatError naming a damaged one."""
        with Workers(None) as workers:
            for _ in workers.map(self._tile_if_present, range(len(self._grid))):
                pass

    def _tile_if_present(self, index: int) -> CodedTile | None:
        return None if self._reader.tiles[index].absent else self._tile(index)

    def _check_sum(self, pixels: np.ndarray, warn: Warn) -> None:
        """Compare the whole picture with the checksum of its pixels, if the file has one."""
        expected = unpack_pixel_sum(self._reader.chunks.get(PSUM))
        if expected is None or self.damaged or pixels_crc(pixels) == expected:
            return
        if self._models is None and not self._reader.salvage:
            raise ChecksumError("The pixels do not match their checksum: the file is damaged.")
        warn("The pixels do not match their checksum: this machine computes them a little differently.")

    def symbols_hash(self, threads: int | None = None) -> str:
        """SHA-256, hexadecimal, of all tiles' decoded symbols: the same on every machine."""
        present = [i for i, entry in enumerate(self._reader.tiles) if not entry.absent]
        digest = hashlib.sha256()
        with Workers(threads) as workers:
            for symbols in workers.map(lambda i: self._tile(i).canonical_bytes(), present):
                digest.update(symbols)
        return digest.hexdigest()

    def _tile(self, index: int) -> CodedTile:
        entry = self._reader.tiles[index]
        rate, payload = self._header.rate_index + entry.offset, self._reader.tile_bytes(index)
        try:
            coder = self._coders[entry.class_index]
            coded: CodedTile = coder.read(payload, entry.class_index, rate, self._grid, index)
        except CorruptError as error:
            raise CorruptError(f"Tile {index} is damaged: {error}") from None
        if entry.symbols_crc is not None and symbols_crc(coded.canonical_bytes()) != entry.symbols_crc:
            raise ChecksumError(
                f"The symbols of tile {index} do not match their checksum: the file is damaged, or this "
                "machine computes differently (please report that)."
            )
        return coded

    def _tiles(self, wanted: Plan, workers: Workers, counter: Counter, warn: Warn) -> dict[int, DecodedTile]:
        """The sound tiles among those wanted, by number; salvage leaves out the damaged ones."""
        present, shown = self._reader.tiles, set(wanted.synthesised)

        def decode(index: int) -> DecodedTile | None:
            # a drawn tile has no latents for its neighbours
            if present[index].absent or (present[index].drawn and index not in shown):
                return None
            return self._tile(index).decoded()

        return self._sound(wanted.decoded, decode, workers, counter, warn)

    def _sound(
        self,
        numbers: Sequence[int],
        decode: Callable[[int], T | None],
        workers: Workers,
        counter: Counter,
        warn: Warn,
    ) -> dict[int, T]:
        """What ``decode`` gives for tiles, by number, None left out; salvage leaves out the damaged ones too."""
        salvage = self._reader.salvage
        self.damaged.clear()

        def run(index: int) -> T | FormatError | None:
            try:
                return decode(index)
            except FormatError as error:
                if not salvage:
                    raise
                return error

        tiles: dict[int, T] = {}
        for index, result in zip(numbers, workers.map(run, numbers, counter)):
            if isinstance(result, FormatError):
                self.damaged.append(index)
                warn(f"Tile {index} is left grey: {result}")
            elif result is not None:
                tiles[index] = result
        for problem in self._reader.problems:
            warn(problem)
        if self.damaged and not tiles:
            raise CorruptError(
                "No tile of the file is sound, so there is nothing to salvage.",
                advice="Get another copy of the file.",
            )
        return tiles

    def _alpha(self, warn: Warn) -> np.ndarray | None:
        height, width = self._header.height, self._header.width
        if not self._header.alpha_mode:
            return None
        try:
            if self._reader.alpha is None:
                raise CorruptError("The alpha channel is missing.")
            return decompress_alpha(self._reader.alpha, height, width)
        except FormatError as error:
            if not self._reader.salvage:
                raise
            warn(f"The picture is made opaque: {error}")
            return np.full((height, width), 255, np.uint8)
