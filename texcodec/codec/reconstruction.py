"""Latents to pixels: synthesis with the neighbours' latents around each tile, stitching, fusion, rounding."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..constants import RATE_INDICES
from ..fusion import SeamBlock, block_input, correction, needed_pixels, seam_blocks
from ..registry import ModelSet
from ..tiles import STRIDE, Box, Grid
from .lapping import inner_borders, open_sides
from .tile import DecodedTile, TileLatents, TileSamples
from .workers import Counter, Workers

NEUTRAL = np.float32(128)
"""Grey level of tiles that a file leaves out."""
STRIP = 32
"""Rows that are rounded at a time."""
LARGEST_LEVEL = np.float32(1e6)
"""Far beyond any level that synthesis gives for what an encoder wrote."""


@dataclass(frozen=True)
class Plan:
    """What a region needs.

    Attributes:
        grid: of the picture.
        region: pixels asked for.
        blocks: of the seams that are repaired.
        synthesised: tiles whose pixels are needed, for the region itself or for the fusion around it.
        decoded: tiles whose symbols are needed: those and their neighbours.
    """

    grid: Grid
    region: Box
    blocks: tuple[SeamBlock, ...]
    synthesised: tuple[int, ...]
    decoded: tuple[int, ...]

    @property
    def area(self) -> Box:
        """Pixels of the tiles that are synthesised."""
        boxes = [self.grid.box(i) for i in self.synthesised]
        return Box(
            min(b.left for b in boxes),
            min(b.top for b in boxes),
            max(b.right for b in boxes),
            max(b.bottom for b in boxes),
        )


def plan(grid: Grid, region: Box, *, fusion: bool, halo: int) -> Plan:
    """Which tiles a region needs (docs/format.md, "Regions")."""
    synthesised = set(grid.touching(region))
    blocks = tuple(b for b in seam_blocks(grid) if b.box.intersects(region)) if fusion else ()
    for block in blocks:
        synthesised |= set(grid.touching(needed_pixels(block, grid.picture)))
    decoded = set(synthesised)
    if halo:
        for index in synthesised:
            decoded |= {number for number, _, _ in grid.around(index)}
    return Plan(grid, region, blocks, tuple(sorted(synthesised)), tuple(sorted(decoded)))


def with_halo(grid: Grid, index: int, tiles: Mapping[int, DecodedTile], models: ModelSet) -> np.ndarray:
    """A tile's latents with its neighbours' outermost ones around them; zeros where there is no neighbour.

    A neighbour at another rate is rescaled to this tile's quantisation steps.

    Returns:
        float32 1 x C x (h + 2 halo) x (w + 2 halo).
    """
    halo = models.manifest.halo
    own = tiles[index]
    assert isinstance(own, TileLatents)
    c, h, w = own.values.shape
    out = np.zeros((1, c, h + 2 * halo, w + 2 * halo), np.float32)
    out[0, :, halo : halo + h, halo : halo + w] = own.values
    if not halo:
        return out
    for number, dy, dx in grid.around(index):
        other = tiles.get(number)
        if not isinstance(other, TileLatents):  # none there, or drawn: it has no latents
            continue
        rows_to, rows_from = _halo_part(dy, halo, h, other.values.shape[1])
        columns_to, columns_from = _halo_part(dx, halo, w, other.values.shape[2])
        part = other.values[:, rows_from, columns_from]
        if other.rate_index != own.rate_index:
            part = part * (models.steps[other.rate_index] / models.steps[own.rate_index])[:, None, None]
        out[0][:, rows_to, columns_to] = part
    return out


def _halo_part(step: int, halo: int, own: int, other: int) -> tuple[slice, slice]:
    """Where a neighbour's latents go along one axis, and which of them: those nearest to the tile.

    Args:
        step: the neighbour lies before (-1), beside (0) or behind (1) the tile.
        own, other: latents of the tile and of the neighbour; a cut one may have fewer than the halo is wide.
    """
    n = min(halo, other)
    if step < 0:
        return slice(halo - n, halo), slice(other - n, other)
    if step > 0:
        return slice(halo + own, halo + own + n), slice(0, n)
    return slice(halo, halo + own), slice(0, own)


def synthesise(grid: Grid, index: int, tiles: Mapping[int, DecodedTile], models: ModelSet) -> np.ndarray:
    """Unrounded pixels of one tile; float32 3 x height x width on the 0..255 scale."""
    own, halo, box = tiles[index], models.manifest.halo * STRIDE, grid.box(index)
    assert isinstance(own, TileLatents)
    covered = grid.latent_box(index)
    x, y = halo + box.left - covered.left, halo + box.top - covered.top
    latents = with_halo(grid, index, tiles, models)
    borders = {}
    if models.manifest.entropy_profile > 1:
        sides = open_sides(grid, index, lambda number: isinstance(tiles.get(number), TileLatents))
        rows, columns = grid.latent_shape(index)
        borders = {
            "inner_rows": inner_borders(rows, before=sides.above, behind=sides.below),
            "inner_columns": inner_borders(columns, before=sides.left, behind=sides.right),
        }
    pixels = synthesised(latents, own, models, borders)
    own_pixels = pixels[:, y : y + box.height, x : x + box.width]
    if own_pixels.min() >= -LARGEST_LEVEL and own_pixels.max() <= LARGEST_LEVEL:
        return own_pixels
    # latents that no encoder writes can overflow: minimum and maximum that drop NaN keep the rest in range
    return np.fmin(np.fmax(own_pixels, -LARGEST_LEVEL), LARGEST_LEVEL)


def synthesised(
    latents: np.ndarray, tile: TileLatents, models: ModelSet, borders: Mapping[str, np.ndarray]
) -> np.ndarray:
    """Pixels of latents by the synthesis network of a tile's class, at the tile's rate.

    Args:
        latents: float32 1 x C x h x w, in symbols, halo included.
        borders: which block borders a lapped transform reaches across, by input of the network.
    Returns:
        float32 3 x 16h x 16w on the 0..255 scale, unrounded.
    """
    rate = tile.rate_index
    return models.synthesis(tile.class_index)(
        (1, 3, STRIDE * latents.shape[2], STRIDE * latents.shape[3]),
        latents=latents,
        steps=models.steps[rate][None, :, None, None],
        base=models.base_steps[rate].reshape(1, 1, 1, 1),
        rate_bias=models.synthesis_bias(tile.class_index, rate),
        **borders,
    )[0]


def stitch(
    wanted: Plan,
    tiles: Mapping[int, DecodedTile],
    models: ModelSet,
    workers: Workers,
    counter: Counter | None = None,
) -> tuple[np.ndarray, Box]:
    """Unrounded pixels of all tiles of a plan, before fusion: float32 3 x H x W, and the box they cover."""
    grid, area = wanted.grid, wanted.area
    canvas = np.full((3, area.height, area.width), NEUTRAL, np.float32)

    def place(index: int) -> None:
        tile = tiles.get(index)
        if isinstance(tile, TileSamples):
            _show(tile, grid.box(index).cut(canvas, area))
        elif tile is not None:
            grid.box(index).cut(canvas, area)[...] = synthesise(grid, index, tiles, models)

    for _ in workers.map(place, wanted.synthesised, counter):
        pass
    return canvas, area


def _show(tile: TileSamples, planes: np.ndarray) -> None:
    """Put samples, height x width x channels, on the tile's part of a canvas."""
    planes[...] = tile.values.transpose(2, 0, 1)


def paste(
    wanted: Plan, tiles: Mapping[int, DecodedTile], channels: int, counter: Counter | None = None
) -> np.ndarray:
    """Pixels of a region of a picture whose tiles are all drawn: nothing is computed, nothing is rounded.

    Args:
        tiles: by number; those that are missing stay neutral grey.
    Returns:
        uint8 height x width x channels.
    """
    region = wanted.region
    canvas = np.full((region.height, region.width, channels), int(NEUTRAL), np.uint8)
    planes = canvas.transpose(2, 0, 1)
    for index in wanted.synthesised:
        tile, box = tiles.get(index), wanted.grid.box(index)
        if isinstance(tile, TileSamples):
            shared = box.clip(region)
            shared.cut(planes, region)[...] = shared.cut(tile.values.transpose(2, 0, 1), box)
        if counter is not None:
            counter()
    return canvas


def render(
    wanted: Plan,
    tiles: Mapping[int, DecodedTile],
    models: ModelSet,
    workers: Workers,
    *,
    rate_index: int,
    grey: bool = False,
    counter: Counter | None = None,
) -> np.ndarray:
    """Pixels of a region from decoded latents: synthesis, stitching, fusion, rounding.

    Args:
        tiles: latents by tile number; tiles that are missing stay neutral grey.
        rate_index: of the picture, for the fusion network.
        grey: average the three colours into one channel.
    Returns:
        uint8 height x width x 3, or x 1 for grey.
    """
    canvas, area = stitch(wanted, tiles, models, workers, counter)
    _repair(wanted, tiles, canvas, area, models, workers, rate_index)
    pixels = wanted.region.cut(canvas, area)
    return rounded(pixels.mean(0, keepdims=True) if grey else pixels)


def _repair(
    wanted: Plan,
    tiles: Mapping[int, DecodedTile],
    canvas: np.ndarray,
    area: Box,
    models: ModelSet,
    workers: Workers,
    rate_index: int,
) -> None:
    grid = wanted.grid
    # a seam beside an absent tile is no seam: repairing it would smear grey into the picture
    blocks = [b for b in wanted.blocks if _is_seam([tiles.get(i) for i in grid.touching(b.box)])]
    if not blocks:
        return
    rate, base, network = (
        rate_index / (RATE_INDICES - 1),
        float(models.base_steps[rate_index]),
        models.fusion(),
    )

    def run(part: Sequence[SeamBlock]) -> list[np.ndarray]:
        inputs = (block_input(block, canvas, area, grid.picture, rate) for block in part)
        return [correction(block, network, base, pixels) for block, pixels in zip(part, inputs)]

    # every block reads the canvas as synthesis left it, so nothing is added before all are computed
    parts = [blocks[i : i + 16] for i in range(0, len(blocks), 16)]
    corrections = list(itertools.chain.from_iterable(workers.map(run, parts)))
    for block, change in zip(blocks, corrections):
        block.box.cut(canvas, area)[...] += change
    for index in wanted.synthesised:  # the samples of drawn tiles are what they are
        tile = tiles.get(index)
        if isinstance(tile, TileSamples):
            _show(tile, grid.box(index).cut(canvas, area))


def _is_seam(tiles: Sequence[DecodedTile | None]) -> bool:
    """Whether fusion can repair anything where these tiles meet."""
    return None not in tiles and any(isinstance(tile, TileLatents) for tile in tiles)


def rounded(pixels: np.ndarray) -> np.ndarray:
    """float32 C x H x W to uint8 H x W x C, in strips that stay in the processor's cache."""
    out = np.empty((*pixels.shape[1:], len(pixels)), np.uint8)
    for y in range(0, len(out), STRIP):
        strip = np.clip(pixels[:, y : y + STRIP], np.float32(0), np.float32(255))
        strip += np.float32(0.5)
        for channel, plane in enumerate(strip.astype(np.uint8)):
            out[y : y + STRIP, :, channel] = plane
    return out
