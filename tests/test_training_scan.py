"""The scan of the training pictures' texture. Needs no torch."""

from __future__ import annotations

import numpy as np
import pytest
from pictures import photograph

from texcodec.texture import classify, complexity
from texcodec.training.pictures.scan import scan_textures


def stripes(step: int) -> np.ndarray:
    """256 x 256: horizontal differences of ``step`` everywhere."""
    row = (np.arange(256) % 2 * step).astype(np.uint8)
    return np.broadcast_to(row[None, :, None], (256, 256, 3)).copy()


def test_scan_measures_every_tile_and_proposes_thresholds_of_equal_shares() -> None:
    arrays = [stripes(s) for s in (0, 2, 4, 10, 12, 14, 30, 40, 50)]
    scan = scan_textures(arrays, (8.0, 18.0))
    assert scan.tiles == 9
    assert scan.shares == pytest.approx((3 / 9, 3 / 9, 3 / 9))
    counts = np.bincount([classify(complexity(a), scan.thresholds) for a in arrays], minlength=3)
    assert counts.tolist() == [3, 3, 3]
    assert "33% busy" in scan.sentence(("smooth", "medium", "busy"))


def test_thresholds_rise_even_where_all_pictures_are_alike() -> None:
    scan = scan_textures([stripes(0)] * 4, (8.0, 18.0))
    assert scan.thresholds[0] < scan.thresholds[1]
    assert scan.shares == (1.0, 0.0, 0.0)


def test_pictures_smaller_than_a_tile_count_as_one() -> None:
    scan = scan_textures([photograph(90, 40, seed=1), photograph(600, 300, seed=2)], (8.0,))
    assert scan.tiles == 1 + 2
    assert len(scan.thresholds) == 1 and len(scan.shares) == 2


def test_many_tiles_are_thinned_out() -> None:
    scan = scan_textures([photograph(512, 512, seed=1)] * 20, (8.0, 18.0), most=30)
    assert 20 <= scan.tiles <= 30
