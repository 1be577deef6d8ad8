"""The manifest of a set for pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from ..constants import ENTROPY_PROFILES, LAST_QUALITY, MOST_CLASSES, MOST_HALO, RATE_INDICES
from .manifest import PICTURES, SetManifest, read

PSNR, SSIM = TUNES = "psnr", "ssim"
"""What a set may be tuned for: squared error, or what eyes see."""
SQUARED_ERROR = "mse"
ENCODER_GRAPHS = ("analysis", "hyper_analysis")
"""Graphs that only encoding needs."""
MAC_PARTS = ("synthesis", "hyper_synthesis", "contexts", "fusion", *ENCODER_GRAPHS)


@dataclass(frozen=True, kw_only=True)
class PictureManifest(SetManifest):
    """What a set for pictures says of itself, beside what every set says.

    Attributes:
        slices: channel counts of the context slices.
        hyper_channels: number of hyper latent channels.
        classes: names of the texture classes, smoothest first.
        thresholds: of texture complexity between neighbouring classes; encoder only.
        halo: latents of neighbours that synthesis sees on every side of a tile.
        fusion: whether a fusion network repairs the seams.
        qualities: rate index of quality 1, 2, ... 100; encoder only.
        distortion_factor: share of lambda * squared step that the encoder takes a squared symbol to be worth when it
            rounds; None for sets from before there was a choice; encoder only.
        macs: thousand multiply-accumulates per pixel, by network and without halo (see ``ModelSet.macs``).
        gains: whether its latents have gains that the hyper latents imply; entropy profile 2 only.
        usual_psnr: qualities, ascending, and the median PSNR of photographs at each in dB (benchmarks/outcome.py), by
            which the encoder finds what has come out badly; empty where that was not measured; encoder only.
        distortion: that it was trained for: "mse" (as sets that do not say), or a name of another one; for choosing
            a set only.
    """

    KIND: ClassVar[str] = PICTURES
    PROFILES: ClassVar[tuple[int, ...]] = ENTROPY_PROFILES

    slices: tuple[int, ...]
    hyper_channels: int
    classes: tuple[str, ...]
    thresholds: tuple[float, ...]
    halo: int
    fusion: bool
    qualities: tuple[int, ...]
    macs: dict[str, float]
    distortion_factor: float | None = None
    gains: bool = False
    usual_psnr: tuple[tuple[int, float], ...] = ()
    distortion: str = SQUARED_ERROR

    @property
    def tune(self) -> str:
        """What the set is tuned for: "psnr" or "ssim"."""
        return PSNR if self.distortion == SQUARED_ERROR else SSIM

    @property
    def latent_channels(self) -> int:
        return sum(self.slices)

    @classmethod
    def fields_of(cls, raw: dict[str, Any]) -> dict[str, Any]:
        factor = raw.get("distortion_factor")
        return super().fields_of(raw) | {
            "slices": tuple(map(int, raw["slices"])),
            "hyper_channels": int(raw["hyper_channels"]),
            "classes": tuple(map(str, raw["classes"])),
            "thresholds": tuple(map(float, raw["thresholds"])),
            "halo": int(raw["halo"]),
            "fusion": bool(raw["fusion"]),
            "qualities": tuple(map(int, raw["qualities"])),
            "macs": {str(k): float(v) for k, v in raw["macs"].items()},
            "distortion_factor": None if factor is None else float(factor),
            "gains": bool(raw.get("gains", False)),
            "usual_psnr": tuple((int(quality), float(db)) for quality, db in raw.get("usual_psnr", ())),
            "distortion": str(raw.get("distortion", SQUARED_ERROR)),
        }

    def is_sound(self) -> bool:
        return bool(
            super().is_sound()
            and self.slices
            and min(self.slices) > 0
            and self.hyper_channels > 0
            and 0 < len(self.classes) <= MOST_CLASSES
            and len(self.thresholds) == len(self.classes) - 1
            and all(map(math.isfinite, self.thresholds))
            and _rises(self.thresholds)
            and 0 <= self.halo <= MOST_HALO
            # the lapped transform reaches one block beyond a tile
            and (self.entropy_profile == 1 or self.halo == 1)
            and len(self.qualities) == LAST_QUALITY
            and _rises(self.qualities)
            and self.qualities[0] >= 0
            and self.qualities[-1] < RATE_INDICES
            and (self.distortion_factor is None or 0 < self.distortion_factor < math.inf)
            and _rises(tuple(quality for quality, _ in self.usual_psnr))
            and all(1 <= quality <= LAST_QUALITY and 0 < db < math.inf for quality, db in self.usual_psnr)
            and all(math.isfinite(self.macs.get(part, math.nan)) for part in MAC_PARTS)
        )


def _rises(values: tuple[float, ...]) -> bool:
    return all(a < b for a, b in zip(values, values[1:]))


def read_manifest(folder: Path) -> PictureManifest:
    """The manifest of the set for pictures in ``folder``; raises as ``manifest.read``."""
    return read(folder, PictureManifest)
