"""Running the exported networks with onnxruntime: float networks, and integer ones whose exactness is proved
on loading.
"""

from .bounds import ACCUMULATOR_LIMIT, check_bound
from .sessions import FloatNetwork, IntegerNetwork, finite

__all__ = ["ACCUMULATOR_LIMIT", "FloatNetwork", "IntegerNetwork", "check_bound", "finite"]
