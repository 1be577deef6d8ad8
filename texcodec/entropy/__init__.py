"""Integer probability tables and rANS streams."""

from .rans import SymbolReader, SymbolWriter
from .tables import PRECISION, ProbabilityTables, quantise_probabilities

__all__ = ["PRECISION", "ProbabilityTables", "SymbolReader", "SymbolWriter", "quantise_probabilities"]
