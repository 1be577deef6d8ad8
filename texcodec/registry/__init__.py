"""Model sets: finding, loading and checking them (docs/reference/models.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import imported_when_used
from .discover import (
    DEFAULT_FEATURE_SET,
    DEFAULT_SET,
    ENVIRONMENT_VARIABLE,
    SetInfo,
    find_identity,
    find_set,
    kind_of_set,
    list_sets,
    load_feature_set,
    load_set,
)
from .manifest import FEATURES, PICTURES
from .tunes import set_for

if TYPE_CHECKING:
    from .feature_set import FeatureSet
    from .identity import decoder_identity, feature_identity
    from .model_set import ModelSet
    from .pyramid_set import PyramidSet
    from .read_set import read_model_set

__all__ = [
    "DEFAULT_FEATURE_SET",
    "DEFAULT_SET",
    "ENVIRONMENT_VARIABLE",
    "FEATURES",
    "PICTURES",
    "FeatureSet",
    "ModelSet",
    "PyramidSet",
    "SetInfo",
    "decoder_identity",
    "feature_identity",
    "find_identity",
    "find_set",
    "kind_of_set",
    "list_sets",
    "load_feature_set",
    "load_set",
    "read_model_set",
    "set_for",
]

# finding sets reads manifests only; numpy and onnxruntime are imported when a set is loaded
__getattr__, __dir__ = imported_when_used(
    __name__,
    {
        ".feature_set": ("FeatureSet",),
        ".identity": ("decoder_identity", "feature_identity"),
        ".model_set": ("ModelSet",),
        ".pyramid_set": ("PyramidSet",),
        ".read_set": ("read_model_set",),
    },
)
