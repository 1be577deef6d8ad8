"""What networks of sets may cost: the inputs that the codec gives to each for a tile of 256 pixels, and several times
the cost of the released ones on them. Larger and smaller tiles may cost more and less, in proportion
(docs/reference/models.md, "Graphs").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..constants import HYPER_STRIDE, LATENT_STRIDE, MEAN_CHANNELS
from ..entropy.pyramid import PASSES
from ..fusion import MARGIN, REACH, SEGMENT
from ..networks import Budget, Cost
from ..tiles import DEFAULT_LOG2, ENCODER_HALO
from .feature_manifest import FeatureManifest
from .picture_manifest import PictureManifest

Shape = tuple[int, ...]

ANALYSIS = Cost(1 << 33, 1 << 27)
SYNTHESIS = Cost(1 << 32, 1 << 27)
OTHERS = Cost(1 << 28, 1 << 23)
"""The costliest so far: 1459 million multiply-accumulates and 30 million numbers for the analysis of nonlinear sets,
984 and 24 million for the synthesis of ``std-4``, 40 and 0.83 million for others (its last context network).
"""
FEATURES = Cost(1 << 32, 1 << 26)
"""Of each network of a feature set, for ``FEATURE_POSITIONS`` positions a side of the finest features."""
FEATURE_POSITIONS = 16

TILE = 1 << DEFAULT_LOG2
SIDE = TILE // LATENT_STRIDE
"""Pixels and latents along a side of such a tile."""
LINEAR_PLANES, PLANES = 3, 2
"""Context features of a channel of the first slice, and of another."""


def analysis(manifest: PictureManifest) -> Budget:
    """Of the analysis network of a class, which sees pixels around its tile."""
    side = TILE + 2 * ENCODER_HALO
    return Budget(ANALYSIS, {"pixels": (1, 3, side, side), **_borders(side // LATENT_STRIDE - 1, manifest)})


def synthesis(manifest: PictureManifest, bias: int) -> Budget:
    """Of the synthesis network of a class; ``bias`` numbers depend on the rate."""
    c, side = manifest.latent_channels, SIDE + 2 * manifest.halo
    inputs = {
        "latents": (1, c, side, side),
        "steps": (1, c, 1, 1),
        "base": (1, 1, 1, 1),
        "rate_bias": (1, bias, 1, 1),
    }
    return Budget(SYNTHESIS, inputs | _borders(side - 1, manifest))


def hyper_analysis(manifest: PictureManifest, bias: int) -> Budget:
    """Of the hyper analysis network of a class."""
    latents = 1, manifest.latent_channels, SIDE, SIDE
    return Budget(OTHERS, {"latents": latents, "rate_bias": (1, bias, 1, 1)})


def hyper_synthesis(manifest: PictureManifest) -> Budget:
    """Of the hyper synthesis network, which reads planes for rate and classes as well."""
    planes, side = manifest.hyper_channels + 1 + len(manifest.classes), SIDE // HYPER_STRIDE
    return Budget(OTHERS, {"hyper": (1, planes, side, side)})


def fusion() -> Budget:
    """Of the fusion network, for one block of a seam."""
    return Budget(OTHERS, {"blocks": (1, 5, SEGMENT + 2 * MARGIN, 2 * (REACH + MARGIN))})


def context(manifest: PictureManifest, name: str, features: int) -> Budget:
    """Of an integer network behind hyper synthesis, which gives ``features`` channels: a context step, or gains."""
    inputs: dict[str, Shape] = {"features": (1, features, SIDE, SIDE)}
    if name.startswith("context_"):
        # the first slice has two steps in entropy profile 1, and none here in profile 2
        number = int(name.removeprefix("context_")) - (1 if manifest.entropy_profile == 1 else 0)
        later = sum(manifest.slices[1 : max(1, number)])
        planes = LINEAR_PLANES * manifest.slices[0] + PLANES * later
        inputs["context"] = 1, planes, SIDE, SIDE
    return Budget(OTHERS, inputs)


def first_pass(manifest: PictureManifest, number: int, features: int) -> Budget:
    """Of a pass over the first slice, at one of its offsets."""
    spacing, c = PASSES[number].spacing, manifest.slices[0] + len(MEAN_CHANNELS)
    read, seen = SIDE // (2 * spacing), SIDE // spacing
    inputs: dict[str, Shape] = {"features": (1, features, read, read)}
    if number:
        inputs["context"] = 1, LINEAR_PLANES * c + 1, seen, seen
    return Budget(OTHERS, inputs)


def feature_network(manifest: FeatureManifest, name: str) -> Budget:
    """Of the network of a feature set that its stream is coded with, by the name of its graph."""
    side = _latents(manifest)
    inputs: Mapping[str, Sequence[Shape]] = {
        "generator": [(1, manifest.hyper_channels + manifest.levels, 1, 1)],
        "predictor": [(1, manifest.groups, side, side)],
        "hyper_extractor": [(1, manifest.latent_channels, side, side)],
        "transform": [
            (1, task.channels, side * task.factor, side * task.factor) for task in manifest.stream_tasks
        ],
    }
    return Budget(FEATURES, inputs[name])


def chained(manifest: FeatureManifest, before: Shape | None) -> Budget:
    """Of a network between latents and features; ``before`` is what the one before it gives, None for the first."""
    side = _latents(manifest)
    return Budget(FEATURES, [(1, manifest.latent_channels, side, side) if before is None else before])


def _latents(manifest: FeatureManifest) -> int:
    """Latents along a side that have ``FEATURE_POSITIONS`` of the finest features."""
    return max(1, FEATURE_POSITIONS // max(task.factor for task in manifest.tasks))


def _borders(count: int, manifest: PictureManifest) -> dict[str, Shape]:
    """Inputs of lapped transforms: one number for every border between blocks."""
    return {"inner_columns": (count, 1), "inner_rows": (count, 1)} if manifest.entropy_profile > 1 else {}
