"""How the sizes of features, latents and pictures belong together (docs/format.md, "Feature streams")."""

from __future__ import annotations

import numpy as np

from ..errors import CorruptError, LimitError, TensorError
from ..limits import Limits
from ..registry import FeatureSet
from ..registry.feature_manifest import TaskInfo

LATENT_BYTES = 32
"""Memory per latent that coding needs at most: float latents, symbols, means, scale indices and their order."""


def latent_shape(
    sizes: list[tuple[TaskInfo, int, int]], error: type[TensorError] | type[CorruptError]
) -> tuple[int, int]:
    """Rows and columns of latents, which all tasks must agree on."""
    shapes = {task.name: (-(-h // task.factor), -(-w // task.factor)) for task, h, w in sizes}
    if len(set(shapes.values())) > 1:
        listed = ", ".join(f"{task.name} {h} x {w} (factor {task.factor})" for task, h, w in sizes)
        raise error(
            f"The tasks' features do not have the same size once divided by their factors: {listed}; "
            "they must be of one picture."
        )
    return next(iter(shapes.values()))


def check_size(task: TaskInfo, height: int, width: int, limits: Limits) -> None:
    """Raise LimitError unless features of height x width positions are within the limits of pictures."""
    if max(height, width) > limits.side or height * width > limits.pixels:
        raise LimitError(
            f"The features of the task {task.name} have {height} x {width} positions, but at most {limits.side} per "
            f"side and {limits.pixels} in all are allowed.",
            advice="If it can be trusted, raise the limit with --limit-side or --limit-pixels.",
        )


def check_memory(features: FeatureSet, h: int, w: int, limits: Limits) -> None:
    """Raise LimitError unless coding h x w latents fits into ``limits.memory``."""
    values = features.manifest.latent_channels + features.manifest.groups
    largest = max(task.channels * task.factor**2 for task in features.manifest.tasks)
    limits.check_memory(h * w * max(values * LATENT_BYTES, largest * 4), "the feature stream")


def padded(x: np.ndarray, multiple: int) -> np.ndarray:
    """C x H x W, any type, with its last row and column repeated until the sides are multiples."""
    sides = [(0, -side % multiple) for side in x.shape[1:]]
    return np.pad(x, [(0, 0), *sides], mode="edge") if multiple > 1 else x
