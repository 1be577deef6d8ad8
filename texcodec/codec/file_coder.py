"""An analysed picture to files of any rates, and what comes back from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np

from ..constants import COMPACT_PROFILE, IDENTITY_BYTES, SHORT_IDENTITY_BYTES
from ..container import ABSENT_ENTRY, DRAWN_MINOR, Header, TileEntry, symbols_crc, tile_entry, write
from ..images import Picture
from ..registry import ModelSet, PyramidSet
from ..tiles import DEFAULT_LOG2, Box
from .analysis import AnalysedPicture, alone, beside_drawn
from .coders import coders_of
from .drawn_coder import DrawnTile
from .drawn_tiles import DrawnTiles
from .outcome import Outcome
from .padding import padded_planes
from .rate_control import psnr, psnr_of_error, squared_error
from .rdoq import error_worth
from .reconstruction import plan, render, rounded, synthesise
from .refinement import refined
from .surroundings import Surroundings
from .tile import AnalysedTile, CodedTile, DecodedTile, TileLatents
from .workers import Counter, Workers

CONTAINER_BYTES, COMPACT_BYTES = 60, 30
TILE_BYTES, COMPACT_TILE_BYTES = 10, 2
"""Rough sizes of a file's fixed part and of a tile's index entry, for estimates that writing corrects."""
CROP_MINOR = 1
"""Minor version of the format in files with a crop."""
COMPACT_MINOR = 3
"""Of compact files, which do not state it."""
COARSEST = 0
"""Rate index of the tiles outside a crop's region, where they are coded at all."""
MOST_BELOW = 128
"""How far below the header's rate index a tile's may be; in compact files there is no such bound."""


class FileCoder:
    """Makes files of one analysed picture. Rates are those of the tiles of the layout's region, in their order.

    Args:
        surroundings: what else is in the file.
        cropped: whether it states a crop.
        passes: how often latents are corrected by what decoding leaves (``refinement.passes_of``).
        counter: counts the tiles of every file that is written.
    Attributes:
        drawn: the tiles that may be coded without a network.
        outcome: how well the picture of the last file has been coded.
    """

    def __init__(
        self,
        picture: Picture,
        analysed: AnalysedPicture,
        models: ModelSet,
        workers: Workers,
        surroundings: Surroundings,
        *,
        cropped: bool,
        passes: int,
        counter: Counter,
    ) -> None:
        self.picture, self.models, self.workers, self.counter = picture, models, workers, counter
        self.analysed, self.layout, self.tiles = analysed, analysed.layout, analysed.tiles
        self.surroundings, self.cropped = surroundings, cropped
        self.coders = coders_of(models, models.manifest.entropy_profile)
        self.compact = models.manifest.entropy_profile == COMPACT_PROFILE
        # analysis with a network sees far beyond the border at which the lapped transform would have to end
        deep = isinstance(models, PyramidSet) and models.analyses_deeply
        # a large tile is rarely drawn as a whole; small ones are tried where parts of a picture are (``mixed``)
        single = not deep and analysed.layout.grid.log2 <= DEFAULT_LOG2
        self.drawn = DrawnTiles(picture.pixels, analysed.layout, workers, single=single)
        self.outcome = Outcome(picture.pixels, analysed.layout, models)
        self.passes = passes
        self._refined: tuple[list[int], Mapping[int, AnalysedTile]] | None = None
        self._written: tuple[list[int], bytes] | None = None
        self._bits: dict[tuple[int, int], float] = {}
        self._versions: dict[tuple[int, int], DrawnTile | None] = {}

    @cached_property
    def _planes(self) -> tuple[np.ndarray, Box]:
        return padded_planes(self.picture.pixels, self.layout)

    def give_up_drawing(self) -> None:
        """Code all tiles with the networks from now on."""
        self.drawn.give_up()
        self._written, self._refined, self._bits = None, None, {}

    def _rates(self, chosen: list[int]) -> dict[int, int]:
        """The rate index of every coded tile, by its number."""
        return dict.fromkeys(self.layout.coded, COARSEST) | dict(zip(self.layout.region_tiles, chosen))

    def _header(self, chosen: list[int], *, drawn: bool = False) -> Header:
        layout, grid, manifest = self.layout, self.layout.grid, self.models.manifest
        base, fusion = min(chosen), manifest.fusion and len(layout.coded) > 1
        if len(layout.coded) > len(layout.region_tiles) and base > MOST_BELOW and not self.compact:
            # a tile's rate is at most 128 below the header's, which is then not that of the region: fusion,
            # which goes by the header's, would repair seams as those of a coarser picture
            base, fusion = MOST_BELOW, False
        return Header(
            width=grid.width,
            height=grid.height,
            channels=self.picture.channels,
            # in a compact file, its first bytes
            identity=self.models.identity[: IDENTITY_BYTES if not self.compact else SHORT_IDENTITY_BYTES],
            rate_index=base,
            classes=self.models.classes,
            entropy_profile=manifest.entropy_profile,
            tile_log2=grid.log2,
            halo=manifest.halo,
            fusion=fusion,
            origin_x=grid.origin_x,
            origin_y=grid.origin_y,
            alpha_mode=0 if self.surroundings.alpha is None else 1,
            drawn=drawn,
            minor=self._minor(drawn),
        )

    def _minor(self, drawn: bool) -> int:
        """The version of the format that first has what this file has."""
        if drawn:
            return DRAWN_MINOR
        if self.compact:
            return COMPACT_MINOR
        return 0 if not self.cropped else CROP_MINOR

    def _drawn(self, chosen: list[int]) -> Mapping[int, DrawnTile]:
        """The tiles of a file at these rates that are drawn, by their numbers."""
        places = [place for place in self._rates(chosen).items() if place[0] in self.drawn]
        found = self.workers.map(self._drawn_at, places)
        return {index: tile for (index, _), tile in zip(places, found) if tile is not None}

    def _drawn_at(self, place: tuple[int, int]) -> DrawnTile | None:
        """The version of a tile without a network, if at this rate index it costs less than the network's.

        The network's is that of the tile alone: what is beside it is not settled yet.
        """
        if place not in self._versions:
            index, rate = place
            tile = alone(self.analysed, index, *self._planes, self.models)
            coder = self.coders[tile.class_index]
            coded = coder.quantise(tile, rate)

            def synthesised() -> np.ndarray:
                planes = synthesise(self.layout.grid, index, {index: coded.decoded()}, self.models)
                return rounded(planes.mean(0, keepdims=True) if self.picture.channels == 1 else planes)

            worth = error_worth(self.models, rate)
            self._versions[place] = self.drawn.cheapest(index, worth, coder.bits(coded), synthesised)
        return self._versions[place]

    def _analysed(self, drawn: Mapping[int, DrawnTile]) -> AnalysedPicture:
        return beside_drawn(self.analysed, self.picture.pixels, self.models, self.workers, drawn)

    def _latents(self, chosen: list[int]) -> Mapping[int, AnalysedTile]:
        """What the tiles of a file at these rates that networks code are quantised from, by their numbers; the last is
        kept.
        """
        if self._refined is not None and self._refined[0] == chosen:
            return self._refined[1]
        analysed, rate_of = self._analysed(self._drawn(chosen)), self._rates(chosen)
        tiles: Mapping[int, AnalysedTile] = analysed.tiles

        def decoded(index: int) -> TileLatents | None:
            tile = tiles.get(index)
            if tile is None:
                return None
            return self.coders[tile.class_index].quantise(tile, rate_of[index]).decoded()

        coded = self.layout.coded
        for _ in range(self.passes):
            found = zip(coded, self.workers.map(decoded, coded, self.counter))
            now = {index: tile for index, tile in found if tile is not None}
            tiles = refined(
                analysed, tiles, now, self.picture.pixels, self.models, self.workers, self.counter
            )
        self._refined = list(chosen), tiles
        return tiles

    def _code(self, index: int, rate: int, tile: AnalysedTile) -> CodedTile:
        """What networks make of a tile at a rate index; ``tile`` is what it is quantised from."""
        return self.coders[tile.class_index].quantise(tile, rate)

    def _bits_of(self, place: tuple[int, int]) -> float:
        """About the bits of a tile at a rate index."""
        drawn = self._drawn_at(place) if place[0] in self.drawn else None
        if drawn is not None:
            return 8.0 * len(drawn.payload)
        tile = self.tiles[place[0]]
        coder = self.coders[tile.class_index]
        return coder.bits(coder.quantise(tile, place[1]))

    def file(self, rates: list[int]) -> bytes:
        """The file at these rates; the last one is kept, as a search often ends on it."""
        if self._written is not None and self._written[0] == rates:
            return self._written[1]
        rate_of, base = self._rates(rates), self._header(rates).rate_index
        latents, drawn = self._latents(rates), self._drawn(rates)

        def run(index: int) -> tuple[bytes, TileEntry]:
            rate = rate_of[index]
            coded = drawn.get(index) or self._code(index, rate, latents[index])
            self.outcome.keep(index, coded)
            if isinstance(coded, DrawnTile):
                payload, offset = coded.payload, coded.offset
            else:
                payload, offset = self.coders[coded.class_index].write(coded, index), rate - base
            own = self.compact and not isinstance(coded, DrawnTile)  # the payload ends in a checksum
            checksum = None if own else symbols_crc(coded.canonical_bytes())
            return payload, tile_entry(
                index, payload, class_index=coded.class_index, offset=offset, symbols_crc=checksum
            )

        coded = dict(zip(self.layout.coded, self.workers.map(run, self.layout.coded, self.counter)))
        tiles = [coded.get(i, (b"", ABSENT_ENTRY)) for i in range(len(self.layout.grid))]
        header = self._header(rates, drawn=bool(drawn))
        data = write(
            header,
            [p for p, _ in tiles],
            [e for _, e in tiles],
            self.surroundings.ancillary,
            self.surroundings.alpha,
        )
        self._written = (list(rates), data)
        return data

    def estimate(self, rates: list[int]) -> int:
        """About as many bytes as ``file`` would have, a little more where it corrects latents."""
        rate_of = self._rates(rates)

        def run(place: tuple[int, int]) -> None:
            if place not in self._bits:
                self._bits[place] = self._bits_of(place)

        for _ in self.workers.map(run, rate_of.items()):
            pass
        around = self.surroundings
        chunks = [data for _, data in around.ancillary] + ([around.alpha] if around.alpha else [])
        tiles = sum(self._bits[place] for place in rate_of.items()) / 8
        fixed, entry = (COMPACT_BYTES, COMPACT_TILE_BYTES) if self.compact else (CONTAINER_BYTES, TILE_BYTES)
        container = sum(len(data) + 12 for data in chunks) + fixed + entry * len(rate_of)
        return round(tiles) + container

    def draws_at(self, rate_index: int) -> bool:
        """Whether a file at a rate index has drawn tiles."""
        return bool(self._drawn([rate_index] * len(self.layout.region_tiles)))

    def estimated_error(self, rate_index: int) -> float:
        """Sum of the squared errors at a rate index, latents not corrected: a little too high."""
        rates = [rate_index] * len(self.layout.region_tiles)
        tiles = self._analysed(self._drawn(rates)).tiles
        return squared_error(self._region_pixels(), self._decoded(rates, tiles))

    def estimated_psnr(self, rate_index: int) -> float:
        """PSNR of the layout's region, decoded at a rate index without correcting latents: a little too low."""
        return psnr_of_error(self.estimated_error(rate_index), self._region_pixels().size)

    def psnr(self, rate_index: int) -> float:
        """PSNR of the layout's region, decoded at a rate index."""
        rates = [rate_index] * len(self.layout.region_tiles)
        return psnr(self._region_pixels(), self._decoded(rates, self._latents(rates)))

    def error(self, rates: list[int]) -> float:
        """Sum of the squared errors of the layout's region, decoded at these rates."""
        return squared_error(self._region_pixels(), self._decoded(rates, self._latents(rates)))

    def _region_pixels(self) -> np.ndarray:
        box = self.layout.region
        return self.picture.pixels[box.top : box.bottom, box.left : box.right]

    def _decoded(self, chosen: list[int], latents: Mapping[int, AnalysedTile]) -> np.ndarray:
        """The layout's region as it is decoded from a file at these rates, quantised from these latents."""
        header, rate_of = self._header(chosen), self._rates(chosen)
        box = self.layout.region
        wanted = plan(self.layout.grid, box, fusion=header.fusion, halo=header.halo)
        needed = [i for i in wanted.decoded if i in rate_of]
        drawn = self._drawn(chosen)

        def decoded(index: int) -> DecodedTile:
            coded = drawn.get(index) or self._code(index, rate_of[index], latents[index])
            return coded.decoded()

        tiles, grey = dict(zip(needed, self.workers.map(decoded, needed))), self.picture.channels == 1
        return render(wanted, tiles, self.models, self.workers, rate_index=header.rate_index, grey=grey)
