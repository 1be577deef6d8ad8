"""Entropy profile 2 against plain loops over integers: lifting, linear predictions, networks of passes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from second_decoder.model_set import shift_of

from texcodec.constants import MEAN_MAX, MEAN_ONE, SYMBOL_MAX
from texcodec.entropy import lifting
from texcodec.entropy.pyramid import PASSES, graph_name, predict
from texcodec.registry import PyramidSet

SET = Path(__file__).parent / "data" / "tiny-2"
LARGEST = MEAN_ONE * SYMBOL_MAX + MEAN_MAX
"""Of a decoded coefficient, whatever a file says."""
SIZES = [(1, 1), (1, 2), (2, 1), (1, 16), (3, 5), (4, 4), (7, 13), (8, 16), (16, 16)]


def coefficients(shape: tuple[int, int], largest: int, seed: int = 0) -> np.ndarray:
    """int32 3 x h x w from a multiplicative hash, which no version of numpy changes."""
    n = np.arange(3 * shape[0] * shape[1], dtype=np.uint64) + np.uint64(1 + 1000 * seed)
    mixed = (n * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(33)
    return (
        ((mixed % np.uint64(2 * largest + 1)).astype(np.int64) - largest).astype(np.int32).reshape(3, *shape)
    )


def scaled(value: int, factor: int) -> int:
    return (value * factor + 2**15) >> 16


def line(x: list[int]) -> list[int]:
    """The inverse along one line, sample by sample, in Python's integers."""
    n = len(x)
    if n == 1:
        return x
    a, b, c, d, k, inverse_k = (-103949, -3472, 57862, 29066, 75340, 57007)

    def at(i: int) -> int:
        """Symmetric extension."""
        return x[-i if i < 0 else 2 * (n - 1) - i if i >= n else i]

    x = [scaled(v, k if i % 2 else inverse_k) for i, v in enumerate(x)]
    for first, factor in ((0, d), (1, c), (0, b), (1, a)):
        for i in range(first, n, 2):
            x[i] -= scaled(at(i - 1) + at(i + 1), factor)
    return x


def oracle(plane: np.ndarray) -> np.ndarray:
    out = [[int(v) << 4 for v in row] for row in plane]
    for s in (2, 1):
        part = [row[::s] for row in out[::s]]
        part = [list(row) for row in zip(*[line(list(column)) for column in zip(*part)])]
        part = [line(row) for row in part]
        for y, row in enumerate(part):
            out[y * s][::s] = row
    return np.array([[max(-(1 << 22), min(1 << 22, (v + 8) >> 4)) for v in row] for row in out], object)


@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_inverse_equals_a_plain_loop_over_samples(shape: tuple[int, int]) -> None:
    for largest in (40, LARGEST):
        x = coefficients(shape, largest)
        found = lifting.inverse(x)
        assert all(np.array_equal(f, oracle(p)) for f, p in zip(found, x))


@given(
    h=st.integers(1, 20),
    w=st.integers(1, 20),
    seed=st.integers(0, 10_000),
    largest=st.sampled_from([16, 3000]),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_any_size_and_any_coefficients_equal_the_loop(h: int, w: int, seed: int, largest: int) -> None:
    x = coefficients((h, w), largest, seed)[:1]
    np.testing.assert_array_equal(lifting.inverse(x)[0], oracle(x[0]))


def test_worst_coefficients_neither_overflow_nor_pass_the_limit() -> None:
    impulses = np.zeros((256, 16, 16), np.int32)
    impulses.reshape(256, 256)[np.arange(256), np.arange(256)] = 1 << 14
    responses = lifting.inverse(impulses).reshape(256, 256)
    worst = np.where(responses >= 0, LARGEST, -LARGEST).T.reshape(256, 16, 16).astype(np.int32)
    found = lifting.inverse(worst)
    middle = [0, 17, 119, 136, 255]
    for number in middle:
        np.testing.assert_array_equal(found[number], oracle(worst[number]))
    assert np.abs(found).max() <= lifting.MEAN_LIMIT
    assert found.dtype == np.int32


def loop(weights: np.ndarray, known: np.ndarray, offset: tuple[int, int]) -> np.ndarray:
    """The linear prediction position by position in Python's integers."""
    planes, h, w = known.shape
    rows, columns = range(offset[0], h, 2), range(offset[1], w, 2)
    out = np.zeros((len(weights), len(rows), len(columns)), np.int64)
    for c, kernel in enumerate(weights.tolist()):
        for n, y in enumerate(rows):
            for m, x in enumerate(columns):
                total = 0
                for p in range(planes):
                    for i in range(3):
                        for j in range(3):
                            if 0 <= y + i - 1 < h and 0 <= x + j - 1 < w:
                                total += kernel[p][i][j] * int(known[p, y + i - 1, x + j - 1])
                out[c, n, m] = (total + 2048) >> 12
    return out


def test_largest_prediction_is_exact() -> None:
    weights = np.full((1, 19, 3, 3), -(1 << 15), np.int16)
    known = np.full((19, 5, 5), (1 << 23) - 1, np.int32)
    known[0, 2, 2] -= 1
    np.testing.assert_array_equal(predict(weights, known, (0, 0)), loop(weights, known, (0, 0)))


@pytest.fixture(scope="module")
def models() -> PyramidSet:
    return PyramidSet(SET)


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """An integer convolution in int64 over all positions, C x h x w."""
    k = weight.shape[2]
    padded = np.pad(x.astype(np.int64), [(0, 0), (k // 2,) * 2, (k // 2,) * 2])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))
    return (
        np.einsum("cyxij,ocij->oyx", windows, weight.astype(np.int64)) + bias.astype(np.int64)[:, None, None]
    )


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 2), (5, 4), (8, 7)], ids=str)
@pytest.mark.parametrize(
    ("number", "offset"), [(p, o) for p, places in enumerate(PASSES) for o in places.offsets if p], ids=str
)
def test_networks_of_passes_equal_dense_ones_at_their_positions(
    number: int, offset: tuple[int, int], shape: tuple[int, int], models: PyramidSet
) -> None:
    at = (slice(None), slice(offset[0], None, 2), slice(offset[1], None, 2))
    prefix = f"first_{number}."
    arrays = {k.removeprefix(prefix): v for k, v in models._arrays.items() if k.startswith(prefix)}
    random = np.random.default_rng(number)
    context = random.integers(-255, 256, (arrays["squeeze.weight"].shape[1], *shape))
    count = arrays["joint.weight"].shape[1] - len(arrays["squeeze.weight"])
    features = random.integers(0, 256, (count, *shape))
    if not features[at].size:
        return
    network = models.first_pass(number, offset)
    graph = (models.folder / "graphs" / f"{graph_name(number, offset)}.onnx").read_bytes()
    shift = {name: shift_of(graph, name) for name in ("squeeze", "spread", "joint", "leave")}

    def layer(x: np.ndarray, name: str) -> np.ndarray:
        return convolve(x, arrays[f"{name}.weight"], arrays[f"{name}.bias"]) >> shift[name]

    near = np.clip(layer(np.clip(layer(context, "squeeze"), 0, 255), "spread"), 0, 255)
    dense = layer(np.clip(layer(np.concatenate([features, near]), "joint"), 0, 255), "leave")
    ours = network(
        features=np.ascontiguousarray(features[at], np.float32)[None],
        context=np.ascontiguousarray(context, np.float32)[None],
    )[0]
    np.testing.assert_array_equal(ours, dense[at])
