"""Integer probability tables and rANS streams, which load constriction and are imported when first named; where the
passes and the lifting lie needs numpy alone, and so does training where there is torch alone.
"""

from typing import TYPE_CHECKING

from ..lazy import imported_when_used

if TYPE_CHECKING:
    from .rans import SymbolReader, SymbolWriter
    from .tables import ProbabilityTables, quantise_probabilities

__all__ = ["ProbabilityTables", "SymbolReader", "SymbolWriter", "quantise_probabilities"]

__getattr__, __dir__ = imported_when_used(
    __name__,
    {".rans": ("SymbolReader", "SymbolWriter"), ".tables": ("ProbabilityTables", "quantise_probabilities")},
)
