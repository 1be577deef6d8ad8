"""Integer probability tables and rANS streams, which load constriction and are imported when first named; where the
passes and the lifting lie needs numpy alone, and so does training where there is torch alone.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .rans import SymbolReader, SymbolWriter
    from .tables import ProbabilityTables, quantise_probabilities

__all__ = ["ProbabilityTables", "SymbolReader", "SymbolWriter", "quantise_probabilities"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("." + ("rans" if name.startswith("Symbol") else "tables"), __name__), name)
