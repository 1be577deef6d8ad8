"""Deep features in ``.tcx`` files: what a task network computes half-way, coded in a few hundred bytes.

    features = load_feature_set()
    data = encode_picture(picture, features)        # picture: uint8 H x W x 3
    answers = infer(data, features=features)        # {task: array}

docs/guides/features.md is the guide, docs/format.md, "Feature streams", the reference. Nothing here needs torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import imported_when_used
from ..registry import load_feature_set

if TYPE_CHECKING:
    from ..registry import FeatureSet
    from .decode import decode_tensors, infer
    from .encode import encode_picture, encode_tensors

__all__ = ["FeatureSet", "decode_tensors", "encode_picture", "encode_tensors", "infer", "load_feature_set"]

# metrics are used without the codec, whose imports take a while
__getattr__, __dir__ = imported_when_used(
    __name__,
    {
        ".decode": ("decode_tensors", "infer"),
        ".encode": ("encode_picture", "encode_tensors"),
        "..registry": ("FeatureSet",),
    },
)
