"""What a file needs to be decoded: an entropy profile that this version knows, and a model set that fits it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..constants import LATENT_STRIDE, RATE_INDICES
from ..container import Header, TileEntry
from ..errors import CorruptError, UnsupportedError
from ..registry import ModelSet, find_identity
from .coders import PROFILES

Models = str | os.PathLike[str] | ModelSet | None


def check_supported(header: Header) -> None:
    """Raise UnsupportedError for a file without pixels or of an unknown entropy profile."""
    if not header.has_pixels:
        raise UnsupportedError(
            "The file holds feature streams and no pixels, so there is no picture to decode.",
            advice="Use texcodec features infer for the answers of its tasks, or features decode for the tensors.",
        )
    if header.entropy_profile not in PROFILES and not header.needs_no_set:
        known = ", ".join(map(str, PROFILES))
        raise UnsupportedError(
            f"The file uses entropy profile {header.entropy_profile}, but this version of texcodec knows "
            f"{known} only."
        )


def models_for(header: Header, tiles: Sequence[TileEntry], models: Models) -> ModelSet | None:
    """The model set of a file; None if it needs none.

    Args:
        models: a set that was loaded, the name or folder of one, or None to find the one that the file names.
    Raises:
        ModelError: the set is missing, damaged, or not the one that the file names.
        CorruptError: header or index contradict the set.
    """
    if header.needs_no_set:
        return None
    if not isinstance(models, ModelSet):
        models = find_identity(header.identity, models)
    elif not models.identity.startswith(header.identity):
        models = find_identity(header.identity, models.folder)
    manifest = models.manifest
    named = 1 << header.latent_log2, header.halo, header.classes
    if named != (LATENT_STRIDE, manifest.halo, models.classes):
        raise CorruptError("The header's latent stride, halo or classes are not those of its model set.")
    if header.entropy_profile != manifest.entropy_profile:
        raise CorruptError("The header's entropy profile is not that of its model set.")
    if header.fusion and not manifest.fusion:
        raise CorruptError("The header asks for fusion, which its model set does not have.")
    if header.rate_index >= RATE_INDICES:
        raise CorruptError(f"The header has rate index {header.rate_index}, beyond the step table.")
    for index, entry in enumerate(tiles):
        rate = header.rate_index + entry.offset
        if not (entry.absent or entry.drawn) and not 0 <= rate < RATE_INDICES:
            raise CorruptError(f"Tile {index} has rate index {rate}, beyond the step table.")
    return models
