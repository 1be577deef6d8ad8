"""A rANS coder in pure Python, for machines that constriction has no wheel for (docs/format.md, "The rANS stream").

It has as much of constriction's interface as ``rans`` and ``tables`` use, and gives the same words bit for bit. Symbols
take about a dozen times as long: one or two microseconds each.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

import numpy as np

from ..constants import PRECISION

WORD = 32
LOW = (1 << WORD) - 1
LOW_CODE = (1 << PRECISION) - 1


class Model:
    """The entries 0, 1, ... of a table.

    Args:
        starts: the first code of every entry, then 2^24; strictly increasing, from 0.
    """

    def __init__(self, starts: Sequence[int]) -> None:
        self.starts = starts


def exact_model(frequencies: np.ndarray) -> Model:
    """The model with these frequencies, integers from 1 that sum to 2^24."""
    return Model([0, *np.cumsum(frequencies.astype(np.int64)).tolist()])


def uniform_model(size: int) -> Model:
    """The model whose ``size`` entries, a power of two, are equally probable."""
    return Model(range(0, (1 << PRECISION) + 1, (1 << PRECISION) // size))


class AnsCoder:
    """A stack of symbols: 32-bit words and a 64-bit state.

    Args:
        words: uint32, what ``get_compressed`` gave; by default the empty stack.
    Raises:
        ValueError: the last word is 0, which no stack ends in.
    """

    def __init__(self, words: np.ndarray | None = None) -> None:
        self._words: list[int] = [] if words is None else words.tolist()
        if self._words and not self._words[-1]:
            raise ValueError("The words of a rANS stack never end in a zero word.")
        self._state = 0
        while self._state <= LOW and self._words:
            self._state = self._state << WORD | self._words.pop()

    def encode_reverse(self, symbols: np.ndarray, model: Model) -> None:
        """Push entries of the model, the last one first, so that they are decoded in their order.

        Args:
            symbols: int32, n.
        Raises:
            KeyError: one is no entry of the model; those behind it were pushed.
        """
        state, push, starts = self._state, self._words.append, model.starts
        entries = len(starts) - 1
        try:
            for symbol in reversed(symbols.tolist()):
                if not 0 <= symbol < entries:
                    raise KeyError("A symbol is not in the table that it is to be coded with.")
                start = starts[symbol]
                frequency = starts[symbol + 1] - start
                if state >> 2 * WORD - PRECISION >= frequency:
                    push(state & LOW)
                    state >>= WORD
                quotient, rest = divmod(state, frequency)
                state = quotient << PRECISION | start + rest
        finally:
            self._state = state

    def decode(self, model: Model, count: int) -> np.ndarray:
        """Pop ``count`` entries of the model; int32. An empty stack gives entries too, as any state does."""
        state, words, starts = self._state, self._words, model.starts
        out = []
        for _ in range(count):
            code = state & LOW_CODE
            symbol = bisect_right(starts, code) - 1
            start = starts[symbol]
            state = (starts[symbol + 1] - start) * (state >> PRECISION) + code - start
            if state <= LOW and words:
                state = state << WORD | words.pop()
            out.append(symbol)
        self._state = state
        return np.array(out, np.int32)

    def get_compressed(self) -> np.ndarray:
        """The words of the stack, uint32, its state last."""
        words, state = self._words.copy(), self._state
        while state:
            words.append(state & LOW)
            state >>= WORD
        return np.array(words, np.uint32)
