"""Model sets: finding, loading and checking them (docs/reference/models.md)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

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

_LAZY = {
    "FeatureSet": ".feature_set",
    "ModelSet": ".model_set",
    "PyramidSet": ".pyramid_set",
    "decoder_identity": ".identity",
    "feature_identity": ".identity",
    "read_model_set": ".read_set",
}


def __getattr__(name: str) -> Any:
    # finding sets reads manifests only; numpy and onnxruntime are imported when a set is loaded
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
