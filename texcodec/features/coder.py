"""Latents of a feature stream to symbols and back: where the integer networks and the rANS stream meet.

docs/format.md, "Feature streams", is the reference; encoder and decoder run the same networks on the same
integers.
"""

from __future__ import annotations

import numpy as np

from ..constants import ACTIVATION_ONE, MEAN_ONE, SIDE_ONE, SYMBOL_MAX
from ..entropy import SymbolReader, SymbolWriter
from ..entropy.symbols import CodedSymbols, predictions, round_hyper
from ..networks import finite
from ..registry import FeatureSet


class FeatureCoder:
    """Codes streams with one feature set. Safe to share between threads."""

    def __init__(self, features: FeatureSet) -> None:
        self.features = features

    def quantise(self, latents: np.ndarray, level: int) -> CodedSymbols:
        """Extract the side information, and round the latents around the means that the decoder will predict.

        Args:
            latents: float32 M x h x w, as the transform gives them.
            level: rate level of the set.
        Raises:
            ModelDamagedError: the networks of the set do not fit each other.
        """
        features = self.features
        scaled = latents * features.gains[level][:, None, None]
        shape = 1, features.manifest.hyper_channels, 1, 1
        raw = finite(features.hyper_extractor().ordered(shape, scaled[None]))[0, :, 0, 0]
        hyper = round_hyper(raw)
        means, scales = self._predict(hyper, level, (latents.shape[1], latents.shape[2]))
        residual = np.floor(scaled - means.astype(np.float32) / np.float32(MEAN_ONE) + np.float32(0.5))
        symbols = np.clip(residual, -SYMBOL_MAX, SYMBOL_MAX).astype(np.int32)
        symbols[scales == 0] = 0
        return CodedSymbols(hyper, symbols, MEAN_ONE * symbols + means, scales)

    def write(self, coded: CodedSymbols, level: int) -> bytes:
        """The payload of a stream (docs/format.md, "The rANS stream")."""
        features, writer = self.features, SymbolWriter()
        writer.rows(coded.hyper[:, None], features.hyper_tables, self._hyper_row(level))
        writer.indexed(coded.symbols.ravel(), coded.scales.ravel(), features.symbol_tables)
        return writer.finish()

    def bits(self, coded: CodedSymbols, level: int) -> float:
        """Bits of a stream's payload from the tables, without coding it."""
        features = self.features
        return coded.bits(features.symbol_tables, features.hyper_tables, self._hyper_row(level))

    def read(self, payload: bytes, level: int, shape: tuple[int, int]) -> CodedSymbols:
        """Decode the symbols of a stream.

        Args:
            payload: as in the file.
            level: rate level of the set.
            shape: rows and columns of latents.
        Raises:
            CorruptError: the payload is not a complete stream.
        """
        features, reader = self.features, SymbolReader(payload)
        channels = features.manifest.hyper_channels
        hyper = reader.rows(channels, 1, features.hyper_tables, self._hyper_row(level))[:, 0]
        means, scales = self._predict(hyper, level, shape)
        symbols = reader.indexed(scales.ravel(), features.symbol_tables).reshape(scales.shape)
        reader.finish()
        return CodedSymbols(hyper, symbols, MEAN_ONE * symbols + means, scales)

    def latents(self, coded: CodedSymbols, level: int) -> np.ndarray:
        """float32 M x h x w latents, as the reconstruction networks read them."""
        values = coded.values.astype(np.float32) / np.float32(MEAN_ONE)
        return values * self.features.inverse_gains[level][:, None, None]

    # -- inside

    def _hyper_row(self, level: int) -> int:
        return level * self.features.manifest.hyper_channels

    def _predict(
        self, hyper: np.ndarray, level: int, shape: tuple[int, int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means in 1/16 symbol and scale indices of all latents; int32, M x h x w each."""
        manifest = self.features.manifest
        side = np.zeros((1, len(hyper) + manifest.levels, 1, 1), np.float32)
        side[0, : len(hyper), 0, 0] = SIDE_ONE * hyper
        side[0, len(hyper) + level] = ACTIVATION_ONE
        maps = self.features.generator().ordered((1, manifest.groups, *manifest.grid), side)
        rows, columns = (np.arange(n) * size // n for n, size in zip(shape, manifest.grid, strict=True))
        u = np.ascontiguousarray(maps[:, :, rows[:, None], columns])
        return predictions(self.features.predictor().ordered((1, 2 * manifest.latent_channels, *shape), u)[0])
