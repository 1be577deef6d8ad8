"""Choosing rate indices: by quality, or by search for a size or a PSNR (docs/format.md, "Rate").

Analysis has run once before; a search repeats quantisation (and, for PSNR, synthesis) only.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import ParameterError
from ..registry.model_set import RATE_INDICES

LAST = RATE_INDICES - 1


@dataclass(frozen=True)
class Target:
    """What the caller asked for; at most one of the fields is set.

    Attributes:
        quality: 1 to 100.
        bpp: bits of the whole file a pixel.
        size: bytes of the whole file, never exceeded.
        psnr: dB over all colour samples.
    """

    quality: float | None = None
    bpp: float | None = None
    size: int | None = None
    psnr: float | None = None

    def check(self) -> None:
        """Raises ParameterError if more than one field is set or one is out of range."""
        given = {k: v for k, v in vars(self).items() if v is not None}
        if len(given) > 1:
            raise ParameterError(
                f"give at most one of quality, bpp, size and psnr, not {' and '.join(given)}"
            )
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ParameterError(f"quality must be from 1 to 100, not {self.quality:g}")
        for name, value in given.items():
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(f"{name} must be a positive number, not {value}")


DEFAULT_QUALITY = 50.0


def index_of_quality(quality: float, qualities: tuple[int, ...]) -> int:
    """The rate index of a quality from 1 to 100; between whole qualities the nearest index on the straight
    line.
    """
    return int(np.floor(np.interp(quality, np.arange(1, 101), qualities) + 0.5))


def spread(index: int, finer: int, tiles: int) -> list[int]:
    """Rate indices of all tiles: ``index``, and ``index + 1`` for ``finer`` tiles spread evenly over the
    picture.
    """
    return [index + ((i + 1) * finer // tiles - i * finer // tiles) for i in range(tiles)]


def search_bytes(
    estimate: Callable[[list[int]], int],
    target: int,
    tiles: int,
    *,
    exact: Callable[[list[int]], int],
    strict: bool,
) -> tuple[list[int], bool]:
    """Rates whose file comes closest to ``target`` bytes.

    Args:
        estimate: bytes of a file at these rates, without writing it.
        exact: the same by writing it.
        strict: never exceed the target; otherwise the nearest size from either side.
    Returns:
        rates, and whether the target lies within the range of the set.
    """
    low, high = 0, LAST
    if estimate([0] * tiles) > target:
        return [0] * tiles, exact([0] * tiles) <= target
    if estimate([LAST] * tiles) <= target:
        return _settle(LAST, 0, target, tiles, exact, strict), False
    while high - low > 1:
        middle = (low + high) // 2
        if estimate([middle] * tiles) <= target:
            low = middle
        else:
            high = middle
    # between two indices: some tiles at the finer one
    few, many = 0, tiles
    while many - few > 1:
        middle = (few + many) // 2
        if estimate(spread(low, middle, tiles)) <= target:
            few = middle
        else:
            many = middle
    return _settle(low, few, target, tiles, exact, strict), True


def _settle(
    low: int, finer: int, target: int, tiles: int, exact: Callable[[list[int]], int], strict: bool
) -> list[int]:
    """Correct the estimate by writing: step down until the file fits, or take the nearer of two
    neighbours.
    """
    stride = max(1, tiles // 64)
    position = low * tiles + finer

    def rates(at: int) -> list[int]:
        at = min(max(at, 0), LAST * tiles)
        return spread(*divmod(at, tiles), tiles)

    size = exact(rates(position))
    while size > target and position > 0:
        stride = max(stride, round((size - target) / max(size, 1) * tiles * 20))
        above, position = (size, position), max(0, position - stride)
        size = exact(rates(position))
        if size <= target and not strict and above[0] - target < target - size:
            return rates(above[1])
    if not strict and position < LAST * tiles:
        step = max(1, round((target - size) / max(size, 1) * tiles * 20))
        larger = exact(rates(position + step))
        if abs(larger - target) < abs(size - target):
            return rates(position + step)
    return rates(position)


def search_psnr(measure: Callable[[int], float], target: float) -> tuple[int, bool]:
    """The rate index whose PSNR is nearest to ``target``, and whether the target lies within the range of the
    set.

    Args:
        measure: PSNR in dB of the decoded picture at a rate index.
    """
    low, high = 0, LAST
    at_low, at_high = measure(low), measure(high)
    if target <= at_low:
        return low, target > at_low - 0.1
    if target >= at_high:
        return high, target < at_high + 0.1
    while high - low > 1:
        # PSNR is nearly a straight line over the rate index
        guess = low + round((high - low) * (target - at_low) / (at_high - at_low))
        middle = min(max(guess, low + 1), high - 1)
        value = measure(middle)
        if value <= target:
            low, at_low = middle, value
        else:
            high, at_high = middle, value
    return (low, True) if target - at_low <= at_high - target else (high, True)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays of one shape; infinite when they are equal."""
    total = 0.0
    for y in range(0, len(a), 256):
        d = a[y : y + 256].astype(np.int32) - b[y : y + 256].astype(np.int32)
        total += float(np.square(d).sum(dtype=np.float64))
    return math.inf if total == 0 else 10 * math.log10(255**2 * a.size / total)
