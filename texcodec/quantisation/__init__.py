"""Quantised networks, trained with full-precision helpers that are thrown away (docs/guides/quantise.md).

Everything here works on any torch network made of convolutions and needs torch and numpy only.
"""

from .auxiliary import AuxiliaryNetwork
from .convergence import Convergence
from .conversion import quantise, quantised_convolutions
from .convolutions import QuantisedConv
from .export import FrozenConv, IntegerLayer, freeze, integer_layers
from .fit import FitSettings, Trainer, fit
from .joined import JoinedConv
from .joint import JointNetwork, Losses, losses, softened_divergence
from .quantisers import ActivationQuantiser
from .settings import LossWeights, QuantisationSettings

__all__ = [
    "ActivationQuantiser",
    "AuxiliaryNetwork",
    "Convergence",
    "FitSettings",
    "FrozenConv",
    "IntegerLayer",
    "JoinedConv",
    "JointNetwork",
    "LossWeights",
    "Losses",
    "QuantisationSettings",
    "QuantisedConv",
    "Trainer",
    "fit",
    "freeze",
    "integer_layers",
    "losses",
    "quantise",
    "quantised_convolutions",
    "softened_divergence",
]
