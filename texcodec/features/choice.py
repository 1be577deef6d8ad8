"""Which feature set: the one that is named, or the one that a file names."""

from __future__ import annotations

import os

from ..container import FeatureStream
from ..errors import ModelNotFoundError
from ..registry import ENVIRONMENT_VARIABLE, FEATURES, FeatureSet, list_sets, load_feature_set

Features = str | os.PathLike[str] | FeatureSet | None


def as_set(features: Features) -> FeatureSet:
    """The set itself, or the one of that name or folder, or the default."""
    return features if isinstance(features, FeatureSet) else load_feature_set(features)


def stream_and_set(streams: list[FeatureStream], features: Features) -> tuple[FeatureStream, FeatureSet]:
    """The first stream that the set named decodes, or, without one, that any installed set does; and the set.

    Raises:
        ModelNotFoundError: there is none; names the identities that are needed.
        ModelDamagedError: the set is damaged.
    """
    needed = " or ".join(stream.identity.hex() for stream in streams)
    if features is not None:
        chosen = as_set(features)
        for stream in streams:
            if stream.identity == chosen.identity:
                return stream, chosen
        raise ModelNotFoundError(
            f"The file's features need the set with identity {needed}, but {chosen.name} has "
            f"{chosen.identity.hex()}; name another set, or none to have it found."
        )
    installed = {info.identity: info.path for info in list_sets(FEATURES)}
    for stream in streams:
        path = installed.get(stream.identity.hex())
        if path is not None:
            return stream, load_feature_set(path)
    raise ModelNotFoundError(
        f"The file's features need the set with identity {needed}, which is not installed; "
        f"name its folder with --models or {ENVIRONMENT_VARIABLE}."
    )
