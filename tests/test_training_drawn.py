"""Drawn pages as a share of the training crops."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch")
pytestmark = pytest.mark.train

from texcodec.training.pictures.drawn import drawn_page, drawn_pages  # noqa: E402
from texcodec.training.pictures.sampler import CropSampler  # noqa: E402


def photograph(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (160, 160, 3)).astype(np.uint8)


def share_of_drawn(sampler: CropSampler, photographs: int) -> float:
    places = sampler.draw(np.random.default_rng(5), 4000)
    return float((places.where[:, 0] >= photographs).mean())


def test_pages_have_hard_edges_and_differ() -> None:
    first, second = drawn_pages(2, 1, 256)
    assert first.shape == (256, 256, 3) and first.dtype == np.uint8
    assert (first != second).any()
    equal = (first[:, 1:] == first[:, :-1]).all(2).mean()
    assert 0.5 < equal < 1
    np.testing.assert_array_equal(first, drawn_page(100_003, 256))


def test_drawn_crops_have_the_share_asked_for() -> None:
    photographs, pages = [photograph(k) for k in range(3)], drawn_pages(3, 1, 256)
    sampler = CropSampler(photographs, crop=128, seed=1, drawn=pages, drawn_share=0.08)
    assert share_of_drawn(sampler, 3) == pytest.approx(0.08, abs=0.02)


def test_crops_without_drawn_pages_are_those_drawn_before() -> None:
    photographs = [photograph(k) for k in range(3)]
    plain, with_none = (
        CropSampler(photographs, crop=128, seed=1, **extra).draw(np.random.default_rng(7), 50)
        for extra in ({}, {"drawn": (), "drawn_share": 0.5})
    )
    np.testing.assert_array_equal(plain.where, with_none.where)


def test_batches_sorted_by_class_stay_sorted() -> None:
    photographs, pages = [photograph(k) for k in range(3)], drawn_pages(4, 2, 256)
    sampler = CropSampler(photographs, crop=128, seed=1, balance="classes", drawn=pages, drawn_share=0.5)
    places = sampler.draw(np.random.default_rng(3), 60)
    assert (np.diff(places.classes) >= 0).all()
    assert places.groups is not None and np.bincount(places.classes, minlength=3).tolist() == list(
        places.groups
    )
