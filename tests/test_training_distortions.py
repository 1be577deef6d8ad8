"""Training for eyes: what pictures cost, gains for networks that have none, and what sets say of it. Needs torch."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_runs import save_photograph
from pictures import photograph

torch = pytest.importorskip("torch")
pytest.importorskip("pytorch_msssim")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import SMALLEST, crop_loop, stage, started  # noqa: E402

import texcodec  # noqa: E402
from texcodec.cli.app import run  # noqa: E402
from texcodec.errors import ParameterError  # noqa: E402
from texcodec.evaluation.ms_ssim import ms_ssim  # noqa: E402
from texcodec.registry.picture_manifest import read_manifest  # noqa: E402
from texcodec.similarity import similarity_worth  # noqa: E402
from texcodec.training.core.checkpoints import read_checkpoint, write_checkpoint  # noqa: E402
from texcodec.training.core.stage import ObjectiveSettings  # noqa: E402
from texcodec.training.pictures.architecture import Architecture  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.distortions import (  # noqa: E402
    Distortions,
    crop_distortions,
    window_taps,
)
from texcodec.training.pictures.growth import grown  # noqa: E402
from texcodec.training.pictures.open_training import OpenTraining  # noqa: E402
from texcodec.training.pictures.portable import read_portable  # noqa: E402
from texcodec.training.pictures.rates import lagrangian  # noqa: E402
from texcodec.training.pictures.settings import TrainingSettings  # noqa: E402
from texcodec.training.pictures.work_folder import codec_of  # noqa: E402

PROFILE_2 = replace(SMALLEST, profile=2)
RATE = torch.tensor([0.5])


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float()


ORIGINAL = photograph(192, 176, seed=1)
NOISY = np.clip(ORIGINAL + np.random.default_rng(2).integers(-20, 21, ORIGINAL.shape), 0, 255).astype(
    np.uint8
)


def distortions(kind: str, **changes: float) -> Distortions:
    return Distortions(ObjectiveSettings(distortion=kind, **changes), 176)


def test_squared_error_is_what_it_was() -> None:
    found = distortions("mse")(tensor(NOISY), tensor(ORIGINAL), RATE)
    error = (NOISY.astype(float) - ORIGINAL) ** 2
    assert found.minimised.item() == pytest.approx(error.mean(), rel=1e-5)
    assert found.similarity is None and list(found.extras()) == ["psnr"]


def test_similarity_is_the_metric_and_is_brought_to_the_scale_of_squared_errors() -> None:
    found = distortions("ms-ssim")(tensor(NOISY), tensor(ORIGINAL), RATE)
    expected = ms_ssim(ORIGINAL, NOISY)
    assert found.similarity is not None and found.similarity.item() == pytest.approx(expected, abs=2e-4)
    assert found.minimised.item() == pytest.approx(
        similarity_worth(lagrangian(RATE)).item() * (1 - expected), rel=2e-3
    )
    assert set(found.extras()) == {"psnr", "ms_ssim"}


def test_a_lack_of_similarity_is_worth_a_little_less_at_high_rates() -> None:
    worth = similarity_worth(lagrangian(torch.linspace(0, 1, 9)))
    assert (worth.diff() < 0).all() and 700 < worth[-1] < worth[0] < 2000


def test_mixed_leaves_the_squared_error_of_colours_and_takes_a_share_of_the_rest() -> None:
    grey, colour = tensor(ORIGINAL) + 6, tensor(ORIGINAL) + torch.tensor([4.0, -4.0, 0.0])[:, None, None]
    for share in (0.0, 0.75, 1.0):
        mixed = distortions("mixed", similarity_share=share)
        for shifted, luminance, chrominance in ((grey, 36.0, 0.0), (colour, 0.0, 32 / 3)):
            found = mixed(shifted, tensor(ORIGINAL), RATE)
            assert found.similarity is not None
            lacking = similarity_worth(lagrangian(RATE)) * (1 - found.similarity)
            expected = share * lacking.item() + (1 - share) * luminance + chrominance
            assert found.minimised.item() == pytest.approx(expected, rel=1e-4, abs=1e-3)


def test_gradients_pass_and_lead_to_more_similar_pictures() -> None:
    measure, original = distortions("ms-ssim"), tensor(ORIGINAL)
    moving = tensor(NOISY).requires_grad_()
    cost = measure(moving, original, RATE).minimised
    cost.backward()
    assert moving.grad is not None and torch.isfinite(moving.grad).all()
    nearer = moving.detach() - 2 * moving.grad / moving.grad.abs().max()
    assert measure(nearer, original, RATE).minimised < cost


@pytest.mark.parametrize(("crop", "taps"), [(256, 11), (208, 11), (192, 9), (128, 5), (96, 3)])
def test_small_crops_have_a_smaller_window_and_all_scales(crop: int, taps: int) -> None:
    measure = crop_distortions(ObjectiveSettings(distortion="ms-ssim"), crop)
    assert measure.taps == taps
    side = crop - 32
    x = 255 * torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    blurred = torch.nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    assert measure(x, x, RATE).minimised.item() == pytest.approx(0, abs=1e-2)
    assert 0.1 < float(measure(blurred, x, RATE).similarity) < 0.9  # type: ignore[arg-type]


def test_crops_without_room_for_five_scales_are_refused() -> None:
    with pytest.raises(ParameterError, match="crops of at least 96 pixels"):
        crop_distortions(ObjectiveSettings(distortion="mixed"), 64)
    assert window_taps(161) == 11 and window_taps(160) == 9


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ParameterError, match="distortion must be one of mse, ms-ssim, mixed"):
        ObjectiveSettings(distortion="vmaf")
    with pytest.raises(ParameterError, match="goes with the distortion mse alone"):
        ObjectiveSettings(kind="bound-distortion", psnr=30, distortion="mixed")


def test_the_library_is_asked_for_before_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_msssim", None)
    with pytest.raises(ParameterError, match="pip install pytorch-msssim"):
        distortions("ms-ssim")
    distortions("mse")


def test_gains_that_are_added_change_nothing_until_they_are_trained() -> None:
    codec = started(PROFILE_2)
    x, t, classes = tensor(ORIGINAL), torch.tensor([0.6]), torch.tensor([0])
    with torch.no_grad():
        before = codec(x, t, classes, halo=True, rounding="nearest")
        codec = grown(codec, replace(codec.architecture, gains=True), name="a codec", seed=1)
        after = codec(x, t, classes, halo=True, rounding="nearest")
    assert codec.architecture.gains and set(codec.entropy.gains.planes.tolist()) == {0, 1, 2}
    assert torch.equal(before.pixels, after.pixels) and torch.equal(before.bits, after.bits)
    # a checkpoint of the optimiser counts parameters
    made = [name for name, _ in Codec(codec.architecture).named_parameters()]
    assert [name for name, _ in codec.named_parameters()] == made


def test_a_stage_goes_on_whose_checkpoint_knows_no_distortion(tmp_path: Path) -> None:
    loop = crop_loop(tmp_path, stage(2))
    loop.run()
    state = read_checkpoint(loop.checkpoint)
    del state["settings"]["stage"]["objective"]["distortion"]
    write_checkpoint(loop.checkpoint, state)
    assert crop_loop(tmp_path, stage(4)).steps == 2
    with pytest.raises(ParameterError, match=r"distortion: mse before, mixed now"):
        crop_loop(tmp_path, stage(4, crop=96, objective=ObjectiveSettings(distortion="mixed")))


def train(folder: Path, *arguments: object) -> int:
    """The exit code of a run of three steps on the pictures of the folder."""
    common = ["train", folder / "photos", "--steps", 3, "--device", "cpu"]
    return run([str(argument) for argument in (*common, *arguments)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and the open training of a small codec of entropy profile 2."""
    folder = tmp_path_factory.mktemp("eyes")
    (folder / "photos").mkdir()
    for seed in range(2):
        save_photograph(folder / "photos" / f"{seed}.png", 200, 160, seed=seed)
    small = {"architecture": {"slices": [4, 8, 12]}, "export": {"statistics_batches": 1}}
    (folder / "small.json").write_text(json.dumps(small))
    options = ["--preset", "tiny", "--settings", folder / "small.json"]
    assert train(folder, "--checkpoint", folder / "mse", *options) == 0
    return folder


def with_gains(folder: Path) -> Architecture:
    """The architecture of an open training, with gains."""
    codec = codec_of(read_portable(folder / "checkpoint.safetensors"), folder)
    return replace(codec.architecture, gains=True)


def test_an_open_training_begins_from_another_with_gains_and_says_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, begin = folder / "ssim", ["--from", folder / "mse", "--distortion", "ms-ssim"]
    settings = replace(TrainingSettings(), architecture=with_gains(folder / "mse"))
    first = OpenTraining(out, folder / "mse").first(settings)
    assert first is not None and first.architecture.gains
    assert train(folder, "--checkpoint", out, *begin) == 0
    assert train(folder, "--checkpoint", out, *begin) == 0  # goes on
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["steps_in_all"] for line in lines] == [3, 6]
    assert {line["distortion"] for line in lines} == {"ms-ssim"}
    assert (lines[0]["from"], "from" in lines[1]) == ("mse, 3 steps", False)
    assert "ms_ssim" in (folder / "ssim.work" / "parent.csv").read_text().splitlines()[0]
    codec = codec_of(read_portable(out / "checkpoint.safetensors"), out)
    assert codec.architecture.gains
    weights = codec.entropy.gains.network.weight
    assert weights.abs().max() > 0
    capsys.readouterr()
    assert train(folder, "--checkpoint", out, "--distortion", "mixed") != 0
    assert "is for the distortion ms-ssim; leave --distortion out" in capsys.readouterr().err


def test_the_set_says_what_it_was_trained_for(folder: Path) -> None:
    for name, distortion in (("mse", "mse"), ("mixed", "mixed")):
        begin = ["--from", folder / "mse", "--distortion", "mixed"] if name == "mixed" else []
        if begin:
            assert train(folder, "--checkpoint", folder / name, *begin) == 0
        out = folder / f"{name}-set"
        assert train(folder, "--checkpoint", folder / name, "--stage", "export", "--out", out) == 0
        manifest = read_manifest(out)
        assert (manifest.distortion, manifest.gains) == (distortion, distortion != "mse")
    pixels = photograph(96, 80, seed=3)
    data = texcodec.encode(pixels, models=folder / "mixed-set", tune="ssim")
    assert texcodec.decode(data, models=folder / "mixed-set").size == (96, 80)


def test_a_set_is_tuned_for_eyes_and_gets_gains(folder: Path) -> None:
    made, out = folder / "made", folder / "tuned"
    assert train(folder, "--checkpoint", folder / "mse", "--stage", "export", "--out", made) == 0
    stages = [part for name in ("specialists", "export") for part in ("--stage", name)]
    assert train(folder, "--from", made, "--distortion", "mixed", "--out", out, *stages) == 0
    manifest = read_manifest(out)
    assert (manifest.distortion, manifest.gains, manifest.tune) == ("mixed", True, "ssim")
    objective = manifest.card["settings"]["specialists"]["objective"]
    assert objective["distortion"] == "mixed"


def test_what_is_no_open_training_cannot_be_begun_from(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(folder, "--checkpoint", folder / "x", "--from", folder / "photos") != 0
    assert "is no folder of an open training" in capsys.readouterr().err
