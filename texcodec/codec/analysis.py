"""Pictures to tiles, classes and latents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..images import Picture
from ..networks import finite
from ..registry import ModelSet
from ..texture import classify, complexity
from ..tiles import ENCODER_HALO, STRIDE
from .layout import TileLayout
from .padding import padded_planes
from .tile import AnalysedTile
from .workers import Counter, Workers


@dataclass(frozen=True)
class AnalysedPicture:
    """A picture from which files of any rate are made: its layout, and every coded tile by its number."""

    layout: TileLayout
    tiles: dict[int, AnalysedTile]


def analyse(
    picture: Picture, layout: TileLayout, models: ModelSet, workers: Workers, counter: Counter | None = None
) -> AnalysedPicture:
    """Classify every coded tile and run the analysis network of its class."""
    grid, channels = layout.grid, models.manifest.latent_channels
    planes, bounds = padded_planes(picture.pixels, layout)

    def run(index: int) -> AnalysedTile:
        box = grid.box(index).clip(layout.shown)
        measure = complexity(picture.pixels[box.top : box.bottom, box.left : box.right])
        class_index = classify(measure, models.manifest.thresholds)
        own = grid.latent_box(index)
        around = own.grow(ENCODER_HALO).clip(bounds)
        pixels = around.cut(planes, bounds).astype(np.float32)[None] - np.float32(128)
        shape = 1, channels, around.height // STRIDE, around.width // STRIDE
        latents = finite(models.analysis(class_index)(shape, pixels=pixels))[0]
        inside = own.over(STRIDE, around).cut(latents)
        return AnalysedTile(class_index, np.ascontiguousarray(inside))

    return AnalysedPicture(layout, dict(zip(layout.coded, workers.map(run, layout.coded, counter))))
