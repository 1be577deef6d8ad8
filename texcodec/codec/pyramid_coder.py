"""Entropy profile 2: the first slice in five passes over a pyramid, block means as wavelet coefficients, and
slices that a tile does not need left out.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import numpy as np

from ..constants import ACTIVATION_ONE, CHECKSUM_BITS, GAIN_ZERO, MEAN_CHANNELS, MEAN_ONE
from ..entropy import SymbolReader, SymbolWriter, lifting
from ..entropy.pyramid import PASSES, predict
from ..errors import CorruptError
from ..registry import PyramidSet
from ..tiles import Grid
from .eyes import symbol_weights
from .latent_coder import LatentCoder, TileSymbols, Walk, flat
from .tile import AnalysedTile

_MEANS = list(MEAN_CHANNELS)
START_BITS = CHECKSUM_BITS - 1.44 + 4.0
"""What a stream has beside its symbols, on average: its checksum, which as a number is often small, and what fills its
last byte.
"""


def checksum(tile: TileSymbols, index: int) -> int:
    """24 bits over the number of a tile in its grid and its symbols: the state that its rANS stream starts from."""
    return zlib.crc32(tile.canonical_bytes(), zlib.crc32(struct.pack("<I", index))) & (
        (1 << CHECKSUM_BITS) - 1
    )


class PyramidCoder(LatentCoder):
    """Codes the latents of tiles with one model set of entropy profile 2; a ``TileCoder``."""

    models: PyramidSet
    first_context = 1
    start_bits = START_BITS

    def __init__(self, models: PyramidSet) -> None:
        super().__init__(models)

    def _first_passes(self, shape: tuple[int, int]) -> list[np.ndarray]:
        numbers = np.arange(shape[0] * shape[1]).reshape(shape)
        return [
            np.concatenate([numbers[places.places(o)].ravel() for o in places.offsets]) for places in PASSES
        ]

    def _first_slice(self, walk: Walk) -> None:
        first = self._channels(0)
        values, known = walk.values[first], np.zeros((1, *walk.shape), np.float32)
        for number, (places, at) in enumerate(zip(PASSES, self._first_passes(walk.shape))):
            if not at.size:
                continue
            grid = slice(None, None, places.spacing)
            planes, context = np.zeros((0, 0, 0), np.int32), np.zeros((0, 0, 0), np.float32)
            if number:
                coefficients = values[_MEANS]
                seen = values.copy()
                seen[_MEANS] = lifting.inverse(coefficients)
                planes = np.concatenate([seen, coefficients])[:, grid, grid]
                context = np.concatenate([self.features(planes, linear=True), known[:, grid, grid]])[None]
            outs = [self._network(walk, number, offset, planes, context) for offset in places.offsets]
            walk.step(first, at, np.concatenate([out for out in outs if out.size], 1))
            flat(known)[:, at] = ACTIVATION_ONE
        values[_MEANS] = lifting.inverse(values[_MEANS])

    def _network(
        self, walk: Walk, number: int, offset: tuple[int, int], planes: np.ndarray, context: np.ndarray
    ) -> np.ndarray:
        """Means and scale indices of a pass at one offset, 2c x n."""
        rows, columns = PASSES[number].places(offset)
        inputs = {"features": np.ascontiguousarray(walk.features[:, :, rows, columns])}
        c, size = int(self.bounds[1]), inputs["features"].shape[2:]
        if 0 in size:
            return np.zeros((2 * c, 0))
        if number:
            inputs["context"] = context
        out = self.models.first_pass(number, offset)((1, 2 * c, *size), **inputs)[0].astype(np.int64)
        if number:
            out[:c] += predict(self.models.prediction(number), planes, offset)
        return flat(out)

    def _gains(self, features: np.ndarray) -> np.ndarray | None:
        models = self.models
        if not models.manifest.gains:
            return None
        out = models.gain_network()((1, 2, *features.shape[2:]), features=features)[0].astype(np.int64)
        rows = models.gains[np.clip(out + GAIN_ZERO, 0, len(models.gains) - 1)]
        return np.concatenate([np.ones_like(rows[:1]), rows])[models.gain_planes]

    def _worth(
        self, tile: AnalysedTile, rate_index: int, scale: float, gains: np.ndarray | None
    ) -> np.ndarray | None:
        worth = super()._worth(tile, rate_index, scale, gains)
        if worth is None or tile.masking is None:
            return worth
        counts = symbol_weights(self.models, tile.masking, rate_index)
        if gains is not None:  # symbols are of multiplied latents
            counts /= np.square(gains)
        return worth[:, None, None] * counts

    def _targets(self, latents: np.ndarray, gains: np.ndarray | None) -> np.ndarray:
        out = (latents if gains is None else latents * gains).astype(np.float32)
        out[_MEANS] = lifting.forward(out[_MEANS])
        return out

    def quantise(self, tile: AnalysedTile, rate_index: int, *, distortion_scale: float = 1.0) -> TileSymbols:
        whole = super().quantise(tile, rate_index, distortion_scale=distortion_scale)
        slices = len(self.bounds) - 1
        while slices > 1 and not whole.symbols[self._channels(slices - 1)].any():
            slices -= 1
        whole.values[int(self.bounds[slices]) :] = 0
        whole.scales[int(self.bounds[slices]) :] = 0
        return replace(whole, slices=slices)

    def write(self, tile: TileSymbols, index: int) -> bytes:
        models, writer = self.models, SymbolWriter()
        count = np.full((1, 1), tile.slices)
        writer.rows(count, models.slice_tables, models.slice_row(tile.rate_index))
        self._write(writer, tile)
        return writer.finish(checksum(tile, index))

    def bits(self, tile: TileSymbols) -> float:
        tables = self.models.slice_tables
        row = self.models.slice_row(tile.rate_index)
        place = tables.offsets[row] + tables.support[row] + tile.slices
        return super().bits(tile) + float(tables.costs[place]) + self.start_bits

    def read(self, payload: bytes, class_index: int, rate_index: int, grid: Grid, index: int) -> TileSymbols:
        reader = SymbolReader(payload)
        slices = self._slices(reader, rate_index)
        tile = self._read(reader, class_index, rate_index, grid.latent_shape(index), slices)
        reader.finish(checksum(tile, index))
        return tile

    def read_means(
        self, payload: bytes, class_index: int, rate_index: int, grid: Grid, index: int
    ) -> np.ndarray:
        """The block means of a tile, float32 3 x h x w in symbols; arguments as for ``read``.

        No slice but the first is decoded, so the checksum of the symbols is not reached and not verified.
        """
        reader = SymbolReader(payload)
        self._slices(reader, rate_index)
        tile = self._read(reader, class_index, rate_index, grid.latent_shape(index), 1)
        return tile.values[_MEANS].astype(np.float32) / np.float32(MEAN_ONE)

    def _slices(self, reader: SymbolReader, rate_index: int) -> int:
        """The number of slices that a stream says it holds."""
        models = self.models
        slices = int(reader.rows(1, 1, models.slice_tables, models.slice_row(rate_index))[0, 0])
        if not 1 <= slices < len(self.bounds):
            raise CorruptError(f"The tile claims {slices} slices.")
        return slices
