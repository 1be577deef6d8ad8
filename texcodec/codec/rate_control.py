"""Choosing rate indices: by quality, or by search for a size or a PSNR (docs/format.md, "Rate").

Analysis has run once before; a search repeats quantisation (and, for PSNR, synthesis) only.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..constants import RATE_INDICES
from ..errors import ParameterError, ParameterTypeError

LAST = RATE_INDICES - 1
BYTES_TOLERANCE = 0.02
PSNR_TOLERANCE = 0.1
MOST_CORRECTIONS = 4
"""Files that a search writes, or decodes, to correct its estimate, before it settles on one."""


@dataclass(frozen=True)
class Target:
    """What the caller asked for; at most one of the fields is set.

    Attributes:
        quality: 1 to 100.
        bpp: bits of the whole file per pixel.
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
                f"Give at most one of quality, bpp, size and psnr, not {' and '.join(given)}."
            )
        for name, value in given.items():
            if not isinstance(value, (int, float, np.integer, np.floating)) or isinstance(value, bool):
                raise ParameterTypeError(f"The {name} must be a positive number, not {value!r}.")
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(f"The {name} must be a positive number, not {value!r}.")
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise ParameterError(f"The quality must be from 1 to 100, not {self.quality:g}.")

    def bytes(self, pixels: int) -> int:
        """Bytes of the file that is asked for, for a picture of this many pixels."""
        # no file is longer than the last bound, which keeps the numbers finite
        return int(self.size) if self.size is not None else round(min(self.bpp or 0.0, 1e9) * pixels / 8)

    def too_large(self, size: int, pixels: int) -> bool:
        """Whether a file of this many bytes exceeds what was asked for."""
        if self.size is not None:
            return size > self.size
        return self.bpp is not None and size > (1 + BYTES_TOLERANCE) * self.bytes(pixels) + 1

    @property
    def asked(self) -> str:
        """What was asked for, as the subject of a sentence."""
        if self.psnr is not None:
            return f"A PSNR of {self.psnr:g} dB"
        return (
            f"A file of {self.size} bytes"
            if self.size is not None
            else f"A file of {self.bpp:g} bits per pixel"
        )


DEFAULT_QUALITY = 50.0


def index_of_quality(quality: float, qualities: tuple[int, ...]) -> int:
    """The rate index of a quality from 1 to 100; between whole qualities the nearest index on the straight line."""
    return int(np.floor(np.interp(quality, np.arange(1, 101), qualities) + 0.5))


def spread(index: int, finer: int, tiles: int) -> list[int]:
    """Rate indices of all tiles: ``index``, and ``index + 1`` for ``finer`` tiles spread evenly over the picture."""
    return [index + ((i + 1) * finer // tiles - i * finer // tiles) for i in range(tiles)]


def gather(index: int, finer: int, tiles: int) -> list[int]:
    """The same with the finer tiles at the end, where naming them costs least in a compact file."""
    return [index] * (tiles - finer) + [index + 1] * finer


def search_bytes(
    estimate: Callable[[list[int]], int],
    target: int,
    tiles: int,
    *,
    exact: Callable[[list[int]], int],
    strict: bool,
    last: int = LAST,
    arrange: Callable[[int, int, int], list[int]] = spread,
) -> tuple[list[int], bool]:
    """Rates whose file comes closest to ``target`` bytes.

    Positions 0 to last * tiles order all rates: between two indices, some tiles have the finer one already.

    Args:
        estimate: bytes of a file at these rates, without writing it.
        exact: the same by writing it.
        strict: never exceed the target where that is possible; otherwise the nearest size from either side.
        last: the finest rate index.
        arrange: which tiles are the finer ones, ``spread`` or ``gather``.
    Returns:
        rates, and whether they meet the target: within it (strict) or within 2 %.
    """
    top = last * tiles
    sizes: dict[int, int] = {}

    def rates(position: int) -> list[int]:
        return arrange(*divmod(position, tiles), tiles)

    def size(position: int) -> int:
        if position not in sizes:
            sizes[position] = exact(rates(position))
        return sizes[position]

    # an estimate is off by nearly the same number of bytes everywhere near: what writing shows corrects it
    aim, position = target, _place(estimate, target, tiles, last, arrange)
    for _ in range(MOST_CORRECTIONS):
        aim = target - (size(position) - estimate(rates(position)))
        position = _place(estimate, aim, tiles, last, arrange)
        if position in sizes:
            break
    for near in (position, min(position + 1, top)):
        size(near)
    stride = max(1, tiles // 64)
    lowest = min(sizes)
    while strict and min(sizes.values()) > target and lowest > 0:
        lowest = max(0, lowest - stride)
        stride *= 2
        size(lowest)
    if strict:
        fitting = [at for at in sizes if sizes[at] <= target]
        best = max(fitting, key=lambda at: (sizes[at], at)) if fitting else min(sizes, key=sizes.__getitem__)
        return rates(best), bool(fitting) and (best < top or sizes[best] == target)
    best = min(sizes, key=lambda at: (abs(sizes[at] - target), at))
    return rates(best), abs(sizes[best] - target) <= BYTES_TOLERANCE * target


def _place(
    estimate: Callable[[list[int]], int],
    target: int,
    tiles: int,
    last: int,
    arrange: Callable[[int, int, int], list[int]],
) -> int:
    """The largest position that is estimated to fit in ``target`` bytes; 0 if none does."""
    if estimate([0] * tiles) > target:
        return 0
    if estimate([last] * tiles) <= target:
        return last * tiles
    low, high = 0, last
    while high - low > 1:
        middle = (low + high) // 2
        if estimate([middle] * tiles) <= target:
            low = middle
        else:
            high = middle
    few, many = 0, tiles
    while many - few > 1:
        middle = (few + many) // 2
        if estimate(arrange(low, middle, tiles)) <= target:
            few = middle
        else:
            many = middle
    return low * tiles + few


def search_psnr(
    measure: Callable[[int], float], target: float, *, estimate: Callable[[int], float], last: int = LAST
) -> tuple[int, bool]:
    """The rate index whose PSNR is nearest to ``target``, and whether it meets the target within 0.1 dB.

    Args:
        measure: PSNR in dB of the decoded picture at a rate index.
        estimate: the same, off by nearly the same number of dB everywhere near, at less cost.
        last: the finest rate index.
    """
    estimated = functools.cache(estimate)
    exact: dict[int, float] = {}
    gain = 0.0

    def corrected(index: int) -> float:
        return estimated(index) + gain

    for _ in range(MOST_CORRECTIONS):
        index = _nearest(corrected, target, last)
        if index in exact:
            break
        exact[index] = measure(index)
        gain = exact[index] - estimated(index)
        if not math.isfinite(gain):  # one of the two is without any error
            return _reached(_nearest(measure, target, last), measure, target)
    best = min(exact, key=lambda index: (abs(exact[index] - target), index))
    return _reached(best, exact.__getitem__, target)


def _reached(index: int, measure: Callable[[int], float], target: float) -> tuple[int, bool]:
    return index, abs(measure(index) - target) <= PSNR_TOLERANCE


def _nearest(measure: Callable[[int], float], target: float, last: int) -> int:
    """The rate index whose PSNR is nearest to ``target``."""
    low, high = 0, last
    at_low, at_high = measure(low), measure(high)
    if target <= at_low:
        return low
    if target >= at_high:
        return high
    straight = True
    while high - low > 1:
        # PSNR is nearly a straight line over the rate index; where it is not, halving still ends soon
        middle = (low + high) // 2
        if straight and math.isfinite(at_high):
            guess = low + round((high - low) * (target - at_low) / (at_high - at_low))
            middle = min(max(guess, low + 1), high - 1)
        straight = not straight
        value = measure(middle)
        if value <= target:
            low, at_low = middle, value
        else:
            high, at_high = middle, value
    return low if target - at_low <= at_high - target else high


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays of one shape; infinite when they are equal."""
    return psnr_of_error(squared_error(a, b), a.size)


def squared_error(a: np.ndarray, b: np.ndarray) -> float:
    """Sum of the squared differences of two uint8 arrays of one shape."""
    total = 0.0
    for y in range(0, len(a), 256):
        d = a[y : y + 256].astype(np.int32) - b[y : y + 256].astype(np.int32)
        total += float(np.square(d).sum(dtype=np.float64))
    return total


def psnr_of_error(error: float, samples: int) -> float:
    """PSNR in dB of ``samples`` numbers whose squared errors sum to ``error``."""
    return math.inf if error == 0 else 10 * math.log10(255**2 * samples / error)
