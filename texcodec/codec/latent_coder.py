"""Latents of a tile to a payload and back, where integer networks and the rANS stream meet.

docs/format.md, "Decoding a tile", is the reference; encoder and decoder walk the same steps in the same
order.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..constants import (
    ACTIVATION_MAX,
    ACTIVATION_ONE,
    HYPER_ONE,
    HYPER_STRIDE,
    MEAN_ONE,
)
from ..entropy import SymbolReader, SymbolWriter
from ..entropy.symbols import CodedSymbols, predictions, round_hyper
from ..networks import finite
from ..registry import ModelSet
from ..tiles import Grid
from .rdoq import round_residual, symbol_worth
from .tile import AnalysedTile, TileLatents


@dataclass(frozen=True)
class TileSymbols(CodedSymbols):
    """Everything entropy-coded of one tile; hyper latents are Z x ceil(h/4) x ceil(w/4).

    Attributes:
        class_index, rate_index: of the tile.
        slices: number of slices that are coded; latents of the others are 0.
        gains: float32 that broadcasts to C x h x w, what latents were multiplied by before they were coded;
            None for 1.
    """

    class_index: int
    rate_index: int
    slices: int
    gains: np.ndarray | None = None

    def decoded(self) -> TileLatents:
        """The latents in symbols, as synthesis reads them."""
        values = self.values.astype(np.float32) / np.float32(MEAN_ONE)
        if self.gains is not None:
            values /= self.gains
        return TileLatents(self.class_index, self.rate_index, values)


Positions = np.ndarray | slice
"""Numbers of row * w + column; a slice for all of them, which costs no gathering."""
Choose = Callable[[slice, Positions, np.ndarray, np.ndarray], np.ndarray]
"""Gives the symbols of one context step for its channels, its positions, and c x n means and scale indices there;
encoders choose them, decoders read them."""


@dataclass
class Walk:
    """A tile on its way through the context steps.

    Attributes:
        shape: rows and columns of latents.
        features: float32 1 x F x h x w of hyper synthesis.
        choose: supplies symbols.
        symbols, values, scales: int32 C x h x w, as in ``TileSymbols``; zero where no step has been.
        context: what later context networks read, float32 planes of h x w.
    """

    shape: tuple[int, int]
    features: np.ndarray
    choose: Choose
    symbols: np.ndarray
    values: np.ndarray
    scales: np.ndarray
    context: list[np.ndarray] = field(default_factory=list)

    def step(self, channels: slice, at: Positions, out: np.ndarray) -> None:
        """Take the symbols of one step.

        Args:
            at: its positions.
            out: integers, 2c x n: means and scale indices there, not yet clamped.
        """
        means, scales = predictions(out)
        new = self.choose(channels, at, means, scales)
        for whole, part in (
            (self.symbols, new),
            (self.scales, scales),
            (self.values, MEAN_ONE * new + means),
        ):
            flat(whole[channels])[:, at] = part


def flat(planes: np.ndarray) -> np.ndarray:
    """C x h x w (contiguous) as a view of C x h * w."""
    return planes.reshape(len(planes), -1)


class LatentCoder:
    """Codes the latents of tiles with one model set of entropy profile 1; a ``TileCoder``. Safe to share
    between threads.
    """

    def __init__(self, models: ModelSet) -> None:
        self.models = models
        self.magnitudes = models.magnitudes.astype(np.float32)
        self.bounds = np.concatenate([[0], np.cumsum(models.manifest.slices)])

    # What differs between entropy profiles

    def _first_passes(self, shape: tuple[int, int]) -> list[np.ndarray]:
        """Positions of each step over the first slice, in decoding order."""
        even = (np.arange(shape[0])[:, None] + np.arange(shape[1])) % 2 == 0
        return [np.flatnonzero(even), np.flatnonzero(~even)]

    def _first_slice(self, walk: Walk) -> None:
        """Run the steps over the first slice."""
        first = slice(0, int(self.bounds[1]))
        for k, at in enumerate(self._first_passes(walk.shape)):
            inputs = {"features": walk.features}
            if k:
                inputs["context"] = self.features(walk.values[first], linear=True)[None]
            out = self.models.context(k)((1, 2 * first.stop, *walk.shape), **inputs)[0]
            walk.step(first, at, flat(out)[:, at])

    first_context = 2
    """Number of the network of the second slice."""
    start_bits = 0.0
    """What ``bits`` counts beside the symbols."""

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
        hyper = round_hyper(raw)
        features = self._hyper_features(hyper, class_index, rate_index, (h, w))
        gains = self._gains(features)
        worth, targets = self._worth(tile, rate_index, distortion_scale, gains), self._targets(latents, gains)

        def choose(channels: slice, at: Positions, means: np.ndarray, scales: np.ndarray) -> np.ndarray:
            residual = flat(targets[channels])[:, at] - means.astype(np.float32) / np.float32(MEAN_ONE)
            own = None if worth is None else worth[channels]
            if own is not None and own.ndim > 1:
                own = flat(own)[:, at]
            return round_residual(residual, scales, models.symbol_tables, own)

        slices = len(self.bounds) - 1
        symbols, values, scales = self._walk(features, choose, slices)
        return TileSymbols(hyper, symbols, values, scales, class_index, rate_index, slices, gains)

    def _gains(self, features: np.ndarray) -> np.ndarray | None:
        """What latents are multiplied by before they are coded; None for 1."""
        return None

    def _worth(
        self, tile: AnalysedTile, rate_index: int, scale: float, gains: np.ndarray | None
    ) -> np.ndarray | None:
        """Bits that a squared symbol is worth, C or C x h x w; None to round to the nearest symbol."""
        return symbol_worth(self.models, rate_index, scale)

    def _targets(self, latents: np.ndarray, gains: np.ndarray | None) -> np.ndarray:
        """What the decoded values are to come near to, float32 C x h x w in symbols."""
        return latents

    def write(self, tile: TileSymbols, index: int) -> bytes:
        """The payload of a tile (docs/format.md, "The rANS stream"), whatever its number in the grid."""
        writer = SymbolWriter()
        self._write(writer, tile)
        return writer.finish()

    def _write(self, writer: SymbolWriter, tile: TileSymbols) -> None:
        models = self.models
        writer.rows(flat(tile.hyper), models.hyper_tables, models.hyper_row(tile.rate_index))
        for channels, at in self._steps(tile.symbols.shape[1:], tile.slices):
            symbols, scales = (flat(a[channels])[:, at] for a in (tile.symbols, tile.scales))
            writer.indexed(symbols.ravel(), scales.ravel(), models.symbol_tables)

    def bits(self, tile: TileSymbols) -> float:
        """Bits of a tile's payload from the tables, without coding it; within 1 % of 8 * len(write(...))
        except for tiny tiles.
        """
        models = self.models
        return tile.bits(models.symbol_tables, models.hyper_tables, models.hyper_row(tile.rate_index))

    # Decoding

    def read(self, payload: bytes, class_index: int, rate_index: int, grid: Grid, index: int) -> TileSymbols:
        """Decode the symbols of the tile ``index`` of ``grid``.

        Args:
            rate_index: of the tile, 0 to 255.
        Raises:
            CorruptError: the payload is not a complete stream.
        """
        shape, slices = grid.latent_shape(index), len(self.bounds) - 1
        reader = SymbolReader(payload)
        tile = self._read(reader, class_index, rate_index, shape, slices)
        reader.finish()
        return tile

    def _read(
        self, reader: SymbolReader, class_index: int, rate_index: int, shape: tuple[int, int], slices: int
    ) -> TileSymbols:
        models = self.models
        h, w = -(-shape[0] // HYPER_STRIDE), -(-shape[1] // HYPER_STRIDE)
        channels = models.manifest.hyper_channels
        hyper = reader.rows(channels, h * w, models.hyper_tables, models.hyper_row(rate_index))

        def decode(part: slice, at: Positions, means: np.ndarray, scales: np.ndarray) -> np.ndarray:
            return reader.indexed(scales.ravel(), models.symbol_tables).reshape(scales.shape)

        hyper = hyper.reshape(channels, h, w)
        features = self._hyper_features(hyper, class_index, rate_index, shape)
        symbols, values, scales = self._walk(features, decode, slices)
        gains = self._gains(features)
        return TileSymbols(hyper, symbols, values, scales, class_index, rate_index, slices, gains)

    # Both

    def _steps(self, shape: tuple[int, ...], slices: int) -> list[tuple[slice, Positions]]:
        """Channels and positions of each context step, in decoding order."""
        first: list[tuple[slice, Positions]] = [
            (self._channels(0), at) for at in self._first_passes((shape[0], shape[1]))
        ]
        return first + [(self._channels(k), slice(None)) for k in range(1, slices)]

    def _channels(self, number: int) -> slice:
        return slice(int(self.bounds[number]), int(self.bounds[number + 1]))

    def _walk(
        self, features: np.ndarray, choose: Choose, slices: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Run the context steps of the first ``slices`` slices; symbols, values and scales of
        ``TileSymbols``.
        """
        shape = features.shape[2], features.shape[3]
        size = self.models.manifest.latent_channels, *shape
        symbols, values, scales = (np.zeros(size, np.int32) for _ in range(3))
        walk = Walk(shape, features, choose, symbols, values, scales)
        self._first_slice(walk)
        if slices > 1:
            walk.context.append(self.features(walk.values[self._channels(0)], linear=True))
        for k in range(1, slices):
            channels = self._channels(k)
            inputs = {"features": walk.features, "context": np.concatenate(walk.context)[None]}
            expected = 1, 2 * (channels.stop - channels.start), *shape
            out = self.models.context(self.first_context + k - 1)(expected, **inputs)[0]
            walk.step(channels, slice(None), flat(out))
            if k + 1 < slices:
                walk.context.append(self.features(walk.values[channels], linear=False))
        return symbols, values, scales

    def _hyper_features(
        self, hyper: np.ndarray, class_index: int, rate_index: int, shape: tuple[int, int]
    ) -> np.ndarray:
        """What every context network reads: float32 1 x F x h x w."""
        models = self.models
        planes = np.zeros((1, len(hyper) + 1 + models.classes, *hyper.shape[1:]), np.float32)
        planes[0, : len(hyper)] = HYPER_ONE * hyper
        planes[0, len(hyper)] = rate_index
        planes[0, len(hyper) + 1 + class_index] = ACTIVATION_ONE
        whole = 1, None, HYPER_STRIDE * hyper.shape[1], HYPER_STRIDE * hyper.shape[2]
        features = models.hyper_synthesis()(whole, hyper=planes)
        return np.ascontiguousarray(features[:, :, : shape[0], : shape[1]])

    def features(self, values: np.ndarray, *, linear: bool) -> np.ndarray:
        """What context networks read of decoded latents (docs/format.md, "Context features"); float32 integers."""
        magnitude = self.magnitudes.take(np.abs(values), mode="clip")
        parts = [magnitude * np.sign(values).astype(np.float32), magnitude]
        if linear:
            parts.append(np.clip(values >> 2, -ACTIVATION_MAX, ACTIVATION_MAX).astype(np.float32))
        return np.concatenate(parts)
