"""From a picture to the bytes of a ``.tcx`` file."""

from __future__ import annotations

import os

import numpy as np

from ..constants import COMPACT_PROFILE, IDENTITY_BYTES, SHORT_IDENTITY_BYTES
from ..container import (
    ABSENT_ENTRY,
    CROP,
    DRAWN_MINOR,
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
from ..errors import ParameterError, TargetError
from ..images import Picture, compress_alpha, with_hidden_filled
from ..limits import Limits, limits_or_default
from ..lossless import available
from ..notices import Warn, issue
from ..registry import ModelSet, load_set, set_for
from .analysis import AnalysedPicture, analyse
from .coders import coders_of
from .cropping import CropSource, find_crop
from .drawn_coder import DrawnTile
from .drawn_file import DrawnFile, Surroundings, drawn_files, estimate_bytes, exact_file, lossless_file
from .drawn_tiles import DrawnTiles
from .layout import TileLayout, lay_out
from .rate_control import (
    DEFAULT_QUALITY,
    PSNR_TOLERANCE,
    Target,
    gather,
    index_of_quality,
    psnr,
    psnr_of_error,
    search_bytes,
    search_psnr,
    spread,
    squared_error,
)
from .rdoq import error_worth
from .reconstruction import plan, render, rounded, synthesise
from .sources import PictureSource, picture_of
from .tile import CodedTile
from .workers import Counter, Progress, Workers

CONTAINER_BYTES, COMPACT_BYTES = 60, 30
TILE_BYTES, COMPACT_TILE_BYTES = 10, 2
"""Rough sizes of a file's fixed part and of a tile's index entry, for estimates that writing corrects."""
CROP_MINOR = 1
"""Minor version of the format in files with a crop."""
COMPACT_MINOR = 3
"""Of compact files, which do not state it."""
MOSTLY_DRAWN = 1 / 3
"""Share of a picture's pixels in drawn tiles from which on it is tried without any network."""
LOSSLESS_BITS = 1.0
"""Bits per sample of a file from which on it is compared with the picture without loss; photographs need 3 or more."""
NEAR_LOSSLESS = 0.8
"""Share of the estimated bytes without loss from which on the picture is really coded so."""
LAPPED_PROFILES = (2,)
"""Entropy profiles whose transform reaches across the borders of tiles; single tiles are not drawn with them yet."""
COARSEST = 0
"""Rate index of the tiles outside a crop's region, where they are coded at all."""
MOST_BELOW = 128
"""How far below the header's rate index a tile's may be; in compact files there is no such bound."""


def encode(
    image: PictureSource,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    nearest: bool = False,
    lossless: bool = False,
    models: str | os.PathLike[str] | ModelSet | None = None,
    tune: str | None = None,
    threads: int | None = None,
    tile: int | None = None,
    crop: CropSource | None = None,
    outside: str | None = None,
    metadata: bool = True,
    limits: Limits | None = None,
    progress: Progress | None = None,
    warn: Warn | None = None,
) -> bytes:
    """Encode a picture.

    At most one of ``quality``, ``bpp``, ``size``, ``psnr`` and ``lossless`` may be given; the default is quality 50.
    Drawn pictures (screenshots, diagrams, scans of text, pixel art), and the drawn tiles of others, are coded without a
    network where that costs less, often without loss.

    Args:
        image: a path of a picture in a format that Pillow reads, the bytes of such a file, a binary file object or a
            Pillow image (ICC profile, EXIF and XMP are kept); a uint8 array H x W or H x W x 1 (grey), H x W x 2 (grey
            and alpha), H x W x 3 (RGB) or H x W x 4 (RGBA); a ``texcodec.Picture`` or ``TcxFile``.
        quality: 1 (smallest) to 100 (best).
        bpp: bits of the whole file per pixel of the whole picture, met within 2 %; fewer, with a warning, where the
            best quality needs no more.
        size: bytes of the whole file, never exceeded.
        psnr: dB over the colour samples (of the crop's region), met within 0.1 dB; more, with a warning, where the
            smallest file has more.
        nearest: where ``bpp``, ``size`` or ``psnr`` is out of reach, take the nearest and warn, instead of failing.
        lossless: give every sample back as it is, hidden colours of transparent pixels included; needs no model set.
            Of a picture with notices (more than 8 bits per channel, CMYK), the samples after the change that they name.
        models: name or folder of a model set; default: ``TEXCODEC_MODELS``, else the set that comes with texcodec.
        tune: "psnr" for a set that was trained for squared error, "ssim" for one that was trained for eyes; default:
            that of ``models``. With ``models``, it must be what the set is tuned for; without loss it says nothing.
        threads: default: the cores this process may use. The bytes do not depend on it.
        tile: tile side, 128 or 256; default: 256, or with a crop the one that reaches less far beyond it.
        crop: the part that matters: a ``texcodec.crop.Profile``, the path of one, or (x, y, width, height) in
            pixels. The grid of tiles starts at its corner.
        outside: with a crop: "drop" (the default) leaves out the tiles outside, "coarse" codes them at the
            coarsest rate.
        metadata: whether ICC profile, EXIF and XMP go into the file.
        limits: largest picture accepted.
        progress: called with (tiles done, tiles in all).
        warn: called with sentences for the user, as when a picture is converted; by default each one is a
            ``TexcodecWarning``.
    Returns:
        the bytes of a ``.tcx`` file.
    Raises:
        ParameterError: an argument is out of range, or contradicts another; the crop is empty or larger than the
            picture.
        ParameterTypeError: an argument is of a type that is not accepted; a TypeError, too.
        TargetError: ``bpp``, ``size`` or ``psnr`` is out of reach for this picture and set; a ValueError, too.
        StreamError: the path cannot be opened or read.
        ImageError: the file is no picture or damaged, or its pixels are of a kind that texcodec does not code.
        LimitError: the picture or its metadata is larger than ``limits`` allows.
        ModelError: the model set is missing or damaged.
        LibraryError: ``lossless`` with a Pillow that was built without WebP.
    """
    target = Target(quality, bpp, size, psnr)
    target.check()
    _check_lossless(lossless, target, outside)
    if tile not in (None, 128, 256):
        raise ParameterError(f"The tile side must be 128 or 256 pixels, not {tile!r}.")
    limits = limits_or_default(limits)
    picture = picture_of(image, limits)
    if not lossless:
        picture = with_hidden_filled(picture)
    warn = warn or issue
    for sentence in picture.notices:
        warn(sentence)
    limits.check_picture(picture.width, picture.height, picture.channels)
    if metadata:  # what a reader would refuse is not written
        limits.check_metadata(sum(len(data) for data in (picture.icc, picture.exif, picture.xmp) if data))
    found = find_crop(crop, outside, picture.width, picture.height)
    if lossless:
        shown = lay_out(picture.width, picture.height, tile, found)
        around = Surroundings(_ancillary(picture, found, metadata), _alpha(picture, shown))
        with Workers(threads) as workers:
            return lossless_file(picture.pixels, around, workers, tile, found, Counter(1, progress))
    layout = lay_out(picture.width, picture.height, tile, found)
    models = set_for(models, tune)
    models = models if isinstance(models, ModelSet) else load_set(models)
    with Workers(threads) as workers:
        counter = Counter(2 * len(layout.coded), progress)
        analysed = analyse(picture, layout, models, workers, counter)
        chunks = _ancillary(picture, found, metadata)
        return _Encoding(picture, analysed, models, workers, chunks, found, counter).run(
            target, warn, nearest=nearest
        )


def _check_lossless(lossless: bool, target: Target, outside: str | None) -> None:
    if lossless and any(value is not None for value in vars(target).values()):
        raise ParameterError(
            "What is coded without loss has no quality, bpp, size or psnr; give lossless alone."
        )
    if lossless and outside not in (None, DROP):
        raise ParameterError("Tiles outside a crop cannot be coarse in a file without loss; drop them.")


def _ancillary(picture: Picture, crop: Crop | None, metadata: bool) -> list[tuple[bytes, bytes]]:
    kept = [(ICCP, picture.icc), (EXIF, picture.exif), (XMPD, picture.xmp)] if metadata else []
    about = [(CROP, pack_crop(crop))] if crop else []
    return about + [(kind, data) for kind, data in kept if data]


def _alpha(picture: Picture, layout: TileLayout) -> bytes | None:
    """The alpha plane of the file: transparent where a crop leaves the picture out."""
    if picture.alpha is None:
        return None
    plane = np.zeros_like(picture.alpha)
    layout.shown.cut(plane)[...] = layout.shown.cut(picture.alpha)
    return compress_alpha(plane)


class _Encoding:
    """An analysed picture on its way into a file."""

    def __init__(
        self,
        picture: Picture,
        analysed: AnalysedPicture,
        models: ModelSet,
        workers: Workers,
        ancillary: list[tuple[bytes, bytes]],
        crop: Crop | None,
        counter: Counter,
    ) -> None:
        self.picture, self.models, self.workers, self.counter = picture, models, workers, counter
        self.layout, self.tiles = analysed.layout, analysed.tiles
        self.coders = coders_of(models, models.manifest.entropy_profile)
        self.ancillary, self.alpha = ancillary, _alpha(picture, analysed.layout)
        self.crop = crop
        # beside a drawn tile, a lapped transform would have to be analysed anew
        single = models.manifest.entropy_profile not in LAPPED_PROFILES
        self.drawn = DrawnTiles(picture.pixels, analysed.layout, workers, single=single)
        self._written: tuple[list[int], bytes] | None = None
        self._bits: dict[tuple[int, int], float] = {}

    def run(self, target: Target, warn: Warn, *, nearest: bool) -> bytes:
        """Find the rates of the region's tiles and write the file.

        Raises:
            TargetError: the target is out of reach and the nearest does not do.
        """
        rates, reached = self._search(target)
        if not reached and max(rates) == COARSEST and self.drawn:
            # drawn tiles are worth their bytes, but there must be fewer
            self.drawn.give_up()
            self._written, self._bits = None, {}
            rates, reached = self._search(target)
        data, instead = self._file(rates), self._without_network(rates, target)
        if instead is not None:
            data, reached = instead.data, True
        pixels = self.picture.width * self.picture.height
        blurred = target.psnr is not None and not reached and max(rates) > COARSEST
        worse = blurred or target.too_large(len(data), pixels)
        if worse and not nearest:
            raise TargetError(
                f"{target.asked} is out of reach for this picture; the nearest has {len(data)} bytes."
            )
        if worse or not (reached or target.size is not None):
            warn(f"{target.asked} is out of reach for this picture; the nearest has {len(data)} bytes.")
        return data

    def _search(self, target: Target) -> tuple[list[int], bool]:
        """Rates that meet the target, or the nearest, and whether they do."""
        tiles = len(self.layout.region_tiles)
        if target.psnr is not None:
            index, reached = search_psnr(self._psnr, target.psnr)
            return [index] * tiles, reached
        if target.bpp is not None or target.size is not None:
            wanted, strict = target.bytes(self.picture.width * self.picture.height), target.size is not None
            return search_bytes(
                self._estimate,
                wanted,
                tiles,
                exact=lambda r: len(self._file(r)),
                strict=strict,
                arrange=gather if self._compact else spread,
            )
        quality = target.quality if target.quality is not None else DEFAULT_QUALITY
        return [index_of_quality(quality, self.models.manifest.qualities)] * tiles, True

    def _rates(self, chosen: list[int]) -> dict[int, int]:
        """The rate index of every coded tile, by its number."""
        return dict.fromkeys(self.layout.coded, COARSEST) | dict(zip(self.layout.region_tiles, chosen))

    def _without_network(self, rates: list[int], target: Target) -> DrawnFile | None:
        """The whole picture as one drawing, if that serves the target better than the file at these rates."""
        data, pixels, channels = self._file(rates), self.picture.pixels, self.picture.channels
        around = Surroundings(self.ancillary, self.alpha)
        if self.crop is not None:
            return None
        if self.drawn.share >= MOSTLY_DRAWN:
            files = drawn_files(self.drawn, around, self.workers)
        elif (
            8 * len(data) > LOSSLESS_BITS * pixels.size
            and available()
            and len(data) > NEAR_LOSSLESS * estimate_bytes(pixels)
        ):
            files = [exact_file(pixels, around, self.workers)]
        else:
            return None
        if target.psnr is not None:
            good = [f for f in files if psnr_of_error(f.error, pixels.size) >= target.psnr - PSNR_TOLERANCE]
            return min((f for f in good if len(f.data) < len(data)), key=lambda f: len(f.data), default=None)
        if target.bpp is not None or target.size is not None:
            most = target.bytes(self.picture.width * self.picture.height)
            fitting = [f for f in files if len(f.data) <= most]
            if not fitting and len(data) > most:  # out of reach: the nearest
                return min(
                    (f for f in files if len(f.data) < len(data)), key=lambda f: len(f.data), default=None
                )
            best = min(fitting, key=lambda f: (f.error, len(f.data)), default=None)
            missed = target.size is not None and len(data) > most
            return best if best is not None and (missed or self._is_better(best.error, 0.0, rates)) else None
        worth = error_worth(self.models, min(rates)) * 3 / channels
        best = min(files, key=lambda f: 8 * len(f.data) + worth * f.error)
        spare = (8 * len(data) - 8 * len(best.data)) / worth
        return best if self._is_better(best.error, spare, rates) else None

    def _is_better(self, error: float, spare: float, rates: list[int]) -> bool:
        """Whether an error is at most ``spare`` more than that of the file at these rates."""
        return error <= spare or error <= spare + self._error(rates)

    def _header(self, chosen: list[int], *, drawn: bool = False) -> Header:
        layout, grid, manifest = self.layout, self.layout.grid, self.models.manifest
        base, fusion = min(chosen), manifest.fusion and len(layout.coded) > 1
        if len(layout.coded) > len(layout.region_tiles) and base > MOST_BELOW and not self._compact:
            # a tile's rate is at most 128 below the header's, which is then not that of the region: fusion,
            # which goes by the header's, would repair seams as those of a coarser picture
            base, fusion = MOST_BELOW, False
        return Header(
            width=grid.width,
            height=grid.height,
            channels=self.picture.channels,
            # in a compact file, its first bytes
            identity=self.models.identity[: IDENTITY_BYTES if not self._compact else SHORT_IDENTITY_BYTES],
            rate_index=base,
            classes=self.models.classes,
            entropy_profile=manifest.entropy_profile,
            tile_log2=grid.log2,
            halo=manifest.halo,
            fusion=fusion,
            origin_x=grid.origin_x,
            origin_y=grid.origin_y,
            alpha_mode=0 if self.alpha is None else 1,
            drawn=drawn,
            minor=self._minor(drawn),
        )

    @property
    def _compact(self) -> bool:
        return self.models.manifest.entropy_profile == COMPACT_PROFILE

    def _minor(self, drawn: bool) -> int:
        """The version of the format that first has what this file has."""
        if drawn:
            return DRAWN_MINOR
        if self._compact:
            return COMPACT_MINOR
        return 0 if self.crop is None else CROP_MINOR

    def _code(self, index: int, rate: int) -> CodedTile:
        """What the payload of a tile is to hold at a rate index: symbols, or samples where those cost less."""
        tile = self.tiles[index]
        coder = self.coders[tile.class_index]
        coded: CodedTile = coder.quantise(tile, rate)
        if index not in self.drawn:
            return coded

        def synthesised() -> np.ndarray:
            # alone, without its neighbours' latents: their rates and classes are not settled yet
            planes = synthesise(self.layout.grid, index, {index: coded.decoded()}, self.models)
            return rounded(planes.mean(0, keepdims=True) if self.picture.channels == 1 else planes)

        bits, worth = coder.bits(coded), error_worth(self.models, rate)
        return self.drawn.choose(index, rate, worth, bits, synthesised) or coded

    def _bits_of(self, coded: CodedTile) -> float:
        if isinstance(coded, DrawnTile):
            return 8.0 * len(coded.payload)
        return self.coders[coded.class_index].bits(coded)

    def _file(self, rates: list[int]) -> bytes:
        """The file at these rates; the last one is kept, as a search often ends on it."""
        if self._written is not None and self._written[0] == rates:
            return self._written[1]
        rate_of, base = self._rates(rates), self._header(rates).rate_index

        def run(index: int) -> tuple[bytes, TileEntry]:
            coded, rate = self._code(index, rate_of[index]), rate_of[index]
            if isinstance(coded, DrawnTile):
                payload, offset = coded.payload, coded.offset
            else:
                payload, offset = self.coders[coded.class_index].write(coded, index), rate - base
            own = self._compact and not isinstance(coded, DrawnTile)  # the payload ends in a checksum
            checksum = None if own else symbols_crc(coded.canonical_bytes())
            return payload, tile_entry(
                index, payload, class_index=coded.class_index, offset=offset, symbols_crc=checksum
            )

        coded = dict(zip(self.layout.coded, self.workers.map(run, self.layout.coded, self.counter)))
        tiles = [coded.get(i, (b"", ABSENT_ENTRY)) for i in range(len(self.layout.grid))]
        header = self._header(rates, drawn=any(entry.drawn for _, entry in tiles))
        data = write(header, [p for p, _ in tiles], [e for _, e in tiles], self.ancillary, self.alpha)
        self._written = (list(rates), data)
        return data

    def _estimate(self, rates: list[int]) -> int:
        """About as many bytes as ``_file`` would have."""
        rate_of = self._rates(rates)

        def run(place: tuple[int, int]) -> None:
            if place not in self._bits:
                self._bits[place] = self._bits_of(self._code(*place))

        for _ in self.workers.map(run, rate_of.items()):
            pass
        chunks = [data for _, data in self.ancillary] + ([self.alpha] if self.alpha else [])
        tiles = sum(self._bits[place] for place in rate_of.items()) / 8
        fixed, entry = (COMPACT_BYTES, COMPACT_TILE_BYTES) if self._compact else (CONTAINER_BYTES, TILE_BYTES)
        container = sum(len(data) + 12 for data in chunks) + fixed + entry * len(rate_of)
        return round(tiles) + container

    def _psnr(self, rate_index: int) -> float:
        """PSNR of the layout's region, decoded at a rate index."""
        return psnr(self._region_pixels(), self._decoded([rate_index] * len(self.layout.region_tiles)))

    def _error(self, rates: list[int]) -> float:
        """Sum of the squared errors of the layout's region, decoded at these rates."""
        return squared_error(self._region_pixels(), self._decoded(rates))

    def _region_pixels(self) -> np.ndarray:
        box = self.layout.region
        return self.picture.pixels[box.top : box.bottom, box.left : box.right]

    def _decoded(self, chosen: list[int]) -> np.ndarray:
        """The layout's region as it is decoded from a file at these rates."""
        header, rate_of = self._header(chosen), self._rates(chosen)
        box = self.layout.region
        wanted = plan(self.layout.grid, box, fusion=header.fusion, halo=header.halo)
        needed = [i for i in wanted.decoded if i in rate_of]
        coded = self.workers.map(lambda i: self._code(i, rate_of[i]).decoded(), needed)
        tiles, grey = dict(zip(needed, coded)), self.picture.channels == 1
        return render(wanted, tiles, self.models, self.workers, rate_index=header.rate_index, grey=grey)
