"""What decides the bytes of a batch's outputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ..limits import Limits

FORM = 1
"""Of what batches write besides .tcx files; part of the hash."""


@dataclass(frozen=True)
class Settings:
    """Of the encoder, as ``texcodec.encode`` has them.

    Attributes:
        models: name or folder of the set; None: the default set.
        identity: hexadecimal, of that set; empty without loss.
        strict: refuse what would have to be converted.
    """

    quality: float | None = None
    bpp: float | None = None
    size: int | None = None
    psnr: float | None = None
    nearest: bool = False
    lossless: bool = False
    tile: int | None = None
    metadata: bool = True
    models: str | None = None
    identity: str = ""
    strict: bool = False
    limits: Limits = field(default_factory=Limits)
    preview: bool = False
    effort: int | None = None

    def arguments(self) -> dict[str, Any]:
        """Of ``texcodec.encode``."""
        names = (
            "quality",
            "bpp",
            "size",
            "psnr",
            "nearest",
            "lossless",
            "tile",
            "metadata",
            "models",
            "preview",
            "effort",
        )
        return {name: getattr(self, name) for name in names}

    def digest(self, keys: Sequence[str]) -> str:
        """Eleven hexadecimal digits for these settings and a shard's keys; where models lie does not matter."""
        facts = {k: v for k, v in asdict(self).items() if k != "models"} | {"form": FORM, "keys": list(keys)}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:11]
