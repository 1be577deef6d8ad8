"""Comparing curves of bytes and task quality."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from texcodec.features.metrics import MEASURES

SAMPLES = 200
"""Qualities at which two curves are compared."""


@dataclass(frozen=True)
class Curve:
    """Mean bytes and quality of one codec at several rates, both rising.

    Attributes:
        bytes: of a file.
        quality: larger is better (errors with their sign turned).
    """

    bytes: tuple[float, ...]
    quality: tuple[float, ...]

    def at_quality(self, quality: np.ndarray) -> np.ndarray:
        """Logarithm of the bytes, linear between points; qualities must be within the curve's."""
        return np.interp(quality, self.quality, np.log(self.bytes))

    def at_bytes(self, count: float) -> float:
        """Quality, linear in the logarithm of the bytes; that of the nearer end outside."""
        return float(np.interp(math.log(count), np.log(self.bytes), self.quality))


def curve(points: list[tuple[float, float]], kind: str) -> Curve:
    """The curve of (bytes, value) points: those that are better than all cheaper ones."""
    sign = 1 if MEASURES[kind].higher_is_better else -1
    kept: list[tuple[float, float]] = []
    for count, value in sorted(points):
        if not kept or (count > kept[-1][0] and sign * value > kept[-1][1]):
            kept.append((count, sign * value))
    return Curve(tuple(p[0] for p in kept), tuple(p[1] for p in kept))


def saved(test: Curve, anchor: Curve) -> float | None:
    """Part of the anchor's bytes that the test codec saves at equal quality: 1 - the geometric mean of the ratios over
    the qualities that both reach; None where they share none.
    """
    low = max(test.quality[0], anchor.quality[0])
    high = min(test.quality[-1], anchor.quality[-1])
    if not high > low:
        return None
    quality = np.linspace(low, high, SAMPLES)
    return 1 - math.exp(float(np.mean(test.at_quality(quality) - anchor.at_quality(quality))))


def together(points: list[tuple[float, list[float]]], apart: list[Curve]) -> float | None:
    """Bytes of one stream for several tasks, as a part of the bytes of a stream for each at the same qualities.

    Args:
        points: (bytes, quality of every task) of the common codec, larger better.
        apart: the curve of every task alone.

    Returns:
        the geometric mean over the points whose qualities all curves reach; None if there is none.
    """
    ratios = []
    for count, qualities in points:
        if all(c.quality[0] <= q <= c.quality[-1] for c, q in zip(apart, qualities)):
            total = sum(math.exp(float(c.at_quality(np.array(q)))) for c, q in zip(apart, qualities))
            ratios.append(math.log(count / total))
    return math.exp(float(np.mean(ratios))) if ratios else None
