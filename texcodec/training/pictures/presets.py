"""Settings for a run of a given budget: sizes of the networks, and how the budget is shared between the
stages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..core.stage import Budget, ObjectiveSettings
from .architecture import Architecture
from .settings import ExportSettings, FusionSettings, TrainingSettings

TINY = Architecture(
    slices=(8, 24, 32),
    hyper_channels=12,
    analysis_width=24,
    analysis_blocks=1,
    synthesis_width=24,
    synthesis_blocks=1,
    hyper_width=32,
    feature_width=24,
    context_width=16,
    joint_width=32,
    fusion_width=8,
)
SMALL = Architecture(
    analysis_width=64, analysis_blocks=3, synthesis_width=64, synthesis_blocks=3, hyper_width=96
)
PRESETS = {"tiny": TINY, "small": SMALL, "full": Architecture()}
"""Of entropy profile 1."""
PYRAMID_SLICES = (16, 48, 80, 112, 256)
"""Of entropy profile 2, for the larger sizes."""
TINY_NETWORKS = {"deep_widths": (16, 24, 32), "deep_blocks": (1, 1, 1), "refinement": 8}


def preset_architecture(preset: str, kind: str = "linear", *, profile: int = 2) -> Architecture:
    """The sizes of the networks.

    Args:
        preset: "tiny", "small" or "full".
        kind: "linear" or "nonlinear": the transforms of entropy profile 2.
        profile: the entropy profile, 1 or 2.
    Raises:
        ParameterError: the profile is 1 and the transforms are nonlinear.
    """
    sizes = PRESETS[preset]
    changes: dict[str, Any] = {"nonlinear": kind == "nonlinear"}
    if profile > 1:
        changes |= {"profile": profile}
        changes |= TINY_NETWORKS if preset == "tiny" else {"slices": PYRAMID_SLICES}
    return dataclasses.replace(sizes, **changes)


SHARES = {
    "parent": 0.63,
    "anneal": 0.0,
    "specialists": 0.3,
    "entropy": 0.07,
    "synthesis": 0.0,
    "fusion": 0.0,
    "end_to_end": 0.0,
}
"""How a run's budget is shared between its stages. The lapped transform of entropy profile 2 leaves no seams for a
fusion network to repair (docs/decisions/fusion.md).
"""
FUSION_SHARES = {**SHARES, "parent": 0.56, "fusion": 0.07}
"""The same for a set with a fusion network, as those of entropy profile 1 have."""


def usual_shares(profile: int) -> Mapping[str, float]:
    """The shares for a new set of an entropy profile."""
    return FUSION_SHARES if profile == 1 else SHARES


def with_budget(
    settings: TrainingSettings, budget: Budget, shares: Mapping[str, float] = SHARES
) -> TrainingSettings:
    """The settings with a budget shared out to the stages; nothing else changes."""
    parts = {
        name: dataclasses.replace(getattr(settings, name), **dataclasses.asdict(budget.share(share)))
        for name, share in {**dict.fromkeys(SHARES, 0.0), **shares}.items()
    }
    return dataclasses.replace(settings, **parts)


def preset_settings(
    preset: str,
    budget: Budget,
    *,
    shares: Mapping[str, float] | None = None,
    seed: int = 1,
    continued: bool = False,
    objective: ObjectiveSettings | None = None,
    architecture: str = "linear",
    profile: int = 2,
) -> TrainingSettings:
    """Settings for a run of ``budget``.

    Args:
        preset: "tiny", "small" or "full".
        shares: of the budget, by stage; None for those that are usual with the profile.
        continued: the run starts from a set, so the parent's budget goes to the specialists.
        objective: of all stages.
        architecture, profile: as kind and profile of ``preset_architecture``.
    Raises:
        ParameterError: the profile does not go with the architecture.
    """
    share = {**SHARES, **(shares or usual_shares(profile))}
    if continued:
        share |= {"parent": 0.0, "specialists": share["parent"] + share["specialists"]}
    aim = objective or ObjectiveSettings()
    peak = 2e-3 if preset == "tiny" else 1e-3
    base = TrainingSettings()
    # crops of the size of a tile: on smaller ones the hyper latents see little but their border
    sizes = {} if preset == "tiny" else {"crop": 256}
    one, three = ({}, {}) if preset == "tiny" else ({"batch": 4}, {"batch": 6})
    stages: dict[str, dict[str, Any]] = {
        "parent": {"learning_rate": peak, "last_learning_rate": 0.3 * peak, "seed": seed, **sizes, **one},
        "anneal": {"learning_rate": peak, "seed": seed + 4, **sizes, **one},
        "specialists": {"learning_rate": 0.3 * peak, "seed": seed + 1, **sizes, **three},
        "entropy": {"learning_rate": 0.1 * peak, "seed": seed + 2, **sizes, **three},
        "synthesis": {"learning_rate": peak, "seed": seed + 5, **({"crop": 128} if preset == "tiny" else {})},
        "end_to_end": {"learning_rate": 0.1 * peak, "seed": seed + 3},
    }
    parts = {
        name: dataclasses.replace(getattr(base, name), objective=aim, **changes)
        for name, changes in stages.items()
    }
    whole = budget.usual_minutes
    settings = TrainingSettings(
        architecture=preset_architecture(preset, architecture, profile=profile),
        **parts,
        fusion=FusionSettings(blocks=int(max(60, min(3000, whole * 60))), seed=seed + 6),
        export=ExportSettings(int(max(8, min(200, whole * 8)))),
        seed=seed,
    )
    return with_budget(settings, budget, share)
