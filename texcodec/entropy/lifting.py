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
        part[...] = _split(_turned(_split(_turned(part))))
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
        part[...] = _turned(_join(_turned(_join(part))))
    half = 1 << (GUARD_BITS - 1)
    return np.clip((out + half) >> GUARD_BITS, -MEAN_LIMIT, MEAN_LIMIT).astype(np.int32)


def _turned(x: np.ndarray) -> np.ndarray:
    """Rows and columns exchanged."""
    return x.transpose(0, 2, 1)


def _scaled(x: np.ndarray, factor: int) -> np.ndarray:
    out = x * factor
    out += 1 << (FRACTION_BITS - 1)
    out >>= FRACTION_BITS
    return out


def _sums_at_odd(even: np.ndarray, count: int) -> np.ndarray:
    """The sums of the even samples before and behind each odd one, along the second axis; the last is its own mirror
    image.
    """
    out = even[:, :count].copy()
    inside = even.shape[1] - 1
    out[:, :inside] += even[:, 1:]
    out[:, inside:] += even[:, inside : inside + count - inside]
    return out


def _sums_at_even(odd: np.ndarray, count: int) -> np.ndarray:
    """The same of the odd samples around each even one."""
    out = np.empty((odd.shape[0], count, odd.shape[2]), odd.dtype)
    out[:, 1:] = odd[:, : count - 1]
    out[:, 0] = odd[:, 0]
    out[:, : odd.shape[1]] += odd
    out[:, odd.shape[1] :] += odd[:, -1:]
    return out


def _split(x: np.ndarray) -> np.ndarray:
    """One level of the forward transform along the second of three axes."""
    if x.shape[1] == 1:
        return x
    even, odd = x[:, ::2].copy(), x[:, 1::2].copy()
    for of_odd, of_even in (LIFTS[:2], LIFTS[2:]):
        odd += np.float32(of_odd) * _sums_at_odd(even, odd.shape[1])
        even += np.float32(of_even) * _sums_at_even(odd, even.shape[1])
    out = np.empty_like(x)
    out[:, ::2], out[:, 1::2] = even * np.float32(GAIN), odd / np.float32(GAIN)
    return out


def _join(x: np.ndarray) -> np.ndarray:
    """One level of the inverse along the second of three axes."""
    if x.shape[1] == 1:
        return x
    even, odd = _scaled(x[:, ::2], FIXED_INVERSE_GAIN), _scaled(x[:, 1::2], FIXED_GAIN)
    for of_odd, of_even in (FIXED_LIFTS[2:], FIXED_LIFTS[:2]):
        even -= _scaled(_sums_at_even(odd, even.shape[1]), of_even)
        odd -= _scaled(_sums_at_odd(even, odd.shape[1]), of_odd)
    out = np.empty_like(x)
    out[:, ::2], out[:, 1::2] = even, odd
    return out
