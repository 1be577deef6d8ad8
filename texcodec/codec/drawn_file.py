"""Files whose tiles are all drawn: they need no model set, and their tiles may be large."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..container import (
    ABSENT_ENTRY,
    DRAWN,
    DRAWN_MINOR,
    NO_ENTROPY,
    PSUM,
    Crop,
    Header,
    pack_pixel_sum,
    symbols_crc,
    tile_entry,
    write,
)
from ..errors import LibraryError
from ..lossless import DRAWN_EFFORT, FAST_EFFORT, PHOTO_EFFORT, available
from ..lossless.colours import table_of, with_fewer_colours
from ..lossless.payload import Effort, pack_samples
from ..texture import is_drawn
from .drawn_coder import DrawnTile, drawn_tile
from .drawn_tiles import PALETTES, DrawnTiles, cut_tile, shown_pixels
from .layout import TileLayout, lay_out
from .reconstruction import paste, plan
from .surroundings import Surroundings
from .workers import Counter, Workers

PHOTO_SIDE = 512
"""Tiles that code photographs without loss in the fewest bytes (docs/decisions/drawn.md)."""
DRAWN_SIDE = 2048
"""The same for drawings, in which a picture repeats itself far away."""


@dataclass(frozen=True)
class DrawnFile:
    """A whole file, and the sum of its samples' squared errors."""

    data: bytes
    error: float


def lossless_file(
    pixels: np.ndarray,
    around: Surroundings,
    workers: Workers,
    tile: int | None = None,
    crop: Crop | None = None,
    counter: Counter | None = None,
) -> bytes:
    """The picture without loss, with a checksum of its pixels.

    Args:
        pixels: uint8 H x W x C.
        tile: side of a tile, 128, 256 or, without a crop, 512; default: what codes such a picture best.
    Raises:
        LibraryError: Pillow was built without WebP.
        ParameterError: tiles of 512 pixels, and a crop.
    """
    if not available():
        raise LibraryError("Coding without loss needs a Pillow with WebP, and this one was built without it.")
    height, width = pixels.shape[:2]
    side = tile or (None if crop else _best_side(pixels))
    layout = lay_out(width, height, side, crop)
    if counter is not None:
        counter.total = len(layout.coded)
    shown, origin = shown_pixels(pixels, layout)
    tiles = _code(shown, layout, workers, PHOTO_EFFORT, counter=counter)
    whole = plan(layout.grid, layout.grid.picture, fusion=False, halo=0)
    decoded = paste(whole, {i: t.decoded() for i, t in tiles.items()}, pixels.shape[2])
    chunks = [*around.ancillary, (PSUM, pack_pixel_sum(decoded))]
    return _file(tiles, layout, pixels.shape[2], Surroundings(chunks, around.alpha))


def _best_side(pixels: np.ndarray) -> int:
    return DRAWN_SIDE if is_drawn(pixels) else PHOTO_SIDE


def estimate_bytes(pixels: np.ndarray) -> int:
    """About the bytes of a picture without loss, at a small part of the time; 5 % too many for photographs."""
    step = 1024
    places = [(y, x) for y in range(0, pixels.shape[0], step) for x in range(0, pixels.shape[1], step)]
    return sum(len(pack_samples(pixels[y : y + step, x : x + step], FAST_EFFORT)) for y, x in places)


def exact_file(pixels: np.ndarray, around: Surroundings, workers: Workers) -> DrawnFile:
    """The picture without loss, as the encoder takes it where that costs less."""
    layout = lay_out(pixels.shape[1], pixels.shape[0], _best_side(pixels))
    tiles = _code(pixels, layout, workers, PHOTO_EFFORT)
    return DrawnFile(_file(tiles, layout, pixels.shape[2], around), 0.0)


def drawn_files(drawn: DrawnTiles, around: Surroundings, workers: Workers) -> list[DrawnFile]:
    """The picture without loss and with fewer and fewer colours, in the order of their errors."""
    pixels = drawn.pixels
    layout = lay_out(pixels.shape[1], pixels.shape[0], DRAWN_SIDE)
    reduced = with_fewer_colours(table_of(pixels), PALETTES).items()
    pictures = [pixels, *(p for _, p in sorted(reduced, reverse=True))]
    files = []
    for picture in pictures:
        tiles = _code(picture, layout, workers, DRAWN_EFFORT, pixels)
        error = sum(tile.error for tile in tiles.values())
        files.append(DrawnFile(_file(tiles, layout, pixels.shape[2], around), error))
    return files


def _code(
    pixels: np.ndarray,
    layout: TileLayout,
    workers: Workers,
    effort: Effort,
    original: np.ndarray | None = None,
    counter: Counter | None = None,
) -> dict[int, DrawnTile]:
    """The coded tiles; ``pixels`` are those of the layout's area."""

    def run(index: int) -> DrawnTile:
        box = layout.grid.box(index)
        of_picture = None if original is None else cut_tile(original, layout.area, box)
        return drawn_tile(cut_tile(pixels, layout.area, box), effort, of_picture)

    return dict(zip(layout.coded, workers.map(run, layout.coded, counter)))


def _file(tiles: dict[int, DrawnTile], layout: TileLayout, channels: int, around: Surroundings) -> bytes:
    grid = layout.grid
    header = Header(
        width=grid.width,
        height=grid.height,
        channels=channels,
        identity=bytes(16),
        rate_index=0,
        classes=1,
        entropy_profile=NO_ENTROPY,
        drawn=True,
        tile_log2=grid.log2,
        origin_x=grid.origin_x,
        origin_y=grid.origin_y,
        alpha_mode=0 if around.alpha is None else 1,
        minor=DRAWN_MINOR,
    )
    entries = [
        tile_entry(
            i,
            tiles[i].payload,
            class_index=DRAWN,
            offset=tiles[i].offset,
            symbols_crc=symbols_crc(tiles[i].canonical_bytes()),
        )
        if i in tiles
        else ABSENT_ENTRY
        for i in range(len(grid))
    ]
    payloads = [tiles[i].payload if i in tiles else b"" for i in range(len(grid))]
    return write(header, payloads, entries, around.ancillary, around.alpha)
