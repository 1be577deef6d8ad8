"""What training minimises: both forms with a multiplier, both with a bound. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from torch import nn  # noqa: E402
from training_samples import StepClock, crop_loop, stage, started  # noqa: E402

from texcodec.training.core.checkpoints import read_checkpoint  # noqa: E402
from texcodec.training.core.loop import Loop  # noqa: E402
from texcodec.training.core.stage import ObjectiveSettings  # noqa: E402
from texcodec.training.core.task import Terms  # noqa: E402
from texcodec.training.pictures.objectives import Objective, mean_squared_error, usual_lambda  # noqa: E402


class Source(nn.Module):
    """A source that is coded with a step of exp(log_step): more than a toy, as rate and distortion trade off."""

    def __init__(self, log_step: float) -> None:
        super().__init__()
        self.log_step = nn.Parameter(torch.tensor(log_step))


class SourceTask:
    """Rate log2(1 + 40 / step) and distortion step ** 2 / 12 of a ``Source``."""

    def __init__(self, settings: ObjectiveSettings, log_step: float) -> None:
        self.modules, self.objective = Source(log_step), Objective(settings)

    def draw(self, random: np.random.Generator) -> torch.Tensor:
        return torch.full((4,), (self.objective.rate_index or 0) / 255)

    def cost(self, t: torch.Tensor, device: torch.device) -> Terms:
        step = torch.exp(self.modules.log_step).expand(len(t))
        rate, distortion = torch.log2(1 + 40 / step), step.square() / 12
        return Terms(self.objective(rate, distortion, t), rate.mean(), distortion.mean())


def source_rate(log_step: float) -> float:
    return float(np.log2(1 + 40 / np.exp(log_step)))


BOUND_RATE = ObjectiveSettings("bound-rate", bpp=1.5, speed=2.0)
BOUND_DISTORTION = ObjectiveSettings("bound-distortion", psnr=32.0, speed=2.0)


@pytest.mark.parametrize("settings", [BOUND_RATE, BOUND_DISTORTION], ids=["rate", "distortion"])
@pytest.mark.parametrize("log_step", [0.0, 5.0], ids=["fine", "coarse"])
def test_bound_is_met_within_two_per_cent_from_both_sides(
    tmp_path: Path, settings: ObjectiveSettings, log_step: float
) -> None:
    task = SourceTask(settings, log_step)
    start = task.objective.multiplier.item()
    options = stage(1500, learning_rate=0.03, decay=0.99, objective=settings)
    loop = Loop(task, options, tmp_path, "t", clock=StepClock())
    moved = []
    step = loop.step
    loop.step = lambda batch: (step(batch), moved.append(task.objective.multiplier.item()))[0]  # type: ignore
    loop.run()
    end = loop.average.log_step.item()
    if settings.kind == "bound-rate":
        assert source_rate(end) == pytest.approx(1.5, rel=0.02)
        missed = source_rate(log_step) > 1.5
    else:
        assert np.exp(2 * end) / 12 == pytest.approx(mean_squared_error(32.0), rel=0.02)
        missed = np.exp(2 * log_step) / 12 > mean_squared_error(32.0)
    # the multiplier rises while the bound is missed, and falls while there is room
    assert (moved[9] > start) is bool(missed)
    assert read_checkpoint(loop.checkpoint)["objective"]["log_multiplier"].item() == pytest.approx(
        np.log(moved[-1])
    )
    again = Loop(SourceTask(settings, log_step), options, tmp_path, "t", clock=StepClock())
    assert again.objective is not None and again.objective.multiplier.item() == pytest.approx(moved[-1])


@pytest.mark.parametrize(
    "aim, shift",
    [
        (ObjectiveSettings("bound-rate", bpp=0.3, speed=6.0), -1.5),
        (ObjectiveSettings("bound-distortion", psnr=27.0, speed=6.0), 1.5),
    ],
    ids=["rate", "distortion"],
)
def test_codec_that_misses_its_bound_is_led_below_it(
    tmp_path: Path, aim: ObjectiveSettings, shift: float
) -> None:
    codec = started()
    with torch.no_grad():
        codec.log_steps += shift  # far too fine, so too many bits; far too coarse, so too large errors
    settings = stage(100, learning_rate=3e-2, batch=2, linear_learning_rate=0.0, decay=0.9, objective=aim)
    loop = crop_loop(tmp_path, settings, codec=codec)
    start, terms, multipliers = loop.objective.multiplier.item(), [], []
    cost = loop.task.cost

    def and_look(*arguments: object) -> Terms:
        terms.append(cost(*arguments))
        multipliers.append(loop.objective.multiplier.item())
        return terms[-1]

    loop.task.cost = and_look  # type: ignore[method-assign]
    loop.run()
    if aim.kind == "bound-rate":
        missed = np.log([t.rate.item() / aim.bpp for t in terms])
    else:
        missed = np.log([t.distortion.item() / mean_squared_error(aim.psnr) for t in terms])
    assert missed[:5].mean() > 0.1 and multipliers[5] > start
    assert missed[-30:].mean() < 0.05, missed[-30:].mean()


def test_one_rate_is_trained_where_there_is_a_bound(tmp_path: Path) -> None:
    task = crop_loop(tmp_path, stage(1, objective=BOUND_RATE)).task
    index = task.objective.rate_index
    t = task.draw(np.random.default_rng(0)).tensors["t"]
    assert index is not None and torch.all(t == index / 255)
    fixed = Objective(ObjectiveSettings("bound-rate", bpp=1.5, rate_index=77))
    assert fixed.rate_index == 77
    assert Objective(ObjectiveSettings()).rate_index is None


def test_tighter_bounds_start_at_coarser_rates() -> None:
    by_rate = [Objective(ObjectiveSettings("bound-rate", bpp=b)).rate_index for b in (0.1, 0.3, 1.0, 3.0)]
    by_quality = [
        Objective(ObjectiveSettings("bound-distortion", psnr=p)).rate_index for p in (26.0, 32.0, 38.0)
    ]
    assert by_rate == sorted(by_rate) and len(set(by_rate)) == 4
    assert by_quality == sorted(by_quality) and len(set(by_quality)) == 3
    # the slope of the usual cost: R = 0.55 J and lambda D = 0.45 J
    weight = usual_lambda(ObjectiveSettings("bound-distortion", psnr=32.0))
    cost = 1.2 * (weight / 0.013) ** 0.45
    assert weight * mean_squared_error(32.0) == pytest.approx(0.45 * cost)


def test_forms_with_a_multiplier_are_what_they_say() -> None:
    rate, error, t = torch.tensor([0.5, 2.0]), torch.tensor([90.0, 4.0]), torch.tensor([0.2, 0.9])
    weight = 0.0002 * (0.512 / 0.0002) ** t
    cost = (rate + weight * error) / (1.2 * (weight / 0.013) ** 0.45)
    assert Objective(ObjectiveSettings())(rate, error, t).item() == pytest.approx(
        cost.mean().item(), rel=1e-5
    )
    other = Objective(ObjectiveSettings("distortion+rate/lambda"))
    ratio = other(rate, error, t) / (error + rate / weight).mean()
    assert other(3 * rate, error, t) / (error + 3 * rate / weight).mean() == pytest.approx(
        ratio.item(), rel=1e-5
    )
    # its typical loss over all rates is about one, as that of the other form
    grid = torch.arange(256) / 255
    lambdas = 0.0002 * (0.512 / 0.0002) ** grid
    usual = 1.2 * (lambdas / 0.013) ** 0.45
    assert other(0.55 * usual, 0.45 * usual / lambdas, grid).item() == pytest.approx(1.0, rel=1e-3)


def test_measure_that_is_no_number_leaves_the_multiplier_alone() -> None:
    objective = Objective(BOUND_RATE)
    before = objective.log_multiplier.item()
    objective.ascend(torch.tensor(float("nan")), torch.tensor(1.0), 0.01)
    assert objective.log_multiplier.item() == before
    objective.ascend(torch.tensor(float("inf")), torch.tensor(1.0), 0.01)
    assert objective.log_multiplier.item() == pytest.approx(before + 0.01 * BOUND_RATE.speed)


def test_rates_that_users_ask_for_are_drawn_more_often() -> None:
    drawn = {
        share: Objective(ObjectiveSettings(usual_share=share)).draw(np.random.default_rng(1), 20_000)
        for share in (0.0, 0.7, 1.0)
    }
    assert (drawn[0.0].min(), drawn[0.0].max()) == (0, 255)
    assert (drawn[1.0].min(), drawn[1.0].max()) == (36, 215)
    inside = np.mean((drawn[0.7] >= 36) & (drawn[0.7] <= 215))
    assert inside == pytest.approx(0.7 + 0.3 * 180 / 256, abs=0.02)
    assert set(Objective(BOUND_RATE).draw(np.random.default_rng(1), 9)) == {Objective(BOUND_RATE).rate_index}
