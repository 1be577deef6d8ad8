"""The codec on whole pictures while training: the same as encoder and decoder, and trained in every mode."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from safetensors.numpy import load_file  # noqa: E402
from training_samples import SMALLEST  # noqa: E402

import texcodec  # noqa: E402
from texcodec.codec.analysis import AnalysedPicture, analyse  # noqa: E402
from texcodec.codec.latent_coder import LatentCoder  # noqa: E402
from texcodec.codec.layout import lay_out  # noqa: E402
from texcodec.codec.reconstruction import plan, render, stitch  # noqa: E402
from texcodec.codec.tile import TileLatents  # noqa: E402
from texcodec.codec.workers import Workers  # noqa: E402
from texcodec.errors import ParameterError  # noqa: E402
from texcodec.fusion import seam_blocks  # noqa: E402
from texcodec.images import from_array  # noqa: E402
from texcodec.registry import ModelSet, find_set, load_set  # noqa: E402
from texcodec.registry.identity import decoder_identity  # noqa: E402
from texcodec.tiles import Grid  # noqa: E402
from texcodec.training.core.loop import Loop  # noqa: E402
from texcodec.training.core.stage import ObjectiveSettings, StageSettings  # noqa: E402
from texcodec.training.pictures import graphs  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.fusion import Fusion, collect_seams  # noqa: E402
from texcodec.training.pictures.objectives import Objective  # noqa: E402
from texcodec.training.pictures.restore import restore_architecture, restore_codec, restore_fusion  # noqa: E402
from texcodec.training.pictures.sampler import CropSampler  # noqa: E402
from texcodec.training.pictures.seams import SeamTask  # noqa: E402
from texcodec.training.pictures.transforms import start_coefficients  # noqa: E402
from texcodec.training.pictures.whole import CodedPictures, PictureCodec, PictureTask  # noqa: E402

RATE_INDEX = 140
THRESHOLDS = (8.0, 18.0)


def tensor(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float()


# The same as encoder and decoder


@dataclass
class Both:
    """One picture with partial tiles, through the run-time codec and through the training module."""

    models: ModelSet
    module: PictureCodec
    pixels: np.ndarray
    analysed: AnalysedPicture
    tiles: dict[int, TileLatents]
    bits: list[int]
    coded: CodedPictures

    @property
    def latents(self) -> torch.Tensor:
        """The run-time codec's, side by side."""
        n = self.analysed.layout.grid.columns
        rows = [
            np.concatenate([self.tiles[i].values for i in range(first, first + n)], 2)
            for first in range(0, len(self.tiles), n)
        ]
        return torch.from_numpy(np.concatenate(rows, 1))[None]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    models = exported_now(tmp_path_factory.mktemp("sets") / "tiny")
    fusion = restore_fusion(models.folder)
    assert fusion is not None
    module = PictureCodec(restore_codec(models.folder), fusion, THRESHOLDS)
    pixels, coder, tiles, bits = photograph(300, 212, seed=4), LatentCoder(models), {}, []
    with Workers(1) as workers:
        analysed = analyse(from_array(pixels), lay_out(300, 212, tile=128), models, workers)
    for i, tile in analysed.tiles.items():
        # training rounds to the nearest symbol, so the encoder must not look at bits here
        symbols = coder.quantise(tile, RATE_INDEX, distortion_scale=0.0)
        tiles[i] = symbols.decoded()
        bits.append(8 * len(coder.write(symbols, 0)))
    with torch.no_grad():
        coded = module(tensor(pixels), torch.tensor([RATE_INDEX / 255]), tile_log2=7, rounding="nearest")
    return Both(models, module, pixels, analysed, tiles, bits, coded)


def exported_now(folder: Path) -> ModelSet:
    """tiny-1 with the analysis graph that an export writes today; the released one may be older."""
    shutil.copytree(find_set("tiny-1"), folder)
    (folder / "graphs" / "analysis.onnx").write_bytes(graphs.analysis(restore_architecture(folder)))
    files = {k: (folder / "graphs" / f"{k}.onnx").read_bytes() for k in ("analysis", "hyper_analysis")}
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["encoder"] = decoder_identity(files, load_file(folder / "encoder.safetensors")).hex()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return load_set(folder)


def test_classes_are_those_of_the_encoder(both: Both) -> None:
    classes = [tile.class_index for tile in both.analysed.tiles.values()]
    assert both.coded.classes.tolist() == [classes]
    assert len(set(classes)) > 1, "the picture is to have tiles of several classes"


def test_latents_are_those_of_the_encoder(both: Both) -> None:
    # the encoder's steps are rounded to 1/32 grey level and its entropy networks to integers: some means
    # move by 1/16, and very few symbols by one
    wrong = torch.abs(both.coded.latents - both.latents)
    assert wrong.shape == (1, 64, 14, 19)
    assert (wrong > 0.25).float().mean() < 0.003
    assert wrong.mean() < 0.005


def test_rate_is_that_of_the_payloads(both: Both) -> None:
    estimate = both.coded.bits[0]
    assert estimate.sum().item() == pytest.approx(sum(both.bits), rel=0.02)
    np.testing.assert_allclose(estimate.numpy(), both.bits, rtol=0.05, atol=64)


def test_decoded_latents_give_the_pixels_of_the_decoder(both: Both) -> None:
    grid, models = both.analysed.layout.grid, both.models
    whole = plan(grid, grid.picture, fusion=True, halo=1)
    with Workers(1) as workers:
        canvas = stitch(whole, both.tiles, models, workers)[0]
        decoded = render(whole, both.tiles, models, workers, rate_index=RATE_INDEX)
    with torch.no_grad():
        t = torch.tensor([RATE_INDEX / 255])
        stitched, fused = both.module.render(both.latents, t, grid, both.coded.classes)
    assert np.abs(stitched[0].numpy() - canvas).max() < 0.1
    assert np.abs(canvas - fused[0].numpy()).max() > 0.5, "fusion is to change something"
    ours = np.floor(fused[0].clamp(0, 255).permute(1, 2, 0).numpy() + 0.5)
    assert np.abs(ours - decoded).max() <= 1 and np.mean(ours != decoded) < 0.02


def test_pixels_are_those_of_a_file(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LatentCoder.quantise.__kwdefaults__, "distortion_scale", 0.0)
    quality = int(np.argmin(np.abs(np.array(both.models.manifest.qualities) - RATE_INDEX))) + 1
    data = texcodec.encode(both.pixels, quality=quality, models=both.models, tile=128)
    decoded = np.asarray(texcodec.decode(data, models=both.models.folder)).astype(float)
    assert texcodec.open(data).header.rate_index == RATE_INDEX
    ours = both.coded.pixels[0].permute(1, 2, 0).clamp(0, 255).numpy()
    errors = [np.square(p - both.pixels).mean() for p in (decoded, ours)]
    assert errors[1] == pytest.approx(errors[0], rel=0.01)
    assert np.abs(decoded - ours).mean() < 0.5


@pytest.mark.parametrize("shape", [(130, 260), (256, 136), (100, 90)])
def test_seams_at_awkward_edges_are_repaired_as_the_decoder_does(both: Both, shape: tuple[int, int]) -> None:
    """Last tiles narrower than a seam's reach, one row of tiles, a single tile."""
    pixels = photograph(shape[1], shape[0], seed=5)
    with torch.no_grad():
        coded = both.module(tensor(pixels), torch.tensor([RATE_INDEX / 255]), tile_log2=7, rounding="nearest")
    grid, tiles = Grid(shape[1], shape[0], 7), {}
    for i in range(len(grid)):
        box, (h, w) = grid.box(i), grid.latent_shape(i)
        values = coded.latents[0, :, box.top // 16 : box.top // 16 + h, box.left // 16 : box.left // 16 + w]
        tiles[i] = TileLatents(int(coded.classes[0, i]), RATE_INDEX, values.numpy())
    whole = plan(grid, grid.picture, fusion=True, halo=1)
    with Workers(1) as workers:
        decoded = render(whole, tiles, both.models, workers, rate_index=RATE_INDEX)
    ours = np.floor(coded.pixels[0].clamp(0, 255).permute(1, 2, 0).numpy() + 0.5)
    assert np.abs(ours - decoded).max() <= 1 and np.mean(ours != decoded) < 0.02


def test_batch_of_pictures_is_coded_as_each_alone(both: Both) -> None:
    pictures = [photograph(300, 212, seed=4), np.ascontiguousarray(photograph(300, 212, seed=6)[:, ::-1])]
    x, t = torch.cat([tensor(p) for p in pictures]), torch.tensor([60, 200]) / 255
    with torch.no_grad():
        together = both.module(x, t, tile_log2=7, rounding="nearest")
        alone = [both.module(x[i : i + 1], t[i : i + 1], tile_log2=7, rounding="nearest") for i in range(2)]
    assert together.classes[0].tolist() != together.classes[1].tolist()
    for i in range(2):
        assert torch.equal(together.classes[i], alone[i].classes[0])
        np.testing.assert_allclose(together.bits[i], alone[i].bits[0], rtol=0.002)
        assert (together.pixels[i] - alone[i].pixels[0]).abs().mean() < 0.02


def test_every_network_gets_a_gradient_from_the_fused_pixels(both: Both) -> None:
    module = copy.deepcopy(both.module)
    coded = module(tensor(both.pixels), torch.tensor([0.5]), tile_log2=7)
    coded.pixels.square().mean().backward()
    present = {tile.class_index for tile in both.analysed.tiles.values()}
    for k, transforms in enumerate(module.codec.transforms):
        for network in (transforms.analysis, transforms.synthesis):
            assert (network.leave.weight.grad is not None) == (k in present)
    assert module.fusion.enter.weight.grad.abs().sum() > 0
    assert module.codec.linear.analysis.grad.abs().sum() > 0


# Training


SIDE, TILE_LOG2 = 128, 6
"""Crops of 2 x 2 tiles, small so that the tests are fast."""


@pytest.fixture(scope="module")
def sampler() -> CropSampler:
    return CropSampler([photograph(400, 300, seed=s) for s in range(3)], crop=SIDE, seed=1)


def untrained(sampler: CropSampler) -> PictureCodec:
    torch.manual_seed(0)
    rows = start_coefficients(sampler.batches(4), SMALLEST.latent_channels)
    codec = Codec(SMALLEST)
    codec.linear.start_from(rows)
    return PictureCodec(codec.specialise(), Fusion(SMALLEST), THRESHOLDS)


def train(
    pictures: PictureCodec, sampler: CropSampler, folder: Path, *, steps: int, learning_rate: float
) -> PictureCodec:
    """Train for a number of steps; returns the averaged pictures' codec."""
    settings = StageSettings(steps=steps, crop=SIDE, batch=2, learning_rate=learning_rate, decay=0.9)
    task = PictureTask(pictures, sampler, settings, tile_log2=TILE_LOG2)
    loop = Loop(task, settings, folder, "t")
    kept = loop.run()
    assert loop.steps == steps and loop.skipped == 0
    assert isinstance(kept, PictureCodec)
    return kept


@torch.no_grad()
def held_out(pictures: PictureCodec) -> tuple[float, float]:
    """Loss, and squared error within 16 pixels of a seam, on pictures that are not trained on; real rounding."""
    pictures = copy.deepcopy(pictures)
    pictures.codec.half_precision = False
    band = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    for block in seam_blocks(Grid(SIDE, SIDE, TILE_LOG2)):
        block.box.cut(band)[...] = True
    losses, errors = [], []
    for seed in range(4):
        x = tensor(photograph(400, 300, seed=20 + seed)[100 : 100 + SIDE, 60 * seed : 60 * seed + SIDE])
        for index in (40, 120, 200):
            t = torch.tensor([index / 255])
            coded = pictures(x, t, tile_log2=TILE_LOG2, rounding="nearest")
            wrong = (coded.pixels - x).square()
            rate = coded.bits.sum(1) / SIDE**2
            losses.append(Objective(ObjectiveSettings())(rate, wrong.mean((1, 2, 3)), t).item())
            errors.append(wrong[..., band].mean().item())
    return float(np.mean(losses)), float(np.mean(errors))


def weights(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in module.state_dict().items()}


def moved(before: dict[str, torch.Tensor], module: torch.nn.Module) -> list[str]:
    return [k for k, v in module.state_dict().items() if not torch.equal(v, before[k])]


def off_colour(pictures: PictureCodec) -> PictureCodec:
    """The same with a synthesis whose red is wrong by a tenth of a base step: fusion has something to repair."""
    with torch.no_grad():
        for transforms in pictures.codec.transforms:
            transforms.synthesis.leave.bias[:64] += 0.1
    return pictures


def test_joint_training_lowers_the_loss_and_moves_codec_and_fusion(
    sampler: CropSampler, tmp_path: Path
) -> None:
    codec = restore_codec(find_set("tiny-1"))
    pictures = PictureCodec(codec, Fusion(codec.architecture), THRESHOLDS)
    before, old = held_out(pictures), weights(pictures)
    trained = train(pictures, sampler, tmp_path, steps=25, learning_rate=1e-3)
    assert held_out(trained)[0] < 0.97 * before[0]
    changed = moved(old, trained)
    for part in ("codec.transforms.0.synthesis.", "codec.entropy.", "codec.linear.", "fusion."):
        assert any(k.startswith(part) for k in changed), part


def test_end_to_end_training_from_the_start_lowers_the_loss_clearly(
    sampler: CropSampler, tmp_path: Path
) -> None:
    pictures = untrained(sampler)
    before = held_out(pictures)
    after = held_out(train(pictures, sampler, tmp_path, steps=50, learning_rate=8e-3))
    assert after[0] < 0.88 * before[0]


def test_bounded_objective_trains_one_rate_index(sampler: CropSampler) -> None:
    objective = ObjectiveSettings(kind="bound-rate", bpp=0.5, rate_index=77)
    settings = StageSettings(crop=SIDE, batch=3, objective=objective)
    task = PictureTask(untrained(sampler), sampler, settings, tile_log2=TILE_LOG2)
    batch = task.draw(np.random.default_rng(0))
    assert (batch.t * 255).round().tolist() == [77, 77, 77]
    terms = task.cost(batch, torch.device("cpu"))
    assert terms.loss.requires_grad and terms.rate > 0 and terms.distortion > 0


def test_largest_tiles_with_seams_are_taken(sampler: CropSampler) -> None:
    pictures = untrained(sampler)
    for crop, log2 in {256: 7, 384: 8, 512: 8}.items():
        task = PictureTask(pictures, sampler, StageSettings(crop=crop))
        assert task.tile_log2 == log2


def test_crops_without_seams_are_refused(sampler: CropSampler) -> None:
    pictures = untrained(sampler)
    with pytest.raises(ParameterError, match="no seams"):
        PictureTask(pictures, sampler, StageSettings(crop=128))


def test_collected_seams_are_what_stitching_leaves(sampler: CropSampler) -> None:
    pictures = untrained(sampler)
    picture = photograph(512, 512, seed=3)
    seams = collect_seams(pictures, [picture, photograph(511, 600)], blocks=14, seed=1)
    assert seams.inputs.shape == (14, 5, 70, 38) and seams.missing.shape == (14, 3, 64, 32)
    # the first block is at the upper end of the vertical seam
    shown = seams.inputs[0, :3, 3:-3, 3:-3] * 64 + 128
    original = picture[:64, 240:272].transpose(2, 0, 1)
    np.testing.assert_allclose(shown + seams.missing[0], original, atol=1e-3)
    assert len(set(seams.base.tolist())) == 1 and len(np.unique(seams.inputs[:, 4])) == 1


def test_fusion_trained_on_collected_seams_lowers_their_held_out_error(
    sampler: CropSampler, tmp_path: Path
) -> None:
    pictures = off_colour(untrained(sampler))
    seams = collect_seams(pictures, [photograph(520, 512, seed=3)], blocks=28, seed=1)
    torch.manual_seed(1)
    task = SeamTask(Fusion(SMALLEST), seams, batch=16)
    settings = StageSettings(steps=30, learning_rate=1e-2)
    loop = Loop(task, settings, tmp_path, "fusion")
    loop.run()
    before, after = task.held_out_error(loop.average)
    assert after < 0.98 * before


def test_pictures_too_small_for_seams_are_refused(sampler: CropSampler) -> None:
    with pytest.raises(ValueError, match="512 pixels"):
        collect_seams(untrained(sampler), [photograph(400, 600)], blocks=1, seed=1)
