"""The inner loop: schedule, checkpoints, skipped steps, interruption, curves. Needs torch."""

from __future__ import annotations

import csv
import errno
import os
import signal
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from training_samples import Parabola, StepClock, crop_loop, sampler, stage, started  # noqa: E402

from texcodec import ParameterError, StreamError  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint, write_checkpoint  # noqa: E402
from texcodec.training.core.descent import MOST_IN_A_ROW  # noqa: E402
from texcodec.training.core.loop import Loop  # noqa: E402
from texcodec.training.core.prefetch import ahead  # noqa: E402
from texcodec.training.core.reports import Report  # noqa: E402
from texcodec.training.core.settings_json import OLD_NAMES  # noqa: E402
from texcodec.training.core.stopping import Stopped  # noqa: E402
from texcodec.training.pictures.crops import CropTask  # noqa: E402
from texcodec.training.pictures.objectives import typical_cost  # noqa: E402
from texcodec.training.pictures.resident import DevicePictures  # noqa: E402


def weights(loop: Loop) -> list[torch.Tensor]:
    return [p.clone() for p in [*loop.task.modules.parameters(), *loop.average.parameters()]]


def parabola_loop(folder: Path, steps: int, task: Parabola | None = None, **options: Any) -> Loop:
    return Loop(
        task or Parabola(), stage(steps, learning_rate=1e-2), folder, "t", **{"clock": StepClock(), **options}
    )


def test_training_lowers_the_cost(tmp_path: Path) -> None:
    loop = crop_loop(tmp_path, stage(60, batch=4, checkpoint_seconds=1e9))
    first, last = [], []
    for step in range(60):
        loop.step(loop.task.draw(np.random.default_rng(step)))
        (first if step < 15 else last).append(loop._means()["loss"])
        loop._counted = 0
    assert np.mean(last[-15:]) < 0.85 * np.mean(first)


def test_loss_of_a_stage_is_the_cost_over_its_usual_size(tmp_path: Path) -> None:
    loop = crop_loop(tmp_path, stage(5))
    batch = loop.task.draw(np.random.default_rng(0))
    torch.manual_seed(3)
    terms = loop.task.cost(batch, torch.device("cpu"))
    torch.manual_seed(3)
    x, t = batch.tensors["pixels"].float(), batch.tensors["t"]
    halo = batch.fixed[0]
    coded = loop.task.modules(x, t, batch.tensors["classes"], halo=halo)
    target = x if halo else x[..., 16:-16, 16:-16]
    error = (coded.pixels - target).square().mean((1, 2, 3))
    weight = 0.0002 * (0.512 / 0.0002) ** t
    loss = ((coded.bits / 64**2 + weight * error) / (1.2 * (weight / 0.013) ** 0.45)).mean()
    assert terms.loss.item() == pytest.approx(loss.item(), rel=1e-4)
    assert typical_cost(torch.tensor(0.013)).item() == pytest.approx(1.2)


def test_learning_rate_rises_and_falls_as_a_cosine(tmp_path: Path) -> None:
    loop = Loop(Parabola(), stage(100, learning_rate=1.0, last_learning_rate=0.2), tmp_path, "t")
    rates = []
    for loop.steps in (0, 1, 2, 50, 100):
        rates.append(loop.learning_rate())
    assert rates == pytest.approx([0.001, 0.5, 1.0, 0.6, 0.2], rel=2e-3)


def test_average_of_the_weights_is_what_is_kept(tmp_path: Path) -> None:
    loop = parabola_loop(tmp_path, 5)
    start = value = loop.task.modules.value.item()
    average = start
    for step in range(1, 6):
        loop.step(loop.task.draw(np.random.default_rng(0)))
        value = loop.task.modules.value.item()
        decay = (1 + step) / (10 + step)
        average = decay * average + (1 - decay) * value
    assert loop.average.value.item() == pytest.approx(average, rel=1e-5) and value < start


def test_linear_transform_learns_slowly_and_frozen_parameters_not_at_all(tmp_path: Path) -> None:
    loop = crop_loop(tmp_path, stage(3, freeze=("transforms.", "log_steps")))
    before = {k: p.clone() for k, p in loop.task.modules.named_parameters()}
    loop.run()
    moved = {k: (p - before[k]).abs().max().item() for k, p in loop.task.modules.named_parameters()}
    assert all(v == 0 for k, v in moved.items() if k.startswith(("transforms.", "log_steps")))
    fast = max(v for k, v in moved.items() if k.startswith("entropy."))
    assert 0 < moved["linear.analysis"] < 0.1 * fast
    for k, p in loop.average.named_parameters():
        assert torch.equal(p, before[k]) or not k.startswith("transforms.")


def test_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = crop_loop(tmp_path / "whole", stage(8))
    whole.run()
    parts = crop_loop(tmp_path / "parts", stage(8))
    interrupt_after(parts, 3)
    with pytest.raises(Stopped, match=r"Stopped after 3 steps.*continues from .*t\.pt"):
        parts.run()
    again = crop_loop(tmp_path / "parts", stage(8))
    assert (again.steps, again.elapsed) == (3, 3.0)
    again.run()
    assert (again.steps, again.elapsed) == (8, 8.0)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))


def test_checkpoint_of_an_earlier_version_goes_on_as_its_own(tmp_path: Path) -> None:
    whole = crop_loop(tmp_path / "whole", stage(4))
    whole.run()
    parts = crop_loop(tmp_path / "parts", stage(4))
    interrupt_after(parts, 2)
    with pytest.raises(Stopped):
        parts.run()
    state = read_checkpoint(parts.checkpoint)
    old = {new: name for name, new in OLD_NAMES.items()}
    state["settings"]["stage"] = {old.get(k, k): v for k, v in state["settings"]["stage"].items()}
    assert {"rate", "last_rate", "linear_rate"} <= state["settings"]["stage"].keys()
    write_checkpoint(parts.checkpoint, state)
    again = crop_loop(tmp_path / "parts", stage(4))
    again.run()
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(again), strict=True))


def interrupt_after(loop: Loop, steps: int, number: int = signal.SIGINT) -> None:
    step = loop.step

    def and_then(batch: object) -> None:
        step(batch)
        if loop.steps == steps:
            os.kill(os.getpid(), number)

    loop.step = and_then  # type: ignore[method-assign]


def test_termination_is_like_an_interrupt(tmp_path: Path) -> None:
    loop = parabola_loop(tmp_path, 50)
    interrupt_after(loop, 4, signal.SIGTERM)
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Stopped):
        loop.run()
    assert read_checkpoint(loop.checkpoint)["steps"] == 4
    assert signal.getsignal(signal.SIGTERM) is handler


def test_finished_stage_is_not_run_again(tmp_path: Path) -> None:
    parabola_loop(tmp_path, 5).run()
    again = parabola_loop(tmp_path, 5)
    assert again.finished
    again.run()
    assert again.steps == 5 and parabola_loop(tmp_path, 9).finished is False


def test_checkpoint_of_other_settings_names_what_differs(tmp_path: Path) -> None:
    crop_loop(tmp_path, stage(2), context={"architecture": {"classes": 3}}).run()
    with pytest.raises(
        ParameterError, match=r"stage\.batch: 3 before, 2 now; architecture\.classes: 3 before, 4 now"
    ):
        crop_loop(tmp_path, stage(2, batch=2), context={"architecture": {"classes": 4}})
    # what only steers the rest of the run may change
    crop_loop(tmp_path, stage(4, learning_rate=1e-4, clip=0.5), context={"architecture": {"classes": 3}})


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\3\4"])
def test_damaged_checkpoint_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "t.pt").write_bytes(content)
    with pytest.raises(ValueError, match="t.pt is damaged"):
        parabola_loop(tmp_path, 1)


def test_file_that_is_something_else_of_torch_is_no_checkpoint(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "t.pt")
    with pytest.raises(ValueError, match="t.pt is damaged"):
        parabola_loop(tmp_path, 1)


def test_full_disk_keeps_the_checkpoint_before_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parabola_loop(tmp_path, 5).run()
    before, names, logged = (tmp_path / "t.pt").read_bytes(), sorted(os.listdir(tmp_path)), []
    fsync = os.fsync

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    loop = Loop(
        Parabola(),
        stage(12, learning_rate=1e-2, checkpoint_seconds=3.0),
        tmp_path,
        "t",
        clock=StepClock(),
        log=logged.append,
    )
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StreamError, match="t.pt: No space left on device; free some space"):
        loop.run()
    assert loop.steps == 12
    assert logged and all("goes on" in s and "free some space" in s for s in logged)
    assert (tmp_path / "t.pt").read_bytes() == before and sorted(os.listdir(tmp_path)) == names
    monkeypatch.setattr(os, "fsync", fsync)
    assert parabola_loop(tmp_path, 12).steps == 5


def test_step_that_is_not_finite_changes_nothing_and_is_counted(tmp_path: Path) -> None:
    loop = parabola_loop(tmp_path, 9, Parabola(poison={4, 6}))
    seen = []
    step = loop.step

    def and_look(batch: object) -> None:
        step(batch)
        seen.append((loop.task.modules.value.item(), float(loop.optimizer.state[loop.parameters[0]]["step"])))

    loop.step = and_look  # type: ignore[method-assign]
    loop.run()
    assert seen[3] == seen[2] and seen[5] == seen[4] and seen[4] != seen[3]
    assert loop.skipped == 2 and loop.steps == 9 and all(np.isfinite(seen).ravel())
    assert read_checkpoint(loop.checkpoint)["skipped"] == 2


@pytest.mark.parametrize("poison", [set(range(7, 400)), {n for n in range(7, 1000) if n % 2}])
def test_losses_that_stay_not_finite_end_the_training(tmp_path: Path, poison: set[int]) -> None:
    loop = Loop(
        Parabola(poison),
        stage(2000, learning_rate=1e-4, checkpoint_seconds=2.0),
        tmp_path,
        "t",
        clock=StepClock(),
    )
    with pytest.raises(FloatingPointError, match=r"not finite.*lower the learning rate.*t\.pt stays"):
        loop.run()
    assert loop.skipped >= MOST_IN_A_ROW
    kept = read_checkpoint(loop.checkpoint)
    assert np.isfinite(kept["modules"]["value"].item())
    # the advice can be followed: a lower learning rate continues
    assert Loop(Parabola(), stage(2000, learning_rate=1e-5), tmp_path, "t").steps == kept["steps"]


def test_crops_with_latents_that_are_not_numbers_are_skipped(tmp_path: Path) -> None:
    codec = started()
    with torch.no_grad():
        codec.log_steps.fill_(float("nan"))
    loop = crop_loop(tmp_path, stage(2), codec=codec)
    before = [p.clone() for p in codec.entropy.parameters()]
    loop.run()
    assert loop.skipped == 2
    assert all(torch.equal(a, b) for a, b in zip(before, codec.entropy.parameters(), strict=True))


def test_curves_are_a_csv_file_with_a_header(tmp_path: Path) -> None:
    loop = crop_loop(tmp_path, stage(2))
    loop.run()
    Loop(loop.task, stage(3), tmp_path, "t", clock=StepClock()).run()
    rows = list(csv.DictReader((tmp_path / "t.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "3"]
    names = ["step", "seconds", "loss", "bpp", "psnr", "gradient_norm", "learning_rate", "skipped"]
    assert list(rows[0]) == names
    assert float(rows[0]["bpp"]) > 0 and float(rows[0]["psnr"]) > 5


def test_curves_go_to_tensorboard_where_it_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[tuple[str, float, int]] = []

    class Writer:
        def __init__(self, folder: str) -> None:
            assert folder == str(tmp_path / "tensorboard" / "t")

        def add_scalar(self, name: str, value: float, step: int) -> None:
            written.append((name, value, step))

        def close(self) -> None:
            written.append(("closed", 0.0, 0))

    module = types.ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    report = Report(tmp_path, "t", visible=True, log=print)
    report.add({"step": 7, "loss": 0.5})
    report.close()
    assert written == [("loss", 0.5, 7), ("closed", 0.0, 0)]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)  # as where it is not installed
    report = Report(tmp_path, "u", visible=True, log=print)
    report.add({"step": 7, "loss": 0.5})
    report.close()
    assert (tmp_path / "u.csv").exists()


def test_bar_tells_rate_quality_loss_and_time_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stderr", stream)
        report = Report(tmp_path, "parent", visible=True, log=print)
        report.show(1 / 12, 600.0, "0.457 bpp, 31.23 dB, loss 0.9876")
        report.close()
        text = stream.getvalue()
        assert ("parent" in text and "0.457 bpp, 31.23 dB, loss 0.9876, 1:50:00 left" in text) is shown
        assert bool(text) is shown


def test_curves_that_cannot_be_written_do_not_end_the_training(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    logged: list[str] = []
    loop = parabola_loop(tmp_path, 3, log=logged.append)
    loop.run()
    assert loop.steps == 3 and len(logged) == 1 and "t.csv cannot be written" in logged[0]


def test_step_that_is_no_cuda_graph_runs_plainly_with_a_notice(tmp_path: Path) -> None:
    logged: list[str] = []
    loop = crop_loop(tmp_path / "a", stage(3), log=logged.append)

    def refuse(batch: object) -> None:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    loop.graphs = refuse  # type: ignore[assignment]
    plain = crop_loop(tmp_path / "b", stage(3))
    loop.run(), plain.run()
    assert len(logged) == 1 and "cannot run as a CUDA graph (operation not permitted" in logged[0]
    assert all(torch.equal(a, b) for a, b in zip(weights(loop), weights(plain), strict=True))


def test_pictures_on_the_device_give_the_same_training(tmp_path: Path) -> None:
    settings = stage(3, batch=6, balance="classes")
    cpu = torch.device("cpu")
    results = []
    for resident in (False, True):
        crops, codec = sampler(settings, thresholds=(2.0, 6.0)), started(specialised=True)
        pictures = DevicePictures(crops.arrays, 64, cpu) if resident else None
        task = CropTask(codec, crops, settings, resident=pictures)
        batch = task.draw(np.random.default_rng(0))
        assert ("where" in batch.tensors, batch.fixed[1]) == (resident, (2, 2, 2))
        loop = Loop(task, settings, tmp_path / str(resident), "t", clock=StepClock())
        loop.run()
        results.append(weights(loop))
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b, atol=1e-5)


def test_batches_drawn_ahead_are_the_same_and_errors_arrive() -> None:
    def draws() -> Any:
        yield from range(5)
        raise ValueError("no more")

    got = []
    with pytest.raises(ValueError, match="no more"):
        for item in ahead(iter(draws())):
            got.append(item)
    assert got == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("counts", [(2, 1, 1), (0, 3, 1), (4, 0, 0)])
def test_sorted_batches_with_known_groups_give_the_same(counts: tuple[int, ...]) -> None:
    codec = started(specialised=True).eval()
    with torch.no_grad():
        for p in codec.parameters():  # so that classes differ
            p.add_(0.01 * torch.randn_like(p))
    classes = torch.repeat_interleave(torch.arange(3), torch.tensor(counts))
    x, t = 255 * torch.rand(4, 3, 64, 64), torch.rand(4)
    plain = codec(x, t, classes, halo=True, rounding="hard")
    known = codec(x, t, classes, halo=True, rounding="hard", groups=counts)
    assert torch.allclose(plain.bits, known.bits, rtol=1e-5)
    assert torch.allclose(plain.pixels, known.pixels, atol=1e-3)
    assert torch.equal(plain.symbols, known.symbols)
