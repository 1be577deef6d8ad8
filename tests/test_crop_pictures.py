"""Pictures for the learned crop: drawn faces, labels from CSV files, drawings of a region. No torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from texcodec.crop import Profile
from texcodec.crop.drawing import draw_probabilities, draw_region
from texcodec.crop.labels import load_labels, working_size
from texcodec.errors import ImageError, ParameterError, StreamError
from texcodec.examples.faces import draw_faces, save_labelled
from texcodec.tiles import Box


def test_faces_are_those_of_the_seed() -> None:
    first, again, other = (draw_faces(3, 65, 49, people=2, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.pixels, again.pixels)
    np.testing.assert_array_equal(first.gaze, again.gaze)
    assert (first.pixels != other.pixels).any()
    assert first.people.tolist() == [0, 1, 0]
    assert first.pixels.shape == (3, 49, 65)


def test_same_face_can_be_drawn_in_any_size() -> None:
    small, large = (draw_faces(2, width, width * 3 // 4, people=2, seed=5) for width in (80, 320))
    np.testing.assert_array_equal(small.gaze, large.gaze)
    for a, b in zip(small.pixels, large.pixels):
        reduced = np.asarray(Image.fromarray(b).resize((80, 60), Image.Resampling.BOX))
        face = np.s_[15:45, 20:60]
        assert np.corrcoef(a[face].ravel(), reduced[face].ravel())[0, 1] > 0.85


@pytest.mark.parametrize("side", [-1, 1])
def test_iris_follows_the_gaze(side: int) -> None:
    drawn = draw_faces(24, 160, 120, people=8, seed=3)
    at = 80 + round(side * 0.24 * 160)
    darkest = []
    for pixels in drawn.pixels:
        eye = pixels[54:67, at - 11 : at + 12].astype(float)
        weight = np.clip(90 - eye, 0, None) ** 2 + 1e-6
        darkest.append([(weight * g).sum() / weight.sum() for g in np.mgrid[:13, :23]])
    rows, columns = np.array(darkest).T
    assert np.corrcoef(columns, drawn.gaze[:, 1])[0, 1] > 0.6
    assert np.corrcoef(rows, drawn.gaze[:, 0])[0, 1] < -0.6


def test_faces_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ParameterError, match="at least one"):
        draw_faces(0, 64, 48, people=1, seed=1)


@pytest.mark.parametrize("size", [(640, 480), (641, 479), (97, 73), (480, 640), (3, 900)])
def test_working_size_is_odd_and_has_the_shape_of_the_picture(size: tuple[int, int]) -> None:
    width, height = working_size(*size, 97)
    assert width % 2 == height % 2 == 1
    assert max(width, height) == 97
    assert width / height == pytest.approx(size[0] / size[1], rel=0.03) or min(width, height) == 1


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_labelled(draw_faces(4, 64, 48, people=2, seed=1), tmp_path)
    return tmp_path


def test_labels_and_pictures_are_read(folder: Path) -> None:
    data = load_labels(folder / "labels.csv", side=33)
    assert data.targets == ("pitch", "yaw")
    assert data.pixels.shape == (4, 25, 33, 1)
    np.testing.assert_allclose(data.values, draw_faces(4, 64, 48, people=2, seed=1).gaze, atol=1e-4)
    assert load_labels(folder / "labels.csv", targets=["yaw"], side=33).values.shape == (4, 1)


def test_one_picture_in_colour_makes_all_colour(folder: Path) -> None:
    Image.open(folder / "00001.png").convert("RGB").save(folder / "00001.png")
    assert load_labels(folder / "labels.csv", side=33).pixels.shape == (4, 25, 33, 3)


def rewrite(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "targets", "error", "says"),
    [
        ("name,yaw\n00000.png,1\n", [], ParameterError, "no column 'file'"),
        ("file,yaw\n00000.png,1\n00001.png,2\n", ["pitch"], ParameterError, "no column 'pitch'; it has yaw"),
        ("file,yaw\n00000.png,1\n00001.png,1\n", [], ParameterError, "'yaw' .* is 1 on every line"),
        ("file,yaw\n00000.png,1\n00001.png,up\n", ["yaw"], ParameterError, "Line 3 .*'up'"),
        ("file,yaw\n00000.png,1\n00001.png,nan\n", ["yaw"], ParameterError, "finite"),
        ("file,yaw\n00000.png,1\n00001.png\n", ["yaw"], ParameterError, "Line 3"),
        ("file,yaw\n00000.png,left\n00001.png,up\n", [], ParameterError, "no column of numbers"),
        ("file,yaw\n00000.png,1\n", [], ParameterError, "at least two"),
        ("file,yaw\n00000.png,1\nmissing.png,2\n", [], ImageError, "'missing.png' on line 3"),
        ("file,yaw\n00000.png,1\nlabels.csv,2\n", [], ImageError, "'labels.csv' on line 3"),
        ("file,yaw\n00000.png,1\n.,2\n", [], ImageError, "'.' on line 3"),
        ("\xff\xfe\0", [], ParameterError, "no column 'file'|not a CSV"),
    ],
)
def test_labels_that_cannot_be_used_are_refused(
    text: str, targets: list[str], error: type, says: str, folder: Path
) -> None:
    with pytest.raises(error, match=says):
        load_labels(rewrite(folder, text), targets=targets, side=33)


def test_labels_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="absent.csv"):
        load_labels(tmp_path / "absent.csv")


def test_pictures_of_another_shape_are_refused(folder: Path) -> None:
    Image.new("L", (64, 64)).save(folder / "00002.png")
    with pytest.raises(ImageError, match="00002.png has 64 x 64"):
        load_labels(folder / "labels.csv", side=33)


def test_region_is_framed_and_the_rest_dimmed() -> None:
    out = draw_region(np.full((30, 40, 1), 200, np.uint8), Box(10, 5, 30, 20))
    assert out.shape == (30, 40, 3)
    assert (out[12, 20] == 200).all()
    assert (out[2, 2] < 100).all()
    assert out[5, 20].tolist() == out[12, 10].tolist() == out[19, 29].tolist() == [255, 48, 48]


def test_probabilities_are_brighter_near_the_reference() -> None:
    keep = {"left": (0.9, 0.5, 0.1), "right": (0.9, 0.5, 0.1), "up": (0.5, 0.0), "down": (0.5, 0.0)}
    profile = Profile(region=(0.25, 0.25, 0.5, 0.5), size=(7, 5), keep=keep)
    out = draw_probabilities(profile, np.zeros((5, 7, 1), np.uint8)).astype(int).sum(2)
    assert out.shape == (5 * 110, 7 * 110)
    assert out[275, 270] > out[275, 30] > out[20, 30]
    with pytest.raises(ParameterError, match="no probabilities"):
        draw_probabilities(Profile(region=(0, 0, 1, 1)))
