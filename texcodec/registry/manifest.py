"""What the manifests of all sets share: ``manifest.json`` is checked field by field before anything else is read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from ..constants import IDENTITY_BYTES
from ..errors import ModelDamagedError, ModelError, ModelNotFoundError

MANIFEST = "manifest.json"
ENCODER = "encoder.safetensors"
"""Weights that only encoding needs; a set without them decodes only."""
_NEWER = "Use a newer version of texcodec."
MANIFEST_VERSION = 1
PICTURES, FEATURES = "pictures", "features"
"""What a set is for. Manifests of sets for pictures do not say."""


@dataclass(frozen=True, kw_only=True)
class SetManifest:
    """What every set says of itself.

    Attributes:
        name: of the set.
        entropy_profile: the exact arithmetic of its entropy model (docs/format.md, "Integer arithmetic"); it decides
            which graphs and arrays the set holds.
        identity: hexadecimal identity of the decoder.
        encoder: hexadecimal hash of the encoder's graphs and arrays.
        card: training data, command, seed, hardware, time, licence.
    """

    KIND: ClassVar[str]
    PROFILES: ClassVar[tuple[int, ...]]
    """The entropy profiles that this version knows for this kind of set."""

    name: str
    entropy_profile: int
    identity: str
    encoder: str
    card: dict[str, Any]

    @classmethod
    def fields_of(cls, raw: dict[str, Any]) -> dict[str, Any]:
        """The fields by name; any error of a missing or mistyped value means that there is no such manifest."""
        return {
            "name": str(raw["name"]),
            "entropy_profile": int(raw["entropy_profile"]),
            "identity": str(raw["identity"]),
            "encoder": str(raw["encoder"]),
            "card": dict(raw["card"]),
        }

    def is_sound(self) -> bool:
        """Whether the fields are in range and fit each other."""
        return bool(re.fullmatch(f"[0-9a-f]{{{2 * IDENTITY_BYTES}}}", self.identity))


M = TypeVar("M", bound=SetManifest)


def read(folder: Path, manifest_type: type[M]) -> M:
    """Read and check ``folder/manifest.json``.

    Raises:
        ModelNotFoundError: the folder holds no manifest, or that of another kind of set.
        ModelDamagedError: it lacks a field, or its fields contradict each other.
        ModelError: it is of a version or entropy profile that this version of texcodec does not know.
    """
    raw, path = read_json(folder), folder / MANIFEST
    kind, wanted = kind_of(raw), manifest_type.KIND
    if kind != wanted:
        raise ModelNotFoundError(f"{path} is that of a set for {kind}; name a set for {wanted}.")
    if raw.get("entropy_profile") not in manifest_type.PROFILES:
        known = ", ".join(map(str, manifest_type.PROFILES))
        raise ModelError(
            f"{path} asks for entropy profile {raw.get('entropy_profile')}, but this version of texcodec knows "
            f"{known} only.",
            advice=_NEWER,
        )
    try:
        manifest = manifest_type(**manifest_type.fields_of(raw))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelDamagedError(f"{path} lacks a field or has one of the wrong type ({error!r}).") from None
    if not manifest.is_sound():
        raise ModelDamagedError(f"{path} contradicts itself: its fields are not those of a set for {wanted}.")
    return manifest


def read_json(folder: Path) -> dict[str, Any]:
    """What ``folder/manifest.json`` says, of any kind of set, once its version is known to be one of this release.

    Raises:
        ModelNotFoundError: the folder holds no manifest.
        ModelDamagedError: the manifest is no JSON object.
        ModelError: it is of a newer version.
    """
    path = folder / MANIFEST
    try:
        raw = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelNotFoundError(
            f"There is no model set in {folder}, as manifest.json cannot be read ({error.strerror}); "
            "check the name of the folder."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelDamagedError(f"{path} is not valid JSON ({error}).") from None
    if not isinstance(raw, dict) or "manifest_version" not in raw:
        raise ModelDamagedError(f"{path} is not the manifest of a set.")
    if raw["manifest_version"] != MANIFEST_VERSION:
        raise ModelError(
            f"{path} is a manifest of version {raw['manifest_version']}, but this version of texcodec knows "
            f"{MANIFEST_VERSION} only.",
            advice=_NEWER,
        )
    return raw


def kind_of(raw: dict[str, Any]) -> str:
    """What a set is for, by its manifest."""
    return str(raw.get("kind", PICTURES))
