"""Multi-scale structural similarity in numpy.

Z. Wang, E. P. Simoncelli, A. C. Bovik, "Multi-scale structural similarity for image quality assessment",
Asilomar 2003, with the weights of their section 3.2; windows and constants of Wang et al., "Image quality
assessment: from error visibility to structural similarity", IEEE Trans. Image Processing 13 (4), 2004. As
their own implementation does, contrast and structure are averaged over the picture before they are raised to
the weights, and luminance enters at the coarsest scale only. A colour picture has the mean of its channels.
"""

from __future__ import annotations

import numpy as np

from ..similarity import LEAST_VARIANCE, SCALE_WEIGHTS, halved

_TAPS, _SIGMA = 11, 1.5
_C1, _C2 = (0.01 * 255) ** 2, LEAST_VARIANCE

SMALLEST_SIDE = (_TAPS - 1) * 2 ** (len(SCALE_WEIGHTS) - 1) + 1
"""The window must still fit after the picture was halved four times, a side rounded up: 161 pixels."""

_window = np.exp(-(np.arange(_TAPS // 2 + 1) ** 2) / (2 * _SIGMA**2))[::-1]
_window = _window / (2 * _window.sum() - _window[-1])


def ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """MS-SSIM of two pictures, 0 to 1; 1 for equal ones.

    Args:
        a, b: uint8, height x width x channels, of one shape and with sides of at least ``SMALLEST_SIDE``.
    Raises:
        ValueError: the shapes differ, or a side is too small.
    """
    if a.shape != b.shape or min(a.shape[:2]) < SMALLEST_SIDE:
        raise ValueError(f"MS-SSIM needs one shape and sides of at least {SMALLEST_SIDE} pixels.")
    return float(np.mean([_of_channel(a[:, :, c], b[:, :, c]) for c in range(a.shape[2])]))


def _of_channel(a: np.ndarray, b: np.ndarray) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        coarsest = scale == len(SCALE_WEIGHTS) - 1
        # anti-correlated texture would give a negative mean, which has no real power
        product *= max(_similarity(x, y, with_luminance=coarsest), 0.0) ** weight
        if not coarsest:
            x, y = halved(_even(x)), halved(_even(y))
    return product


def _similarity(x: np.ndarray, y: np.ndarray, *, with_luminance: bool) -> float:
    """Mean of contrast times structure (times luminance) over all places where the window fits."""
    mean_x, mean_y = _blurred(x), _blurred(y)
    squares, product = mean_x**2 + mean_y**2, mean_x * mean_y
    variances = _blurred(x * x + y * y) - squares
    similarity = (2 * (_blurred(x * y) - product) + _C2) / (variances + _C2)
    if with_luminance:
        similarity *= (2 * product + _C1) / (squares + _C1)
    return float(similarity.mean())


def _blurred(x: np.ndarray) -> np.ndarray:
    """Filtered with the Gaussian window along both sides, which lose ten samples."""
    for _ in range(2):
        # the window is symmetric: one product for two samples
        total = _window[-1] * x[_TAPS // 2 : -(_TAPS // 2)]
        for k in range(_TAPS // 2):
            total += _window[k] * (x[k : k + len(total)] + x[_TAPS - 1 - k : len(x) - k])
        x = total.T
    return x


def _even(x: np.ndarray) -> np.ndarray:
    """Extended by its last row or column where a side is odd."""
    return np.pad(x, [(0, n % 2) for n in x.shape], mode="edge")
