"""Settings of a run that tunes for eyes what was trained for squared error."""

from __future__ import annotations

from dataclasses import replace

from .settings import TrainingSettings

STAGES = ("parent", "anneal", "specialists", "entropy", "synthesis", "end_to_end")


def tuned(settings: TrainingSettings, distortion: str) -> TrainingSettings:
    """The settings with another distortion in all stages; one that is not squared error comes with gains per block,
    where the entropy profile has them.

    Args:
        distortion: one of ``stage.DISTORTIONS``.
    Raises:
        ParameterError: the distortion does not go with an objective.
    """
    stages = {name: getattr(settings, name) for name in STAGES}
    changed = {
        name: replace(stage, objective=replace(stage.objective, distortion=distortion))
        for name, stage in stages.items()
    }
    return with_gains(replace(settings, **changed))


def with_gains(settings: TrainingSettings) -> TrainingSettings:
    """The settings with gains per block if any stage is tuned for eyes and the entropy profile has gains."""
    a = settings.architecture
    eyes = any(getattr(settings, name).objective.distortion != "mse" for name in STAGES)
    if not eyes or a.gains or a.profile == 1:
        return settings
    return replace(settings, architecture=replace(a, gains=True))
