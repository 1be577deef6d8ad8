"""How near a decoded picture is to the original: one entry a metric."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..codec.rate_control import psnr
from ..errors import ParameterError
from . import eye_metrics
from .ms_ssim import SMALLEST_SIDE, ms_ssim


@dataclass(frozen=True)
class Metric:
    """One metric.

    Attributes:
        key: its name in reports and in files with curves.
        name, unit: for people.
        decimals: that a report shows.
        smallest: pixels that both sides of a picture must have.
        measure: original and decoded uint8 height x width x 3 -> a number.
        straight: a number -> the scale on which curves are nearly straight over the logarithm of the rate, in
            which they are drawn and interpolated; larger is better there.
        straight_unit: of that scale.
        ceiling: what a picture counts for at most in means, where a value may be infinite.
    """

    key: str
    name: str
    unit: str
    decimals: int
    smallest: int
    measure: Callable[[np.ndarray, np.ndarray], float]
    straight: Callable[[float], float] = float
    straight_unit: str = ""
    ceiling: float = math.inf

    def of(self, original: np.ndarray, decoded: np.ndarray) -> float | None:
        """The metric, or None where the picture is too small for it."""
        if min(original.shape[:2]) < self.smallest:
            return None
        return self.measure(original, decoded)


def decibels(similarity: float) -> float:
    """A similarity from 0 to 1 as -10 log10 of what is missing to 1; infinite at 1."""
    return math.inf if similarity >= 1 else -10 * math.log10(1 - similarity)


LOSSLESS_PSNR = 68.0
"""dB that a picture without loss counts for: about that of an error of one level in one of a hundred samples."""

PSNR = Metric("psnr-rgb", "PSNR", "dB", 2, 1, psnr, straight_unit="dB", ceiling=LOSSLESS_PSNR)
MS_SSIM = Metric(
    "ms-ssim-rgb", "MS-SSIM", "", 4, SMALLEST_SIDE, ms_ssim, straight=decibels, straight_unit="dB"
)

SSIMULACRA2 = Metric("ssimulacra2", "SSIMULACRA 2", "", 2, eye_metrics.SMALLEST_SIDE, eye_metrics.ssimulacra2)
BUTTERAUGLI = Metric(
    "butteraugli",
    "Butteraugli",
    "3-norm",
    3,
    eye_metrics.SMALLEST_SIDE,
    eye_metrics.butteraugli,
    straight=eye_metrics.nearness,
    straight_unit="-10 log10 of the 3-norm",
)

ALL = {"psnr": PSNR, "ms-ssim": MS_SSIM, "ssimulacra2": SSIMULACRA2, "butteraugli": BUTTERAUGLI}
"""By the names that users give."""
OF_LIBRARIES: dict[str, tuple[Callable[[], bool], str]] = {
    "ssimulacra2": (eye_metrics.has_ssimulacra2, "pip install ssimulacra2"),
    "butteraugli": (
        eye_metrics.has_butteraugli,
        "install libjxl's program butteraugli_main (Debian, Ubuntu: apt install libjxl-devtools)",
    ),
}
"""Whether there is what a metric needs, and how to have it."""
DEFAULT = ("psnr", "ms-ssim")


def find_metrics(names: Sequence[str], warn: Callable[[str], None]) -> list[Metric]:
    """The metrics of these names, PSNR always first; ``warn`` is called for one whose library is missing.

    Raises:
        ParameterError: a name that there is not.
    """
    found = [PSNR]
    for name in dict.fromkeys(names):
        if name not in ALL:
            raise ParameterError(f"There is no metric named {name!r}; there are {', '.join(ALL)}.")
        there, install = OF_LIBRARIES.get(name, (lambda: True, ""))
        if not there():
            warn(f"{ALL[name].name} is left out; to have it: {install}")
        elif name != "psnr":
            found.append(ALL[name])
    return found
