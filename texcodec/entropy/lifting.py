"""The wavelet of the block means in integers: what decoders compute exactly (docs/format.md, "Block means").

The 9/7 wavelet of Cohen, Daubechies and Feauveau in lifting steps (Daubechies and Sweldens, 1998), two
levels, in place: of a grid of coefficients, the lowest band lies on rows and columns that are multiples of 4.
Encoders may compute the forward transform in floating point, as they choose the symbols; the inverse is fixed
point.
"""

from __future__ import annotations

import numpy as np

LEVELS = 2
LIFTS = (-1.586134342059924, -0.052980118572961, 0.882911075530934, 0.443506852043971)
"""Of odd samples from even ones, of even from odd, and again."""
GAIN = 1.149604398860241
"""Even samples are multiplied by it after the lifting steps and odd ones divided."""

FRACTION_BITS = 16
FIXED_LIFTS = tuple(round(f * (1 << FRACTION_BITS)) for f in LIFTS)
FIXED_GAIN, FIXED_INVERSE_GAIN = round(GAIN * (1 << FRACTION_BITS)), round((1 << FRACTION_BITS) / GAIN)
GUARD_BITS = 4
"""Fraction bits that the inverse transform computes with beyond those of its input."""
MEAN_LIMIT = 1 << 22
"""Largest magnitude of what the inverse transform gives, in sixteenths of a symbol."""


def forward(samples: np.ndarray) -> np.ndarray:
    """Block means to wavelet coefficients, in place of them.

    Args:
        samples: float32 C x h x w.
    Returns:
        float32 C x h x w.
    """
    out = samples.astype(np.float32).copy()
    for level in range(LEVELS):
        s = 1 << level
        part = out[:, ::s, ::s]
        part[...] = _split(_split(part, 2), 1)
    return out


def inverse(coefficients: np.ndarray) -> np.ndarray:
    """Wavelet coefficients to block means, exactly.

    Args:
        coefficients: int32 C x h x w, in sixteenths of a symbol.
    Returns:
        int32 C x h x w, likewise, of magnitude at most ``MEAN_LIMIT``.
    """
    out = coefficients.astype(np.int64) << GUARD_BITS
    for level in reversed(range(LEVELS)):
        s = 1 << level
        part = out[:, ::s, ::s]
        part[...] = _join(_join(part, 1), 2)
    half = 1 << (GUARD_BITS - 1)
    return np.clip((out + half) >> GUARD_BITS, -MEAN_LIMIT, MEAN_LIMIT).astype(np.int32)


def _scaled(x: np.ndarray, factor: int) -> np.ndarray:
    return (x * factor + (1 << (FRACTION_BITS - 1))) >> FRACTION_BITS


def _neighbours_of_odd(even: np.ndarray, count: int) -> np.ndarray:
    """The sums of the even samples before and behind each odd one; the last is its own mirror image."""
    behind = even[1 : count + 1]
    if len(behind) < count:
        behind = np.concatenate([behind, even[-1:]])
    return even[:count] + behind


def _neighbours_of_even(odd: np.ndarray, count: int) -> np.ndarray:
    before = np.concatenate([odd[:1], odd])[:count]
    behind = odd if len(odd) == count else np.concatenate([odd, odd[-1:]])
    return before + behind


def _split(x: np.ndarray, axis: int) -> np.ndarray:
    n = x.shape[axis]
    if n == 1:
        return x
    moved = np.moveaxis(x, axis, 0)
    even, odd = moved[::2].copy(), moved[1::2].copy()
    for of_odd, of_even in (LIFTS[:2], LIFTS[2:]):
        odd = odd + np.float32(of_odd) * _neighbours_of_odd(even, len(odd))
        even = even + np.float32(of_even) * _neighbours_of_even(odd, len(even))
    out = np.empty_like(moved)
    out[::2], out[1::2] = even * np.float32(GAIN), odd / np.float32(GAIN)
    return np.moveaxis(out, 0, axis)


def _join(x: np.ndarray, axis: int) -> np.ndarray:
    n = x.shape[axis]
    if n == 1:
        return x
    moved = np.moveaxis(x, axis, 0)
    even, odd = _scaled(moved[::2], FIXED_INVERSE_GAIN), _scaled(moved[1::2], FIXED_GAIN)
    for of_odd, of_even in (FIXED_LIFTS[2:], FIXED_LIFTS[:2]):
        even = even - _scaled(_neighbours_of_even(odd, len(even)), of_even)
        odd = odd - _scaled(_neighbours_of_odd(even, len(odd)), of_odd)
    out = np.empty_like(moved)
    out[::2], out[1::2] = even, odd
    return np.moveaxis(out, 0, axis)
