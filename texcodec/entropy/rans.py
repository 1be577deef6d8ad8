"""Symbols to a rANS stream and back (docs/format.md, "The rANS stream").

``SymbolWriter`` collects segments in decoding order and codes them last to first, because rANS is a stack;
``SymbolReader`` reads them first to last. Both speak ``ans.AnsCoder``: 32-bit words, 64-bit state, 24-bit tables.
"""

from __future__ import annotations

import numpy as np

from ..constants import SYMBOL_MAX
from ..errors import CorruptError
from .ans import AnsCoder, Model, uniform_model
from .tables import ProbabilityTables

ESCAPE_OFFSET = SYMBOL_MAX + 1
ESCAPE_MODEL = uniform_model(2 * ESCAPE_OFFSET)


class SymbolWriter:
    """Builds the stream of one tile."""

    def __init__(self) -> None:
        self._segments: list[tuple[np.ndarray, Model]] = []

    def rows(self, symbols: np.ndarray, tables: ProbabilityTables, first: int) -> None:
        """Code symbols[i] (a row of integers) with table first + i; no escapes."""
        shifted = (symbols + tables.support[first : first + len(symbols), None]).astype(np.int32)
        self._segments += [(row, tables.model(first + i)) for i, row in enumerate(shifted)]

    def indexed(self, symbols: np.ndarray, indices: np.ndarray, tables: ProbabilityTables) -> None:
        """Code every symbol with the table its index names; index 0 is not coded.

        Args:
            symbols: int, n; zero wherever the index is 0.
            indices: int, n.
        """
        order = np.argsort(indices.astype(np.uint8), kind="stable")
        counts = np.bincount(indices, minlength=len(tables))
        symbols, support = symbols[order], np.repeat(tables.support, counts)
        outside = np.abs(symbols) > support
        shifted = np.where(outside, 2 * support + 1, symbols + support).astype(np.int32)
        escapes = bool(outside.any())
        start = int(counts[0])
        for k in np.flatnonzero(counts[1:]) + 1:
            end = start + int(counts[k])
            self._segments.append((shifted[start:end], tables.model(int(k))))
            if escapes and outside[start:end].any():
                escaped = symbols[start:end][outside[start:end]] + ESCAPE_OFFSET
                self._segments.append((escaped.astype(np.int32), ESCAPE_MODEL))
            start = end

    def finish(self, start: int = 0) -> bytes:
        """The stream: little-endian words, the zero bytes at its end left out.

        Args:
            start: the state before the first symbol is coded, below 2^24, which ``SymbolReader.finish`` finds again.
                A state of 0 would waste as many bits: the first symbol costs 24 bits then, whatever it is.
        """
        coder = AnsCoder(np.array([start], np.uint32)) if start else AnsCoder()
        for symbols, model in reversed(self._segments):
            coder.encode_reverse(symbols, model)
        return coder.get_compressed().astype("<u4").tobytes().rstrip(b"\0")


class SymbolReader:
    """Reads the stream of one tile.

    Raises:
        CorruptError: from the constructor or ``finish`` if the bytes are not a complete stream.
    """

    def __init__(self, data: bytes) -> None:
        if data.endswith(b"\0"):
            raise CorruptError("The entropy-coded data ends in a zero byte, which no encoder writes.")
        words = np.frombuffer(data + bytes(-len(data) % 4), "<u4").astype(np.uint32)
        self._coder = AnsCoder(words)

    def rows(self, count: int, length: int, tables: ProbabilityTables, first: int) -> np.ndarray:
        """``count`` rows of ``length`` symbols coded with tables first, first + 1, ...; int32 count x
        length.
        """
        rows = [self._coder.decode(tables.model(first + i), length) for i in range(count)]
        return (np.stack(rows) - tables.support[first : first + count, None]).astype(np.int32)

    def indexed(self, indices: np.ndarray, tables: ProbabilityTables) -> np.ndarray:
        """Symbols coded with the table that each index names; int32, same length as ``indices``."""
        order = np.argsort(indices.astype(np.uint8), kind="stable")
        counts = np.bincount(indices, minlength=len(tables))
        used = np.flatnonzero(counts[1:]) + 1
        supports, counts_used = tables.support[used], counts[used]
        segments = [np.zeros(counts[0], np.int32)]
        for k, count, support in zip(used.tolist(), counts_used.tolist(), supports.tolist()):
            segment = self._coder.decode(tables.model(k), count)
            if segment[segment.argmax()] > 2 * support:  # a third of the time of max() for a few symbols
                outside = np.flatnonzero(segment > 2 * support)
                escaped = self._coder.decode(ESCAPE_MODEL, len(outside)) - ESCAPE_OFFSET
                if escaped.min() < -SYMBOL_MAX:
                    raise CorruptError("The entropy-coded data holds an escape value out of range.")
                segment[outside] = escaped + support
            segments.append(segment)
        found = np.concatenate(segments)
        found[counts[0] :] -= np.repeat(supports, counts_used).astype(np.int32)
        out = np.empty(len(indices), np.int32)
        out[order] = found
        return out

    def finish(self, start: int = 0) -> None:
        """Check that the stream ended exactly where it should: all words used, the coder back in its initial
        state ``start``.
        """
        left = self._coder.get_compressed()
        if left.tolist() != ([start] if start else []):
            raise CorruptError("The entropy-coded data does not end where its symbols end.")
