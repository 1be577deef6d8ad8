"""Entropy profiles of trainings: 2 for new ones, 1 for those that ask or have begun so, never mixed. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from cli_runs import save_photograph
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

import texcodec  # noqa: E402
from texcodec.cli.app import run  # noqa: E402
from texcodec.registry import load_set  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint, write_checkpoint  # noqa: E402
from texcodec.training.pictures.work_folder import WorkFolder  # noqa: E402

PROFILE_1 = {"architecture": {"profile": 1}, "data": {"scales": [1.0]}}


def train(*arguments: object) -> int:
    return run(["train", *map(str, arguments), "--device", "cpu"])


def photos(folder: Path, count: int, width: int = 200, height: int = 160) -> Path:
    folder.mkdir()
    for seed in range(count):
        save_photograph(folder / f"{seed}.png", width, height, seed=seed)
    return folder


def test_a_fusion_network_is_trained_for_whoever_gives_it_a_budget(tmp_path: Path) -> None:
    pictures, file = photos(tmp_path / "photos", 1, 520, 512), tmp_path / "s.json"
    file.write_text('{"fusion": {"steps": 2, "blocks": 14}, "data": {"scales": [1.0]}}')
    common = [pictures, "--work", tmp_path / "work", "--preset", "tiny", "--settings", file]
    assert train(*common, "--steps", 2, "--out", tmp_path / "mine") == 0
    manifest = load_set(tmp_path / "mine").manifest
    assert manifest.entropy_profile == 2 and manifest.fusion and manifest.card["fusion_steps"] == 2


def test_entropy_profile_1_is_trained_for_whoever_asks_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out, file = photos(tmp_path / "photos", 2, 520, 512), tmp_path / "mine", tmp_path / "s.json"
    file.write_text(json.dumps(PROFILE_1))
    command = [pictures, "--out", out, "--preset", "tiny"]
    assert train(*command, "--steps", 10, "--settings", file) == 0
    printed = capsys.readouterr().err
    assert "is of entropy profile 1" in printed and "Fusion: held-out" in printed
    models = load_set(out)
    models.verify()
    card = models.manifest.card
    assert models.manifest.entropy_profile == 1 and models.manifest.fusion
    assert (card["parent_steps"], card["fusion_steps"]) == (6, 1)
    data = texcodec.encode(photograph(150, 140, seed=8), quality=60, models=out)
    assert np.asarray(texcodec.decode(data, models=out)).shape == (140, 150, 3)
    # what began with profile 1 goes on with it, without a word on the command line
    assert train(*command, "--steps", 14, "--stage", "parent") == 0
    assert "is of entropy profile 1" in capsys.readouterr().err
    state = read_checkpoint(tmp_path / "mine.work" / "parent.pt")
    assert (state["steps"], state["settings"]["architecture"]["profile"]) == (14, 1)
    # and is not mixed with the other profile
    assert train(*command, "--steps", 14, "--architecture", "linear") == 2
    printed = capsys.readouterr().err
    assert "codec of other sizes" in printed and "profile: 1 before, 2 now" in printed
    assert train(*command, "--steps", 14, "--architecture", "linear", "--settings", file) == 2
    assert "leave one of them out" in capsys.readouterr().err
    kept = json.loads((tmp_path / "mine.work" / "settings.json").read_text())
    assert kept["architecture"]["profile"] == 1 and kept["parent"]["steps"] == 14
    # a set of profile 1 is continued with its fusion network
    tuned = tmp_path / "tuned"
    assert train(pictures, "--out", tuned, "--from", out, "--steps", 10) == 0
    found = load_set(tuned).manifest
    assert found.entropy_profile == 1 and found.fusion and found.card["fusion_steps"] == 1
    assert train(pictures, "--out", tuned, "--from", out, "--steps", 10, "--architecture", "linear") == 2
    assert "The transforms of mine are of entropy profile 1" in capsys.readouterr().err


def test_finished_stages_are_not_mixed_with_another_profile(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, work, file = photos(tmp_path / "photos", 1), tmp_path / "work", tmp_path / "s.json"
    file.write_text(json.dumps(PROFILE_1))
    common = [pictures, "--work", work, "--preset", "tiny", "--steps", 1]
    assert train(*common, "--stage", "parent", "--architecture", "linear") == 0
    kept = {p.name: p.read_bytes() for p in work.iterdir() if p.is_file()}
    capsys.readouterr()
    assert train(*common, "--stage", "parent", "--stage", "specialists", "--settings", file) == 2
    printed = capsys.readouterr().err
    assert "parent.pt is of a codec of other sizes (profile: 2 before, 1 now" in printed
    assert {p.name: p.read_bytes() for p in work.iterdir() if p.is_file()} == kept


def test_checkpoints_of_versions_with_profile_1_alone_go_on(tmp_path: Path) -> None:
    pictures, work, file = photos(tmp_path / "photos", 1), tmp_path / "work", tmp_path / "s.json"
    file.write_text(json.dumps(PROFILE_1))
    common = [pictures, "--work", work, "--stage", "parent", "--preset", "tiny"]
    assert train(*common, "--steps", 1, "--settings", file) == 0
    state, settings = read_checkpoint(work / "parent.pt"), json.loads((work / "settings.json").read_text())
    later = ("profile", "gains", "nonlinear", "deep_widths", "deep_blocks", "refinement", "post_filter")
    for architecture in (state["settings"]["architecture"], settings["architecture"]):
        for name in later:
            del architecture[name]
    write_checkpoint(work / "parent.pt", state)
    (work / "settings.json").write_text(json.dumps(settings))
    assert train(*common, "--steps", 2) == 0
    state = read_checkpoint(work / "parent.pt")
    assert (state["steps"], state["settings"]["architecture"]["profile"]) == (2, 1)


def test_torch_alone_trains_all_stages_but_fusion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from texcodec.training.__main__ import main

    pictures, work = photos(tmp_path / "photos", 1), tmp_path / "work"
    command = ["train", str(pictures), "--work", str(work), "--device", "cpu"]
    monkeypatch.setattr("sys.argv", [*command, "--preset", "tiny", "--steps", "4"])
    assert main() == 0
    stages = {"parent", "anneal", "specialists", "entropy"}
    assert {p.stem for p in work.glob("*.pt")} == stages
    monkeypatch.setattr("sys.argv", command)  # by the settings in the folder
    assert main() == 0
    assert set(WorkFolder(work).records()) == {"scan", *stages}
