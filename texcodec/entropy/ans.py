"""The rANS coder below ``rans`` and ``tables``: constriction's, or the portable one where that is not installed.

Both give the same words. ``AnsCoder`` is a stack of symbols; the models say how these are coded.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import portable

AnsCoder: Any
Model = Any
"""Of the coder that is used; handed from ``exact_model`` to it."""

try:
    import constriction
except ImportError:  # it has no wheels for musl, nor for arm64 but on macOS
    AnsCoder = portable.AnsCoder
    exact_model, uniform_model = portable.exact_model, portable.uniform_model
else:
    AnsCoder = constriction.stream.stack.AnsCoder

    def exact_model(frequencies: np.ndarray) -> Model:
        """The model with exactly these frequencies, integers from 1 that sum to 2^24.

        constriction adds 1 to every entry after scaling what it is given, so f - 1 is handed over;
        ``perfect=False`` keeps it from redistributing. Tests compare the streams with an independent rANS.
        """
        return constriction.stream.model.Categorical(frequencies.astype(np.float64) - 1.0, perfect=False)

    def uniform_model(size: int) -> Model:
        """The model whose ``size`` entries, a power of two, are equally probable."""
        return constriction.stream.model.Uniform(size)
