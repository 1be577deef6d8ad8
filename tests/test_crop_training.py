"""Learning a crop: joint training, the budget it keeps, interrupted runs. Needs torch."""

from __future__ import annotations

import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_runs import names, texcodec
from PIL import Image

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from texcodec.crop import read_profile  # noqa: E402
from texcodec.crop.labels import Labelled, load_labels  # noqa: E402
from texcodec.errors import ParameterError, StreamError  # noqa: E402
from texcodec.tiles import Box  # noqa: E402
from texcodec.training.crop.learn import Outcome, learn_crop, load_predictor, split  # noqa: E402
from texcodec.training.crop.learner import CropSettings, Learner, chain_learning_rate  # noqa: E402

SPOTS = Box(3, 10, 30, 15)
"""Two spots, at the ends of this box, tell the two targets; everything else is noise."""


def advance(learner: Learner, until: int) -> None:
    """Take steps up to one."""
    while learner.step < until:
        learner.advance()


def spots(count: int, seed: int) -> Labelled:
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, (count, 2))
    pixels = random.normal(128, 20, (count, 25, 33))
    pixels[:, 10:15, 3:8] += 60 * values[:, :1, None]
    pixels[:, 10:15, 25:30] += 60 * values[:, 1:, None]
    return Labelled(np.clip(pixels, 0, 255).astype(np.uint8)[..., None], values, ("a", "b"))


def data_with(data: Labelled, at: int) -> Labelled:
    """The data with a second target that differs in one picture only."""
    values = data.values.copy()
    values[at, 1] = 6
    return Labelled(data.pixels, values, data.targets)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labelled pictures in files."""
    path = tmp_path_factory.mktemp("spots")
    data = spots(400, 1)
    lines = ["file,a,b"]
    for i, (pixels, (a, b)) in enumerate(zip(data.pixels, data.values)):
        Image.fromarray(pixels[:, :, 0]).save(path / f"{i}.png")
        lines.append(f"{i}.png,{a},{b}")
    (path / "labels.csv").write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def learned(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with profile.json and profile.work, learned on the command line."""
    out = tmp_path_factory.mktemp("learned")
    given = ["--budget", "0.3", "--side", "33", "--steps", "490", "--batch", "32", "--threads", "1"]
    assert texcodec("crop", "train", folder / "labels.csv", "--out", out / "profile.json", *given) == 0
    return out


def test_learned_region_holds_what_the_task_needs_within_the_budget(learned: Path) -> None:
    profile = read_profile(learned / "profile.json")
    box = profile.box(33, 25)
    assert box.left <= SPOTS.left + 1 and box.right >= SPOTS.right - 1
    assert box.top <= SPOTS.top and box.bottom >= SPOTS.bottom
    assert 0.95 * 0.3 <= profile.area < 0.3
    assert profile.targets == ("a", "b")
    assert profile.box(1283, 961).width == pytest.approx(1283 * profile.region[2], abs=1)


def test_learned_network_is_as_good_on_the_region_alone(learned: Path) -> None:
    errors = read_profile(learned / "profile.json").provenance["errors"]
    for error in errors.values():
        assert error["hard"] < 0.4 * error["mean"]


def test_work_folder_has_what_it_should(learned: Path) -> None:
    assert names(learned / "profile.work") == [
        "checkpoint.pt", "curve.csv", "network.json", "network.safetensors", "probabilities.png", "region.png",
    ]  # fmt: skip
    curve = (learned / "profile.work" / "curve.csv").read_text().splitlines()
    assert curve[0] == "step,task,cost,budget"
    assert [int(line.split(",")[0]) for line in curve[1:]] == list(range(20, 491, 20))
    with Image.open(learned / "profile.work" / "probabilities.png") as image:
        assert image.width / image.height == pytest.approx(33 / 25, rel=0.01)


def test_predictor_reads_the_region_only(learned: Path) -> None:
    predictor = load_predictor(learned / "profile.work")
    fresh = spots(100, 2)
    assert predictor.targets == ("a", "b")
    found = predictor.predict(fresh.pixels)
    assert np.abs(found - fresh.values).mean() < 0.2
    x, y, w, h = predictor.facts["region"]
    other = np.full_like(fresh.pixels, 9)
    other[:, y : y + h, x : x + w] = fresh.pixels[:, y : y + h, x : x + w]
    np.testing.assert_array_equal(found, predictor.predict(other))


def test_predictor_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no trained network"):
        load_predictor(tmp_path)


SHORT = CropSettings(budget=0.4, warm_up=4, joint=12, finish=4, batch=8, width=4)


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """The folder and the outcome of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("straight")
    return folder, learn_crop(spots(40, 3), SHORT, out=folder / "a.json", work=folder / "a")


@pytest.mark.parametrize(("at", "name"), [(3, "SIGINT"), (11, "SIGTERM"), (18, "SIGINT")])
def test_interrupted_run_goes_on_to_the_same_profile(
    at: int, name: str, straight: tuple[Path, Outcome], tmp_path: Path
) -> None:
    def stop(done: int, _total: int) -> None:
        if done == at:
            signal.raise_signal(getattr(signal, name))

    data, (folder, outcome) = spots(40, 3), straight
    with pytest.raises(KeyboardInterrupt):
        learn_crop(data, SHORT, out=tmp_path / "b.json", work=tmp_path / "b", progress=stop)
    assert not (tmp_path / "b.json").exists()
    torch.manual_seed(99)
    resumed = learn_crop(data, SHORT, out=tmp_path / "b.json", work=tmp_path / "b")
    assert resumed == outcome
    assert (folder / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    curves = [(place / "curve.csv").read_text().splitlines() for place in (folder / "a", tmp_path / "b")]
    assert [line.split(",")[0] for line in curves[0]] == [line.split(",")[0] for line in curves[1]]


def test_output_that_cannot_be_written_is_refused_before_the_first_step(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="no directory"):
        learn_crop(spots(40, 3), SHORT, out=tmp_path / "absent" / "a.json", work=tmp_path / "a")
    assert names(tmp_path) == []


def test_work_folder_of_another_run_is_refused(straight: tuple[Path, Outcome], tmp_path: Path) -> None:
    work = shutil.copytree(straight[0] / "a", tmp_path / "a")
    with pytest.raises(ParameterError, match="other settings or pictures"):
        learn_crop(spots(40, 4), SHORT, out=tmp_path / "a.json", work=work)
    (work / "checkpoint.pt").write_bytes(b"not one")
    with pytest.raises(ParameterError, match="checkpoint.pt is damaged"):
        learn_crop(spots(40, 3), SHORT, out=tmp_path / "a.json", work=work)


@pytest.mark.parametrize("form", ["isotropic", "symmetric", "free"])
@pytest.mark.parametrize("correction", ["none", "left-right", "up-down", "centre"])
def test_every_form_with_every_correction_gives_a_sound_profile(form: str, correction: str) -> None:
    settings = CropSettings(
        budget=0.5, form=form, correction=correction, reference=(0.4, 0.6), warm_up=1, joint=6, finish=1, batch=4,
        width=4,
    )  # fmt: skip
    learner = Learner(spots(20, 5), settings)
    advance(learner, settings.steps)
    profile = learner.profile({})
    assert 0.95 * 0.5 <= learner.chains.cost() < 0.5
    assert profile.area == pytest.approx(learner.chains.cost(), rel=1e-4)
    x, y = learner.pixel
    box = learner.hard_box()
    opposite = [("left", "right"), ("up", "down")]
    for shared in {"isotropic": [opposite[0] + opposite[1]], "symmetric": opposite, "free": []}[form]:
        shortest = min(len(profile.keep[name]) for name in shared)
        assert correction != "none" or len({profile.keep[name][:shortest] for name in shared}) == 1
    if correction in ("left-right", "centre"):
        assert abs((x - box.left) - (box.right - 1 - x)) <= 1 or box.left == 0
    if correction in ("up-down", "centre"):
        assert abs((y - box.top) - (box.bottom - 1 - y)) <= 1 or box.bottom == 25


@pytest.mark.parametrize("budget", [0.012, 0.15, 0.9, 1.0])
@pytest.mark.parametrize("joint", [1, 2, 7])
def test_cost_is_in_the_band_however_short_the_training(budget: float, joint: int) -> None:
    settings = replace(SHORT, budget=budget, joint=joint, chain_learning_rate=chain_learning_rate(joint))
    learner = Learner(spots(20, 5), settings)
    advance(learner, settings.steps)
    assert 0.95 * budget <= learner.profile({}).area < budget


def test_budget_of_next_to_no_pixels_is_refused() -> None:
    with pytest.raises(ParameterError, match="less than 3 x 3 pixels of the 33 x 25"):
        Learner(spots(20, 5), replace(SHORT, budget=0.01))


def test_learning_for_a_given_region_sees_nothing_else() -> None:
    data = spots(60, 6)
    changed = Labelled(data.pixels.copy(), data.values, data.targets)
    changed.pixels[:, :8] = 0
    region = Box(3, 9, 30, 16)
    found = []
    for pictures in (data, changed):
        learner = Learner(pictures, SHORT, region)
        learner.level, learner.contrast = 128.0, 40.0
        advance(learner, 6)
        found.append(learner.predict(data))
    np.testing.assert_allclose(*found, atol=1e-5)
    assert learner.worked == 6 * 8 * (30 - 0) * (16 - 8)


@pytest.mark.parametrize(
    "wrong", [{"budget": 0.0}, {"budget": 1.5}, {"joint": -1}, {"batch": 0}, {"form": "round"}]
)
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        Learner(spots(4, 1), CropSettings(**wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_pictures_are_refused(count: int) -> None:
    with pytest.raises(ParameterError, match=f"There are {count} pictures"):
        split(spots(count, 1), seed=1)


def test_target_that_only_held_out_pictures_tell_is_refused() -> None:
    data = spots(20, 1)
    data.values[:, 1] = 5
    refused = 0
    for i in range(20):
        try:
            split(data_with(data, i), seed=1)
        except ParameterError as error:
            assert "'b' is the same in nearly all" in str(error)
            refused += 1
    assert refused == 3


def test_one_target_of_any_size_is_learned(tmp_path: Path) -> None:
    data = spots(300, 7)
    data = Labelled(data.pixels, 5e6 + 2e5 * data.values[:, :1], ("litres",))
    settings = CropSettings(
        budget=0.3,
        warm_up=30,
        joint=80,
        finish=60,
        batch=32,
        chain_learning_rate=chain_learning_rate(80),
        width=8,
    )
    outcome = learn_crop(data, settings, out=tmp_path / "p.json", work=tmp_path / "w")
    assert outcome.profile.targets == ("litres",)
    error = outcome.errors["litres"]
    assert error["mean"] > 5e4
    assert error["hard"] < 0.5 * error["mean"]
    assert load_predictor(tmp_path / "w").predict(data.pixels).shape == (300, 1)


@pytest.mark.parametrize("size", [(1, 9), (9, 1), (7, 40)])
def test_narrow_pictures_are_learned_from(size: tuple[int, int]) -> None:
    width, height = size
    random = np.random.default_rng(1)
    values = random.uniform(0, 1, (12, 1))
    pixels = np.broadcast_to((200 * values)[:, :, None, None], (12, height, width, 1)).astype(np.uint8)
    learner = Learner(Labelled(pixels, values, ("a",)), SHORT)
    advance(learner, SHORT.steps)
    assert learner.profile({}).area == pytest.approx(learner.chains.cost(), rel=1e-4)
    assert np.isfinite(learner.predict(Labelled(pixels, values, ("a",)))).all()


def test_constant_column_is_refused_on_the_command_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "labels.csv").write_text(f"file,a\n{folder / '0.png'},1\n{folder / '1.png'},1\n")
    assert texcodec("crop", "train", tmp_path / "labels.csv", "--out", tmp_path / "p.json") == 2
    assert "nothing to learn" in capsys.readouterr().err
    assert names(tmp_path) == ["labels.csv"]


def test_labels_are_read_as_they_were_saved(folder: Path) -> None:
    data = load_labels(folder / "labels.csv", side=33)
    np.testing.assert_array_equal(data.pixels, spots(400, 1).pixels)


def test_provenance_tells_how_to_learn_it_again(learned: Path) -> None:
    provenance = json.loads((learned / "profile.json").read_text())["provenance"]
    assert provenance["settings"]["budget"] == 0.3
    assert provenance["pictures"] == 400
    assert provenance["held_out"] == 60
    assert provenance["labels"] == "labels.csv"
