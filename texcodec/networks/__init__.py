"""Running the exported networks with onnxruntime: float networks, and integer ones whose exactness is proved
on loading.
"""

from .bounds import check_bound
from .sessions import FloatNetwork, IntegerNetwork, finite

__all__ = ["FloatNetwork", "IntegerNetwork", "check_bound", "finite"]
