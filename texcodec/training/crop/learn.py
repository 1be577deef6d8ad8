"""Learning a crop from a CSV file, with a work folder: checkpoints, a curve, pictures (torch).

labels -> parts for learning and for checking -> learner -> profile, network, pictures
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from ... import __version__
from ...crop.drawing import draw_probabilities, draw_region
from ...crop.labels import Labelled
from ...crop.profile import Profile, write_profile
from ...errors import ParameterError, StreamError
from ...files import check_output, write_output
from ..core.checkpoints import read_checkpoint, write_checkpoint
from ..core.stopping import stop_signals
from .learner import CropSettings, Learner
from .network import TaskNetwork, aligned

CHECKPOINT = "checkpoint.pt"
CHECKPOINT_STEPS = 100
CURVE = "curve.csv"
CURVE_STEPS = 20
HELD_OUT = 0.15
"""Part of the pictures that errors are measured on; it is not learned from."""


@dataclass(frozen=True)
class Outcome:
    """What came of learning a crop.

    Attributes:
        profile: with all numbers below in its provenance.
        errors: by target the mean absolute error on held-out pictures: of the hard region, and of always answering
            with the mean.
    """

    profile: Profile
    errors: dict[str, dict[str, float]]


def split(data: Labelled, seed: int) -> tuple[Labelled, Labelled]:
    """Pictures to learn from and to check with.

    Raises:
        ParameterError: there are fewer than three, or a target is constant in those to learn from.
    """
    order = np.random.default_rng(seed).permutation(len(data.values))
    held = max(1, round(HELD_OUT * len(order)))
    if len(order) - held < 2:
        raise ParameterError(f"There are {len(order)} pictures; learning a crop needs at least three.")
    parts = (np.sort(order[held:]), np.sort(order[:held]))
    learned, checked = (Labelled(data.pixels[p], data.values[p], data.targets) for p in parts)
    for name, column in zip(data.targets, learned.values.T):
        if np.ptp(column) == 0:
            raise ParameterError(
                f"The target '{name}' is the same in nearly all pictures, so there is nothing to learn."
            )
    return learned, checked


def learn_crop(
    data: Labelled,
    settings: CropSettings,
    *,
    out: Path,
    work: Path,
    provenance: dict[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Outcome:
    """Learn a crop and write its profile to ``out``.

    The work folder gets a checkpoint, a curve (losses and cost), ``probabilities.png``, ``region.png`` and the
    network (``network.safetensors``, with what it needs in ``network.json``). A run that was stopped goes on from
    its checkpoint.

    Raises:
        ParameterError: there are too few pictures; or the work folder holds a run with other settings or pictures,
            or a damaged checkpoint.
        StreamError: a file cannot be written; what can be seen of that is seen before the first step.
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after the step under way and a checkpoint.
    """
    learned, checked = split(data, settings.seed)
    check_output(out, force=True)
    learner = Learner(learned, settings)
    identity = _identity(learned, settings)
    try:
        work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StreamError(
            f"The folder {work} cannot be made ({error.strerror}); choose another with --work."
        ) from None
    _resume(learner, work / CHECKPOINT, identity)
    curve = _Curve(work / CURVE, learner.step)
    with stop_signals() as stop:
        while learner.step < settings.steps and not stop:
            facts = learner.advance()
            curve.add(learner.step, facts)
            if learner.step % CHECKPOINT_STEPS == 0:
                _save(learner, work / CHECKPOINT, identity)
            if progress:
                progress(learner.step, settings.steps)
        _save(learner, work / CHECKPOINT, identity)
    if stop:
        raise KeyboardInterrupt
    return _finish(learner, checked, out, work, provenance or {})


def _finish(
    learner: Learner, checked: Labelled, out: Path, work: Path, provenance: dict[str, Any]
) -> Outcome:
    found = learner.predict(checked)
    errors = {
        name: {
            "hard": round(float(np.abs(found[:, i] - checked.values[:, i]).mean()), 6),
            "mean": round(float(np.abs(learner.mean[i] - checked.values[:, i]).mean()), 6),
        }
        for i, name in enumerate(checked.targets)
    }
    box = learner.hard_box()
    profile = learner.profile(
        {
            **provenance,
            "texcodec": __version__,
            "pictures": len(learner.values) + len(checked.values),
            "held_out": len(checked.values),
            "settings": _plain(learner.settings),
            "expected_cost": round(learner.chains.cost(), 6),
            "errors": errors,
        }
    )
    size = learner.size
    typical = checked.pixels.mean(0).round().astype(np.uint8)
    _write_png(work / "probabilities.png", draw_probabilities(profile, typical))
    _write_png(work / "region.png", draw_region(checked.pixels[0], box))
    save_file(learner.network.state_dict(), work / "network.safetensors")
    facts = {
        "channels": learner.data.pixels.shape[3],
        "width": learner.settings.width,
        "targets": list(checked.targets),
        "size": list(size),
        "region": [box.left, box.top, box.width, box.height],
        "level": learner.level,
        "contrast": learner.contrast,
        "mean": learner.mean.tolist(),
        "spread": learner.spread.tolist(),
    }
    write_output(work / "network.json", (json.dumps(facts, indent=2) + "\n").encode(), force=True)
    write_profile(profile, out)
    return Outcome(profile, errors)


@dataclass(frozen=True)
class Predictor:
    """The trained task network, run on the learned region alone.

    Attributes:
        targets: names of the values it finds.
        size: width and height that whole pictures are reduced to (``labels.reduce_picture``).
    """

    network: TaskNetwork
    facts: dict[str, Any]

    @property
    def targets(self) -> tuple[str, ...]:
        return tuple(self.facts["targets"])

    @property
    def size(self) -> tuple[int, int]:
        return self.facts["size"][0], self.facts["size"][1]

    def predict(self, pixels: np.ndarray) -> np.ndarray:
        """Values from pictures in working size; uint8 N x height x width x C to float64 N x T.

        Only the region's pixels are read.
        """
        x, y, width, height = self.facts["region"]
        part = np.ascontiguousarray(pixels[:, y : y + height, x : x + width].transpose(0, 3, 1, 2))
        with torch.no_grad():
            scaled = (torch.from_numpy(part).float() - self.facts["level"]) / self.facts["contrast"]
            left, top = aligned(x), aligned(y)
            scaled = torch.nn.functional.pad(scaled, (x - left, 0, y - top, 0))  # 0 is what a mask leaves
            found = self.network(scaled, (left, top)).double().numpy()
        return np.asarray(found * np.array(self.facts["spread"]) + np.array(self.facts["mean"]))


def load_predictor(work: Path) -> Predictor:
    """The network that ``learn_crop`` left in its work folder.

    Raises:
        StreamError: it is not there, or is not one.
    """
    try:
        facts = json.loads((work / "network.json").read_text("utf-8"))
        network = TaskNetwork(facts["channels"], len(facts["targets"]), tuple(facts["size"]), facts["width"])
        network.load_state_dict(load_file(work / "network.safetensors"))
    except Exception as error:
        raise StreamError(f"{work} holds no trained network ({error}); train with --work {work}.") from None
    return Predictor(network.eval(), facts)


class _Curve:
    """A line of CSV for every few steps: means of what was logged since the last one."""

    FIELDS = ("task", "cost", "budget")

    def __init__(self, path: Path, step: int) -> None:
        self.path, self.sums = path, {name: [] for name in self.FIELDS}  # type: ignore[var-annotated]
        lines = path.read_text("ascii").splitlines() if step and path.exists() else []
        kept = [line for line in lines[1:] if int(line.split(",")[0]) <= step]
        path.write_text("\n".join(["step," + ",".join(self.FIELDS), *kept]) + "\n", "ascii")

    def add(self, step: int, facts: dict[str, float]) -> None:
        for name, value in facts.items():
            self.sums[name].append(value)
        if step % CURVE_STEPS == 0:
            means = [f"{math.fsum(v) / len(v):.6g}" if v else "" for v in self.sums.values()]
            with self.path.open("a", encoding="ascii") as file:
                file.write(f"{step},{','.join(means)}\n")
            self.sums = {name: [] for name in self.FIELDS}


def _identity(data: Labelled, settings: CropSettings) -> str:
    digest = hashlib.sha256(json.dumps(_plain(settings)).encode())
    for array in (data.pixels, data.values):
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _plain(settings: CropSettings) -> dict[str, Any]:
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(settings).items()}


def _save(learner: Learner, path: Path, identity: str) -> None:
    write_checkpoint(path, {"identity": identity, **learner.state()})


def _resume(learner: Learner, path: Path, identity: str) -> None:
    if not path.exists():
        return
    try:
        state = read_checkpoint(path, keys={"identity", *learner.state()})
    except ValueError as error:
        raise ParameterError(str(error)) from None
    if state["identity"] != identity:
        raise ParameterError(
            f"{path.parent} holds a run with other settings or pictures; delete it or choose another with --work."
        )
    learner.restore(state)


def _write_png(path: Path, pixels: np.ndarray) -> None:
    from PIL import Image

    write_output(path, lambda file: Image.fromarray(pixels).save(file, "png"), force=True)
