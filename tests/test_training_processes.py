"""Several processes that train one model: the same gradients as one, one writer, one end. Needs torch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import environment, save_photograph

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from torch import distributed, multiprocessing  # noqa: E402
from training_samples import StepClock, sampler, stage, started  # noqa: E402

from texcodec.training.core.checkpoints import read_checkpoint  # noqa: E402
from texcodec.training.core.loop import Loop  # noqa: E402
from texcodec.training.core.stopping import Stopped  # noqa: E402
from texcodec.training.core.task import Batch  # noqa: E402
from texcodec.training.pictures.crops import CropTask  # noqa: E402

SETTINGS = stage(3, batch=4)


class Part(CropTask):
    """One of several equal parts of the batches that one process would draw; rounding that draws nothing."""

    def __init__(self, number: int, parts: int) -> None:
        super().__init__(started(), sampler(SETTINGS), SETTINGS)
        self.number, self.parts, self.drawn = number, parts, 0
        self.codec.half_precision = False

    def draw(self, random: np.random.Generator) -> Batch:
        self.drawn += 1
        whole = super().draw(np.random.default_rng(self.drawn))
        return Batch({k: v.chunk(self.parts)[self.number] for k, v in whole.tensors.items()}, whole.fixed)


def without_noise() -> None:
    """Hyper latents are made noisy while training; halves of a batch would get other noise than the whole."""
    torch.rand_like = lambda x: torch.full_like(x, 0.5)  # type: ignore[assignment]


def gradients_of(loop: Loop, found: list[torch.Tensor]) -> None:
    optimize = loop.optimizer.step

    def and_keep() -> None:
        found.append(torch.cat([p.grad.flatten() for p in loop.parameters if p.grad is not None]).clone())
        optimize()

    loop.optimizer.step = and_keep


def worker(number: int, world: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    without_noise()
    distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=number, world_size=world
    )
    found: list[torch.Tensor] = []
    whole = Loop(Part(number, world), SETTINGS, Path(folder) / "whole", "t", clock=StepClock())
    gradients_of(whole, found)
    whole.run()
    stopped = Loop(Part(number, world), SETTINGS, Path(folder) / "stopped", "t", clock=StepClock())
    step = stopped.step

    def and_tell_one(batch: object) -> None:
        step(batch)
        if number == 1 and stopped.steps == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    stopped.step = and_tell_one  # type: ignore[method-assign]
    try:
        stopped.run()
        interrupted = False
    except Stopped:
        interrupted = True
    seen = {"gradients": found, "steps": whole.steps, "stopped": interrupted, "stopped_steps": stopped.steps}
    torch.save(seen, Path(folder) / f"{number}.seen")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], dict[str, Any]]:
    """What two processes did, which train for three steps, and then for two until one of them is told to stop."""
    folder = tmp_path_factory.mktemp("two")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(worker, (2, port, str(folder)), nprocs=2)
    first, second = (torch.load(folder / f"{n}.seen") for n in range(2))
    return folder, first, second


def test_two_processes_have_the_gradients_of_one_with_the_whole_batch(
    two: tuple[Path, dict[str, Any], dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, first, second = two
    monkeypatch.setattr(torch, "rand_like", lambda x: torch.full_like(x, 0.5))
    one = Loop(Part(0, 1), SETTINGS, tmp_path, "t", clock=StepClock())
    found: list[torch.Tensor] = []
    gradients_of(one, found)
    one.run()
    assert len(found) == 3 and first["steps"] == second["steps"] == 3
    for whole, a, b in zip(found, first["gradients"], second["gradients"], strict=True):
        assert torch.equal(a, b)
        assert torch.linalg.norm(whole - a) < 1e-3 * torch.linalg.norm(whole)
    kept = read_checkpoint(folder / "whole" / "t.pt")["modules"]
    for key, value in one.task.modules.state_dict().items():
        assert torch.allclose(kept[key], value, atol=1e-4), key


def test_all_processes_stop_at_the_same_step_when_one_is_told_to(
    two: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    folder, first, second = two
    assert first["stopped"] and second["stopped"]
    assert first["stopped_steps"] == second["stopped_steps"] == 2
    assert read_checkpoint(folder / "stopped" / "t.pt")["steps"] == 2


def test_first_process_writes_all_files(
    two: tuple[Path, dict[str, Any], dict[str, Any]],
) -> None:
    left = {p.name for p in (two[0] / "whole").iterdir()} - {"tensorboard"}
    assert left == {"t.csv", "t.pt"}
    assert len((two[0] / "whole" / "t.csv").read_text().splitlines()) == 2


def test_torchrun_trains_with_the_command(tmp_path: Path) -> None:
    pictures = tmp_path / "photos"
    pictures.mkdir()
    save_photograph(pictures / "a.png", 160, 150)
    arguments = [str(pictures), "--work", str(tmp_path / "work"), "--stage", "parent", "--preset", "tiny"]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node=2",
            "-m",
            "texcodec",
        ]
        + ["train", *arguments, "--steps", "3", "--device", "cpu", "--threads", "1"],
        capture_output=True,
        text=True,
        env={**environment(), "OMP_NUM_THREADS": "1"},
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert read_checkpoint(tmp_path / "work" / "parent.pt")["steps"] == 3
    assert sorted(p.name for p in (tmp_path / "work").iterdir())[:2] == ["parent.csv", "parent.pt"]
