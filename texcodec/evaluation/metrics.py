"""How near a decoded picture is to the original: one entry a metric."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..codec.rate_control import psnr
from ..errors import ParameterError
from .ms_ssim import SMALLEST_SIDE, ms_ssim


@dataclass(frozen=True)
class Metric:
    """One metric; larger is better.

    Attributes:
        key: its name in reports and in files with curves.
        name, unit: for people.
        decimals: that a report shows.
        smallest: pixels that both sides of a picture must have.
        measure: original and decoded uint8 height x width x 3 -> a number.
        straight: a number -> the scale on which curves are nearly straight over the logarithm of the rate, in
            which they are drawn and interpolated.
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


def _ssimulacra2() -> Callable[[np.ndarray, np.ndarray], float]:
    from ssimulacra2 import compute_ssimulacra2

    def png(pixels: np.ndarray) -> io.BytesIO:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG", compress_level=0)
        buffer.seek(0)
        return buffer

    return lambda a, b: float(compute_ssimulacra2(png(a), png(b)))


LOSSLESS_PSNR = 68.0
"""dB that a picture without loss counts for: about that of an error of one level in one of a hundred samples."""

PSNR = Metric("psnr-rgb", "PSNR", "dB", 2, 1, psnr, straight_unit="dB", ceiling=LOSSLESS_PSNR)
MS_SSIM = Metric(
    "ms-ssim-rgb", "MS-SSIM", "", 4, SMALLEST_SIDE, ms_ssim, straight=decibels, straight_unit="dB"
)

KNOWN = ("psnr", "ms-ssim", "ssimulacra2")
DEFAULT = ("psnr", "ms-ssim")


def find_metrics(names: Sequence[str], notice: Callable[[str], None]) -> list[Metric]:
    """The metrics of these names, PSNR always first; one whose library is missing is told to ``notice``.

    Raises:
        ParameterError: a name that there is not.
    """
    found = [PSNR]
    for name in dict.fromkeys(names):
        if name not in KNOWN:
            raise ParameterError(f"There is no metric named {name!r}; there are {', '.join(KNOWN)}.")
        if name == "ms-ssim":
            found.append(MS_SSIM)
        if name == "ssimulacra2":
            try:
                found.append(Metric("ssimulacra2", "SSIMULACRA 2", "", 2, 8, _ssimulacra2()))
            except ImportError:
                notice("SSIMULACRA 2 is left out; to have it: pip install ssimulacra2")
    return found
