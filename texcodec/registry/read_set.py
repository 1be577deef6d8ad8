"""Which kind of set a folder holds, by the entropy profile that its manifest names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from .model_set import ModelSet
from .picture_manifest import read_manifest
from .pyramid_set import PyramidSet

PROFILES: Mapping[int, type[ModelSet]] = {1: ModelSet, 2: PyramidSet}


def read_model_set(folder: Path) -> ModelSet:
    """Read the set for pictures in a folder.

    Raises:
        ModelNotFoundError, ModelDamagedError: see ``LoadedSet``.
    """
    return PROFILES[read_manifest(folder).entropy_profile](folder)
