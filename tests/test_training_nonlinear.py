"""Transforms that are not linear: what they start as, what they cost, and the same numbers at run time. Needs torch."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from cli_runs import save_photograph
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from torch import nn  # noqa: E402
from training_samples import SMALLEST, crop_loop, exported, sampler, stage, stirred  # noqa: E402

import texcodec  # noqa: E402
from texcodec.cli.app import run  # noqa: E402
from texcodec.codec.analysis import analyse  # noqa: E402
from texcodec.codec.layout import lay_out  # noqa: E402
from texcodec.codec.workers import Workers  # noqa: E402
from texcodec.constants import MEAN_CHANNELS  # noqa: E402
from texcodec.errors import ParameterError  # noqa: E402
from texcodec.images import Picture  # noqa: E402
from texcodec.registry import ModelSet  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint  # noqa: E402
from texcodec.training.core.settings_json import to_json  # noqa: E402
from texcodec.training.core.task import Batch  # noqa: E402
from texcodec.training.pictures.architecture import Architecture  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.crops import CropTask  # noqa: E402
from texcodec.training.pictures.fusion import Fusion  # noqa: E402
from texcodec.training.pictures.growth import grown  # noqa: E402
from texcodec.training.pictures.presets import preset_architecture  # noqa: E402
from texcodec.training.pictures.start import start_codec, start_rows  # noqa: E402
from texcodec.training.pictures.work_folder import codec_of  # noqa: E402

LINEAR = replace(SMALLEST, profile=2)
NONLINEAR = replace(LINEAR, nonlinear=True, deep_widths=(4, 6, 8), deep_blocks=(1, 2, 1), refinement=4)
LIMIT = 12.0
"""kMAC per pixel to decode, halo, fusion and lapped transform included."""
LAPPING = 3 * 2 * 16 / 1000
"""kMAC per pixel of the lapped transform: along rows and columns, 16 for each sample of three colours."""


def started(architecture: Architecture, linear_start: str = "dct") -> Codec:
    torch.manual_seed(0)
    return start_codec(sampler().batches(4), architecture, linear_start)


def train(*arguments: object) -> int:
    return run(["train", *map(str, arguments), "--device", "cpu"])


def batch(size: int = 64) -> Batch:
    pixels = torch.from_numpy(photograph(size, size, seed=2)).permute(2, 0, 1)[None]
    tensors = {"pixels": pixels, "classes": torch.tensor([1]), "t": torch.tensor([0.5])}
    return Batch(tensors, (True, None, False))


@pytest.fixture(scope="module")
def codec() -> Codec:
    return stirred(started(NONLINEAR))


@pytest.fixture(scope="module")
def models(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return exported(codec, tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    """A linear codec after some steps."""
    folder = tmp_path_factory.mktemp("parent")
    context = {"architecture": to_json(LINEAR), "thresholds": [8.0, 18.0]}
    loop = crop_loop(folder, stage(3), codec=started(LINEAR), context=context)
    loop.run()
    return codec_of(read_checkpoint(loop.checkpoint), folder)


def to_nonlinear(parent: Codec, **sizes: int) -> Codec:
    return grown(parent, replace(NONLINEAR, **sizes), name="models/next", seed=1)


def test_grown_codec_is_the_function_that_its_parent_is(parent: Codec) -> None:
    before, after = parent, to_nonlinear(parent)
    assert grown(parent, LINEAR, name="models/next", seed=1) is parent
    assert sum(p.numel() for p in after.parameters()) > sum(p.numel() for p in before.parameters())
    x = torch.from_numpy(photograph(96, 80, seed=3)).permute(2, 0, 1)[None].float()
    for halo in (True, False):
        with torch.no_grad():
            a, b = (
                c(x, torch.tensor([0.4]), torch.tensor([2]), halo=halo, rounding="hard")
                for c in (before, after)
            )
        assert torch.equal(a.symbols, b.symbols)
        assert torch.allclose(a.pixels, b.pixels, atol=1e-3)
        assert torch.allclose(a.bits, b.bits)


def test_new_networks_learn_from_the_first_step(parent: Codec) -> None:
    codec = to_nonlinear(parent)
    CropTask(codec, sampler(), stage(1)).cost(batch(), torch.device("cpu")).loss.backward()
    new = codec.transforms[0]
    for layer in (new.analysis.leave, new.synthesis.view, new.synthesis.blocks[-1].project):
        assert float(layer.weight.detach().abs().max()) == 0
        assert float(layer.weight.grad.abs().max()) > 0


def test_codec_of_other_sizes_cannot_be_grown(parent: Codec) -> None:
    with pytest.raises(ParameterError, match=r"models/next.*entropy.*has another size"):
        to_nonlinear(parent, joint_width=16)
    with pytest.raises(ParameterError, match=r"transforms\.0\.analysis.* would be lost"):
        grown(to_nonlinear(parent), LINEAR, name="models/next", seed=1)


@pytest.mark.parametrize("size", [(256, 256), (208, 144), (16, 16), (7, 40), (250, 9)], ids=str)
def test_runtime_codes_as_the_training_codec_does(
    size: tuple[int, int], codec: Codec, models: ModelSet
) -> None:
    pixels = photograph(*size, seed=4)
    data = texcodec.encode(pixels, quality=60, models=models, threads=1)
    with texcodec.open(data) as file:
        index, entry = file.header.rate_index, file.tiles[0]
        ours = np.asarray(file.decode(models=models)).astype(float)
    more = [(0, -n % 16) for n in pixels.shape[:2]]
    padded = np.pad(pixels, [*more, (0, 0)], mode="edge")
    x = torch.from_numpy(padded).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        coded = codec(
            x, torch.tensor([index / 255]), torch.tensor([entry.class_index]), halo=True, rounding="hard"
        )
    theirs = coded.pixels[0].permute(1, 2, 0).numpy()[: size[1], : size[0]]
    # a symbol may fall the other way, as weights of the set are float16
    assert np.square(ours - pixels).mean() == pytest.approx(
        np.square(theirs.clip(0, 255).round() - pixels).mean(), rel=0.05
    )


def test_analysis_of_a_tile_sees_its_surroundings(codec: Codec, models: ModelSet) -> None:
    pixels = photograph(384, 256, seed=5)
    with Workers(1) as workers:
        found = analyse(Picture(pixels), lay_out(384, 256, 128), models, workers)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        whole = codec.analyse(x, torch.tensor([0]))[0].numpy()
    middle = found.tiles[1].latents
    apart = np.abs(middle - whole[:, :8, 8:16])
    # 32 pixels around it of the network's wider view, and weights in float16
    assert apart[:, 1:, 1:-1].mean() < 0.02 * whole.std()


@pytest.mark.parametrize(("size", "tile"), [((90, 70), None), ((300, 140), 128)], ids=str)
def test_second_decoder_agrees(size: tuple[int, int], tile: int | None, models: ModelSet) -> None:
    data = texcodec.encode(photograph(*size, seed=6), quality=55, models=models, tile=tile, threads=1)
    second = second_decoder.decode(data, second_decoder.ModelSet(models.folder))
    with texcodec.open(data) as file:
        assert file.symbols_hash(models=models) == second.symbols_hash()
        ours = file.decode_picture(models=models).pixels
    assert np.abs(ours.astype(int) - second.pixels).max() <= 1


def test_full_size_decodes_with_at_most_12_kmac_per_pixel(tmp_path: Path) -> None:
    architecture = preset_architecture("full", "nonlinear")
    models = exported(Codec(architecture), tmp_path, fusion=Fusion(architecture))
    costs = models.macs(tile=256)
    halo = (1 + 32 / 256) ** 2
    assert 11 < costs["decode"] + LAPPING * halo <= LIMIT


def test_cost_in_the_manifest_is_what_the_networks_compute(codec: Codec, models: ModelSet) -> None:
    counted = {"analysis": 0.0, "synthesis": 0.0}
    side = 64

    def count(name: str):  # type: ignore[no-untyped-def]
        def hook(module: nn.Conv2d, _: object, out: torch.Tensor) -> None:
            counted[name] += out[0, 0].numel() * module.weight.numel() / side**2

        return hook

    t, v = torch.tensor([0.5]), torch.zeros(1, NONLINEAR.latent_channels, side // 16, side // 16)
    part = codec.transforms[0]
    hooks = [
        m.register_forward_hook(count(name))
        for name in counted
        for m in getattr(part, name).modules()
        if isinstance(m, nn.Conv2d)
    ]
    with torch.no_grad():
        part.analysis(torch.zeros(1, 3, side, side))
        part.synthesis(v, t, torch.zeros(1, 3, side, side))
    for hook in hooks:
        hook.remove()
    counted["synthesis"] += part.synthesis.view.weight.numel() / 64  # which is computed without its module
    linear = NONLINEAR.latent_channels * 768 / 256
    for name, macs in counted.items():
        assert models.manifest.macs[name] == pytest.approx((macs + linear) / 1000)


def test_block_means_come_first_in_profile_2() -> None:
    rows = start_rows(sampler().batches(4), LINEAR)
    assert [rows[k] for k in MEAN_CHANNELS] == [0, 256, 512]  # luminance and two of chrominance
    assert len(np.unique(rows)) == LINEAR.latent_channels


def test_networks_from_noise_leave_the_block_means_alone() -> None:
    codec = started(NONLINEAR, "means")
    x = torch.from_numpy(photograph(64, 64, seed=7)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        v = codec.analyse(x, torch.tensor([0]))
        assert torch.allclose(v[:, :3], codec.linear(x - 128)[:, :3])
        assert float(v[:, 3:].abs().max()) > 0
    terms = CropTask(codec, sampler(), stage(1)).cost(batch(), torch.device("cpu"))
    terms.loss.backward()
    assert torch.isfinite(terms.loss)
    assert float(codec.transforms[0].analysis.enter.weight.grad.abs().max()) > 0


def test_nonlinear_transforms_belong_to_profile_2() -> None:
    with pytest.raises(ParameterError, match="entropy profile 2"):
        replace(SMALLEST, nonlinear=True)


def test_networks_added_to_a_linear_training_become_a_set_that_codes_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from texcodec.training.pictures import held_out

    monkeypatch.setattr(held_out, "CROPS", 2)
    pictures, linear, deeper = (tmp_path / name for name in ("photos", "linear", "grown"))
    pictures.mkdir()
    for seed in range(2):
        save_photograph(pictures / f"{seed}.png", 300, 280, seed=seed)
    small = tmp_path / "s.json"
    own = {"parent": {"batch": 2}, "data": {"held_out": 2}}
    small.write_text(json.dumps(own | {"architecture": {"residual_limit": 0.5}}))
    assert train(pictures, "--checkpoint", linear, "--architecture", "linear", "--preset", "tiny",
                 "--settings", small, "--steps", 2) == 0  # fmt: skip
    small.write_text(json.dumps(own))
    common = [pictures, "--checkpoint", deeper, "--architecture", "nonlinear", "--from", linear,
              "--settings", small, "--piece-size", 1]  # fmt: skip
    assert train(*common, "--steps", 2) == 0
    assert "begins with the weights of that in" in capsys.readouterr().err
    settings = json.loads((deeper / "settings.json").read_text())
    assert settings["architecture"]["nonlinear"] and settings["architecture"]["profile"] == 2
    # what linear transforms leave to the networks is little, and may have a limit
    assert json.loads((linear / "settings.json").read_text())["architecture"]["residual_limit"] == 0.5
    assert settings["architecture"]["residual_limit"] == 0
    # the same command goes on, on a machine that has nothing but the pieces
    assert train(*common, "--work", tmp_path / "elsewhere", "--steps", 1) == 0
    assert "begins with" not in capsys.readouterr().err
    assert train(*common[:3], "--architecture", "linear", "--steps", 1) == 2
    assert "are nonlinear; leave --architecture out." in capsys.readouterr().err
    lines = [json.loads(line) for line in (deeper / "log.jsonl").read_text().splitlines()]
    assert [line["steps"] for line in lines] == [2, 1] and lines[-1]["steps_in_all"] == 3
    assert lines[0]["from"] == "linear, 2 steps"
    out = tmp_path / "set"
    stages = ["--stage", "export", "--stage", "self-check", "--out", out]
    assert train(pictures, "--checkpoint", deeper, *stages) == 0
    pixels = photograph(150, 140, seed=9)
    data = texcodec.encode(pixels, quality=60, models=out, threads=1)
    again = np.asarray(texcodec.decode(data, models=out, threads=1))
    assert again.shape == pixels.shape
    assert 10 * np.log10(255**2 / np.square(again.astype(float) - pixels).mean()) > 20


def test_networks_are_added_to_a_set_that_is_trained_further(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, linear, deeper = (tmp_path / name for name in ("photos", "linear", "deeper"))
    pictures.mkdir()
    save_photograph(pictures / "a.png", 150, 140)
    small = tmp_path / "s.json"
    small.write_text('{"export": {"statistics_batches": 1}}')
    common = [pictures, "--preset", "tiny", "--settings", small, "--steps", 6]
    assert train(*common, "--out", linear) == 0
    assert train(*common, "--out", deeper, "--from", linear, "--architecture", "nonlinear") == 0
    sizes = json.loads((deeper / "manifest.json").read_text())["architecture"]
    assert sizes["nonlinear"] and sizes["deep_widths"] == [16, 24, 32]
    data = texcodec.encode(photograph(90, 80, seed=9), models=deeper, threads=1)
    assert texcodec.decode(data, models=deeper, threads=1).size == (90, 80)
    capsys.readouterr()
    back = ["--out", tmp_path / "back", "--from", deeper, "--architecture", "linear"]
    assert train(*common, *back) == 2
    assert "The transforms of deeper are nonlinear" in capsys.readouterr().err


def test_an_option_of_an_open_training_is_refused_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "--out", tmp_path / "set", "--piece-size", "1", "--steps", 1) == 2
    assert "--piece-size belongs to an open training" in capsys.readouterr().err
