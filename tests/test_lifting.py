"""The wavelet of the block means: exact in integers, invertible, bounded."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texcodec.constants import MEAN_ONE, SYMBOL_MAX
from texcodec.entropy import lifting

sizes = st.integers(1, 19)


@given(sizes, sizes, st.integers(0, 2**32 - 1))
def test_means_come_back_from_rounded_coefficients(height: int, width: int, seed: int) -> None:
    means = np.random.default_rng(seed).normal(0, 400, (3, height, width)).astype(np.float32)
    coefficients = np.round(lifting.forward(means)).astype(np.int32)
    # rounding moves each coefficient by half at most; a mean gathers a few of them
    assert np.abs(lifting.inverse(coefficients) - means).max() < 5


@given(sizes, sizes)
def test_equal_means_leave_the_lowest_band_only(height: int, width: int) -> None:
    found = lifting.forward(np.full((1, height, width), 100, np.float32))
    low = np.zeros_like(found, bool)
    low[:, ::4, ::4] = True
    assert np.abs(found[~low]).max(initial=0) < 0.2
    assert found[0, 0, 0] == pytest.approx(100 * 2 ** (_levels(height) / 2 + _levels(width) / 2), rel=1e-3)


def _levels(size: int) -> int:
    """Levels that transform a direction: none where one sample is left."""
    return sum(-(-size >> k) > 1 for k in range(lifting.LEVELS))


def test_inverse_gives_these_integers_on_every_machine() -> None:
    digest = hashlib.sha256()
    for height, width in ((16, 16), (1, 1), (1, 9), (7, 2), (13, 16)):
        numbers = np.arange(3 * height * width, dtype=np.int32).reshape(3, height, width)
        coefficients = numbers * 7919 % 40_001 - 20_000
        digest.update(lifting.inverse(coefficients).astype("<i4").tobytes())
    assert digest.hexdigest() == "320cd2305d7e63e993ddb51e989a7d00daa6ab9469f4ef3f12dd86d828fd7d9c"


@pytest.mark.parametrize("sign", [-1, 1])
def test_largest_coefficients_stay_within_the_limit(sign: int) -> None:
    largest = MEAN_ONE * SYMBOL_MAX + (1 << 18)
    worst = sign * largest * np.sign(np.random.default_rng(2).normal(size=(1, 16, 16))).astype(np.int32)
    assert np.abs(lifting.inverse(worst)).max() <= lifting.MEAN_LIMIT
    assert np.abs(lifting.inverse(np.full((1, 16, 16), sign * largest, np.int32))).max() <= lifting.MEAN_LIMIT
