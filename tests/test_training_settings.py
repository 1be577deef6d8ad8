"""The tree of settings: JSON and back, and what is refused. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from texcodec import ParameterError  # noqa: E402
from texcodec.training.core.settings_json import differences, from_json, read_settings, to_json  # noqa: E402
from texcodec.training.core.stage import Budget, ObjectiveSettings, StageSettings  # noqa: E402
from texcodec.training.core.times import minutes  # noqa: E402
from texcodec.training.pictures.architecture import Architecture  # noqa: E402
from texcodec.training.pictures.open_training import settings_of  # noqa: E402
from texcodec.training.pictures.options import declared  # noqa: E402
from texcodec.training.pictures.presets import preset_architecture, preset_settings  # noqa: E402
from texcodec.training.pictures.settings import TrainingSettings  # noqa: E402


def test_settings_survive_json() -> None:
    aim = ObjectiveSettings("bound-rate", bpp=0.4)
    for settings in (TrainingSettings(), preset_settings("tiny", Budget(12.5), seed=3, objective=aim)):
        again = from_json(TrainingSettings(), json.loads(json.dumps(to_json(settings))))
        assert again == settings


def test_part_of_the_tree_changes_only_that_part() -> None:
    base = preset_settings("small", Budget(60))
    changed = from_json(base, {"parent": {"batch": 32, "learning_rate": 1}, "data": {"scales": [1.0]}})
    assert (changed.parent.batch, changed.parent.learning_rate, changed.data.scales) == (32, 1.0, (1.0,))
    assert changed.parent.minutes == base.parent.minutes and changed.specialists == base.specialists


@pytest.mark.parametrize(
    "changes, sentence",
    [
        (
            {"parnet": {}},
            r"'parnet' is not a setting of the settings; those that exist are: architecture, linear_start, data",
        ),
        (
            {"parent": {"bach": 3}},
            r"'bach' is not a setting of parent; those that exist are: minutes, steps, gigapixels, crop",
        ),
        ({"parent": {"batch": 3.5}}, "parent.batch must be a whole number"),
        ({"parent": {"batch": True}}, "parent.batch must be a whole number"),
        ({"parent": {"freeze": "all"}}, "parent.freeze must be a list"),
        ({"parent": {"freeze": [1]}}, "An entry of parent.freeze must be a text"),
        ({"parent": 3}, "parent must be an object"),
        ({"parent": {"crop": 100}}, "parent: crop must be a multiple of 16"),
        ({"parent": {"balance": "none"}}, "balance must be one of texture, classes"),
        ({"parent": {"rounding": "up"}}, "rounding must be one of relaxed, noise"),
        ({"parent": {"objective": {"kind": "bound-rate"}}}, "bound-rate needs a bound"),
        ({"parent": {"learning_rate": 1e-4, "last_learning_rate": 1e-3}}, "at least last_learning_rate"),
        ({"classes": {"thresholds": [9.0, 3.0]}}, "thresholds must rise"),
        ({"classes": {"names": ["a"], "thresholds": []}}, "1 class names for 3 classes"),
        ({"data": {"scales": [2.0]}}, "factors above 0 and at most 1"),
    ],
)
def test_wrong_settings_are_refused_with_a_sentence(changes: dict[str, object], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        from_json(TrainingSettings(), changes)


def test_settings_file_is_named_when_it_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    with pytest.raises(ParameterError, match="mine.json cannot be read"):
        read_settings(file, TrainingSettings())
    file.write_text("{")
    with pytest.raises(ParameterError, match="mine.json is not JSON"):
        read_settings(file, TrainingSettings())
    file.write_text('{"x": 1}')
    with pytest.raises(ParameterError, match="mine.json is wrong: 'x' is not a setting"):
        read_settings(file, TrainingSettings())
    file.write_text('{"seed": 4}')
    assert read_settings(file, TrainingSettings()).seed == 4


def test_differences_are_told_with_the_place_and_both_values() -> None:
    before, now = to_json(StageSettings()), to_json(StageSettings(batch=9, minutes=3))
    assert differences(before, now, frozenset({"minutes"})) == ["batch: 8 before, 9 now"]
    assert differences({"a": {"b": 1}}, {"c": 2}, frozenset()) == [
        "a.b: 1 before, nothing now",
        "c: nothing before, 2 now",
    ]


def test_budget_of_a_run_is_shared_out() -> None:
    settings = preset_settings("tiny", Budget(100, 1000, 2.0))
    stages = (settings.parent, settings.specialists, settings.entropy, settings.fusion, settings.end_to_end)
    assert sum(s.minutes for s in stages) == pytest.approx(100)
    assert 1000 <= sum(s.steps for s in stages) <= 1005
    assert sum(s.gigapixels for s in stages) == pytest.approx(2)
    assert not settings.end_to_end.budgeted and not settings.anneal.budgeted and not settings.fusion.steps
    continued = preset_settings("tiny", Budget(100), continued=True)
    assert not continued.parent.budgeted
    assert continued.specialists.minutes == pytest.approx(
        settings.parent.minutes + settings.specialists.minutes
    )
    assert continued.specialists.learning_rate < settings.parent.learning_rate


def test_presets_are_of_entropy_profile_2_with_linear_transforms() -> None:
    tiny, full = (preset_settings(name, Budget(100)) for name in ("tiny", "full"))
    assert tiny.architecture == preset_architecture("tiny", "linear")
    for settings, slices in ((tiny, (8, 24, 32)), (full, (16, 48, 80, 112, 256))):
        a = settings.architecture
        assert (a.profile, a.slices, a.nonlinear, a.gains) == (2, slices, False, False)
        # a lapped transform leaves no seams: the share of fusion is the parent's
        assert (settings.parent.minutes, settings.fusion.minutes) == (pytest.approx(63), 0)
    assert preset_architecture("small", "nonlinear").nonlinear


def test_preset_of_entropy_profile_1_is_that_of_the_sets_before() -> None:
    settings = preset_settings("full", Budget(100), profile=1)
    std_2 = Path(__file__).resolve().parents[1] / "models" / "std-2" / "manifest.json"
    sizes = json.loads(std_2.read_text("utf-8"))["architecture"]
    assert settings.architecture == from_json(Architecture(), sizes)
    assert (settings.parent.minutes, settings.fusion.minutes) == (pytest.approx(56), pytest.approx(7))
    with pytest.raises(ParameterError, match="belong to entropy profile 2"):
        preset_architecture("full", "nonlinear", profile=1)
    with pytest.raises(ParameterError, match="profile must be 1 or 2"):
        from_json(settings, {"architecture": {"profile": 3}})


def test_both_command_lines_have_the_declared_options() -> None:
    from texcodec.cli.train import command
    from texcodec.training.__main__ import parser

    flags = {option.flag for _, option in declared()}
    clicked = {flag for p in command.params for flag in p.opts if flag.startswith("--")}
    parsed = {flag for action in parser()._actions for flag in action.option_strings}
    assert clicked - flags == {"--out", "--name", "--work", "--licence"}
    assert parsed - flags == {"-h", "--help", "--work"}
    assert flags <= clicked & parsed


@pytest.mark.parametrize(
    "words", [["--steps", "0"], ["--seed", "-1"], ["--helpers", "9"], ["--bpp-bound", "inf"]]
)
def test_both_command_lines_refuse_values_out_of_range(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    import click

    from texcodec.cli.train import command
    from texcodec.training.__main__ import parser

    with pytest.raises(click.BadParameter, match="is not a (whole )?number"):
        command.make_context("train", ["photos", *words])
    with pytest.raises(SystemExit):
        parser().parse_args(["photos", *words])
    assert words[0] in capsys.readouterr().err


def test_settings_of_earlier_versions_are_read_by_their_old_names() -> None:
    old = {"parent": {"rate": 0.5, "last_rate": 0.25, "linear_rate": 0.1}, "fusion": {"rate": 0.125}}
    found = from_json(TrainingSettings(), old)
    parent = found.parent
    assert (parent.learning_rate, parent.last_learning_rate, parent.linear_learning_rate) == (0.5, 0.25, 0.1)
    assert found.fusion.learning_rate == 0.125
    assert not differences({"stage": {"rate": 1.0}}, {"stage": {"learning_rate": 1.0}}, frozenset())


def test_settings_and_sets_of_the_repository_are_read() -> None:
    models = Path(__file__).resolve().parents[1] / "models"
    open_training = settings_of(models / "next")
    assert open_training is not None and open_training.parent.learning_rate > 0
    cards = [json.loads(file.read_text("utf-8"))["card"] for file in models.glob("*/manifest.json")]
    trees = [card["settings"] for card in cards if "settings" in card]
    assert trees and all(from_json(TrainingSettings(), tree).parent.learning_rate > 0 for tree in trees)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("90", 90),
        ("90m", 90),
        ("1h30m", 90),
        ("1h30", 90),
        ("12s", 0.2),
        ("600s", 10),
        ("1.5h", 90),
        ("1m30s", 1.5),
    ],
)
def test_times_are_read_as_people_write_them(text: str, expected: float) -> None:
    assert minutes(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "m", "0", "5 m", "3s2m", "-4", "1e3"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        minutes(text)
