"""Model sets: finding, loading and checking them (docs/models.md)."""

from .discover import DEFAULT_SET, ENVIRONMENT_VARIABLE, SetInfo, find_identity, find_set, list_sets, load_set
from .identity import decoder_identity
from .model_set import ModelSet

__all__ = [
    "DEFAULT_SET",
    "ENVIRONMENT_VARIABLE",
    "ModelSet",
    "SetInfo",
    "decoder_identity",
    "find_identity",
    "find_set",
    "list_sets",
    "load_set",
]
