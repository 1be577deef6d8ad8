"""The five passes over the first slice: their positions, and their linear prediction."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from texcodec.constants import PREDICTION_SHIFT
from texcodec.entropy.pyramid import PASSES, network_names, predict


@given(st.integers(1, 20), st.integers(1, 20))
def test_passes_code_every_position_once(height: int, width: int) -> None:
    count = np.zeros((height, width), int)
    for places in PASSES:
        for offset in places.offsets:
            count[places.places(offset)] += 1
    assert (count == 1).all()


def test_passes_are_those_of_the_format() -> None:
    number = np.full((8, 8), -1)
    for k, places in enumerate(PASSES):
        for offset in places.offsets:
            number[places.places(offset)] = k
    assert number[:4, :4].tolist() == [[0, 4, 2, 4], [4, 3, 4, 3], [2, 4, 1, 4], [4, 3, 4, 3]]
    assert (number[4:, 4:] == number[:4, :4]).all()


def test_every_network_has_a_name_of_its_own() -> None:
    later = ["first_1_11", "first_2_01", "first_2_10", "first_3_11", "first_4_01", "first_4_10"]
    assert network_names() == ["first_0", *later]


@given(
    st.integers(1, 7),
    st.integers(1, 7),
    st.sampled_from([(0, 1), (1, 0), (1, 1)]),
    st.integers(0, 2**32 - 1),
)
def test_prediction_equals_a_plain_loop_over_integers(
    height: int, width: int, offset: tuple[int, int], seed: int
) -> None:
    random = np.random.default_rng(seed)
    weights = random.integers(-(2**15), 2**15, (2, 5, 3, 3)).astype(np.int16)
    known = random.integers(-(2**22), 2**22, (5, height, width)).astype(np.int32)
    rows, columns = range(offset[0], height, 2), range(offset[1], width, 2)
    expected = np.zeros((2, len(rows), len(columns)), np.int64)
    for i, y in enumerate(rows):
        for j, x in enumerate(columns):
            for c in range(2):
                total = 0
                for p in range(5):
                    for dy in (-1, 0, 1):
                        for dx in (-1, 0, 1):
                            if 0 <= y + dy < height and 0 <= x + dx < width:
                                total += int(weights[c, p, dy + 1, dx + 1]) * int(known[p, y + dy, x + dx])
                expected[c, i, j] = (total + (1 << (PREDICTION_SHIFT - 1))) >> PREDICTION_SHIFT
    np.testing.assert_array_equal(predict(weights, known, offset), expected)
