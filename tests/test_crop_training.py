"""Learning a crop: the chains, the budget, joint training, interrupted runs. Needs torch."""

from __future__ import annotations

import json
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
from texcodec.training.learned_crop.chains import Chains, budget_loss, expected_cost  # noqa: E402
from texcodec.training.learned_crop.learn import learn_crop, load_predictor  # noqa: E402
from texcodec.training.learned_crop.learner import CropSettings, Learner, run  # noqa: E402

SPOTS = Box(3, 10, 30, 15)
"""Two spots, at the ends of this box, tell the two targets; everything else is noise."""


def spots(count: int, seed: int) -> Labelled:
    random = np.random.default_rng(seed)
    values = random.uniform(-1, 1, (count, 2))
    pixels = random.normal(128, 20, (count, 25, 33))
    pixels[:, 10:15, 3:8] += 60 * values[:, :1, None]
    pixels[:, 10:15, 25:30] += 60 * values[:, 1:, None]
    return Labelled(np.clip(pixels, 0, 255).astype(np.uint8)[..., None], values, ("a", "b"))


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


class _Stop:
    """Progress that interrupts at a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, done: int, _total: int) -> None:
        if done == self.at:
            raise KeyboardInterrupt


@pytest.mark.parametrize("at", [3, 11, 18])
def test_interrupted_run_goes_on_to_the_same_profile(at: int, tmp_path: Path) -> None:
    data = spots(40, 3)
    straight = learn_crop(data, SHORT, out=tmp_path / "a.json", work=tmp_path / "a")
    with pytest.raises(KeyboardInterrupt):
        learn_crop(data, SHORT, out=tmp_path / "b.json", work=tmp_path / "b", progress=_Stop(at))
    assert not (tmp_path / "b.json").exists()
    torch.manual_seed(99)
    resumed = learn_crop(data, SHORT, out=tmp_path / "b.json", work=tmp_path / "b")
    assert resumed == straight
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    curves = [(tmp_path / name / "curve.csv").read_text().splitlines() for name in "ab"]
    assert [line.split(",")[0] for line in curves[0]] == [line.split(",")[0] for line in curves[1]]


def test_work_folder_of_another_run_is_refused(tmp_path: Path) -> None:
    learn_crop(spots(40, 3), SHORT, out=tmp_path / "a.json", work=tmp_path / "a")
    with pytest.raises(ParameterError, match="other settings or pictures"):
        learn_crop(spots(40, 4), SHORT, out=tmp_path / "a.json", work=tmp_path / "a")
    (tmp_path / "a" / "checkpoint.pt").write_bytes(b"not one")
    with pytest.raises(ParameterError, match="cannot be read"):
        learn_crop(spots(40, 3), SHORT, out=tmp_path / "a.json", work=tmp_path / "a")


@pytest.mark.parametrize("form", ["isotropic", "symmetric", "free"])
@pytest.mark.parametrize("correction", ["none", "left-right", "up-down", "centre"])
def test_every_form_with_every_correction_gives_a_sound_profile(form: str, correction: str) -> None:
    settings = CropSettings(
        budget=0.5, form=form, correction=correction, reference=(0.4, 0.6), warm_up=1, joint=6, finish=1, batch=4,
        width=4,
    )  # fmt: skip
    learner = Learner(spots(20, 5), settings)
    run(learner, settings.steps)
    profile = learner.profile({})
    assert 0.95 * 0.5 <= float(expected_cost(*learner.chains.axes()).detach()) < 0.5
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


def test_keep_probability_is_the_product_of_all_transitions_before() -> None:
    chains = Chains((3, 2), (7, 5), "free", "none")
    with torch.no_grad():
        chains.logits["left"][:] = torch.tensor([2.0, -1.0, 0.5])
    p = torch.sigmoid(torch.tensor([2.0, -1.0, 0.5]))
    torch.testing.assert_close(chains.keep()["left"].detach(), torch.stack([p[0], p[0] * p[1], p.prod()]))
    rows, columns = chains.axes()
    assert (len(rows), len(columns)) == (5, 7)
    assert rows[2] == columns[3] == 1


def test_draws_are_runs_with_the_frequencies_of_the_chains() -> None:
    torch.manual_seed(1)
    chains = Chains((4, 0), (9, 1), "free", "none", start=1.0)
    rows, columns = chains.sample(4000)
    assert rows.shape == (4000, 1)
    assert (columns[:, 4] == 1).all()
    assert (columns[:, 5:].diff(dim=1) <= 0).all()
    torch.testing.assert_close(columns.mean(0), chains.axes()[1].detach(), atol=0.03, rtol=0)


def test_mirrored_draws_are_symmetric() -> None:
    torch.manual_seed(1)
    _, columns = Chains((4, 0), (9, 1), "free", "left-right", start=1.0).sample(50)
    assert ((columns - columns.flip(1)) == 0).all()
    assert 1 < columns.sum(1).mean() < 9


@pytest.mark.parametrize(("cost", "sign"), [(0.05, -1), (0.09, -1), (0.096, 0), (0.0999, 0), (0.11, 1), (0.9, 1)])
def test_budget_pushes_from_both_sides_and_rests_in_its_band(cost: float, sign: int) -> None:
    at = torch.tensor(cost, requires_grad=True)
    loss = budget_loss(at, 0.1)
    if sign:
        loss.backward()
        assert at.grad is not None
        assert np.sign(float(at.grad)) == sign
    else:
        assert float(loss) == 0
        assert not loss.requires_grad


def test_learning_for_a_given_region_sees_nothing_else() -> None:
    data = spots(60, 6)
    changed = Labelled(data.pixels.copy(), data.values, data.targets)
    changed.pixels[:, :8] = 0
    region = Box(3, 9, 30, 16)
    found = []
    for pictures in (data, changed):
        learner = Learner(pictures, SHORT, region)
        learner.level, learner.contrast = 128.0, 40.0
        run(learner, 6)
        found.append(learner.predict(data))
    np.testing.assert_allclose(*found, atol=1e-5)
    assert learner.worked == 6 * 8 * (30 - 0) * (16 - 8)


@pytest.mark.parametrize("wrong", [{"budget": 0.0}, {"budget": 1.5}, {"joint": -1}, {"batch": 0}, {"form": "round"}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        Learner(spots(4, 1), CropSettings(**wrong))  # type: ignore[arg-type]


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
    told = json.loads((learned / "profile.json").read_text())["provenance"]
    assert told["settings"]["budget"] == 0.3
    assert told["pictures"] == 400
    assert told["held_out"] == 60
    assert told["labels"] == "labels.csv"
