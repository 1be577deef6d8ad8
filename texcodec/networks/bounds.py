"""The proof that an integer network is exact in float32 (docs/format.md, "Integer arithmetic").

If sum |w| * max |x| + |b| stays below 2^24 for every output channel, every partial sum is an integer that float32
holds exactly, in whatever order an engine adds.
"""

from __future__ import annotations

import numpy as np

from ..constants import ACCUMULATOR_LIMIT
from ..errors import ModelDamagedError


def check_bound(weight: np.ndarray, bias: np.ndarray, input_max: int, name: str) -> None:
    """Refuse a layer whose accumulator could reach 2^24.

    Args:
        weight: integers, O x I x k x k.
        bias: integers, O.
        input_max: largest magnitude of an input.
        name: of the layer, for the error.
    Raises:
        ModelDamagedError: the bound does not hold, or the shapes do not belong together.
    """
    if weight.ndim != 4 or bias.shape != weight.shape[:1]:
        raise ModelDamagedError(
            f"The integer layer {name} has weights and biases whose shapes do not belong together."
        )
    worst = np.abs(weight.astype(np.int64)).sum((1, 2, 3)) * input_max + np.abs(bias.astype(np.int64))
    if worst.size and int(worst.max()) >= ACCUMULATOR_LIMIT:
        raise ModelDamagedError(
            f"The integer layer {name} could reach {int(worst.max())}, beyond the exact range of float32 (2^24)."
        )
