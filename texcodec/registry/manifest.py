"""The manifest of a model set: ``manifest.json``, checked field by field before anything else is read."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..constants import ENTROPY_PROFILES, IDENTITY_BYTES, LAST_QUALITY, MOST_CLASSES, MOST_HALO, RATE_INDICES
from ..errors import ModelDamagedError, ModelNotFoundError

MANIFEST_VERSION = 1
PICTURES, FEATURES = "pictures", "features"
"""What a set is for. Manifests of sets for pictures do not say."""
MAC_PARTS = ("synthesis", "hyper_synthesis", "contexts", "fusion", "analysis", "hyper_analysis")


@dataclass(frozen=True)
class Manifest:
    """What a set says of itself.

    Attributes:
        name: of the set.
        slices: channel counts of the context slices.
        hyper_channels: number of hyper latent channels.
        classes: names of the texture classes, smoothest first.
        thresholds: of texture complexity between neighbouring classes; encoder only.
        halo: latents of neighbours that synthesis sees on every side of a tile.
        fusion: whether a fusion network repairs the seams.
        qualities: rate index of quality 1, 2, ... 100; encoder only.
        distortion_factor: how much of lambda * squared step the encoder takes a squared symbol to be worth when it
            rounds; None for sets from before there was a choice; encoder only.
        identity: hexadecimal identity of the decoder.
        encoder: SHA-256 of the encoder's graphs and arrays, hexadecimal.
        macs: thousand multiply-accumulates a pixel, by network and without halo (see ``ModelSet.macs``).
        card: training data, command, seed, hardware, time, licence.
        entropy_profile: the exact arithmetic of its entropy model.
        gains: whether its latents have gains that the hyper latents imply; entropy profile 2 only.
    """

    name: str
    slices: tuple[int, ...]
    hyper_channels: int
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    halo: int
    fusion: bool
    qualities: tuple[int, ...]
    identity: str
    encoder: str
    macs: dict[str, float]
    card: dict[str, Any]
    distortion_factor: float | None = None
    entropy_profile: int = 1
    gains: bool = False

    @property
    def latent_channels(self) -> int:
        return sum(self.slices)


def read_json(folder: Path) -> dict[str, Any]:
    """What ``folder/manifest.json`` says, of any kind of set, once its version is known to be one of this release.

    Raises:
        ModelNotFoundError: the folder holds no manifest.
        ModelDamagedError: the manifest is no JSON, or of another version.
    """
    path = folder / "manifest.json"
    try:
        raw: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ModelNotFoundError(
            f"There is no model set in {folder}, as manifest.json cannot be read ({error.strerror}); "
            "check the name of the folder."
        ) from None
    except (ValueError, RecursionError) as error:
        raise ModelDamagedError(f"{path} is not valid JSON ({error}); install the model set again.") from None
    if not isinstance(raw, dict) or raw.get("manifest_version") != MANIFEST_VERSION:
        raise ModelDamagedError(
            f"{path} is not a manifest of version {MANIFEST_VERSION}; use a newer version of texcodec."
        )
    if raw.get("entropy_profile") not in ENTROPY_PROFILES:
        raise ModelDamagedError(
            f"{path} asks for entropy profile {raw.get('entropy_profile')}, but this version of texcodec knows "
            f"{', '.join(map(str, ENTROPY_PROFILES))} only; use a newer version."
        )
    return raw


def kind_of(raw: dict[str, Any]) -> str:
    """What a set is for, by its manifest."""
    return str(raw.get("kind", PICTURES))


def read_manifest(folder: Path) -> Manifest:
    """Read and check ``folder/manifest.json``.

    Raises:
        ModelNotFoundError: the folder holds no manifest.
        ModelDamagedError: the manifest is not one this release understands.
    """
    path = folder / "manifest.json"
    raw = read_json(folder)
    if kind_of(raw) != PICTURES:
        raise ModelNotFoundError(
            f"{path} is that of a set of kind {kind_of(raw)!r}; name a set for pictures, or see texcodec features."
        )
    try:
        manifest = Manifest(
            name=str(raw["name"]),
            slices=tuple(map(int, raw["slices"])),
            hyper_channels=int(raw["hyper_channels"]),
            classes=tuple(map(str, raw["classes"])),
            thresholds=tuple(map(float, raw["thresholds"])),
            halo=int(raw["halo"]),
            fusion=bool(raw["fusion"]),
            qualities=tuple(map(int, raw["qualities"])),
            identity=str(raw["identity"]),
            encoder=str(raw["encoder"]),
            macs={str(k): float(v) for k, v in raw["macs"].items()},
            card=dict(raw["card"]),
            distortion_factor=None if raw.get("distortion_factor") is None else float(raw["distortion_factor"]),
            entropy_profile=int(raw["entropy_profile"]),
            gains=bool(raw.get("gains", False)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ModelDamagedError(
            f"{path} lacks a field or has one of the wrong type ({error!r}); install the model set again."
        ) from None
    sound = (
        len(manifest.classes) == len(manifest.thresholds) + 1
        and 0 < len(manifest.classes) <= MOST_CLASSES
        and len(manifest.qualities) == LAST_QUALITY
        and list(manifest.qualities) == sorted(set(manifest.qualities))
        and manifest.qualities[0] >= 0
        and manifest.qualities[-1] < RATE_INDICES
        and all(map(math.isfinite, manifest.thresholds))
        and (manifest.distortion_factor is None or 0 < manifest.distortion_factor < math.inf)
        and list(manifest.thresholds) == sorted(set(manifest.thresholds))
        and manifest.slices
        and min(manifest.slices) > 0
        and 0 <= manifest.halo <= MOST_HALO
        and manifest.hyper_channels > 0
        and re.fullmatch(f"[0-9a-f]{{{2 * IDENTITY_BYTES}}}", manifest.identity)
        and all(math.isfinite(manifest.macs.get(part, math.nan)) for part in MAC_PARTS)
    )
    if not sound:
        raise ModelDamagedError(
            f"{path} contradicts itself: its classes, thresholds, qualities, slices, identity or macs are not "
            "those of a model set; install it again."
        )
    return manifest
