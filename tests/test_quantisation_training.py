"""``texcodec train --quantise``: entropy networks trained as exported, with helpers or without. Needs torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from cli_runs import save_photograph  # noqa: E402
from integer_oracle import convolve, worst_input  # noqa: E402
from pictures import photograph  # noqa: E402
from training_samples import SMALLEST, StepClock, sampler, stage, started  # noqa: E402

from texcodec import ParameterError  # noqa: E402
from texcodec.cli.app import run  # noqa: E402
from texcodec.networks import IntegerNetwork, check_bound  # noqa: E402
from texcodec.quantisation import IntegerLayer  # noqa: E402
from texcodec.registry import load_set  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint  # noqa: E402
from texcodec.training.core.fixed_point import IntegerConv, activation, compute_as_exported  # noqa: E402
from texcodec.training.core.integer_export import export_conv, integer_arrays  # noqa: E402
from texcodec.training.core.loop import Loop  # noqa: E402
from texcodec.training.core.settings_json import from_json  # noqa: E402
from texcodec.training.pictures import graphs  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.crops import CropTask  # noqa: E402
from texcodec.training.pictures.entropy_model import SliceContext  # noqa: E402
from texcodec.training.pictures.joined_entropy import STRUCTURES, JoinedCropTask, check_exportable  # noqa: E402
from texcodec.training.pictures.restore import restore_codec  # noqa: E402
from texcodec.training.pictures.settings import ENTROPY_ONLY, QuantiseSettings, TrainingSettings  # noqa: E402
from texcodec.training.pictures.work_folder import codec_of, saved_settings  # noqa: E402


def rough(codec: Codec, size: float = 0.3) -> Codec:
    """A codec whose entropy networks do something: their last layers start at zero."""
    torch.manual_seed(3)
    with torch.no_grad():
        for p in codec.entropy.parameters():
            p.add_(size * torch.randn_like(p))
    return codec


def integer_layer(layer: IntegerConv) -> tuple[IntegerLayer, int]:
    """A layer for the oracle, and its shift."""
    weight, bias, shift = export_conv(layer)
    step = np.float32(1 / 32)
    return IntegerLayer(weight, bias, 0, -255, 255, step, np.ones(len(bias), np.float32)), shift


@pytest.mark.parametrize("kernel, final, size", [(1, 0, 0.1), (3, 0, 0.02), (3, 0, 3.0), (1, 6, 1.0)])
def test_twin_that_computes_as_exported_has_the_sums_of_the_oracle(
    kernel: int, final: int, size: float
) -> None:
    torch.manual_seed(kernel)
    layer = IntegerConv(20, 12, kernel, final_outputs=final)
    with torch.no_grad():
        layer.weight.copy_(size * torch.randn_like(layer.weight))
        layer.bias.copy_(size * torch.randn_like(layer.bias))
    layer.as_exported = True
    exported, shift = integer_layer(layer)
    check_bound(exported.weight, exported.bias, 255, "layer")
    windows = [worst_input(exported, c, sign=s) for c in range(12) for s in (1, -1)]
    windows += [np.random.default_rng(0).integers(-255, 256, windows[0].shape)]
    x = np.stack(windows)
    sums = convolve(x, exported, stride=(1, 1), padding=(kernel // 2,) * 2)
    # the worst window really is near the bound: a layer that fills its range reaches half of it
    assert np.abs(sums).max() < 2**24
    found = layer(torch.from_numpy(x).float() / 32).detach().double()
    unit = torch.ones(12, 1, 1, dtype=torch.float64)
    unit[final or 12 :] = 0.5
    bits = shift + (4 if final else 5) - 5
    half = 2 ** (shift - 1)
    assert torch.equal(found * unit * 2.0 ** (bits + 5), torch.from_numpy(sums).double() - half)
    if not final:
        assert torch.equal(
            activation(found.float()) * 32, torch.from_numpy(sums >> shift).clamp(0, 255).float()
        )


def test_bits_are_as_many_as_the_bound_allows() -> None:
    layer = IntegerConv(64, 8, 3)
    with torch.no_grad():
        layer.weight.fill_(0.9)
    bits = int(layer.integers().bits)
    sums = np.abs(export_conv(layer)[0].astype(int)).sum((1, 2, 3)).max() * 255
    assert sums < 2**24 <= 2.2 * sums and 3 <= bits < 13
    with torch.no_grad():
        layer.weight.fill_(1e-4)
    assert int(layer.integers().bits) == 13


def test_gradients_pass_through_the_rounding_of_weights() -> None:
    torch.manual_seed(0)
    plain = IntegerConv(6, 4, 3)
    rounded = IntegerConv(6, 4, 3)
    rounded.load_state_dict(plain.state_dict())
    rounded.as_exported = True
    x = torch.randint(0, 256, (2, 6, 5, 5)) / 32
    for layer in (plain, rounded):
        layer(x).sum().backward()
    assert torch.equal(plain.weight.grad, rounded.weight.grad)
    assert torch.equal(plain.bias.grad, rounded.bias.grad)
    assert not torch.equal(plain(x), rounded(x))


def test_entropy_model_predicts_what_the_exported_networks_predict() -> None:
    a, codec = SMALLEST, rough(started())
    model = codec.entropy
    compute_as_exported(model)
    arrays, shifts = integer_arrays(model.hyper, "h")
    weights = {k.removeprefix("h."): v for k, v in arrays.items()}
    hyper = IntegerNetwork("h", graphs.hyper_synthesis(a, shifts), weights)
    random = np.random.default_rng(0)
    z = random.integers(-31, 32, (1, a.hyper_channels, 3, 2))
    planes = np.zeros((1, 1 + a.classes), np.float32)
    planes[0, :2] = 77, 32
    spread = np.broadcast_to(planes[:, :, None, None], (*planes.shape, 3, 2))
    theirs = hyper(hyper=np.concatenate([4 * z, spread], 1).astype(np.float32))
    mine = model.hyper(torch.from_numpy(z).float(), torch.from_numpy(planes) / 32)
    assert np.array_equal(mine.detach().numpy() * 32, theirs) and theirs.std() > 1
    for k, step in enumerate(model.steps):
        assert isinstance(step, SliceContext)
        arrays, shifts = integer_arrays(step, "c")
        weights = {n.removeprefix("c."): v for n, v in arrays.items()}
        size = step.squeeze.in_channels if k else 0
        network = IntegerNetwork("c", graphs.slice_context(a, size, step.outputs, shifts), weights)
        context = random.integers(-255, 256, (1, size, 12, 8)).astype(np.float32)
        given = {"context": context} if k else {}
        out = network(features=theirs, **given)
        mean, scale = step(mine, torch.from_numpy(context) / 32 if k else None)
        assert np.array_equal(mean.detach().numpy() * 16, out[:, : step.outputs])
        assert np.array_equal(scale.detach().numpy(), np.clip(out[:, step.outputs :], 0, 63))


def helped(codec: Codec, n: int, **changes: Any) -> JoinedCropTask:
    settings = stage(4, freeze=ENTROPY_ONLY, balance="classes")
    compute_as_exported(codec.entropy)
    quantise = QuantiseSettings(entropy=True, helpers=n, **changes)
    return JoinedCropTask(codec, sampler(settings), settings, quantise=quantise)


def draw(task: CropTask) -> Any:
    return task.draw(np.random.default_rng(1))


def test_helpers_begin_as_the_network_that_they_help() -> None:
    task = helped(rough(started(specialised=True)), 1)
    torch.manual_seed(0)
    terms = task.cost(draw(task), torch.device("cpu"))
    torch.manual_seed(0)
    plain = CropTask.cost(task, draw(task), torch.device("cpu"))
    assert float(terms.extras["helped"]) == 0 and torch.equal(terms.rate, plain.rate)
    assert float(terms.loss.detach()) == pytest.approx(1.1 * float(plain.loss.detach()), rel=1e-5)


@pytest.mark.parametrize("n", [1, 2])
def test_helpers_and_the_entropy_networks_learn_and_only_these(tmp_path: Path, n: int) -> None:
    codec = rough(started(specialised=True))
    task = helped(codec, n)
    before = {k: v.clone() for k, v in codec.state_dict().items()}
    Loop(task, task.settings, tmp_path, "entropy", clock=StepClock(), context=context_of(codec)).run()
    after = codec.state_dict()
    moved = {k.split(".")[0] for k, v in after.items() if not torch.equal(v, before[k])}
    assert moved == {"entropy", STRUCTURES}
    still = [k for k, v in after.items() if k.startswith(STRUCTURES) and torch.equal(v, before[k])]
    assert not still
    # and they are gone from what is exported
    kept = codec_of(read_checkpoint(tmp_path / "entropy.pt"), tmp_path / "entropy.pt")
    assert not hasattr(kept, STRUCTURES)
    assert set(kept.state_dict()) == {k for k in after if not k.startswith(STRUCTURES)}


def context_of(codec: Codec) -> dict[str, Any]:
    from texcodec.training.core.settings_json import to_json

    return {"architecture": to_json(codec.architecture)}


def test_stopped_stage_with_helpers_goes_on_with_them(tmp_path: Path) -> None:
    task = helped(rough(started(specialised=True)), 1)
    Loop(task, task.settings, tmp_path, "entropy", clock=StepClock()).run()
    again = helped(rough(started(specialised=True)), 1)
    Loop(again, again.settings, tmp_path, "entropy", clock=StepClock())
    mine, theirs = task.codec.state_dict(), again.codec.state_dict()
    assert mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)
    torch.manual_seed(0)
    first = task.cost(draw(task), torch.device("cpu")).loss
    torch.manual_seed(0)
    assert torch.equal(first, again.cost(draw(again), torch.device("cpu")).loss)


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"helpers": 1}, "switch quantise.entropy on"),
        ({"entropy": True, "helpers": 9}, "helpers must be from 0 to 8"),
        ({"entropy": True, "helpers": -1}, "helpers must be from 0 to 8"),
        ({"auxiliary": -0.1}, "must not be negative"),
        ({"distillation": float("inf")}, "must not be negative"),
        ({"bits": 1}, "'bits' is not a setting of quantise"),
    ],
)
def test_wrong_settings_are_refused(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ParameterError, match=sentence):
        from_json(TrainingSettings(), {"quantise": changes})


def test_networks_that_cannot_meet_the_bound_are_refused_before_training() -> None:
    codec = started()
    check_exportable(codec.entropy)
    with torch.no_grad():
        codec.entropy.steps[1].joint.weight.fill_(9000.0)
    with pytest.raises(ParameterError, match=r"steps\.1\.joint .* 2\^24"):
        check_exportable(codec.entropy)


def train(*arguments: object) -> int:
    return run(["train", *map(str, arguments), "--device", "cpu"])


def photos(folder: Path, count: int = 3) -> Path:
    folder.mkdir()
    for seed in range(count):
        save_photograph(folder / f"{seed}.png", 200, 160, seed=seed)
    return folder


def test_command_refuses_what_would_do_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, work = photos(tmp_path / "photos", 1), tmp_path / "work"
    common = [pictures, "--work", work, "--preset", "tiny", "--steps", 2]
    assert train(*common, "--stage", "parent", "--quantise", "entropy") == 2
    assert "--quantise entropy needs a stage" in capsys.readouterr().err
    assert train(*common, "--stage", "entropy", "--helpers", 1) == 2
    assert "switch quantise.entropy on" in capsys.readouterr().err
    assert train(*common, "--stage", "entropy", "--quantise", "everything") == 2
    assert not (work / "entropy.pt").exists() and not (work / "parent.pt").exists()


def test_quantised_training_makes_a_sound_set_of_the_rate_of_its_float_twin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, out, work = photos(tmp_path / "photos"), tmp_path / "mine", tmp_path / "work"
    common = [pictures, "--work", work, "--from", "tiny-1"]
    options = ["--quantise", "entropy", "--quantise", "synthesis", "--helpers", 1]
    assert train(*common, "--stage", "entropy", "--steps", 6, *options) == 0
    state = read_checkpoint(work / "entropy.pt")
    assert any(k.startswith(STRUCTURES) for k in state["average"])
    assert state["settings"]["quantise"]["helpers"] == 1
    assert "helped" in (work / "entropy.csv").read_text().splitlines()[0]
    few = tmp_path / "few.json"
    few.write_text(json.dumps({"export": {"statistics_batches": 8}}))
    assert train(*common, "--stage", "export", "--settings", few, "--out", out) == 0
    load_set(out).verify()  # proves the bound of every layer
    kept = codec_of(state, work / "entropy.pt")
    pixels = torch.from_numpy(photograph(192, 128, seed=9)).permute(2, 0, 1)[None].float()
    for t in (0.2, 0.5, 0.8):
        bits = []
        for exported in (False, True):
            compute_as_exported(kept.entropy, exported)
            with torch.no_grad():
                where = torch.tensor([t]), torch.tensor([1])
                bits.append(float(kept(pixels, *where, halo=True, rounding="nearest").bits))
        assert bits[0] != bits[1] and bits[1] == pytest.approx(bits[0], rel=0.01)
    stored = saved_settings(work)
    assert stored is not None and stored.quantise == QuantiseSettings(True, True, 1)
    # the stage is not repeated by a run that does not quantise, but neither is it mixed up
    capsys.readouterr()
    assert train(*common, "--stage", "entropy", "--steps", 9) == 2
    assert "quantise" in capsys.readouterr().err
    again = restore_codec(out)  # training goes on from what was rounded
    for key, value in again.state_dict().items():
        assert torch.allclose(value, kept.state_dict()[key], atol=1e-2, rtol=1e-3), key
