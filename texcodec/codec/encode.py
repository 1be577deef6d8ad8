"""From a picture to the bytes of a ``.tcx`` file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..container import (
    CROP,
    DROP,
    EXIF,
    ICCP,
    XMPD,
    Crop,
    Header,
    TileEntry,
    pack_crop,
    symbols_crc,
    tile_entry,
    write,
)
from ..container.index import ABSENT_ENTRY
from ..errors import ParameterError
from ..images import Picture, compress_alpha, from_array, from_image
from ..limits import DEFAULT_LIMITS, Limits
from ..registry import ModelSet, load_set
from .analysis import AnalysedPicture, analyse
from .cropping import CropSource, best_log2, coded_tiles, crop_box, find_crop, grid_of, region_tiles
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
COARSEST = 0
"""Rate index of the tiles outside a crop's region, where they are coded at all."""
MOST_BELOW = 128
"""How far below the header's rate index a tile's may be."""


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
    crop: CropSource | None = None,
    outside: str | None = None,
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
        bpp: bits of the whole file a pixel of the whole picture, met within 2 % where set and picture allow it.
        size: bytes of the whole file, never exceeded unless the picture cannot be made so small.
        psnr: dB over the colour samples (of the crop's region), met within 0.1 dB where set and picture allow it.
        models: name or folder of a model set; default: ``TEXCODEC_MODELS``, else the set that comes with
            texcodec.
        threads: default: the cores this process may use. The bytes do not depend on it.
        tile: tile side, 128 or 256; default: 256, or with a crop the one that reaches less far beyond it.
        crop: the part that matters: a ``texcodec.crop.Profile``, the path of one, or (x, y, width, height) in
            pixels. The grid of tiles starts at its corner.
        outside: with a crop: "drop" (the default) leaves out the tiles outside, "coarse" codes them at the
            coarsest rate.
        metadata: whether ICC profile, EXIF and XMP go into the file.
        limits: largest picture accepted.
        progress: called with (tiles done, tiles in all).
        notice: called with sentences for the user, as when a target is out of reach.
    Returns:
        the bytes of a ``.tcx`` file.
    Raises:
        ParameterError: an argument is out of range; the crop is empty or larger than the picture.
        ImageError: the image has a kind of pixels that texcodec does not code.
        LimitError: the picture or its metadata is larger than ``limits`` allows.
        ModelError: the model set is missing or damaged.
    """
    target = Target(quality, bpp, size, psnr)
    target.check()
    if tile not in (None, 128, 256):
        raise ParameterError(f"The tile side must be 128 or 256 pixels, not {tile!r}.")
    if outside is not None and crop is None:
        raise ParameterError("What happens outside a crop needs a crop; give one, or leave 'outside' away.")
    picture = _as_picture(image, limits)
    say = notice or (lambda sentence: None)
    for sentence in picture.notices:
        say(sentence)
    limits = limits or DEFAULT_LIMITS
    limits.check_picture(picture.width, picture.height, picture.channels)
    if metadata:  # what a reader would refuse is not written
        limits.check_metadata(sum(len(data) for data in (picture.icc, picture.exif, picture.xmp) if data))
    cropped = None if crop is None else find_crop(crop, outside, picture.width, picture.height)
    models = models if isinstance(models, ModelSet) else load_set(models)
    with Workers(threads) as workers:
        job = _Encoding(picture, models, workers, tile, cropped, metadata, progress)
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
        crop: Crop | None,
        metadata: bool,
        progress: Progress | None,
    ) -> None:
        self.picture, self.models, self.workers, self.crop = picture, models, workers, crop
        self.coder = TileCoder(models)
        log2 = int(tile).bit_length() - 1 if tile else best_log2(crop)
        grid = grid_of(picture, log2, crop)
        self.tiles = region_tiles(grid, crop)
        """Numbers of the tiles whose rates are chosen."""
        self.coded = coded_tiles(grid, crop)
        """Numbers of all tiles in the file; those that are not among ``tiles`` have the coarsest rate."""
        self.counter = Counter(2 * len(self.coded), progress)
        self.analysed: AnalysedPicture = analyse(
            picture, models, workers, tile_log2=log2, crop=crop, counter=self.counter
        )
        chunks = ((ICCP, picture.icc), (EXIF, picture.exif), (XMPD, picture.xmp))
        self.ancillary = [(kind, data) for kind, data in chunks if data] if metadata else []
        if crop is not None:
            self.ancillary.insert(0, (CROP, pack_crop(crop)))
        self.grey = picture.channels == 1
        self._written: tuple[list[int], bytes] | None = None
        self._bits: dict[tuple[int, int], float] = {}
        self.alpha = None if picture.alpha is None else compress_alpha(_alpha_of(picture.alpha, crop))

    def run(self, target: Target, say: Callable[[str], None]) -> bytes:
        """Find the rates of ``tiles`` and write the file."""
        tiles = len(self.tiles)
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

    def _rates(self, chosen: list[int]) -> dict[int, int]:
        """The rate index of every coded tile, by its number."""
        return dict.fromkeys(self.coded, COARSEST) | dict(zip(self.tiles, chosen))

    def _header(self, chosen: list[int]) -> Header:
        grid, models = self.analysed.grid, self.models
        base, fusion = min(chosen), models.manifest.fusion and len(self.coded) > 1
        if len(self.coded) > len(self.tiles) and base > MOST_BELOW:
            # a tile's rate is at most 128 below the header's, which is then not that of the region: fusion,
            # which goes by the header's, would repair seams as those of a coarser picture
            base, fusion = MOST_BELOW, False
        return Header(
            width=grid.width,
            height=grid.height,
            channels=self.picture.channels,
            identity=models.identity,
            rate_index=base,
            classes=models.classes,
            tile_log2=grid.log2,
            halo=models.manifest.halo,
            fusion=fusion,
            origin_x=grid.origin_x,
            origin_y=grid.origin_y,
            alpha_mode=0 if self.alpha is None else 1,
            minor=0 if self.crop is None else 1,
        )

    def _file(self, rates: list[int]) -> bytes:
        """The file at these rates; the last one is kept, as a search often ends on it."""
        if self._written is not None and self._written[0] == rates:
            return self._written[1]
        header, rate_of = self._header(rates), self._rates(rates)

        def run(index: int) -> tuple[bytes, TileEntry]:
            cls, rate = self.analysed.classes[index], rate_of[index]
            symbols = self.coder.quantise(self.analysed.latents[index], cls, rate)
            payload = self.coder.write(symbols, rate)
            return payload, tile_entry(
                index,
                payload,
                cls=cls,
                offset=rate - header.rate_index,
                symbols_crc=symbols_crc(symbols.canonical_bytes()),
            )

        coded = dict(zip(self.coded, self.workers.map(run, self.coded, self.counter)))
        tiles = [coded.get(i, (b"", ABSENT_ENTRY)) for i in range(len(self.analysed.grid))]
        data = write(header, [p for p, _ in tiles], [e for _, e in tiles], self.ancillary, self.alpha)
        self._written = (list(rates), data)
        return data

    def _estimate(self, rates: list[int]) -> int:
        """About as many bytes as ``_file`` would have."""

        rate_of = self._rates(rates)

        def run(index: int) -> None:
            key = index, rate_of[index]
            if key not in self._bits:
                symbols = self.coder.quantise(
                    self.analysed.latents[index], self.analysed.classes[index], rate_of[index]
                )
                self._bits[key] = self.coder.bits(symbols, rate_of[index])

        for _ in self.workers.map(run, self.coded):
            pass
        extra = sum(len(data) + 12 for _, data in self.ancillary) + (
            len(self.alpha) + 12 if self.alpha else 0
        )
        tiles = sum(self._bits[i, r] for i, r in rate_of.items()) / 8
        return round(tiles) + extra + CONTAINER_BYTES + TILE_BYTES * len(rate_of)

    def _psnr(self, rate_index: int) -> float:
        """PSNR of the picture, or of the crop's region, decoded at a rate index."""
        chosen = [rate_index] * len(self.tiles)
        header, rate_of = self._header(chosen), self._rates(chosen)

        def run(index: int) -> TileLatents:
            cls = self.analysed.classes[index]
            symbols = self.coder.quantise(self.analysed.latents[index], cls, rate_of[index])
            return TileLatents(cls, rate_of[index], symbols.latents())

        grid = self.analysed.grid
        box = grid.picture if self.crop is None else crop_box(self.crop)
        wanted = plan(grid, box, fusion=header.fusion, halo=self.models.manifest.halo)
        needed = [i for i in wanted.decoded if i in rate_of]
        tiles = dict(zip(needed, self.workers.map(run, needed)))
        decoded = render(
            grid,
            wanted,
            tiles,
            self.models,
            self.workers,
            fusion=header.fusion,
            rate_index=header.rate_index,
            grey=self.grey,
        )
        return psnr(self.picture.pixels[box.top : box.bottom, box.left : box.right], decoded)


def _alpha_of(alpha: np.ndarray, crop: Crop | None) -> np.ndarray:
    """The alpha plane of the file: transparent where a crop leaves the picture out."""
    if crop is None or crop.outside != DROP:
        return alpha
    box, plane = crop_box(crop), np.zeros_like(alpha)
    box.cut(plane)[...] = box.cut(alpha)
    return plane
