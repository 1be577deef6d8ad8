"""An open training goes on from what its stage anneal has reached in several work folders. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import photos  # noqa: E402

from texcodec.cli.app import run  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint  # noqa: E402
from texcodec.training.pictures import held_out  # noqa: E402
from texcodec.training.pictures.portable import read_portable  # noqa: E402


def train(*arguments: object) -> int:
    return run(["train", *map(str, arguments), "--device", "cpu"])


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Arguments of an open training of four steps."""
    monkeypatch.setattr(held_out, "CROPS", 5)
    common: list[object] = [photos(tmp_path / "photos"), "--checkpoint", tmp_path / "next"]
    assert train(*common, "--preset", "tiny", "--steps", 4) == 0
    return common


def anneal(tmp_path: Path, common: list[object], seed: int, steps: int, **changes: Any) -> Path:
    """The stage in a work folder of its own."""
    file, work = tmp_path / f"{seed}.json", tmp_path / f"work-{seed}"
    file.write_text(json.dumps({"anneal": {"seed": seed, "batch": 4, "learning_rate": 1e-3, **changes}}))
    options = ["--work", work, "--settings", file, "--stage", "anneal", "--steps", steps]
    assert train(*common, *options) == 0
    return work


def test_training_goes_on_from_the_mean_of_two_stages(
    tmp_path: Path, begun: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    works = [anneal(tmp_path, begun, seed, steps) for seed, steps in ((1, 3), (2, 5))]
    reached = [read_checkpoint(work / "anneal.pt")["average"] for work in works]
    before = read_portable(tmp_path / "next" / "checkpoint.safetensors")
    assert train(*begun, "--adopt", works[0], "--adopt", works[1]) == 0
    state = read_portable(tmp_path / "next" / "checkpoint.safetensors")
    apart = 0.0
    for name, value in state["average"].items():
        assert torch.allclose(value, (reached[0][name] + reached[1][name]) / 2, atol=1e-7), name
        assert torch.equal(state["modules"][name], value), name
        apart += float((reached[0][name] - reached[1][name]).abs().sum())
    assert apart > 0 and not state["optimizer"]["state"]
    assert state["steps"] == 4 + 3 + 5
    assert state["pixels"] - before["pixels"] == (3 + 5) * 4 * 128**2
    first, line = log(tmp_path / "next")
    assert line["adopted"] == ["work-1", "work-2"]
    assert (line["steps"], line["steps_in_all"], line["learning_rate"], line["batch"]) == (8, 12, 1e-3, 4)
    assert line["seconds_in_all"] > first["seconds_in_all"]
    assert "has gained" in capsys.readouterr().err
    # and it goes on, in the work folder that it had
    assert train(*begun, "--steps", 2) == 0
    assert log(tmp_path / "next")[-1]["steps_in_all"] == 14


def test_stage_that_began_with_another_checkpoint_is_refused(
    tmp_path: Path, begun: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    work = anneal(tmp_path, begun, 1, 2)
    assert train(*begun, "--steps", 1) == 0
    kept = {p.name: p.read_bytes() for p in (tmp_path / "next").iterdir()}
    capsys.readouterr()
    assert train(*begun, "--adopt", work) == 2
    assert "began with parent, 4 steps, and the training is at parent, 5 steps" in capsys.readouterr().err
    assert {p.name: p.read_bytes() for p in (tmp_path / "next").iterdir()} == kept


def test_work_folders_that_do_not_serve_are_named(
    tmp_path: Path, begun: list[object], capsys: pytest.CaptureFixture[str]
) -> None:
    work = anneal(tmp_path, begun, 1, 2)
    for options, sentence in (
        (["--adopt", tmp_path / "next.work"], "has no finished stage anneal"),
        (["--adopt", work, "--adopt", work], "named twice"),
        (["--adopt", work, "--steps", 2], "trains nothing"),
        (["--adopt", work, "--stage", "anneal"], "trains nothing"),
    ):
        capsys.readouterr()
        assert train(*begun, *options) == 2
        assert sentence in capsys.readouterr().err
    new = [begun[0], "--checkpoint", tmp_path / "new", "--adopt", work]
    assert train(*new) == 2 and "no open training in" in capsys.readouterr().err
    assert train(begun[0], "--work", tmp_path / "w", "--stage", "anneal", "--adopt", work) == 2
    assert "belongs to an open training" in capsys.readouterr().err
    eyes = anneal(tmp_path, begun, 2, 1, objective={"distortion": "ms-ssim"})
    capsys.readouterr()
    assert train(*begun, "--adopt", eyes) == 2
    assert "is for the distortion ms-ssim, and the training for mse" in capsys.readouterr().err
