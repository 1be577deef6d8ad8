"""A set whose files stay as they are but for the pictures that they decode to: all that decides on bits is another's.

Training of the decoder's float networks alone changes no symbol. Integer networks and tables made anew, of masters that
are float16, would change some; so those of the set that it began from are taken as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...registry.stored_arrays import read_arrays

SYNTHESIS = "synthesis"


def of_synthesis(name: str) -> bool:
    """Whether an array of a decoder belongs to synthesis."""
    return name in ("linear.synthesis", "tables.residual_limit") or name.startswith("synthesis.")


@dataclass(frozen=True)
class KeptBits:
    """The parts of a set that decide on bits.

    Args:
        folder: of the set, which must be sound.
    """

    folder: Path

    def decoder(self, made: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The arrays of a decoder whose synthesis is that of ``made``."""
        known = read_arrays(self.folder / "decoder.safetensors")
        kept = {name: array for name, array in known.items() if not of_synthesis(name)}
        return kept | {name: array for name, array in made.items() if of_synthesis(name)}

    def encoder(self) -> dict[str, np.ndarray]:
        """The arrays of the encoder."""
        return read_arrays(self.folder / "encoder.safetensors")

    def master(self, made: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Masters for training that goes on, with those of ``made`` for synthesis; names are of the codec's weights."""
        kept = read_arrays(self.folder / "master.safetensors")
        return {name: made[name] if f".{SYNTHESIS}." in name else kept[name] for name in made}

    def graphs(self, made: Mapping[str, bytes]) -> dict[str, bytes]:
        """The graphs of these names, with that of ``made`` for synthesis."""
        return {
            name: data if name == SYNTHESIS else (self.folder / "graphs" / f"{name}.onnx").read_bytes()
            for name, data in made.items()
        }

    def manifest(self) -> dict[str, Any]:
        """What the manifest says of choosing symbols and rates."""
        known = json.loads((self.folder / "manifest.json").read_text("utf-8"))
        return {name: known[name] for name in ("distortion_factor", "qualities") if name in known}
