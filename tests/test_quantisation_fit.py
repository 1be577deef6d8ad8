"""Training with and without helpers, and the rule that ends it. Needs torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

import torch.nn.functional as F  # noqa: E402
from quantisation_samples import bits, chain, pictures  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from texcodec.errors import ParameterError  # noqa: E402
from texcodec.quantisation import (  # noqa: E402
    AuxiliaryNetwork,
    Convergence,
    FitSettings,
    LossWeights,
    Trainer,
    fit,
    quantise,
)

ROOT = Path(__file__).resolve().parents[1]


def stopped_after(totals: list[float], **settings: float) -> int | None:
    """How many of these totals the rule lets pass."""
    rule = Convergence(**settings)  # type: ignore[arg-type]
    for i, total in enumerate(totals):
        if rule.update(total):
            assert rule.totals == totals[: i + 1]
            return i + 1
    return None


def test_training_goes_on_while_the_total_falls() -> None:
    assert stopped_after([5.0, 4.0, 3.0, 2.9], threshold=0.0) is None


def test_training_stops_when_the_total_no_longer_falls() -> None:
    assert stopped_after([5.0, 4.0, 4.0, 3.0], threshold=0.0) == 3
    assert stopped_after([5.0, 4.0, 4.5, 3.0], threshold=0.0) == 3


def test_training_stops_when_the_total_falls_by_less_than_the_threshold() -> None:
    assert stopped_after([5.0, 4.0, 3.7, 3.6], threshold=0.05) == 4
    assert stopped_after([5.0, 4.0, 3.7, 3.6], threshold=0.01) is None


def test_totals_are_compared_with_the_lowest_before() -> None:
    assert stopped_after([5.0, 4.0, 4.5, 4.2, 4.1], threshold=0.0, patience=3) == 5


def test_patience_counts_iterations_in_a_row() -> None:
    assert stopped_after([5.0, 5.0, 4.0, 4.0, 4.0], threshold=0.0, patience=2) == 5


def test_negative_totals_fall_as_well() -> None:
    assert stopped_after([-1.0, -2.0, -3.0, -3.01], threshold=0.05) == 4


def test_totals_that_are_not_finite_are_refused() -> None:
    with pytest.raises(FloatingPointError, match="not finite"):
        Convergence().update(float("nan"))


@pytest.mark.parametrize("wrong", [{"threshold": -0.1}, {"threshold": 1.0}, {"patience": 0}])
def test_wrong_rules_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="of convergence"):
        Convergence(**wrong)  # type: ignore[arg-type]


def teacher() -> nn.Module:
    torch.manual_seed(7)
    return nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Tanh())


def samples(number: int) -> list[tuple[Tensor, Tensor]]:
    with torch.no_grad():
        return [(part, teacher()(part) * 3) for part in pictures(16).split(8)]


@pytest.mark.parametrize("kind", ["plain", "each"])
def test_training_lowers_the_loss_of_the_network_that_is_kept(kind: str) -> None:
    torch.manual_seed(0)
    network = quantise(chain(), pictures(), bits(3))
    if kind == "each":
        network = AuxiliaryNetwork(network, pictures(), width=2)
    history = fit(Trainer(network, F.mse_loss, settings=FitSettings(1e-2)), samples, iterations=25)
    assert len(history) == 25
    assert history[-1]["quantised"] < 0.5 * history[0]["quantised"]
    if kind == "plain":
        assert history[-1]["total"] == history[-1]["quantised"]
    else:
        assert 0 < history[-1]["auxiliary"] < 0.5 * history[0]["auxiliary"]
        assert history[-1]["distillation"] > 0


def test_training_ends_by_the_rule_on_the_total() -> None:
    torch.manual_seed(0)
    network = AuxiliaryNetwork(quantise(chain(), pictures(), bits(4)), pictures())
    rule = Convergence(threshold=0.9)
    history = fit(Trainer(network, F.mse_loss), samples, iterations=30, convergence=rule)
    assert len(history) == 2 and rule.totals == [h["total"] for h in history]


def test_training_is_deterministic() -> None:
    ends = []
    for _ in range(2):
        torch.manual_seed(3)
        network = AuxiliaryNetwork(quantise(chain(), pictures(), bits(2)), pictures(), width=2)
        fit(Trainer(network, F.mse_loss), samples, iterations=2)
        ends.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*ends)


def test_learning_rates_rise_then_fall_and_steps_have_their_own() -> None:
    network = quantise(chain(), pictures(), bits(4))
    trainer = Trainer(network, F.mse_loss, settings=FitSettings(0.01, step_learning_rate=0.0, warm_up=0.1))
    rates = [trainer.learning_rate(p / 20) for p in range(21)]
    assert max(rates) == rates[2] == pytest.approx(0.01) and rates[-1] == pytest.approx(0)
    assert rates[2:] == sorted(rates[2:], reverse=True)
    before = {name: p.clone() for name, p in network.named_parameters()}
    trainer.step(*samples(0)[0], progress=0.5)
    for name, p in network.named_parameters():
        assert torch.equal(p, before[name]) == name.endswith(".log2"), name


def test_weights_of_the_helpers_may_fade() -> None:
    weights = LossWeights(2.0, 0.4, 0.8, fade=True)
    assert weights.at(0.25) == LossWeights(2.0, 0.4 * 0.75, 0.8 * 0.75, fade=True)
    last = weights.at(1.5)
    assert (last.quantised, last.auxiliary, last.distillation) == (2.0, 0.0, 0.0)
    assert LossWeights(1.0, 0.3).at(0.9) == LossWeights(1.0, 0.3)


def test_losses_that_are_not_finite_stop_training() -> None:
    trainer = Trainer(quantise(chain(), pictures(), bits(4)), lambda y, t: y.mean() * float("nan"))
    with pytest.raises(FloatingPointError, match="lower the learning rate"):
        trainer.step(pictures(), None, 0.5)


def test_training_without_samples_is_refused() -> None:
    with pytest.raises(ParameterError, match="no training samples"):
        fit(Trainer(quantise(chain(), pictures()), F.mse_loss), lambda i: [], iterations=1)


def test_batches_of_unknown_number_are_refused() -> None:
    with pytest.raises(ParameterError, match="make a list"):
        fit(Trainer(quantise(chain(), pictures()), F.mse_loss), lambda i: iter([]), iterations=1)


def test_example_of_the_guide_runs() -> None:
    guide = (ROOT / "docs" / "guides" / "quantise.md").read_text("utf-8")
    code = guide.split("```python\n")[1].split("```")[0]
    torch.manual_seed(0)
    names = {"float_network": chain(4), "batches": samples, "batch_of_inputs": pictures()}
    exec(code, names)
    assert set(names["layers"]) == {"0", "2", "4"}


def test_needs_torch_and_numpy_only() -> None:
    code = (
        "import sys\n"
        "for name in ('onnx', 'onnxruntime', 'constriction', 'click', 'tqdm', 'safetensors', 'PIL'):\n"
        "    sys.modules[name] = None\n"
        "import texcodec.quantisation\n"
        "names = [m.split('.')[1:3] for m in sys.modules if m.startswith('texcodec.')]\n"
        "print(sorted({n[0] for n in names}), {n[1] for n in names if n[0] == 'training' and n[1:]})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    assert (
        done.stdout.strip()
        == "['constants', 'errors', 'lazy', 'networks', 'quantisation', 'training'] {'core'}"
    )
