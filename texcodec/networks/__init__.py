"""Running the exported networks with onnxruntime, after their graphs were checked: float networks, and integer ones
whose exactness is proved on loading.
"""

from .bounds import check_bound
from .graph_check import TASK_RULES, check_graph
from .graph_cost import Budget, Cost
from .sessions import FloatNetwork, IntegerNetwork, finite

__all__ = [
    "TASK_RULES",
    "Budget",
    "Cost",
    "FloatNetwork",
    "IntegerNetwork",
    "check_bound",
    "check_graph",
    "finite",
]
