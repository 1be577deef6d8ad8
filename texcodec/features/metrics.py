"""How good a task's answers are, in the usual measure of each kind of task.

classification   accuracy                     fraction of pictures, higher is better
segmentation     mean intersection over union mean over classes that occur (IoU, PASCAL VOC), higher is better
normals          mean angular error           degrees over all pixels, lower is better
depth            mean absolute error          in units of the depth map, lower is better
values, tensor   root mean squared error      lower is better
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError


@dataclass(frozen=True)
class Measure:
    """What a kind of task is measured in."""

    name: str
    unit: str
    higher_is_better: bool


MEASURES = {
    "classification": Measure("accuracy", "", True),
    "segmentation": Measure("mean IoU", "", True),
    "normals": Measure("mean angular error", "degrees", False),
    "depth": Measure("mean absolute error", "", False),
    "values": Measure("RMSE", "", False),
    "tensor": Measure("RMSE", "", False),
}
"""The measure of each kind of task."""


def confusion(answers: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """int64 classes x classes: pixels of each label (row) that got each answer (column).

    Args:
        answers: B x K x H x W numbers, the largest one the answer of a pixel, K = ``classes``.
        labels: int, B x H x W; values outside 0 .. classes - 1 (void) do not count.
    """
    labels = labels.astype(np.int64)
    known = (labels >= 0) & (labels < classes)
    pairs = classes * labels[known] + np.argmax(answers, 1)[known]
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def mean_iou(counts: np.ndarray) -> float:
    """Mean intersection over union of a matrix of ``confusion``; classes in neither labels nor answers do not
    count.
    """
    union = counts.sum(0) + counts.sum(1) - np.diag(counts)
    return float(np.mean(np.diag(counts)[union > 0] / union[union > 0])) if union.any() else 0.0


def angular_errors(answers: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Angles between vectors of any length, in degrees.

    Args:
        answers, normals: B x 3 x H x W.

    Returns:
        float64 B x H x W in [0, 180]; 90 where a vector is zero.
    """
    a, b = answers.astype(np.float64), normals.astype(np.float64)
    length = np.sqrt(np.square(a).sum(1) * np.square(b).sum(1))
    cosine = (a * b).sum(1) / np.maximum(length, 1e-12)
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


class Meter:
    """The measure of a task over a data set, batch by batch.

    Args:
        kind: a key of MEASURES.

    Raises:
        ParameterError: another kind; from ``add``, an answer whose shape does not fit its labels.
    """

    def __init__(self, kind: str) -> None:
        if kind not in MEASURES:
            raise ParameterError(
                f"There is no kind of task named {kind!r}; choose from {', '.join(MEASURES)}."
            )
        self.kind = kind
        self._total, self._count = 0.0, 0
        self._confusion: np.ndarray | None = None

    def add(self, answers: np.ndarray, labels: np.ndarray) -> None:
        """Count a batch.

        Args:
            answers: B x K (classification), B x K x H x W (segmentation) or the shape of ``labels``.
            labels: B, B x H x W, B x 3 x H x W (normals), B x 1 x H x W (depth), or any shape (values, tensor).
        """
        self._check(answers, labels)
        if self.kind == "segmentation":
            counts = confusion(answers, labels, answers.shape[1])
            self._confusion = counts if self._confusion is None else self._confusion + counts
            return
        if self.kind == "classification":
            errors = (np.argmax(answers, 1) == labels).astype(np.float64)
        elif self.kind == "normals":
            errors = angular_errors(answers, labels)
        elif self.kind == "depth":
            errors = np.abs(answers.astype(np.float64) - labels)
        else:
            errors = np.square(answers.astype(np.float64) - labels)
        self._total += float(errors.sum())
        self._count += errors.size

    def value(self) -> float:
        """The measure of everything counted so far; NaN before the first batch."""
        if self.kind == "segmentation":
            return float("nan") if self._confusion is None else mean_iou(self._confusion)
        if not self._count:
            return float("nan")
        mean = self._total / self._count
        return float(np.sqrt(mean)) if self.kind in ("values", "tensor") else mean

    def _check(self, answers: np.ndarray, labels: np.ndarray) -> None:
        shape = answers.shape
        expected = {
            "classification": shape[:1] if len(shape) == 2 else None,
            "segmentation": (shape[0], *shape[2:]) if len(shape) == 4 else None,
        }.get(self.kind, shape)
        if expected != labels.shape or (self.kind == "normals" and (len(shape) != 4 or shape[1] != 3)):
            raise ParameterError(
                f"Answers of shape {shape} do not fit labels of shape {labels.shape} in a task of kind {self.kind}."
            )
