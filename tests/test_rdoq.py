"""Rate-distortion optimised quantisation of residuals."""

from __future__ import annotations

import numpy as np

from texcodec.codec.rdoq import round_residual
from texcodec.registry import load_set


def test_symbols_do_not_depend_on_how_residuals_lie_in_memory() -> None:
    random = np.random.default_rng(3)
    tables = load_set("tiny-1").symbol_tables
    residual = random.normal(0, 1.5, (8, 60)).astype(np.float32)
    scales = random.integers(0, 40, (8, 60)).astype(np.int32)
    worth = np.linspace(0.5, 8, 8, dtype=np.float32)
    expected = round_residual(residual, scales, tables, worth)
    transposed = [np.ascontiguousarray(a.T).T for a in (residual, scales)]
    np.testing.assert_array_equal(round_residual(*transposed, tables, worth), expected)
    assert (expected != round_residual(residual, scales, tables, None)).any()


def test_a_symbol_is_lowered_only_where_that_saves_more_than_its_error_is_worth() -> None:
    tables = load_set("tiny-1").symbol_tables
    residual = np.full((1, 2, 2), 0.6, np.float32)
    scales = np.full((1, 2, 2), 10, np.int32)
    assert (round_residual(residual, scales, tables, np.array([1e6], np.float32)) == 1).all()
    assert (round_residual(residual, scales, tables, np.array([1e-6], np.float32)) == 0).all()
