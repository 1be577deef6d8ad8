"""From a picture to the bytes of a ``.tcx`` file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..container import EXIF, ICCP, XMPD, Header, TileEntry, symbols_crc, tile_entry, write
from ..errors import ParameterError
from ..images import Picture, compress_alpha, from_array, from_image
from ..limits import DEFAULT_LIMITS, Limits
from ..registry import ModelSet, load_set
from ..tiles import DEFAULT_LOG2, Grid
from .analysis import AnalysedPicture, analyse
from .decoder import TileLatents, plan, render
from .rate_control import DEFAULT_QUALITY, Target, index_of_quality, psnr, search_bytes, search_psnr
from .tile_coder import TileCoder
from .workers import Counter, Progress, Workers

if TYPE_CHECKING:
    from PIL import Image

CONTAINER_BYTES = 60
TILE_BYTES = 10
"""Rough sizes of a file's fixed part and of a tile's index entry, for estimates that are corrected by
writing.
"""


def encode(
    image: Image.Image | np.ndarray | Picture,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    models: str | os.PathLike[str] | ModelSet | None = None,
    threads: int | None = None,
    tile: int | None = None,
    metadata: bool = True,
    limits: Limits | None = None,
    progress: Progress | None = None,
    notice: Callable[[str], None] | None = None,
) -> bytes:
    """Encode a picture.

    At most one of ``quality``, ``bpp``, ``size`` and ``psnr`` may be given; the default is quality 50.

    Args:
        image: a Pillow image (its ICC profile, EXIF and XMP travel along), a uint8 array H x W, H x W x 1
            (grey),
            H x W x 2 (grey and alpha), H x W x 3 (RGB) or H x W x 4 (RGBA), or a ``texcodec.images.Picture``.
        quality: 1 (smallest) to 100 (best).
        bpp: bits of the whole file a pixel, met within 2 % where set and picture allow it.
        size: bytes of the whole file, never exceeded unless the picture cannot be made so small.
        psnr: dB over the colour samples, met within 0.1 dB where set and picture allow it.
        models: name or folder of a model set; default: ``TEXCODEC_MODELS``, else the set that comes with
            texcodec.
        threads: default: the cores this process may use. The bytes do not depend on it.
        tile: tile side, 128 or 256; default: 256.
        metadata: whether ICC profile, EXIF and XMP go into the file.
        limits: largest picture accepted.
        progress: called with (tiles done, tiles in all).
        notice: called with sentences for the user, as when a target is out of reach.
    Returns:
        the bytes of a ``.tcx`` file.
    Raises:
        ParameterError: an argument is out of range.
        ImageError: the image has a kind of pixels that texcodec does not code.
        LimitError: the picture or its metadata is larger than ``limits`` allows.
        ModelError: the model set is missing or damaged.
    """
    target = Target(quality, bpp, size, psnr)
    target.check()
    if tile not in (None, 128, 256):
        raise ParameterError(f"The tile side must be 128 or 256 pixels, not {tile!r}.")
    picture = _as_picture(image, limits)
    say = notice or (lambda sentence: None)
    for sentence in picture.notices:
        say(sentence)
    limits = limits or DEFAULT_LIMITS
    limits.check_picture(picture.width, picture.height, picture.channels)
    if metadata:  # what a reader would refuse is not written
        limits.check_metadata(sum(len(data) for data in (picture.icc, picture.exif, picture.xmp) if data))
    models = models if isinstance(models, ModelSet) else load_set(models)
    with Workers(threads) as workers:
        job = _Encoding(picture, models, workers, tile, metadata, progress)
        return job.run(target, say)


def _as_picture(image: Image.Image | np.ndarray | Picture, limits: Limits | None) -> Picture:
    if isinstance(image, Picture):
        return image
    if isinstance(image, np.ndarray):
        return from_array(image)
    return from_image(image, limits)


class _Encoding:
    """One picture on its way into a file."""

    def __init__(
        self,
        picture: Picture,
        models: ModelSet,
        workers: Workers,
        tile: int | None,
        metadata: bool,
        progress: Progress | None,
    ) -> None:
        self.picture, self.models, self.workers = picture, models, workers
        self.coder = TileCoder(models)
        log2 = int(tile).bit_length() - 1 if tile else DEFAULT_LOG2
        grid = Grid(picture.width, picture.height, log2)
        self.counter = Counter(2 * len(grid), progress)
        self.analysed: AnalysedPicture = analyse(
            picture, models, workers, tile_log2=log2, counter=self.counter
        )
        chunks = ((ICCP, picture.icc), (EXIF, picture.exif), (XMPD, picture.xmp))
        self.ancillary = [(kind, data) for kind, data in chunks if data] if metadata else []
        self.grey = picture.channels == 1
        self._written: tuple[list[int], bytes] | None = None
        self._bits: dict[tuple[int, int], float] = {}
        self.alpha = None if picture.alpha is None else compress_alpha(picture.alpha)

    def run(self, target: Target, say: Callable[[str], None]) -> bytes:
        """Find the rates and write the file."""
        tiles = len(self.analysed.grid)
        if target.psnr is not None:
            index, reached = search_psnr(self._psnr, target.psnr)
            rates = [index] * tiles
            if not reached:
                say(
                    f"A PSNR of {target.psnr:g} dB is out of reach of this model set for this picture; "
                    "the nearest quality is used."
                )
            return self._file(rates)
        if target.bpp is not None or target.size is not None:
            pixels = self.picture.width * self.picture.height
            # no file is longer than the last bound, which keeps the numbers finite
            wanted = target.size if target.size is not None else min(target.bpp or 0.0, 1e9) * pixels / 8
            rates, reached = search_bytes(
                self._estimate,
                int(wanted) if target.size is not None else round(wanted),
                tiles,
                exact=lambda r: len(self._file(r)),
                strict=target.size is not None,
            )
            data = self._file(rates)
            if not reached:
                asked = f"{target.size} bytes" if target.size is not None else f"{target.bpp:g} bits a pixel"
                say(
                    f"A file of {asked} is out of reach of this model set for this picture; "
                    f"the nearest has {len(data)} bytes."
                )
            return data
        quality = target.quality if target.quality is not None else DEFAULT_QUALITY
        return self._file([index_of_quality(quality, self.models.manifest.qualities)] * tiles)

    def _header(self, rate_index: int) -> Header:
        grid, models = self.analysed.grid, self.models
        return Header(
            width=grid.width,
            height=grid.height,
            channels=self.picture.channels,
            identity=models.identity,
            rate_index=rate_index,
            classes=models.classes,
            tile_log2=grid.log2,
            halo=models.manifest.halo,
            fusion=models.manifest.fusion and len(grid) > 1,
            alpha_mode=0 if self.alpha is None else 1,
        )

    def _file(self, rates: list[int]) -> bytes:
        """The file at these rates; the last one is kept, as a search often ends on it."""
        if self._written is not None and self._written[0] == rates:
            return self._written[1]
        base = min(rates)

        def run(index: int) -> tuple[bytes, TileEntry]:
            cls, rate = self.analysed.classes[index], rates[index]
            symbols = self.coder.quantise(self.analysed.latents[index], cls, rate)
            payload = self.coder.write(symbols, rate)
            return payload, tile_entry(
                index,
                payload,
                cls=cls,
                offset=rate - base,
                symbols_crc=symbols_crc(symbols.canonical_bytes()),
            )

        coded = list(self.workers.map(run, range(len(rates)), self.counter))
        data = write(
            self._header(base), [p for p, _ in coded], [e for _, e in coded], self.ancillary, self.alpha
        )
        self._written = (list(rates), data)
        return data

    def _estimate(self, rates: list[int]) -> int:
        """About as many bytes as ``_file`` would have."""

        def run(index: int) -> None:
            key = index, rates[index]
            if key not in self._bits:
                symbols = self.coder.quantise(
                    self.analysed.latents[index], self.analysed.classes[index], rates[index]
                )
                self._bits[key] = self.coder.bits(symbols, rates[index])

        for _ in self.workers.map(run, range(len(rates))):
            pass
        extra = sum(len(data) + 12 for _, data in self.ancillary) + (
            len(self.alpha) + 12 if self.alpha else 0
        )
        tiles = sum(self._bits[i, r] for i, r in enumerate(rates)) / 8
        return round(tiles) + extra + CONTAINER_BYTES + TILE_BYTES * len(rates)

    def _psnr(self, rate_index: int) -> float:
        """PSNR of the picture decoded at a rate index."""

        def run(index: int) -> TileLatents:
            cls = self.analysed.classes[index]
            symbols = self.coder.quantise(self.analysed.latents[index], cls, rate_index)
            return TileLatents(cls, rate_index, symbols.latents())

        grid = self.analysed.grid
        tiles = dict(enumerate(self.workers.map(run, range(len(grid)))))
        fusion = self._header(rate_index).fusion
        whole = plan(grid, grid.picture, fusion=fusion, halo=self.models.manifest.halo)
        decoded = render(
            grid,
            whole,
            tiles,
            self.models,
            self.workers,
            fusion=fusion,
            rate_index=rate_index,
            grey=self.grey,
        )
        return psnr(self.picture.pixels, decoded)
