"""The first stage: how busy the training pictures are, and which thresholds would split them evenly.

The classes of a set are useful where each gets a fair share of what is coded. On pictures of one kind (scans,
faces, the sky) the thresholds of the released sets may put every tile into one class; the scan says so and
proposes others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...texture import classify, complexity

GRANULARITY = 0.5
"""Thresholds are proposed on a grid of this many grey levels."""


@dataclass(frozen=True)
class TextureScan:
    """Texture of the training pictures, tile by tile.

    Attributes:
        tiles: how many were measured.
        quartiles: of the texture complexity, mean |dx| + |dy| in grey levels.
        thresholds: proposed, rising; as many classes as asked for, each with about the same number of tiles.
        shares: of the tiles that each class has with the thresholds in use, smoothest first.
    """

    tiles: int
    quartiles: tuple[float, float, float]
    thresholds: tuple[float, ...]
    shares: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """What the work folder keeps."""
        return asdict(self)

    def sentence(self, names: Sequence[str]) -> str:
        """The outcome for the user."""
        parts = ", ".join(f"{share:.0%} {name}" for name, share in zip(names, self.shares))
        low, middle, high = self.quartiles
        proposed = ", ".join(f"{t:g}" for t in self.thresholds)
        return (
            f"Texture of {self.tiles} tiles: quartiles {low:.1f}, {middle:.1f}, {high:.1f}; {parts}. "
            f"Equal shares would need the thresholds {proposed}."
        )


def scan_textures(
    arrays: Sequence[np.ndarray], thresholds: Sequence[float], *, tile: int = 256, most: int = 20_000
) -> TextureScan:
    """Measure the texture complexity of the tiles of all pictures.

    Args:
        arrays: uint8 H x W x 3.
        thresholds: those in use, rising.
        tile: side in pixels; smaller pictures count as one tile.
        most: tiles that are measured, about; where there are more, they are spread evenly.
    """
    places = [
        (k, y, x)
        for k, array in enumerate(arrays)
        for y in range(0, max(1, array.shape[0] - tile + 1), tile)
        for x in range(0, max(1, array.shape[1] - tile + 1), tile)
    ]
    chosen = places[:: max(1, -(-len(places) // most))]
    tiles = [np.asarray(arrays[k][y : y + tile, x : x + tile]) for k, y, x in chosen]
    values = np.array([complexity(t) for t in tiles])
    classes = np.array([classify(v, tuple(thresholds)) for v in values])
    count = len(thresholds) + 1
    return TextureScan(
        tiles=len(values),
        quartiles=tuple(np.quantile(values, (0.25, 0.5, 0.75)).tolist()),
        thresholds=_even_thresholds(values, count),
        shares=tuple((np.bincount(classes, minlength=count) / len(values)).tolist()),
    )


def _even_thresholds(values: np.ndarray, classes: int) -> tuple[float, ...]:
    wanted = np.quantile(values, np.arange(1, classes) / classes)
    out: list[float] = []
    for value in np.round(wanted / GRANULARITY) * GRANULARITY:
        # equal pictures have equal quantiles, and thresholds must rise
        out.append(float(max(value, (out[-1] if out else 0.0) + GRANULARITY)))
    return tuple(out)
