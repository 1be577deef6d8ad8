"""Profiles of learned crops: regions of any size of picture, files, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from texcodec.crop import Profile, read_profile, write_profile
from texcodec.crop.profile import profile_from_json, profile_to_json
from texcodec.crop.region import hard_region, pixel_box, reference_pixel, soft_mask
from texcodec.errors import ParameterError, StreamError, UnsupportedError
from texcodec.tiles import Box

KEEP = {"left": (1.0, 0.9, 0.1), "right": (0.5, 0.25, 0.0), "up": (0.75, 0.25), "down": (1.0, 1.0)}
LEARNED = Profile(
    region=hard_region(KEEP, (3, 2), (7, 5)),
    size=(7, 5),
    keep=KEEP,
    targets=("pitch", "yaw"),
    budget=0.5,
    provenance={"pictures": 3},
)


def test_hard_region_extends_by_the_expected_number_of_pixels() -> None:
    left, top, width, height = hard_region(KEEP, (3, 2), (7, 5))
    assert (left * 7, top * 5, width * 7, height * 5) == pytest.approx((1.0, 1.0, 3.75, 4.0))
    mask = soft_mask(KEEP, (3, 2), (7, 5))
    assert mask.shape == (5, 7)
    assert mask.sum() / 35 == pytest.approx(width * height)
    assert mask[2, 3] == 1
    assert mask[1, 1] == pytest.approx(0.75 * 0.9)


@pytest.mark.parametrize(
    ("correction", "expected"),
    [
        ("none", (2.0, 0.75, 1.0, 2.0)),
        ("left-right", (1.375, 1.375, 1.0, 2.0)),
        ("up-down", (2.0, 0.75, 1.5, 1.5)),
        ("centre", (1.375, 1.375, 1.5, 1.5)),
    ],
)
def test_correction_makes_opposite_extents_equal_and_keeps_their_sum(
    correction: str, expected: tuple[float, ...]
) -> None:
    left, top, width, height = hard_region(KEEP, (3, 2), (7, 5), correction)
    extents = 3 - left * 7, (left + width) * 7 - 4, 2 - top * 5, (top + height) * 5 - 3
    assert extents == pytest.approx(expected)


def test_correction_about_a_reference_near_the_edge_stays_in_the_picture() -> None:
    keep = {"left": (1.0,), "right": (1.0, 1.0, 1.0, 1.0, 1.0), "up": (), "down": ()}
    left, _, width, _ = hard_region(keep, (1, 0), (7, 1), "left-right")
    assert (left, width) == pytest.approx((0.0, 1.0))
    left, _, width, _ = hard_region(
        {**keep, "right": (1.0, 0.5, 0.0, 0.0, 0.0)}, (1, 0), (7, 1), "left-right"
    )
    assert (left, width) == pytest.approx((0.0, 3.5 / 7))


@pytest.mark.parametrize("size", [(1, 1), (7, 5), (640, 480), (641, 479), (1283, 961), (33, 4000)])
def test_symmetric_region_has_symmetric_pixels_in_pictures_of_every_size(size: tuple[int, int]) -> None:
    width, height = size
    box = pixel_box((0.25, 0.4, 0.5, 0.2), width, height) if min(size) > 4 else pixel_box((0, 0, 1, 1), *size)
    assert box.left == width - box.right
    assert box.top == height - box.bottom
    if min(size) > 4:
        assert box.width == pytest.approx(width / 2, abs=1)
        assert box.height == pytest.approx(height / 5, abs=1)


def test_whole_picture_is_a_region_and_a_pixel_is_one() -> None:
    assert pixel_box((0, 0, 1, 1), 101, 57) == Box(0, 0, 101, 57)
    assert pixel_box((0.5, 0.5, 0.01, 0.02), 100, 50) == Box(50, 25, 51, 26)


@pytest.mark.parametrize(("where", "pixel"), [((0.5, 0.5), (3, 2)), ((0, 0), (0, 0)), ((1, 1), (6, 4))])
def test_reference_is_a_pixel(where: tuple[float, float], pixel: tuple[int, int]) -> None:
    assert reference_pixel(where, (7, 5)) == pixel


def test_profile_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    write_profile(LEARNED, path)
    back = read_profile(path)
    assert back.region == pytest.approx(LEARNED.region, abs=1e-8)
    assert replace(back, region=LEARNED.region) == LEARNED
    assert profile_to_json(back) == profile_to_json(LEARNED)


def test_profile_written_by_hand_needs_a_region_only() -> None:
    text = '{"format": "texcodec crop profile", "version": 1, "region": [0.25, 0.5, 0.5, 0.25]}'
    profile = profile_from_json(text)
    assert profile.box(1280, 960) == Box(320, 480, 960, 720)
    assert profile.area == 0.125


def changed(**fields: object) -> str:
    return json.dumps(json.loads(profile_to_json(LEARNED)) | fields)


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        (changed(version=2), UnsupportedError, "version 2"),
        (changed(version=None), UnsupportedError, "version None"),
        ("{", ParameterError, "not a crop profile"),
        ("[]", ParameterError, "not a crop profile"),
        ('{"region": [0, 0, 1, 1]}', ParameterError, "not a crop profile"),
        (changed(region=[0.2, 0.2, 0, 0.5]), ParameterError, "is empty"),
        (changed(region=[0.2, 0.2, -1, 0.5]), ParameterError, "is empty"),
        (changed(region=[0, 0, 1.5, 1]), ParameterError, "larger than the picture"),
        (changed(region=[0.6, 0, 0.5, 1]), ParameterError, "larger than the picture"),
        (changed(region=[0, 0, 1]), ParameterError, "four numbers"),
        (changed(region=[0, 0, 1, float("nan")]), ParameterError, "finite"),
        (changed(form="round"), ParameterError, "form"),
        (changed(correction="diagonal"), ParameterError, "correction"),
        (changed(budget=0), ParameterError, "budget"),
        (changed(reference=[0.5, 2]), ParameterError, "reference"),
        (changed(size=[9, 5]), ParameterError, "chain 'left' has 3"),
        (changed(size=None), ParameterError, "'size'"),
        (changed(keep={**KEEP, "left": [0.5, 0.9, 0.1]}), ParameterError, "never rise"),
        (changed(keep={**KEEP, "left": [2, 1, 1]}), ParameterError, "from 1 to 0"),
        (changed(keep=3), ParameterError, "wrong kind"),
    ],
)
def test_profile_that_cannot_be_used_is_refused_by_name(text: str, error: type, says: str) -> None:
    with pytest.raises(error, match=says) as caught:
        profile_from_json(text, "cabin.json")
    assert str(caught.value).startswith("cabin.json")


def test_profile_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="missing.json"):
        read_profile(tmp_path / "missing.json")


def test_region_that_has_no_pixel_in_a_small_picture_is_refused() -> None:
    with pytest.raises(ParameterError, match="empty in a picture of 3 x 2"):
        Profile(region=(0.4, 0.4, 0.1, 0.1)).box(3, 2)


def test_mask_is_the_product_of_its_row_and_column() -> None:
    mask = soft_mask(KEEP, (3, 2), (7, 5))
    np.testing.assert_allclose(mask[0], 0.25 * np.array([0.1, 0.9, 1, 1, 0.5, 0.25, 0]))
