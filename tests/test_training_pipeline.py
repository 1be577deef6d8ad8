"""From pictures to a model set: the whole command, its stages alone, and what it says of bad input. Needs torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from cli_runs import environment, save_photograph
from pictures import photograph
from PIL import Image

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

import texcodec  # noqa: E402
from texcodec.cli.app import run  # noqa: E402
from texcodec.codec.rate_control import psnr  # noqa: E402
from texcodec.registry import load_set  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint  # noqa: E402
from texcodec.training.pictures.work_folder import WorkFolder  # noqa: E402


def train(*arguments: object) -> int:
    return run(["train", *map(str, arguments), "--device", "cpu"])


def photos(folder: Path, count: int = 3, width: int = 200, height: int = 160) -> Path:
    folder.mkdir()
    for seed in range(count):
        save_photograph(folder / f"{seed}.png", width, height, seed=seed)
    return folder


def test_train_command_makes_a_set_that_the_codec_uses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = photos(tmp_path / "photos", 3, 560, 540), tmp_path / "mine"
    assert train(pictures, "--out", out, "--preset", "tiny", "--steps", 54, "--licence", "CC0") == 0
    models = load_set(out)
    models.verify()
    assert models.manifest.entropy_profile == 2 and not models.manifest.fusion
    pixels = photograph(300, 270, seed=8)
    data = texcodec.encode(pixels, quality=60, models=out)
    assert psnr(pixels, np.asarray(texcodec.decode(data, models=out))) > 22
    card = models.manifest.card
    assert card["settings"]["parent"]["steps"] == 35 and card["parent_precision"] in ("float32", "bfloat16")
    assert card["licence"] == "CC0" and card["data"] == "photos" and card["seed"] == 1
    assert card["command"].startswith("texcodec ") and card["cores"] >= 1
    assert (card["parent_steps"], card["entropy_steps"], "fusion_steps" in card) == (35, 4, False)
    assert card["parent_gigapixels"] == 35 * 8 * 128**2 / 1e9
    assert card["self_check"]["pictures"] == 1
    assert card["self_check"]["over_tables"] == pytest.approx(0, abs=0.01)
    printed = capsys.readouterr().err
    assert printed.count("Transforms are trained in") == 3
    assert "Texture of" in printed and "usion" not in printed and "Self-check on 1" in printed
    work = tmp_path / "mine.work"
    assert {"scan", "parent", "specialists", "entropy"} == set(WorkFolder(work).records())
    assert json.loads((work / "settings.json").read_text())["architecture"]["synthesis_width"] == 24
    tuned = tmp_path / "tuned"
    assert train(pictures, "--out", tuned, "--from", out, "--steps", 4) == 0
    assert load_set(tuned).manifest.card["continued_from"] == "mine"
    assert not load_set(tuned).manifest.fusion


def test_stages_run_one_by_one_and_finished_ones_are_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, work, out = photos(tmp_path / "photos"), tmp_path / "work", tmp_path / "mine"
    common = [pictures, "--work", work]
    assert train(*common, "--stage", "parent", "--preset", "tiny", "--steps", 4) == 0
    # curves for TensorBoard are there only where it is installed
    assert sorted(p.name for p in work.iterdir() if p.name != "tensorboard") == [
        "parent.csv",
        "parent.pt",
        "settings.json",
        "stages.json",
    ]
    steps = read_checkpoint(work / "parent.pt")["steps"]
    capsys.readouterr()
    assert (
        train(*common, "--stage", "parent", "--stage", "specialists", "--preset", "tiny", "--steps", 5) == 0
    )
    assert "The stage parent is finished" in capsys.readouterr().err
    assert read_checkpoint(work / "parent.pt")["steps"] == steps
    specialists = read_checkpoint(work / "specialists.pt")
    assert specialists["settings"]["from"] == f"parent, {steps} steps"
    assert any(k.startswith("transforms.2.") for k in specialists["average"])
    # the settings of the work folder hold: neither preset nor time is said again
    assert train(*common, "--stage", "export", "--out", out) == 0
    load_set(out).verify()
    # the parent's part of the five steps were its four; more of them train it on
    assert train(*common, "--stage", "parent", "--preset", "tiny", "--steps", 7) == 0
    assert read_checkpoint(work / "parent.pt")["steps"] == 7


def test_entropy_stage_leaves_the_transforms_alone(tmp_path: Path) -> None:
    pictures, work = photos(tmp_path / "photos"), tmp_path / "work"
    assert train(pictures, "--work", work, "--from", "tiny-1", "--stage", "entropy", "--steps", 3) == 0
    from texcodec.registry import find_set
    from texcodec.training.pictures.restore import restore_codec

    before, after = (
        restore_codec(find_set("tiny-1")).state_dict(),
        read_checkpoint(work / "entropy.pt")["average"],
    )
    changed = {k.split(".")[0] for k in before if not torch.equal(before[k], after[k])}
    assert changed == {"entropy"}


def test_end_to_end_stage_begins_from_nothing(tmp_path: Path) -> None:
    pictures, work, file = photos(tmp_path / "photos", 2, 150, 150), tmp_path / "work", tmp_path / "s.json"
    file.write_text(json.dumps({"end_to_end": {"crop": 144, "batch": 1}, "data": {"scales": [1.0]}}))
    options = ["--preset", "tiny", "--steps", 2, "--settings", file]
    assert train(pictures, "--work", work, "--stage", "end-to-end", *options) == 0
    state = read_checkpoint(work / "end-to-end.pt")
    assert state["settings"]["from"] == "the DCT" and state["steps"] == 2
    assert {k.split(".")[0] for k in state["average"]} == {"codec", "fusion"}
    assert train(pictures, "--work", work, "--stage", "export", "--out", tmp_path / "mine") == 0
    assert load_set(tmp_path / "mine").manifest.fusion


def test_bounded_objective_is_an_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, work = photos(tmp_path / "photos", 1), tmp_path / "work"
    common = [pictures, "--work", work, "--stage", "parent", "--preset", "tiny", "--steps", 2]
    for wrong in (
        ["--bpp-bound", "0.4"],
        ["--objective", "bound-rate"],
        ["--objective", "bound-rate", "--psnr-bound", 30],
    ):
        assert train(*common, *wrong) == 2
    assert capsys.readouterr().err.count("-bound") >= 3
    assert train(*common, "--objective", "bound-rate", "--bpp-bound", "0.4") == 0
    state = read_checkpoint(work / "parent.pt")
    assert state["settings"]["stage"]["objective"]["bpp"] == 0.4 and "log_multiplier" in state["objective"]
    assert "multiplier" in (work / "parent.csv").read_text().splitlines()[0]


def test_interrupt_ends_with_130_and_a_second_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, work = photos(tmp_path / "photos", 2), tmp_path / "work"
    common = [pictures, "--work", work, "--stage", "parent", "--preset", "tiny"]

    def interrupt() -> None:
        while signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # until the loop has begun
            threading.Event().wait(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # should it come before the loop has begun
    try:
        thread.start()
        assert train(*common, "--steps", 1_000_000) == 130
    finally:
        thread.join()
        signal.signal(signal.SIGINT, handler)
    assert "the same command continues" in capsys.readouterr().err
    state = read_checkpoint(work / "parent.pt")
    assert "parent" not in WorkFolder(work).records()
    assert train(*common, "--steps", state["steps"] + 2) == 0
    assert WorkFolder(work).records()["parent"]["steps"] == state["steps"] + 2


def test_checkpoint_of_other_sizes_is_refused_with_what_differs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, work = photos(tmp_path / "photos", 1), tmp_path / "work"
    common = [pictures, "--work", work, "--stage", "parent"]
    assert train(*common, "--preset", "tiny", "--steps", 2) == 0
    kept = (work / "parent.pt").read_bytes()
    assert train(*common, "--preset", "small", "--time", "1h") == 2
    printed = capsys.readouterr().err
    assert "codec of other sizes" in printed and "hyper_channels: 12 before, 48 now" in printed
    assert (work / "parent.pt").read_bytes() == kept


def test_train_without_pictures_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--out", tmp_path / "mine", "--preset", "tiny", "--steps", 5]
    assert train(tmp_path, *common) == 1
    assert "no picture" in capsys.readouterr().err
    for name in ("a.png", "b.jpg"):
        (tmp_path / name).write_bytes(b"no picture")
    assert train(tmp_path, *common) == 1
    printed = capsys.readouterr().err
    assert "b.jpg is left out, as it cannot be read: cannot identify image file" in printed
    assert "(2 files were looked at)" in printed and not (tmp_path / "mine").exists()
    assert train(tmp_path / "missing", *common) == 2
    assert "does not exist" in capsys.readouterr().err


def test_one_picture_smaller_than_a_crop_is_enough(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out = photos(tmp_path / "photos", 1, 40, 30), tmp_path / "mine"
    assert train(pictures, "--out", out, "--preset", "tiny", "--steps", 6) == 0
    load_set(out).verify()
    printed = capsys.readouterr().err
    assert "no held-out pictures" in printed
    command = [pictures, "--out", tmp_path / "tuned", "--from", "tiny-1", "--steps", 3]
    assert train(*command, "--stage", "fusion", "--stage", "export") == 0
    assert "Fusion is not trained" in capsys.readouterr().err


def test_losses_that_are_not_finite_end_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from texcodec.training.core import descent, loop

    monkeypatch.setattr(descent, "MOST_IN_A_ROW", 2)
    options = ["--stage", "parent", "--preset", "tiny", "--steps", 200]
    monkeypatch.setattr(loop.Loop, "_gradients", _not_finite)
    assert train(photos(tmp_path / "photos", 1), "--work", tmp_path / "work", *options) == 1
    assert "was not finite in 2 of the last 2 steps; lower the learning rate" in capsys.readouterr().err


def _not_finite(loop: object, batch: object) -> object:
    from texcodec.training.core.task import Terms

    nothing = torch.tensor(float("nan"))
    for p in loop.parameters:  # type: ignore[attr-defined]
        p.grad = torch.full_like(p, float("nan"))
    return Terms(nothing, nothing, nothing)


def test_train_does_not_write_among_files_that_are_no_model_set(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    Image.fromarray(photograph(140, 130)).save(photo)
    for out in (tmp_path, photo):
        assert train(tmp_path, "--out", out, "--preset", "tiny", "--steps", 1) == 2
        assert "name a" in capsys.readouterr().err
    assert photo.exists() and [p.name for p in tmp_path.iterdir()] == ["photo.png"]


@pytest.mark.parametrize(
    "options, sentence",
    [
        ([], "needs --out"),
        (["--stage", "parent"], "name a folder for the checkpoints with --work"),
        (["--work", "w", "--stage", "export"], "needs --out"),
        (["--work", "w", "--stage", "parent", "--from", "tiny-1"], "trains no parent"),
        (["--work", "w", "--stage", "specialists"], "run the stage parent first"),
        (["--work", "w", "--stage", "parent", "--settings", "none.json"], "cannot be read"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path,
    options: list[str],
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert train(photos(tmp_path / "photos", 1), *options) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "cuda:99"])
def test_device_that_is_not_there_is_refused(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = photos(tmp_path / "photos", 1)
    assert run(["train", str(pictures), "--work", str(tmp_path), "--stage", "parent", "--device", name]) == 2
    wanted = (
        ("There is no cuda:99", "torch finds no CUDA device")
        if name == "cuda:99"
        else (f"'{name}' is no device",)
    )
    printed = capsys.readouterr().err
    assert any(sentence in printed for sentence in wanted)


WITHOUT = """
import sys
for name in ("onnx", "onnxruntime", "constriction", "click", "tqdm", "tensorboard"):
    sys.modules[name] = None
sys.argv[1:] = {arguments!r}
from texcodec.training.__main__ import main
code = main()
print(*[n for n in ("texcodec.codec", "texcodec.images", "texcodec.cli") if n in sys.modules])
sys.exit(code)
"""


def test_training_runs_where_there_is_torch_alone_and_is_exported_elsewhere(tmp_path: Path) -> None:
    pictures, work, out = photos(tmp_path / "photos", 2), tmp_path / "work", tmp_path / "mine"
    arguments = [str(pictures), "--from", "tiny-1", "--work", str(work), "--steps", "6", "--threads", "1"]
    script = WITHOUT.format(arguments=[*arguments, "--stage", "specialists", "--stage", "entropy"])
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
    assert {"specialists.pt", "entropy.pt", "stages.json"} <= {p.name for p in work.iterdir()}
    assert train(pictures, "--from", "tiny-1", "--work", work, "--stage", "export", "--out", out) == 0
    load_set(out).verify()
    assert load_set(out).manifest.card["entropy_steps"] > 0


def test_torch_alone_reports_errors_as_sentences(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "texcodec.training",
            str(tmp_path),
            "--work",
            str(tmp_path / "w"),
            "--device",
            "cpu",
        ],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=300,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.startswith("There is no picture in")
