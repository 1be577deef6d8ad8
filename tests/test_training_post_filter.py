"""The filter after synthesis: what it starts as, how it is trained, and the same numbers at run time. Needs torch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from cli_runs import save_photograph
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import SMALLEST, exported, sampler, stage, started, stirred  # noqa: E402

import texcodec  # noqa: E402
from texcodec.cli.app import run  # noqa: E402
from texcodec.errors import ParameterError  # noqa: E402
from texcodec.registry import ModelSet  # noqa: E402
from texcodec.registry.stored_arrays import pack_arrays, read_arrays  # noqa: E402
from texcodec.training.core.loop import Loop  # noqa: E402
from texcodec.training.core.task import Batch  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.crops import CropTask  # noqa: E402
from texcodec.training.pictures.growth import grown  # noqa: E402
from texcodec.training.pictures.restore import restore_codec  # noqa: E402
from texcodec.training.pictures.settings import SYNTHESIS_ONLY  # noqa: E402

PLAIN = replace(SMALLEST, profile=2)
FILTERED = replace(PLAIN, post_filter=8)
LIMITED = replace(FILTERED, residual_limit=0.03)
BOTH = replace(FILTERED, nonlinear=True, deep_widths=(4, 6, 8), deep_blocks=(1, 1, 1), refinement=4)


def train(*arguments: object) -> int:
    return run(["train", *map(str, arguments), "--device", "cpu"])


def coded(codec: Codec, *, halo: bool = True):  # type: ignore[no-untyped-def]
    x = torch.from_numpy(photograph(96, 80, seed=3)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        return codec(x, torch.tensor([0.4]), torch.tensor([2]), halo=halo, rounding="hard")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return exported(stirred(started(FILTERED)), tmp_path_factory.mktemp("set"))


def test_filter_that_is_added_begins_without_effect() -> None:
    before = stirred(started(PLAIN))
    after = grown(before, FILTERED, name="std-3", seed=1)
    for halo in (True, False):
        a, b = coded(before, halo=halo), coded(after, halo=halo)
        assert torch.equal(a.symbols, b.symbols)
        assert torch.equal(a.pixels, b.pixels)


def test_filter_learns_from_the_first_step() -> None:
    codec = grown(stirred(started(PLAIN)), FILTERED, name="std-3", seed=1)
    pixels = torch.from_numpy(photograph(64, 64, seed=2)).permute(2, 0, 1)[None]
    batch = Batch(
        {"pixels": pixels, "classes": torch.tensor([1]), "t": torch.tensor([0.5])}, (True, None, False)
    )
    CropTask(codec, sampler(), stage(1)).cost(batch, torch.device("cpu")).loss.backward()
    leave = codec.transforms[0].synthesis.post_filter.leave
    assert float(leave.weight.detach().abs().max()) == 0
    assert float(leave.weight.grad.abs().max()) > 0


def test_brightness_alone_does_not_reach_the_filter() -> None:
    synthesis = stirred(started(FILTERED)).transforms[0].synthesis
    features, t = torch.zeros(1, FILTERED.synthesis_width, 8, 8), torch.tensor([0.5])
    with torch.no_grad():
        dark, bright = (
            synthesis.post_filter(torch.full((1, 3, 64, 64), x), features, t) for x in (-2.0, 3.0)
        )
    inside = np.s_[..., 16:-16, 16:-16]  # away from the zeros beyond the border
    assert torch.allclose(dark[inside], bright[inside], atol=1e-4)
    assert not torch.allclose(dark, bright, atol=1e-2)


ALL = {"linear": FILTERED, "limited": LIMITED, "nonlinear": BOTH, "all": replace(BOTH, residual_limit=0.03)}


@pytest.mark.parametrize("architecture", ALL.values(), ids=ALL)
def test_second_decoder_and_training_codec_agree_with_the_runtime(
    architecture,
    tmp_path: Path,  # type: ignore[no-untyped-def]
) -> None:
    codec = stirred(started(architecture))
    models = exported(codec, tmp_path)
    pixels = photograph(208, 144, seed=6)
    data = texcodec.encode(pixels, quality=55, models=models, threads=1)
    second = second_decoder.decode(data, second_decoder.ModelSet(models.folder))
    with texcodec.open(data) as file:
        index, entry = file.header.rate_index, file.tiles[0]
        assert file.symbols_hash(models=models) == second.symbols_hash()
        ours = file.decode_picture(models=models).pixels
    assert np.abs(ours.astype(int) - second.pixels).max() <= 1
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        trained = codec(
            x, torch.tensor([index / 255]), torch.tensor([entry.class_index]), halo=True, rounding="hard"
        )
    theirs = trained.pixels[0].permute(1, 2, 0).numpy()
    # a symbol may fall the other way, as weights of the set are float16
    assert np.square(ours.astype(float) - pixels).mean() == pytest.approx(
        np.square(theirs.clip(0, 255).round() - pixels).mean(), rel=0.05
    )


def test_tiles_show_no_more_than_their_halo_lets_them(models: ModelSet) -> None:
    # a region decodes to the same pixels as the whole picture, though its tiles are synthesised alone
    data = texcodec.encode(photograph(600, 560, seed=7), quality=50, models=models, threads=1)
    with texcodec.open(data) as file:
        whole = np.asarray(file.decode(models=models))
        part = np.asarray(file.decode(models=models, region=(500, 500, 40, 40)))
    assert np.array_equal(part, whole[500:540, 500:540])


def test_training_synthesis_leaves_files_as_they_are(tmp_path: Path) -> None:
    codec = stirred(started(FILTERED))
    before = {k: v.clone() for k, v in codec.state_dict().items()}
    settings = stage(3, freeze=SYNTHESIS_ONLY)
    loop = Loop(CropTask(codec, sampler(), settings), settings, tmp_path, "synthesis")
    loop.run()
    changed = {k for k, v in codec.state_dict().items() if not torch.equal(v, before[k])}
    assert any(k.startswith("transforms.0.synthesis.post_filter.") for k in changed)
    assert any(k.startswith("transforms.0.synthesis.blocks.") for k in changed)
    assert all(k.startswith("transforms.0.synthesis.") or k == "linear.synthesis" for k in changed)


def test_filter_belongs_to_profile_2_and_has_four_channels_or_more() -> None:
    with pytest.raises(ParameterError, match="entropy profile 2"):
        replace(SMALLEST, post_filter=8)
    with pytest.raises(ParameterError, match="0, or 4 or more"):
        replace(PLAIN, post_filter=3)


def test_filter_is_added_to_a_set_and_trained_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, plain, filtered = (tmp_path / name for name in ("photos", "plain", "filtered"))
    pictures.mkdir()
    save_photograph(pictures / "a.png", 150, 140)
    small = tmp_path / "s.json"
    small.write_text('{"export": {"statistics_batches": 1}}')
    common = [pictures, "--preset", "tiny", "--settings", small, "--steps", 6]
    assert train(*common, "--out", plain) == 0
    small.write_text('{"export": {"statistics_batches": 1}, "architecture": {"residual_limit": 0.5}}')
    stages = ["--stage", "synthesis", "--stage", "export", "--out", filtered]
    assert train(*common, *stages, "--from", plain, "--post-filter", "4") == 0
    assert read_arrays(filtered / "decoder.safetensors")["tables.residual_limit"].tolist() == [0.5]
    manifest = json.loads((filtered / "manifest.json").read_text())
    assert manifest["architecture"]["post_filter"] == 4
    assert (
        manifest["macs"]["synthesis"] > json.loads((plain / "manifest.json").read_text())["macs"]["synthesis"]
    )
    pixels = photograph(90, 80, seed=9)
    hashes = set()
    for folder in (plain, filtered):
        data = texcodec.encode(pixels, models=folder, threads=1, effort=1)
        with texcodec.open(data) as file:
            hashes.add(file.symbols_hash(models=folder))
    assert len(hashes) == 1  # integer networks and tables are those of the set that it was trained from
    assert texcodec.decode(data, models=filtered, threads=1).size == (90, 80)


def test_a_set_of_the_same_bits_need_not_store_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures, plain = tmp_path / "photos", tmp_path / "plain"
    pictures.mkdir()
    save_photograph(pictures / "a.png", 150, 140)
    small = tmp_path / "s.json"
    small.write_text('{"export": {"statistics_batches": 1, "like": "plain"}}')
    common = [pictures, "--preset", "tiny", "--steps", 2]
    assert train(*common, "--out", plain) == 0
    stages = ["--stage", "synthesis", "--stage", "export", "--stage", "self-check", "--from", plain]
    assert train(*common, *stages, "--settings", small, "--out", tmp_path / "lean") == 0
    sizes = {
        f.stem: f.stat().st_size / (plain / f.name).stat().st_size
        for f in (tmp_path / "lean").glob("*.safetensors")
    }
    assert sizes["encoder"] < 0.2 and sizes["decoder"] < 0.9 and sizes["master"] > 0.9
    assert restore_codec(tmp_path / "lean").architecture == restore_codec(plain).architecture
    shutil.copytree(tmp_path / "lean", tmp_path / "leaner")
    for file in tmp_path.glob("leaner/[de]*.safetensors"):
        file.write_bytes(pack_arrays(read_arrays(file), tmp_path / "lean" / file.name, differences=True))
    for like, out, said in (
        ("absent", "other", "absent"),
        ("leaner", "other", "takes arrays of lean, and that of plain"),
        ("lean", "plain", "takes arrays of plain itself"),
        ("other", "other", "like itself"),
    ):
        small.write_text(json.dumps({"export": {"like": like}}))
        work = tmp_path / f"work-{like}"
        assert train(*common, *stages, "--settings", small, "--out", tmp_path / out, "--work", work) != 0
        assert said in capsys.readouterr().err
        assert not work.exists()  # nothing was trained in vain


def test_filter_of_an_open_training_cannot_be_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from texcodec.training.pictures import held_out

    monkeypatch.setattr(held_out, "CROPS", 2)
    pictures, plain, filtered = (tmp_path / name for name in ("photos", "plain", "filtered"))
    pictures.mkdir()
    for seed in range(2):
        save_photograph(pictures / f"{seed}.png", 300, 280, seed=seed)
    small = tmp_path / "s.json"
    small.write_text('{"parent": {"batch": 2}, "data": {"held_out": 2}}')
    common = [pictures, "--settings", small, "--steps", 1]
    assert train(*common, "--checkpoint", plain, "--preset", "tiny") == 0
    assert train(*common, "--checkpoint", plain, "--post-filter", "4") == 2
    assert f"begin a new training with --from {plain}" in capsys.readouterr().err
    assert train(*common, "--checkpoint", filtered, "--from", plain, "--post-filter", "4") == 0
    assert train(*common, "--checkpoint", filtered, "--post-filter", "4") == 0
    settings = json.loads((filtered / "settings.json").read_text())
    assert settings["architecture"]["post_filter"] == 4
