"""Deep features in ``.tcx`` files: what a task network computes half-way, coded in a few hundred bytes.

    features = load_feature_set()
    data = encode_picture(picture, features)        # picture: uint8 H x W x 3
    answers = infer(data, features=features)        # {task: array}

docs/guides/features.md is the guide, docs/format.md, "Feature streams", the reference. Nothing here needs torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ..registry import load_feature_set

if TYPE_CHECKING:
    from ..registry import FeatureSet
    from .decode import decode_tensors, infer
    from .encode import encode_picture, encode_tensors

__all__ = ["FeatureSet", "decode_tensors", "encode_picture", "encode_tensors", "infer", "load_feature_set"]

_LAZY = {
    "decode_tensors": ".decode",
    "encode_picture": ".encode",
    "encode_tensors": ".encode",
    "infer": ".decode",
    "FeatureSet": "..registry",
}


def __getattr__(name: str) -> Any:
    # metrics are used without the codec, whose imports take a while
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
