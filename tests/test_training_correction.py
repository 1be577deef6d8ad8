"""Training with latents that are corrected as encoders correct them. Needs torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import SMALLEST, exported, photos, sampler, stage, started, stirred  # noqa: E402

from texcodec.cli.app import run  # noqa: E402
from texcodec.codec.analysis import analyse  # noqa: E402
from texcodec.codec.coders import coders_of  # noqa: E402
from texcodec.codec.eyes import symbol_weights  # noqa: E402
from texcodec.codec.layout import lay_out  # noqa: E402
from texcodec.codec.refinement import refined  # noqa: E402
from texcodec.codec.tile import TileLatents  # noqa: E402
from texcodec.codec.workers import Workers  # noqa: E402
from texcodec.constants import EYES_CORRECTION, EYES_SHARE  # noqa: E402
from texcodec.errors import ParameterError  # noqa: E402
from texcodec.images import from_array  # noqa: E402
from texcodec.registry import PyramidSet  # noqa: E402
from texcodec.training.core.stage import ObjectiveSettings, StageSettings  # noqa: E402
from texcodec.training.pictures.architecture import Architecture  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.correction import PLAIN, Choices, choices_for, corrected  # noqa: E402
from texcodec.training.pictures.crops import CropTask  # noqa: E402
from texcodec.training.pictures.eyes import Eyes  # noqa: E402
from texcodec.training.pictures.statistics import Statistics  # noqa: E402

FILTERED = replace(SMALLEST, profile=2, post_filter=8)
NONLINEAR = replace(
    SMALLEST, profile=2, nonlinear=True, deep_widths=(4, 6, 8), deep_blocks=(1, 1, 1), refinement=4
)
INDEX = 130
CPU = torch.device("cpu")
WHOLE = Choices(correction=1.0)
MIXED = ObjectiveSettings(distortion="mixed")
FOR_EYES = replace(FILTERED, gains=True)


def squared_error(codec: Codec, pixels: np.ndarray, choices: Choices, *, halo: bool = True) -> float:
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        coded = codec(
            x,
            torch.tensor([INDEX / 255]),
            torch.tensor([2]),
            halo=halo,
            rounding="nearest",
            choices=choices,
        )
    target = x if halo else x[..., 16:-16, 16:-16]
    return float((coded.pixels - target).square().mean())


def task(share: float, **changes: Any) -> CropTask:
    return CropTask(stirred(started(FILTERED)), sampler(), stage(1, corrected_share=share, **changes))


@pytest.mark.parametrize("distortion", ["mse", "mixed"])
def test_corrected_latents_are_those_of_the_encoder(distortion: str, tmp_path: Path) -> None:
    codec = stirred(started(FILTERED if distortion == "mse" else FOR_EYES))
    models = exported(codec, tmp_path, distortion=distortion)
    choices = choices_for(ObjectiveSettings(distortion=distortion), codec.architecture, corrected=True)
    pixels = photograph(112, 80, seed=3)
    picture = from_array(pixels)
    with Workers(1) as workers:
        analysed = analyse(picture, lay_out(112, 80, 256), models, workers)
        first = analysed.tiles[0]
        steps = models.steps[INDEX][:, None, None]
        decoded = np.round(first.latents / steps).astype(np.float32)
        tiles = {0: TileLatents(first.class_index, INDEX, decoded)}
        theirs = refined(analysed, analysed.tiles, tiles, pixels, models, workers)[0].latents / steps
    t, classes = torch.tensor([INDEX / 255]), torch.tensor([first.class_index])
    with torch.no_grad():
        v = torch.from_numpy(first.latents / steps)[None]
        x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
        padded = torch.nn.functional.pad(torch.from_numpy(decoded)[None], (1, 1, 1, 1))
        seen = codec.synthesise(padded, t, classes, outside=(1, 1, 1, 1))[..., 16:-16, 16:-16]
        found = corrected(
            v,
            torch.from_numpy(decoded)[None],
            x,
            seen,
            linear=codec.linear,
            steps=codec.steps(t),
            share=choices.correction,
            eyes=Eyes(x, t, codec.linear, choices.similarity) if choices.similarity else None,
        )
        ours = found[0].numpy()
    assert np.abs(ours - v[0].numpy()).max() > 0.1
    # weights of a set are float16, and so is what is missing
    assert np.abs(ours - theirs).max() < 0.05


@pytest.mark.parametrize("halo", [True, False], ids=["whole picture", "inside of one"])
def test_a_correction_brings_the_decoded_picture_nearer(halo: bool) -> None:
    codec, pixels = stirred(started(FILTERED)), photograph(128, 128, seed=4)
    plain, corrected = (squared_error(codec, pixels, c, halo=halo) for c in (PLAIN, WHOLE))
    assert corrected < 0.98 * plain


def test_gradients_of_corrected_latents_reach_analysis_and_steps() -> None:
    tried = task(1.0)
    tried.cost(tried.draw(np.random.default_rng(1)), CPU).loss.backward()
    for weights in (tried.codec.linear.analysis, tried.codec.log_steps):
        assert float(weights.grad.abs().max()) > 0


def test_so_large_a_share_of_the_steps_is_corrected() -> None:
    random, tried = np.random.default_rng(2), task(0.3)
    flags = [tried.draw(random).fixed[2] for _ in range(300)]
    assert 60 < sum(flags) < 120


def test_without_corrections_the_same_crops_are_drawn_as_ever() -> None:
    drawn = []
    for share in (0.0, 1.0):
        batch = task(share).draw(np.random.default_rng(3))
        drawn.append((batch.tensors["pixels"], batch.tensors["t"], batch.fixed[:2]))
        assert batch.fixed[2] == bool(share)
    assert torch.equal(drawn[0][0], drawn[1][0]) and torch.equal(drawn[0][1], drawn[1][1])
    assert drawn[0][2] == drawn[1][2]


def test_tables_are_counted_on_corrected_latents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Choices] = []
    gather = Statistics.gather

    def noted(self: Statistics, *given: Any, choices: Choices) -> None:
        seen.append(choices)
        gather(self, *given, choices=choices)

    monkeypatch.setattr(Statistics, "gather", noted)
    pictures = photos(tmp_path / "photos", 2)
    common = ["train", str(pictures), "--preset", "tiny", "--steps", "2", "--device", "cpu"]
    for number, more in enumerate(([], ["--distortion", "mixed"])):
        out = tmp_path / f"set-{number}"
        assert run([*common, *more, "--out", str(out)]) == 0
    assert seen == [Choices(1.0), Choices(EYES_CORRECTION, EYES_SHARE)]


def test_counts_of_corrected_latents_are_others() -> None:
    codec = stirred(started(FILTERED))
    crops = torch.from_numpy(photograph(128, 128, seed=4)).permute(2, 0, 1)[None].float()
    counted = []
    for choices in (PLAIN, WHOLE):
        statistics = Statistics(FILTERED)
        statistics.gather(codec, [(crops, torch.tensor([1]))], choices=choices)
        counted.append(statistics.symbols)
    assert counted[0].sum() == counted[1].sum() > 0
    assert not np.array_equal(*counted)


def test_training_chooses_as_encoders_do() -> None:
    def chosen(architecture: Architecture, distortion: str, corrected: bool) -> Choices:
        return choices_for(ObjectiveSettings(distortion=distortion), architecture, corrected=corrected)

    assert chosen(FILTERED, "mse", True) == WHOLE
    assert chosen(FILTERED, "mixed", True) == Choices(EYES_CORRECTION, EYES_SHARE)
    assert chosen(FILTERED, "mixed", False) == Choices(0.0, EYES_SHARE)
    for other in (SMALLEST, NONLINEAR):
        assert chosen(other, "mixed", True) == PLAIN


def test_weights_of_errors_are_those_of_the_encoder_on_any_size(tmp_path: Path) -> None:
    codec = started(FOR_EYES)
    models = exported(codec, tmp_path, distortion="mixed")
    assert isinstance(models, PyramidSet)
    pixels = photograph(112, 80, seed=3)
    with Workers(1) as workers:
        tile = analyse(from_array(pixels), lay_out(112, 80, 256), models, workers).tiles[0]
    assert tile.masking is not None
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    ours = Eyes(x, torch.tensor([INDEX / 255]), codec.linear, EYES_SHARE).of_symbols()[0].numpy()
    np.testing.assert_allclose(symbol_weights(models, tile.masking, INDEX), ours, rtol=0.02)
    assert ours[4:].max() > 2 * ours[4:].min()


def test_symbols_are_those_that_the_encoder_chooses_for_eyes(tmp_path: Path) -> None:
    codec = stirred(started(FOR_EYES))
    with torch.no_grad():
        codec.entropy.gains.network.weight.add_(0.1)
    codec.entropy.gains.set_planes(codec.linear.analysis)
    models = exported(codec, tmp_path, distortion="mixed")
    pixels = photograph(128, 96, seed=6)
    with Workers(1) as workers:
        tile = analyse(from_array(pixels), lay_out(128, 96, 256), models, workers).tiles[0]
    coder = coders_of(models, 2)[tile.class_index]
    theirs = [coder.quantise(t, INDEX).symbols for t in (tile, replace(tile, masking=None))]
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    t, classes = torch.tensor([INDEX / 255]), torch.tensor([tile.class_index])
    with torch.no_grad():
        found = [
            codec(x, t, classes, halo=True, rounding="hard", choices=c).symbols[0].numpy()
            for c in (Choices(similarity=EYES_SHARE), PLAIN)
        ]
    # probabilities of training and of tables differ a little, and with them the cheaper symbols
    same = [[float((a == b).mean()) for b in theirs] for a in found]
    assert same[0][0] > 0.98 and same[1][1] > 0.98
    assert same[0][0] > same[0][1] + 0.005 and same[1][1] > same[1][0] + 0.005


def test_the_weights_of_errors_follow_the_transform() -> None:
    linear = started(FOR_EYES).linear
    before = linear.energies()[0]
    assert linear.energies()[0] is before
    with torch.no_grad():
        linear.synthesis[:, 5] = linear.synthesis[:, 6]
    after = linear.energies()[0]
    assert torch.equal(after[5], before[6]) and not torch.equal(after[5], before[5])


@pytest.mark.parametrize("architecture", [SMALLEST, NONLINEAR], ids=["profile 1", "nonlinear"])
def test_codecs_whose_latents_encoders_do_not_correct_are_refused(architecture) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ParameterError, match="set corrected_share to 0"):
        CropTask(started(architecture), sampler(), stage(1, corrected_share=0.5))
    CropTask(started(architecture), sampler(), stage(1))


def test_the_share_is_one() -> None:
    with pytest.raises(ParameterError, match="corrected_share must be between 0 and 1"):
        StageSettings(corrected_share=1.5)
