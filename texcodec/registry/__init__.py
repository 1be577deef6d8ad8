"""Model sets: finding, loading and checking them (docs/models.md)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .discover import DEFAULT_SET, ENVIRONMENT_VARIABLE, SetInfo, find_identity, find_set, list_sets, load_set

if TYPE_CHECKING:
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

_LAZY = {"ModelSet": ".model_set", "decoder_identity": ".identity"}


def __getattr__(name: str) -> Any:
    # finding sets reads manifests only; numpy and onnxruntime are imported when a set is loaded
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
