"""Integer probability tables and rANS streams."""

from .rans import SymbolReader, SymbolWriter
from .tables import ProbabilityTables, quantise_probabilities

__all__ = ["ProbabilityTables", "SymbolReader", "SymbolWriter", "quantise_probabilities"]
