"""What pictures and features have in common before the rANS stream: rounded hyper latents, means and scale indices,
symbols, and their bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..constants import HYPER_MAX, MEAN_MAX, SCALE_LEVELS
from .tables import ProbabilityTables

ESCAPE_BITS = 16.0
"""What an escaped symbol costs beside its table's entry."""


@dataclass(frozen=True)
class CodedSymbols:
    """Everything entropy-coded of a tile or of a feature stream.

    Attributes:
        hyper: int32, channels first: hyper latents or side information, in [-31, 31].
        symbols: int32 C x h x w residual symbols.
        values: int32 C x h x w decoded latents in 1/16 symbol: 16 * symbols + means.
        scales: int32 C x h x w scale indices in [0, 63].
    """

    hyper: np.ndarray
    symbols: np.ndarray
    values: np.ndarray
    scales: np.ndarray

    def canonical_bytes(self) -> bytes:
        """The symbols as bytes, for checksums: hyper latents as int8, then symbols as little-endian int16."""
        return self.hyper.astype(np.int8).tobytes() + self.symbols.astype("<i2").tobytes()

    def bits(self, tables: ProbabilityTables, hyper_tables: ProbabilityTables, first: int) -> float:
        """Bits from the tables, without coding; within 1 % of the payload's except for tiny ones.

        Args:
            tables: of symbols, by scale index.
            hyper_tables: of hyper latents; ``first`` is the row of the first channel.
        """
        scales, symbols = self.scales.ravel(), self.symbols.ravel()
        support = tables.support[scales]
        outside = np.abs(symbols) > support
        place = tables.offsets[scales] + np.where(outside, 2 * support + 1, symbols + support)
        bits = float(tables.costs[place][scales > 0].sum()) + ESCAPE_BITS * float(outside.sum())
        rows = first + np.arange(len(self.hyper))
        place = hyper_tables.offsets[rows][:, None] + self.hyper.reshape(len(self.hyper), -1) + HYPER_MAX
        return bits + float(hyper_tables.costs[place].sum())


def round_hyper(raw: np.ndarray) -> np.ndarray:
    """Hyper latents or side information as the integers that are coded, int32."""
    return np.clip(np.floor(raw + np.float32(0.5)), -HYPER_MAX, HYPER_MAX).astype(np.int32)


def predictions(out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means in 1/16 symbol and scale indices, int32, of what an integer network gives: 2c x ..., not yet clamped."""
    half = len(out) // 2
    means = np.clip(out[:half], -MEAN_MAX, MEAN_MAX).astype(np.int32)
    return means, np.clip(out[half:], 0, SCALE_LEVELS - 1).astype(np.int32)
