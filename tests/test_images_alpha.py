"""Alpha planes: lossless, and safe against payloads that lie."""

from __future__ import annotations

import tracemalloc
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from texcodec.errors import CorruptError, ParameterError
from texcodec.images import compress_alpha, decompress_alpha

SHAPES = st.tuples(st.integers(1, 24), st.integers(1, 24))
PLANES = SHAPES.flatmap(lambda shape: arrays(np.uint8, shape))
exactly = settings(deadline=None, derandomize=True, max_examples=80)


def gradient(height: int = 64, width: int = 64) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return ((x * 5 + y * 3) % 256).astype(np.uint8)


@exactly
@given(PLANES)
def test_every_plane_comes_back(alpha: np.ndarray) -> None:
    assert np.array_equal(decompress_alpha(compress_alpha(alpha), *alpha.shape), alpha)


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_constant_plane_takes_two_bytes(value: int) -> None:
    alpha = np.full((1000, 999), value, np.uint8)
    assert compress_alpha(alpha) == bytes([0, value])
    assert np.array_equal(decompress_alpha(bytes([0, value]), 1000, 999), alpha)


def test_differences_help_smooth_planes() -> None:
    noisy_rows = np.random.default_rng(0).integers(0, 256, (1, 256), dtype=np.uint8).repeat(200, axis=0)
    for alpha in (gradient(200, 256), noisy_rows):
        payload = compress_alpha(alpha)
        assert len(payload) < 0.05 * alpha.size
        assert np.array_equal(decompress_alpha(payload, *alpha.shape), alpha)


def test_each_filter_is_undone() -> None:
    rows = bytes([2, 1, 2, 3]) + bytes([1, 10, 250, 250]) + bytes([0, 9, 9, 9]) + bytes([2, 1, 255, 250])
    alpha = decompress_alpha(b"\x01" + zlib.compress(rows), 4, 3)
    assert alpha.tolist() == [[1, 2, 3], [10, 4, 254], [9, 9, 9], [10, 8, 3]]


@pytest.mark.parametrize(
    "alpha", [np.zeros((0, 3), np.uint8), np.zeros(3, np.uint8), np.zeros((2, 2), np.int16)]
)
def test_other_arrays_are_refused(alpha: np.ndarray) -> None:
    with pytest.raises(ParameterError):
        compress_alpha(alpha)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x00",
        b"\x01",
        b"\x00\x01\x02",
        b"\x02\x00",
        b"\x01" + zlib.compress(bytes(64 * 65 - 1)),
        b"\x01" + zlib.compress(bytes(64 * 65 + 1)),
        b"\x01" + zlib.compress(bytes(64 * 65)) + b"\x00",
        b"\x01" + zlib.compress(b"\x03" + bytes(64 * 65 - 1)),
    ],
)
def test_payloads_that_do_not_fit_are_corrupt(payload: bytes) -> None:
    with pytest.raises(CorruptError, match="ALPH"):
        decompress_alpha(payload, 64, 64)


def test_every_truncation_and_bit_flip_is_corrupt_or_harmless() -> None:
    alpha = gradient()
    payload = compress_alpha(alpha)
    for end in range(len(payload)):
        with pytest.raises(CorruptError):
            decompress_alpha(payload[:end], 64, 64)
    for bit in range(8 * len(payload)):
        damaged = bytearray(payload)
        damaged[bit // 8] ^= 1 << bit % 8
        with suppress(CorruptError):  # a few flips, as in zlib's window size, change nothing
            assert np.array_equal(decompress_alpha(bytes(damaged), 64, 64), alpha)


@exactly
@given(st.binary(max_size=200))
def test_random_payloads_are_corrupt_or_a_plane(payload: bytes) -> None:
    with suppress(CorruptError):
        assert decompress_alpha(payload, 5, 6).shape == (5, 6)


def test_a_bomb_is_not_unpacked() -> None:
    payload = b"\x01" + zlib.compress(bytes(100_000_000), 9)
    tracemalloc.start()
    with pytest.raises(CorruptError):
        decompress_alpha(payload, 64, 64)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
