"""``texcodec crop`` and the options that take a profile, through the command line. No torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SET, names, save_photograph, texcodec
from PIL import Image

from texcodec.crop import Profile, write_profile
from texcodec.crop.profile import profile_to_json

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "profile.json"
    write_profile(Profile(region=(0.25, 0.5, 0.5, 0.25)), path)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save_photograph(tmp_path / "photo.png", 301, 200)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("outside", ["drop", "coarse"])
def test_from_picture_to_region(
    outside: str, photo: Path, profile: Path, tmp_path: Path, capsys: Captured
) -> None:
    tcx, whole, part = (tmp_path / name for name in ("photo.tcx", "whole.png", "part.png"))
    given = ["--crop", profile, "--outside", outside, "--models", SET, "--tile", "128"]
    assert texcodec("encode", photo, tcx, *given) == 0
    assert texcodec("decode", tcx, whole) == 0
    assert texcodec("decode", tcx, part, "--crop-only") == 0
    np.testing.assert_array_equal(pixels(part), pixels(whole)[100:150, 75:226])
    if outside == "drop":
        assert (pixels(whole)[:90] == 128).all()
    assert texcodec("info", tcx) == 0
    words = {"drop": "left out", "coarse": "coded coarsely"}[outside]
    assert f"151 x 50 at 75,100; the tiles outside are {words}" in capsys.readouterr().out
    assert texcodec("info", "--json", tcx) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["crop"] == {"region": [75, 100, 151, 50], "outside": outside}
    assert facts["format_version"] == "1.1"
    assert facts["origin"] == [75, 100]


def test_file_without_a_crop_says_so(photo: Path, tmp_path: Path, capsys: Captured) -> None:
    tcx = tmp_path / "photo.tcx"
    assert texcodec("encode", photo, tcx, "--models", SET) == 0
    assert texcodec("info", "--json", tcx) == 0
    assert json.loads(capsys.readouterr().out)["crop"] is None
    assert texcodec("decode", tcx, tmp_path / "part.png", "--crop-only") == 2
    assert "no crop" in capsys.readouterr().err
    assert not (tmp_path / "part.png").exists()


def test_options_that_contradict_each_other_are_refused(
    photo: Path, tmp_path: Path, capsys: Captured
) -> None:
    assert texcodec("encode", photo, "--outside", "drop") == 2
    assert "--outside needs --crop" in capsys.readouterr().err
    assert texcodec("decode", tmp_path / "x.tcx", "--crop-only", "--region", "0,0,1,1") == 2
    assert "exclude each other" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["encode", "apply"])
@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ('"version": 9', 4, "version 9"),
        ('"region": [0, 0, 2, 1]', 2, "larger than the picture"),
        ('"region": [0.5, 0.5, 0, 0]', 2, "is empty"),
        ('"region": [0.5, 0.5, 0.0001, 0.0001]', 2, "empty in a picture of 301 x 200"),
    ],
)
def test_profiles_that_cannot_be_used_are_refused(
    command: str, change: str, code: int, says: str, photo: Path, tmp_path: Path, capsys: Captured
) -> None:
    path = tmp_path / "other.json"
    key = change.split(":")[0]
    lines = profile_to_json(Profile(region=(0.25, 0.5, 0.5, 0.25))).splitlines()
    path.write_text("\n".join(f"  {change}," if line.startswith(f"  {key}") else line for line in lines))
    before = names(tmp_path)
    given = ["crop", "apply", path, photo]
    if command == "encode":
        given = ["encode", photo, "--crop", path, "--models", SET]
    assert texcodec(*given) == code
    assert says in capsys.readouterr().err
    assert names(tmp_path) == before


def test_apply_crops_pictures_of_several_sizes(photo: Path, profile: Path, tmp_path: Path) -> None:
    other = save_photograph(tmp_path / "other.png", 64, 48, seed=2)
    assert texcodec("crop", "apply", profile, photo, other, "--out-dir", tmp_path / "out") == 0
    assert names(tmp_path / "out") == ["other.png", "photo.png"]
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "photo.png"), pixels(photo)[100:150, 75:226])
    np.testing.assert_array_equal(pixels(tmp_path / "out" / "other.png"), pixels(other)[24:36, 16:48])


def test_apply_keeps_alpha_and_names_its_output_after_the_input(profile: Path, tmp_path: Path) -> None:
    rgba = np.random.default_rng(1).integers(0, 256, (40, 40, 4)).astype(np.uint8)
    Image.fromarray(rgba).save(tmp_path / "a.png")
    assert texcodec("crop", "apply", profile, tmp_path / "a.png") == 0
    np.testing.assert_array_equal(pixels(tmp_path / "a.crop.png"), rgba[20:30, 10:30])
    assert texcodec("crop", "apply", profile, tmp_path / "a.png") == 1  # it is there already


def test_show_draws_the_region(photo: Path, profile: Path, tmp_path: Path) -> None:
    assert texcodec("crop", "show", profile, photo, tmp_path / "shown.png") == 0
    shown, before = pixels(tmp_path / "shown.png").astype(int), pixels(photo)
    np.testing.assert_array_equal(shown[110:140, 90:200], before[110:140, 90:200])
    assert shown[:90].mean() < 0.5 * before[:90].mean()


def test_show_needs_something_to_draw(profile: Path, tmp_path: Path, capsys: Captured) -> None:
    assert texcodec("crop", "show", profile) == 2
    assert texcodec("crop", "show", profile, "--probabilities", tmp_path / "p.png") == 2
    assert "no probabilities" in capsys.readouterr().err
    keep = {"left": (0.5,), "right": (0.5,), "up": (), "down": ()}
    write_profile(Profile(region=(0, 0, 1, 1), size=(3, 1), keep=keep), profile)
    assert texcodec("crop", "show", profile, "--probabilities", tmp_path / "p.png") == 0
    assert pixels(tmp_path / "p.png").shape == (258, 774, 3)


def test_faces_can_be_drawn_from_the_command_line(tmp_path: Path) -> None:
    assert texcodec("crop", "faces", tmp_path / "f", "--count", 3, "--people", 2, "--width", 32) == 0
    assert names(tmp_path / "f") == ["00000.png", "00001.png", "00002.png", "labels.csv"]


def test_drawn_faces_replace_nothing_unless_told(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "labels.csv").write_text("mine")
    given = ["crop", "faces", tmp_path, "--count", 2, "--people", 1, "--width", 32]
    assert texcodec(*given) == 1
    assert "labels.csv exists" in capsys.readouterr().err
    assert (tmp_path / "labels.csv").read_text() == "mine"
    assert names(tmp_path) == ["labels.csv"]
    assert texcodec(*given, "--force") == 0
    assert names(tmp_path) == ["00000.png", "00001.png", "labels.csv"]


def test_apply_needs_pictures(profile: Path, capsys: Captured) -> None:
    assert texcodec("crop", "apply", profile) == 2
    assert "Name pictures" in capsys.readouterr().err
