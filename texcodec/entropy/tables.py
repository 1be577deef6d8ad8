"""Integer probability tables (docs/format.md, "Probability tables").

A table is a row of frequencies f >= 1 that sum to 2^24. They are stored with the model set; nothing is computed
from a formula while coding, so every machine uses the same numbers.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..constants import PRECISION
from ..errors import ModelDamagedError
from .ans import Model, exact_model

TOTAL = 1 << PRECISION


def quantise_probabilities(p: np.ndarray) -> np.ndarray:
    """Probabilities to integer frequencies >= 1 that sum to 2^24.

    Args:
        p: non-negative float64, one row of at least 2 entries; need not be normalised.
    Returns:
        uint32, same length; the largest entry takes up the rounding.
    """
    free = TOTAL - len(p)
    f = np.floor(p / p.sum() * free).astype(np.int64) + 1
    f[np.argmax(f)] += TOTAL - f.sum()
    return f.astype(np.uint32)


class ProbabilityTables:
    """The tables of one kind: row i covers the symbols -support[i] .. support[i] and, if ``escapes``, one
    escape symbol.

    Args:
        frequencies: uint32, all rows one after the other.
        support: int, largest magnitude that each row codes directly.
        escapes: whether each row ends in an escape symbol.
    Raises:
        ModelDamagedError: a frequency is 0, or a row does not sum to 2^24.
    """

    def __init__(self, frequencies: np.ndarray, support: np.ndarray, *, escapes: bool) -> None:
        self.support = support.astype(np.int64)
        self.escapes = escapes
        lengths = 2 * self.support + 1 + int(escapes)
        self.offsets = np.concatenate([[0], np.cumsum(lengths)])
        self.frequencies = frequencies.astype(np.int64)
        if len(support) == 0 or self.offsets[-1] != len(frequencies):
            raise ModelDamagedError(
                "The probability tables of the model set do not have the lengths that their supports say."
            )
        sums = np.add.reduceat(self.frequencies, self.offsets[:-1])
        if self.frequencies.min() < 1 or (sums != TOTAL).any():
            raise ModelDamagedError(
                "A probability table of the model set has a zero entry or does not sum to 2^24."
            )
        self._models: dict[int, Model] = {}

    def __len__(self) -> int:
        return len(self.support)

    def row(self, index: int) -> np.ndarray:
        """Frequencies of one row."""
        return self.frequencies[self.offsets[index] : self.offsets[index + 1]]

    def model(self, index: int) -> Model:
        """The coder's model of one row, built when first needed."""
        model = self._models.get(index)
        if model is None:
            model = self._models[index] = exact_model(self.row(index))
        return model

    @cached_property
    def costs(self) -> np.ndarray:
        """float32 bits of every entry, in the order of ``frequencies``."""
        return (PRECISION - np.log2(self.frequencies)).astype(np.float32)
