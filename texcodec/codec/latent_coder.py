"""Entropy profile 1: latents of a tile to a payload and back, where integer networks and the rANS stream meet.

docs/format.md, "Decoding a tile", is the reference; encoder and decoder walk the same steps in the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..constants import (
    ACTIVATION_MAX,
    ACTIVATION_ONE,
    HYPER_MAX,
    HYPER_ONE,
    HYPER_STRIDE,
    MEAN_MAX,
    MEAN_ONE,
    SCALE_LEVELS,
)
from ..entropy import SymbolReader, SymbolWriter
from ..networks import finite
from ..registry import ModelSet
from ..tiles import Grid
from .rdoq import round_residual, symbol_worth
from .tile import AnalysedTile, TileLatents


@dataclass(frozen=True)
class TileSymbols:
    """Everything entropy-coded of one tile.

    Attributes:
        class_index, rate_index: of the tile.
        hyper: int32 Z x ceil(h/4) x ceil(w/4) hyper latents, in [-31, 31].
        symbols: int32 C x h x w residual symbols.
        values: int32 C x h x w decoded latents in 1/16 symbol: 16 * symbols + means.
        scales: int32 C x h x w scale indices in [0, 63].
    """

    class_index: int
    rate_index: int
    hyper: np.ndarray
    symbols: np.ndarray
    values: np.ndarray
    scales: np.ndarray

    def decoded(self) -> TileLatents:
        """The latents in symbols, as synthesis reads them."""
        values = self.values.astype(np.float32) / np.float32(MEAN_ONE)
        return TileLatents(self.class_index, self.rate_index, values)

    def canonical_bytes(self) -> bytes:
        """The symbols as bytes, for checksums: hyper latents as int8, then symbols as little-endian int16."""
        return self.hyper.astype(np.int8).tobytes() + self.symbols.astype("<i2").tobytes()


class LatentCoder:
    """Codes the latents of tiles with one model set; a ``TileCoder``. Safe to share between threads."""

    def __init__(self, models: ModelSet) -> None:
        self.models = models
        self.magnitudes = models.magnitudes.astype(np.float32)
        self.bounds = np.concatenate([[0], np.cumsum(models.manifest.slices)])

    # Encoding

    def quantise(self, tile: AnalysedTile, rate_index: int, *, distortion_scale: float = 1.0) -> TileSymbols:
        """Round the latents of a tile, slice by slice, around the means that the decoder will predict.

        Args:
            rate_index: 0 (coarsest) to 255.
            distortion_scale: of what a squared symbol is worth; 0 rounds to the nearest symbol.
        """
        models, class_index = self.models, tile.class_index
        latents = tile.latents / models.steps[rate_index][:, None, None]
        h, w = latents.shape[1:]
        padded = np.pad(latents, [(0, 0), (0, -h % HYPER_STRIDE), (0, -w % HYPER_STRIDE)])[None]
        shape = 1, models.manifest.hyper_channels, -(-h // HYPER_STRIDE), -(-w // HYPER_STRIDE)
        bias = models.hyper_bias(class_index, rate_index)
        raw = finite(models.hyper_analysis(class_index)(shape, latents=padded, rate_bias=bias))[0]
        hyper = np.clip(np.floor(raw + 0.5), -HYPER_MAX, HYPER_MAX).astype(np.int32)
        worth = symbol_worth(models, rate_index, distortion_scale)

        def choose(
            channels: slice, means: np.ndarray, scales: np.ndarray, mask: np.ndarray | None
        ) -> np.ndarray:
            residual = latents[channels] - means.astype(np.float32) / np.float32(MEAN_ONE)
            of_slice = None if worth is None else worth[channels]
            symbols = round_residual(residual, scales, models.symbol_tables, of_slice)
            return symbols if mask is None else np.where(mask, symbols, 0)

        return self._walk(hyper, class_index, rate_index, (h, w), choose)

    def write(self, tile: TileSymbols) -> bytes:
        """The payload of a tile (docs/format.md, "The rANS stream")."""
        models, writer = self.models, SymbolWriter()
        hyper = tile.hyper.reshape(len(tile.hyper), -1)
        writer.rows(hyper, models.hyper_tables, models.hyper_row(tile.rate_index))
        for channels, mask in self._passes(tile.symbols.shape[1:]):
            symbols, scales = tile.symbols[channels], tile.scales[channels]
            if mask is not None:
                symbols, scales = symbols[:, mask], scales[:, mask]
            writer.indexed(symbols.ravel(), scales.ravel(), models.symbol_tables)
        return writer.finish()

    def bits(self, tile: TileSymbols) -> float:
        """Bits of a tile's payload from the tables, without coding it; within 1 % of 8 * len(write(...)) except
        for tiny tiles.
        """
        models = self.models
        tables = models.symbol_tables
        scales, symbols = tile.scales.ravel(), tile.symbols.ravel()
        support = tables.support[scales]
        outside = np.abs(symbols) > support
        place = tables.offsets[scales] + np.where(outside, 2 * support + 1, symbols + support)
        bits = float(tables.costs[place][scales > 0].sum()) + 16.0 * float(outside.sum())
        hyper = models.hyper_tables
        rows = models.hyper_row(tile.rate_index) + np.arange(len(tile.hyper))
        place = hyper.offsets[rows][:, None] + tile.hyper.reshape(len(tile.hyper), -1) + HYPER_MAX
        return bits + float(hyper.costs[place].sum())

    # Decoding

    def read(self, payload: bytes, class_index: int, rate_index: int, grid: Grid, index: int) -> TileSymbols:
        """Decode the symbols of the tile ``index`` of ``grid``.

        Args:
            rate_index: of the tile, 0 to 255.
        Raises:
            CorruptError: the payload is not a complete stream.
        """
        models, reader, shape = self.models, SymbolReader(payload), grid.latent_shape(index)
        h, w = -(-shape[0] // HYPER_STRIDE), -(-shape[1] // HYPER_STRIDE)
        channels = models.manifest.hyper_channels
        hyper = reader.rows(channels, h * w, models.hyper_tables, models.hyper_row(rate_index))

        def decode(part: slice, means: np.ndarray, scales: np.ndarray, mask: np.ndarray | None) -> np.ndarray:
            if mask is None:
                return reader.indexed(scales.ravel(), models.symbol_tables).reshape(scales.shape)
            symbols = np.zeros(scales.shape, np.int32)
            coded = reader.indexed(scales[:, mask].ravel(), models.symbol_tables)
            symbols[:, mask] = coded.reshape(len(scales), -1)
            return symbols

        tile = self._walk(hyper.reshape(channels, h, w), class_index, rate_index, shape, decode)
        reader.finish()
        return tile

    # Both

    def _passes(self, shape: tuple[int, ...]) -> list[tuple[slice, np.ndarray | None]]:
        """Channels and positions of each context step, in decoding order."""
        even = (np.arange(shape[0])[:, None] + np.arange(shape[1])) % 2 == 0
        first = slice(0, int(self.bounds[1]))
        rest = [(slice(int(a), int(b)), None) for a, b in zip(self.bounds[1:], self.bounds[2:])]
        return [(first, even), (first, ~even), *rest]

    def _walk(
        self,
        hyper: np.ndarray,
        class_index: int,
        rate_index: int,
        shape: tuple[int, int],
        symbols_of: Callable[[slice, np.ndarray, np.ndarray, np.ndarray | None], np.ndarray],
    ) -> TileSymbols:
        """Run the context steps; ``symbols_of(channels, means, scales, mask)`` supplies each step's symbols."""
        models = self.models
        planes = np.zeros((1, len(hyper) + 1 + models.classes, *hyper.shape[1:]), np.float32)
        planes[0, : len(hyper)] = HYPER_ONE * hyper
        planes[0, len(hyper)] = rate_index
        planes[0, len(hyper) + 1 + class_index] = ACTIVATION_ONE
        whole = 1, None, HYPER_STRIDE * hyper.shape[1], HYPER_STRIDE * hyper.shape[2]
        features = models.hyper_synthesis()(whole, hyper=planes)
        features = np.ascontiguousarray(features[:, :, : shape[0], : shape[1]])
        c = models.manifest.latent_channels
        symbols, scales, values = (np.zeros((c, *shape), np.int32) for _ in range(3))
        context: list[np.ndarray] = []
        for k, (channels, mask) in enumerate(self._passes(shape)):
            inputs = {"features": features}
            if k:
                inputs["context"] = np.concatenate(context)[None]
            half = len(symbols[channels])
            out = models.context(k)((1, 2 * half, *shape), **inputs)[0].astype(np.int32)
            means = np.clip(out[:half], -MEAN_MAX, MEAN_MAX)
            indices = np.clip(out[half:], 0, SCALE_LEVELS - 1)
            new = symbols_of(channels, means, indices, mask)
            if mask is None:
                symbols[channels], scales[channels], values[channels] = new, indices, MEAN_ONE * new + means
            else:
                symbols[channels] += new
                scales[channels] += np.where(mask, indices, 0)
                values[channels] += np.where(mask, MEAN_ONE * new + means, 0)
            if k < 2:
                context = [self._features(values[channels], linear=True)]
            elif k + 1 < len(self.bounds):
                context.append(self._features(values[channels], linear=False))
        return TileSymbols(class_index, rate_index, hyper, symbols, values, scales)

    def _features(self, values: np.ndarray, *, linear: bool) -> np.ndarray:
        """What context networks read of decoded latents (docs/format.md, "Context features"); float32 integers."""
        magnitude = self.magnitudes.take(np.abs(values), mode="clip")
        parts = [magnitude * np.sign(values).astype(np.float32), magnitude]
        if linear:
            parts.append(np.clip(values >> 2, -ACTIVATION_MAX, ACTIVATION_MAX).astype(np.float32))
        return np.concatenate(parts)
