"""Open training: the portable checkpoint, the log over runs and machines, precision. Needs torch."""

from __future__ import annotations

import copy
import json
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import SMALLEST, Parabola, crop_loop, photos, stage  # noqa: E402

from texcodec.cli.app import run  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint, write_checkpoint  # noqa: E402
from texcodec.training.core.descent import adam  # noqa: E402
from texcodec.training.core.loop import Loop  # noqa: E402
from texcodec.training.core.settings_json import to_json  # noqa: E402
from texcodec.training.pictures.architecture import Architecture  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.half_precision import choose_precision  # noqa: E402
from texcodec.training.pictures.portable import portable_bytes, portable_steps, read_portable  # noqa: E402
from texcodec.training.pictures.sampler import BIN_EDGES  # noqa: E402

CONTEXT = {"architecture": to_json(SMALLEST), "thresholds": [8.0, 18.0]}
CPU = torch.device("cpu")


def trained(folder: Path, steps: int) -> Loop:
    """A loop that has taken so many steps, with its checkpoint."""
    loop = crop_loop(folder, stage(steps), context=CONTEXT)
    loop.run()
    return loop


def test_portable_checkpoint_keeps_the_average_exactly_and_the_rest_closely(tmp_path: Path) -> None:
    loop = trained(tmp_path, 12)
    state = read_checkpoint(loop.checkpoint)
    (tmp_path / "p.safetensors").write_bytes(portable_bytes(state, tmp_path))
    again = read_portable(tmp_path / "p.safetensors")
    assert portable_steps(tmp_path / "p.safetensors") == 12
    for key in ("steps", "pixels", "skipped", "elapsed", "settings"):
        assert again[key] == state[key]
    for key, value in state["average"].items():
        assert torch.equal(again["average"][key], value), key
    for key, value in state["modules"].items():
        apart = (value - state["average"][key]).abs().max()
        assert (again["modules"][key] - value).abs().max() <= 1e-3 * apart + 1e-7, key
    before, after = state["optimizer"]["state"], again["optimizer"]["state"]
    assert before.keys() == after.keys()
    for i, moments in before.items():
        assert moments["step"] == after[i]["step"] == 12
        assert torch.allclose(moments["exp_avg"], after[i]["exp_avg"], rtol=2**-8, atol=0)
        root, found = moments["exp_avg_sq"].sqrt(), after[i]["exp_avg_sq"].sqrt()
        assert ((found > 0) == (root > 0)).all()
        # two bits of mantissa, down to 2^-29 of the largest
        assert torch.allclose(root, found, rtol=0.126, atol=float(root.max()) * 2**-29)


def test_training_goes_on_from_a_portable_checkpoint_as_from_its_own(tmp_path: Path) -> None:
    state = read_checkpoint(trained(tmp_path / "a", 40).checkpoint)
    (tmp_path / "p.safetensors").write_bytes(portable_bytes(state, tmp_path))
    (tmp_path / "b").mkdir()
    write_checkpoint(tmp_path / "b" / "t.pt", read_portable(tmp_path / "p.safetensors"))
    losses = []
    for name in "ab":
        loop = crop_loop(tmp_path / name, stage(60), context=CONTEXT)
        assert (loop.steps, loop.pixels) == (40, 40 * 3 * 64**2)
        loop._random = {}  # the same noise in both
        loop.run()
        rows = (tmp_path / name / "t.csv").read_text().splitlines()
        losses.append(float(rows[-1].split(",")[2]))
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


def test_checkpoint_of_generation_3_has_at_most_24_megabytes(tmp_path: Path) -> None:
    architecture = Architecture(profile=2, slices=(16, 48, 80, 112, 256))
    codec, settings = Codec(architecture), stage(1)
    optimizer, _ = adam(codec, settings)
    for p in codec.parameters():
        p.grad = torch.randn_like(p)
    optimizer.step()
    state = {
        "modules": codec.state_dict(),
        "average": copy.deepcopy(codec).state_dict(),
        "optimizer": optimizer.state_dict(),
        "objective": {},
        **{"steps": 1, "pixels": 1, "elapsed": 1.0, "skipped": 0},
        "settings": {"stage": to_json(settings), "architecture": to_json(architecture)},
    }
    (tmp_path / "p.safetensors").write_bytes(portable_bytes(state, tmp_path))
    parameters = sum(p.numel() for p in codec.parameters())
    assert 9 * parameters < (tmp_path / "p.safetensors").stat().st_size < min(24e6, 9.3 * parameters)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"\x08\0\0\0\0\0\0\0{}      "])
def test_damaged_portable_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "checkpoint.safetensors"
    file.write_bytes(content)
    for read in (read_portable, portable_steps):
        with pytest.raises(ValueError, match="checkpoint.safetensors is damaged"):
            read(file)


def test_budget_of_an_open_run_is_its_own(tmp_path: Path) -> None:
    for run_, total in ((7, 7), (5, 12)):
        loop = Loop(Parabola(), stage(run_, schedule="constant"), tmp_path, "t", open_ended=True)
        assert loop.progress == 0
        loop.run()
        assert loop.steps == total
    # what is not the network itself may be changed, and pixels are counted as they were
    loop = Loop(Parabola(), stage(2, batch=1, decay=0.5), tmp_path, "t", open_ended=True)
    loop.run()
    assert loop.pixels == (12 * 3 + 2 * 1) * 64**2
    endless = Loop(Parabola(), stage(0), tmp_path, "t", open_ended=True)
    assert not endless.finished and endless.progress == 0


def test_constant_learning_rate_rises_at_the_beginning_of_each_run(tmp_path: Path) -> None:
    settings = stage(150, schedule="constant", learning_rate=1.0, clip=1e-3)
    for _ in range(2):
        loop = Loop(Parabola(), settings, tmp_path, "t", open_ended=True)
        assert loop.learning_rate() == pytest.approx(0.01)
        loop.run()
        assert loop.learning_rate() == 1.0


def test_learning_rate_of_an_open_run_can_fall_over_its_own_budget(tmp_path: Path) -> None:
    for _ in range(2):
        loop = Loop(
            Parabola(), stage(50, schedule="cosine", learning_rate=1.0), tmp_path, "t", open_ended=True
        )
        loop.steps += 10  # of this run
        assert loop.learning_rate() > 0.8
        loop.run()
        assert loop.learning_rate() == pytest.approx(0, abs=1e-6)


# the command


def train(*arguments: object) -> int:
    return run(["train", *map(str, arguments), "--device", "cpu"])


def log(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def test_training_goes_on_across_machines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from texcodec.training.pictures import held_out

    monkeypatch.setattr(held_out, "CROPS", 5)
    pictures, folder = photos(tmp_path / "photos"), tmp_path / "next"
    common = [pictures, "--checkpoint", folder]
    assert train(*common, "--preset", "tiny", "--steps", 6) == 0
    assert sorted(p.name for p in folder.iterdir()) == [
        "checkpoint.safetensors",
        "log.jsonl",
        "settings.json",
    ]
    assert (tmp_path / "next.work" / "parent.pt").exists()  # that of the first machine
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["parent"]["schedule"] == "constant" and settings["parent"]["steps"] == 0
    # another machine, by a budget of pixels, with another size of batches
    file = tmp_path / "s.json"
    file.write_text('{"parent": {"batch": 2, "corrected_share": 0.5}}')
    per_step = 2 * 128**2 / 1e9
    options = ["--work", tmp_path / "second", "--settings", file, "--gigapixels", 3.5 * per_step]
    assert train(*common, *options) == 0
    # and the first one again, whose own checkpoint is older by now
    assert train(*common, "--steps", 2) == 0
    lines = log(folder)
    assert [line["steps"] for line in lines] == [6, 4, 2] and lines[-1]["steps_in_all"] == 12
    gigapixels = [line["gigapixels"] for line in lines]
    assert gigapixels == pytest.approx([6 * 4 * per_step, 4 * per_step, 2 * per_step], abs=1e-6)
    assert lines[-1]["gigapixels_in_all"] == pytest.approx(sum(gigapixels), abs=2e-6)
    assert read_portable(folder / "checkpoint.safetensors")["pixels"] == (6 * 8 + 6 * 2) * 128**2
    for line in lines:
        assert line["processor"] and line["threads"] == 1 and line["device"] == "cpu"
        assert line["precision"] in ("float32", "bfloat16") and line["learning_rate"] == 2e-3
        cost = line["held_out"]
        assert cost["log_cost"] == pytest.approx(sum(cost["by_draw"]) / 3)
        assert len(cost["by_texture"]) == len(BIN_EDGES) + 1 and len(cost["by_rate"]) == 3
    # with corrected latents, their cost is there too; a setting of that kind stays
    assert ["held_out_corrected" in line for line in lines] == [False, True, True]
    assert lines[1]["held_out_corrected"]["log_cost"] < lines[1]["held_out"]["log_cost"]
    printed = capsys.readouterr().err
    assert printed.count("with one correction") == 2
    assert "goes on after 10 steps" in printed and "12 steps" not in printed
    assert printed.count("has gained") == 3 and printed.count("Transforms are trained in") == 3
    # its settings hold, and other sizes are another training
    assert train(*common, "--preset", "small", "--steps", 2) == 2
    assert "has settings already" in capsys.readouterr().err


def test_learning_rate_falls_in_a_stage_that_leaves_the_training_open(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, folder, work = photos(tmp_path / "photos", 2), tmp_path / "next", tmp_path / "work"
    assert train(pictures, "--checkpoint", folder, "--preset", "tiny", "--steps", 4) == 0
    kept = {p.name: p.read_bytes() for p in folder.iterdir()}
    common = [pictures, "--checkpoint", folder, "--work", work]
    assert train(*common, "--stage", "anneal", "--steps", 5) == 0
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == kept
    parent, annealed = (read_checkpoint(work / f"{name}.pt") for name in ("parent", "anneal"))
    assert parent["steps"] == 4 and annealed["steps"] == 5
    assert annealed["settings"]["from"] == "parent, 4 steps"
    rows = (work / "anneal.csv").read_text().splitlines()
    assert float(dict(zip(rows[0].split(","), rows[-1].split(",")))["learning_rate"]) < 1e-6
    # classes start from what was annealed
    assert train(*common, "--stage", "specialists", "--steps", 1) == 0
    assert read_checkpoint(work / "specialists.pt")["settings"]["from"] == "anneal, 5 steps"
    # and the training goes on
    assert train(pictures, "--checkpoint", folder, "--steps", 1) == 0
    assert log(folder)[-1]["steps_in_all"] == 5


def test_an_open_training_is_exported_without_another_stage(tmp_path: Path) -> None:
    pictures, folder, out = photos(tmp_path / "photos", 2), tmp_path / "next", tmp_path / "set"
    common = [pictures, "--checkpoint", folder, "--preset", "tiny"]
    assert train(*common, "--work", tmp_path / "w", "--steps", 2) == 0
    work = tmp_path / "elsewhere"
    stages = ["--stage", "export", "--stage", "self-check"]
    assert train(pictures, "--checkpoint", folder, "--work", work, *stages, "--out", out) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["entropy_profile"] == 2
    assert manifest["card"]["self_check"]["over_tables"] == pytest.approx(0, abs=0.2)


def test_gains_tell_luminance_from_chrominance_when_training_begins(tmp_path: Path) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"architecture": {"gains": true}}')
    common = [photos(tmp_path / "photos", 1), "--checkpoint", tmp_path / "next", "--preset", "tiny"]
    assert train(*common, "--settings", file, "--work", tmp_path / "w", "--steps", 1) == 0
    planes = read_checkpoint(tmp_path / "w" / "parent.pt")["average"]["entropy.gains.planes"]
    assert set(planes.tolist()) == {0, 1, 2}


def test_interrupted_open_run_writes_what_it_has(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures, folder = photos(tmp_path / "photos", 1), tmp_path / "next"
    done = threading.Event()
    step = Loop.step

    def and_interrupt(loop: Loop, batch: object) -> None:
        step(loop, batch)
        if loop.steps == 3 and not done.is_set():
            done.set()
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Loop, "step", and_interrupt)
    assert train(pictures, "--checkpoint", folder, "--preset", "tiny") == 130
    printed = capsys.readouterr().err
    assert "Stopped after 3 steps; the same command continues" in printed and "no held-out" not in printed
    assert log(folder)[0]["steps"] == 3 and log(folder)[0]["held_out"] is None
    assert portable_steps(folder / "checkpoint.safetensors") == 3


def test_run_that_was_killed_is_counted_by_the_next(tmp_path: Path) -> None:
    pictures, folder = photos(tmp_path / "photos", 1), tmp_path / "next"
    common = [pictures, "--checkpoint", folder, "--steps", 3]
    assert train(*common, "--preset", "tiny") == 0
    older = {p.name: p.read_bytes() for p in folder.iterdir()}
    assert train(*common) == 0
    for name, content in older.items():  # as if the second run had not come to write its results
        (folder / name).write_bytes(content)
    assert train(*common) == 0
    assert [line["steps"] for line in log(folder)] == [3, 6]


def test_work_folder_of_another_training_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, first, second = photos(tmp_path / "photos", 1), tmp_path / "first", tmp_path / "second"
    common = ["--work", tmp_path / "work", "--steps", 2]
    assert train(pictures, "--checkpoint", first, *common, "--preset", "tiny") == 0
    before = (first / "checkpoint.safetensors").read_bytes()
    assert train(pictures, "--checkpoint", second, "--from", first, *common) != 0
    assert "is that of the training in" in capsys.readouterr().err and not second.exists()
    assert (first / "checkpoint.safetensors").read_bytes() == before
    first.rename(tmp_path / "moved")  # both may move to another machine
    assert train(pictures, "--checkpoint", tmp_path / "moved", *common) == 0
    assert [line["steps_in_all"] for line in log(tmp_path / "moved")] == [2, 4]


def test_pieces_are_there_while_a_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, folder = photos(tmp_path / "photos", 1), tmp_path / "next"
    file = tmp_path / "s.json"
    file.write_text('{"parent": {"checkpoint_seconds": 0}}')
    seen: list[list[str]] = []
    step = Loop.step

    def and_look(loop: Loop, batch: object) -> None:
        seen.append(sorted(p.name for p in folder.iterdir()) if folder.exists() else [])
        step(loop, batch)

    monkeypatch.setattr(Loop, "step", and_look)
    options = ["--preset", "tiny", "--settings", file, "--piece-size", 1, "--steps", 4]
    assert train(pictures, "--checkpoint", folder, *options) == 0
    for steps, names in enumerate(seen[1:], start=1):
        count = len(names) - 1
        pieces = [f"checkpoint-{steps:08d}-{i}of{count}.part" for i in range(1, count + 1)]
        assert count and names == [*pieces, "settings.json"]
    assert [line["steps"] for line in log(folder)] == [4]


@pytest.mark.parametrize(
    "options, sentence",
    [
        (["--out", "set"], "makes no model set"),
        (["--stage", "parent", "--stage", "anneal"], "in a run of its own"),
        (["--from", "tiny-1"], "is no folder of an open training"),
        (["--from", "tiny-1", "--stage", "anneal"], "is no folder of an open training"),
        (["--steps", "0"], "--steps"),
        (["--gigapixels", "-1"], "--gigapixels"),
    ],
)
def test_options_that_contradict_open_training_are_refused(
    tmp_path: Path, options: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = photos(tmp_path / "photos", 1)
    assert train(pictures, "--checkpoint", tmp_path / "next", *options) == 2
    assert sentence in capsys.readouterr().err and not (tmp_path / "next").exists()


def test_checkpoint_of_other_sizes_is_not_trained_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, folder = photos(tmp_path / "photos", 1), tmp_path / "next"
    assert train(pictures, "--checkpoint", folder, "--preset", "tiny", "--steps", 2) == 0
    file = tmp_path / "s.json"
    file.write_text('{"architecture": {"hyper_width": 16}}')
    capsys.readouterr()
    assert train(pictures, "--checkpoint", folder, "--steps", 2, "--settings", file) == 2
    assert "hyper_width: 32 before, 16 now" in capsys.readouterr().err


# precision


@pytest.mark.parametrize(
    "times, half", [((3, 2, 2, 1, 1, 1), True), ((2, 1, 1, 2, 2, 2), False), ((1, 1, 1, 9), False)]
)
def test_precision_is_what_was_measured_to_be_faster(
    tmp_path: Path, times: tuple[int, ...], half: bool
) -> None:
    loop = crop_loop(tmp_path, stage(1))
    before = copy.deepcopy(loop.task.modules.state_dict())
    ticks = [0]
    for seconds in times:
        ticks += [ticks[-1] + 100, ticks[-1] + 100 + seconds]
    clock = iter(ticks[1:])
    codec = loop.task.modules
    sentence = choose_precision(loop.task, codec, CPU, clock=lambda: next(clock))
    assert codec.half_precision is half and f"trained in {'bfloat16' if half else 'float32'}" in sentence
    assert next(clock, None) is None
    assert all(torch.equal(v, before[k]) for k, v in codec.state_dict().items())
    assert all(p.grad is None for p in codec.parameters())
