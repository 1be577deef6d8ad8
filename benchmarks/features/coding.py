"""Real streams of any prior: rANS of side information and symbols, in the lean form of a feature file.

The codebook hyperprior is coded as texcodec codes it; the others in the same way with their own tables, so that all pay
for the same container.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from texcodec.constants import HYPER_MAX, SCALE_LEVELS
from texcodec.container import (
    FeatureStream,
    StreamTask,
    feature_header,
    pack_stream,
    task_identifier,
)
from texcodec.container.chunks import FEAT
from texcodec.container.writer import write
from texcodec.entropy import ProbabilityTables, SymbolReader, SymbolWriter, quantise_probabilities
from texcodec.training.core.tables import MOST_SUPPORT, symbol_tables
from texcodec.training.features.codec import FeatureCodec
from texcodec.training.features.export import normal_row, side_tables

MOST_DIRECT = 40
"""Largest magnitude that a counted table of the factorised prior holds; others are escapes."""
SMOOTHING = 0.02
"""What every symbol counts before the first one is counted."""


@dataclass
class Batch:
    """What a codec made of some pictures at one level.

    Attributes:
        symbols, indices: int N x M x h x w.
        side: int N x V x n, or None.
        estimate: bits of each picture by the probabilities that training uses, float N.
    """

    symbols: np.ndarray
    indices: np.ndarray
    side: np.ndarray | None
    estimate: np.ndarray


class Coder:
    """The entropy coder of a trained codec.

    Args:
        codec: trained.
        counted: for a factorised prior, by level, int N x M x h x w symbols of training pictures.
    """

    def __init__(self, codec: FeatureCodec, counted: list[np.ndarray] | None = None) -> None:
        self.levels = codec.settings.levels
        self.tasks = [shape.name for shape in codec.shapes]
        frequencies, support = symbol_tables(np.zeros((SCALE_LEVELS, 2 * MOST_SUPPORT + 1)), row=normal_row)
        self.normal = ProbabilityTables(frequencies, support, escapes=True)
        side = getattr(codec.prior, "side", None)
        self.channels = 0
        if isinstance(side, nn.Module):
            tables = side_tables(side)
            self.channels = tables.shape[1]
            rows = tables.reshape(-1, 2 * HYPER_MAX + 1)
            self.side = ProbabilityTables(rows.ravel(), np.full(len(rows), HYPER_MAX), escapes=False)
        self.counted = None if counted is None else [counted_tables(symbols) for symbols in counted]

    def payload(self, batch: Batch, number: int, level: int) -> bytes:
        """The rANS stream of one picture."""
        writer = SymbolWriter()
        if batch.side is not None:
            writer.rows(batch.side[number], self.side, level * self.channels)
        tables, indices = self._tables(batch, number, level)
        writer.indexed(batch.symbols[number].ravel(), indices, tables)
        return writer.finish()

    def check(self, payload: bytes, batch: Batch, number: int, level: int) -> None:
        """Decode a stream and compare.

        Raises:
            AssertionError: it holds something else.
        """
        reader = SymbolReader(payload)
        if batch.side is not None:
            _, channels, count = batch.side.shape
            assert np.array_equal(
                reader.rows(channels, count, self.side, level * self.channels), batch.side[number]
            )
        tables, indices = self._tables(batch, number, level)
        assert np.array_equal(reader.indexed(indices, tables), batch.symbols[number].ravel())
        reader.finish()

    def file_bytes(self, payload: bytes, sizes: list[tuple[int, int]], width: int, height: int) -> int:
        """Bytes of the file with this stream; sizes: rows and columns of every task's features."""
        tasks = tuple(StreamTask(task_identifier(n), h, w) for n, (h, w) in zip(self.tasks, sizes))
        identity = bytes(range(1, 17))
        stream = FeatureStream(identity, 0, tasks, zlib.crc32(payload) & 0xFFFF, payload)
        return len(write(feature_header(width, height), [], [], [(FEAT, pack_stream(stream))]))

    def _tables(self, batch: Batch, number: int, level: int) -> tuple[ProbabilityTables, np.ndarray]:
        if self.counted is None:
            return self.normal, batch.indices[number].ravel()
        shape = batch.symbols.shape[1:]
        indices = np.repeat(np.arange(1, shape[0] + 1), shape[1] * shape[2])
        return self.counted[level], indices


def counted_tables(symbols: np.ndarray) -> ProbabilityTables:
    """A table for every channel from its symbols (int N x M x h x w), and one that is not used at index 0."""
    rows = [np.full(4, 0.25)]
    supports = [1]
    for channel in symbols.transpose(1, 0, 2, 3).reshape(symbols.shape[1], -1):
        support = int(min(MOST_DIRECT, max(1, np.abs(channel).max())))
        inside = channel[np.abs(channel) <= support] + support
        counts = np.append(np.bincount(inside, minlength=2 * support + 1), len(channel) - len(inside))
        rows.append(counts + SMOOTHING)
        supports.append(support)
    frequencies = np.concatenate([quantise_probabilities(np.asarray(row, float)) for row in rows])
    return ProbabilityTables(frequencies, np.array(supports), escapes=True)


@torch.no_grad()
def run(
    codec: FeatureCodec, features: dict[str, Tensor], level: int, batch: int = 50
) -> tuple[Batch, dict[str, Tensor]]:
    """Code features at one level: what the coder gets, and the restored features."""
    parts: list[Batch] = []
    restored: dict[str, list[Tensor]] = {name: [] for name in features}
    count = len(next(iter(features.values())))
    for first in range(0, count, batch):
        inputs = {name: h[first : first + batch].float() for name, h in features.items()}
        size = len(next(iter(inputs.values())))
        coded = codec(inputs, torch.full((size,), level), "nearest")
        side = None if coded.side is None else coded.side.flatten(2).round().int().numpy()
        parts.append(
            Batch(
                coded.symbols.round().int().numpy(),
                coded.scale_index.round().int().numpy(),
                side,
                (coded.bits + coded.side_bits).double().numpy(),
            )
        )
        for name, h in coded.features.items():
            restored[name].append(h)
    joined = Batch(
        *(np.concatenate([getattr(p, name) for p in parts]) for name in ("symbols", "indices")),
        None if parts[0].side is None else np.concatenate([p.side for p in parts if p.side is not None]),
        np.concatenate([p.estimate for p in parts]),
    )
    return joined, {name: torch.cat(h) for name, h in restored.items()}
