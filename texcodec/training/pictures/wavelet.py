"""The wavelet of the block means while training, in floating point: 9/7 lifting over the grid of means, two
levels, in place.

Biorthogonal 9/7 of Cohen, Daubechies and Feauveau in lifting steps (Daubechies and Sweldens, 1998), scaled so
that it is nearly orthonormal, with symmetric extension at the borders. Coefficients stay where their samples
were: of the two levels, the lowest band lies on rows and columns that are multiples of 4, so each band is
what one or two passes over the first slice code (``pyramid``). A direction with a single sample at some level
is left as it is there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...entropy.lifting import GAIN, LEVELS, LIFTS


def forward_wavelet(x: Tensor) -> Tensor:
    """Samples to coefficients, in place of them.

    Args:
        x: ... x h x w.
    Returns:
        the same shape.
    """
    for level in range(LEVELS):
        s = 1 << level
        part = x[..., ::s, ::s]
        part = _split(_split(part).transpose(-1, -2)).transpose(-1, -2)
        x = part if s == 1 else _put(x, part, s)
    return x


def inverse_wavelet(x: Tensor) -> Tensor:
    """Coefficients to samples: the inverse of ``forward_wavelet``."""
    for level in reversed(range(LEVELS)):
        s = 1 << level
        part = _join(_join(x[..., ::s, ::s].transpose(-1, -2)).transpose(-1, -2))
        x = part if s == 1 else _put(x, part, s)
    return x


def _put(x: Tensor, part: Tensor, stride: int) -> Tensor:
    whole = x.clone()
    whole[..., ::stride, ::stride] = part
    return whole


def _lift_odd(even: Tensor, odd: Tensor, factor: float) -> Tensor:
    n = odd.shape[-1]
    right = even[..., 1 : n + 1]
    if right.shape[-1] < n:
        right = torch.cat([right, even[..., -1:]], -1)
    return odd + factor * (even[..., :n] + right)


def _lift_even(even: Tensor, odd: Tensor, factor: float) -> Tensor:
    n = even.shape[-1]
    right = odd if odd.shape[-1] == n else torch.cat([odd, odd[..., -1:]], -1)
    left = torch.cat([odd[..., :1], odd], -1)[..., :n]
    return even + factor * (left + right)


def _split(x: Tensor) -> Tensor:
    if x.shape[-1] == 1:
        return x
    even, odd = x[..., ::2], x[..., 1::2]
    for odd_factor, even_factor in (LIFTS[:2], LIFTS[2:]):
        odd = _lift_odd(even, odd, odd_factor)
        even = _lift_even(even, odd, even_factor)
    return _interleave(even * GAIN, odd / GAIN)


def _join(x: Tensor) -> Tensor:
    if x.shape[-1] == 1:
        return x
    even, odd = x[..., ::2] / GAIN, x[..., 1::2] * GAIN
    for odd_factor, even_factor in (LIFTS[2:], LIFTS[:2]):
        even = _lift_even(even, odd, -even_factor)
        odd = _lift_odd(even, odd, -odd_factor)
    return _interleave(even, odd)


def _interleave(even: Tensor, odd: Tensor) -> Tensor:
    more = even.shape[-1] - odd.shape[-1]
    both = torch.stack([even, torch.nn.functional.pad(odd, (0, more))], -1).flatten(-2)
    return both[..., : both.shape[-1] - more]
