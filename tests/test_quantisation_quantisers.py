"""Fake-quantisers: values, the gradients of LSQ, where steps start. Needs torch."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from texcodec.errors import ParameterError  # noqa: E402
from texcodec.quantisation import QuantisationSettings  # noqa: E402
from texcodec.quantisation.quantisers import (  # noqa: E402
    ActivationQuantiser,
    LearnedStep,
    best_step,
    integers,
    round_through,
)
from texcodec.quantisation.settings import LossWeights, check_width  # noqa: E402


def limits(bits: int, signed: bool) -> tuple[int, int]:
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)


def surrogate(x: np.ndarray, s: float, low: int, high: int, residual: np.ndarray) -> np.ndarray:
    """s * q with rounding replaced by what it adds at one point, which LSQ takes as constant."""
    return s * (np.clip(x / s, low, high) + residual)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("bits", range(2, 9))
def test_gradients_are_those_of_lsq(bits: int, signed: bool) -> None:
    low, high = limits(bits, signed)
    random, s = np.random.default_rng(bits), 0.37
    v = random.uniform(low - 3, high + 3, 200)
    x, upstream = v * s, random.normal(size=200)
    given = torch.tensor(x[None], requires_grad=True)
    step = torch.tensor([[s]], dtype=torch.float64, requires_grad=True)
    out = integers(given, step, low, high) * step.detach()
    out.backward(torch.tensor(upstream[None]))

    clipped = np.clip(v, low, high)
    q = np.floor(clipped + 0.5)
    inside = (v >= low) & (v <= high)
    assert inside.any() and not inside.all()
    np.testing.assert_allclose(out.detach().numpy()[0], s * q)
    np.testing.assert_allclose(given.grad.numpy()[0], upstream * inside)
    by_hand = (upstream * np.where(inside, q - v, q)).sum()
    h, residual = 1e-6, q - clipped
    up, down = (surrogate(x, s + d, low, high, residual) for d in (h, -h))
    assert by_hand == pytest.approx((upstream * (up - down)).sum() / (2 * h), rel=1e-5)
    assert step.grad.item() == pytest.approx(by_hand / math.sqrt(200 * high), rel=1e-9)


def test_step_is_learned_through_its_logarithm() -> None:
    quantiser = ActivationQuantiser(4, signed=False, step=0.25).double()
    x = torch.linspace(-1, 6, 50, dtype=torch.float64)[None]
    quantiser(x).sum().backward()
    v = x.numpy() / 0.25
    q = np.floor(np.clip(v, 0, 15) + 0.5)
    by_hand = np.where((v >= 0) & (v <= 15), q - v, q).sum() / math.sqrt(50 * 15)
    assert quantiser.step.log2.grad.item() == pytest.approx(by_hand * 0.25 * math.log(2))


def test_weights_that_share_a_step_add_up_their_gradients() -> None:
    rows = torch.randn(3, 4, 5, dtype=torch.float64)
    steps = torch.tensor([0.2, 0.5, 1.0], dtype=torch.float64)[:, None, None].requires_grad_()
    integers(rows, steps, -2, 1).sum().backward()
    for c in range(3):
        alone = steps.detach()[c : c + 1].clone().requires_grad_()
        integers(rows[c : c + 1], alone, -2, 1).sum().backward()
        torch.testing.assert_close(steps.grad[c : c + 1], alone.grad)


@pytest.mark.parametrize("bits", range(2, 9))
def test_integers_fill_their_range_and_no_more(bits: int) -> None:
    for signed in (True, False):
        low, high = limits(bits, signed)
        q = ActivationQuantiser(bits, signed=signed, step=1.0).integers(torch.linspace(-300, 300, 6001)[None])
        assert q.min() == low and q.max() == high and torch.equal(q, q.floor())


def test_halves_are_rounded_up() -> None:
    q = ActivationQuantiser(4, signed=True, step=1.0).integers(torch.tensor([[-1.5, -0.5, 0.5, 1.5, -0.51]]))
    assert q.tolist() == [[-1, 0, 1, 2, -1]]


def test_rounding_through_gives_whole_numbers() -> None:
    x = torch.nextafter(torch.tensor([0.5, 1.5, -0.5, 1e6]), torch.tensor(0.0)).requires_grad_()
    y = round_through(x)
    assert torch.equal(y, y.floor())
    y.sum().backward()
    assert torch.equal(x.grad, torch.ones(4))


def test_learning_the_step_lowers_the_error() -> None:
    x = torch.randn(1, 4000, generator=torch.Generator().manual_seed(0))
    quantiser = ActivationQuantiser(3, signed=True, step=0.05)
    optimizer = torch.optim.Adam(quantiser.parameters(), 0.05)
    start = (quantiser(x) - x).square().mean().item()
    for _ in range(150):
        optimizer.zero_grad()
        (quantiser(x) - x).square().mean().backward()
        optimizer.step()
    best = best_step(x, -4, 3)
    least = (integers(x, best[:, None], -4, 3) * best - x).square().mean().item()
    assert (quantiser(x) - x).square().mean().item() < min(start / 10, 1.1 * least)


def test_steps_start_where_the_error_is_least() -> None:
    rows = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0)) * torch.tensor([[1.0], [7.0]])
    for low, high in ((-2, 1), (-8, 7), (-128, 127)):
        found = best_step(rows, low, high)

        def error(steps: torch.Tensor, low: int = low, high: int = high) -> torch.Tensor:
            q = integers(rows, steps[:, None], low, high)
            return (q * steps[:, None] - rows).square().mean(1)

        for factor in (0.25, 0.5, 0.8, 1.25, 2.0, 4.0):
            assert (error(found) <= error(found * factor)).all()


def test_step_of_zeros_is_no_step() -> None:
    assert best_step(torch.zeros(1, 5), -2, 1).tolist() == [0]
    assert ActivationQuantiser.calibrated(4, torch.zeros(9)).step().item() > 0


def test_activations_are_signed_where_some_are_negative() -> None:
    x = torch.linspace(0, 3, 50)
    assert not ActivationQuantiser.calibrated(4, x).signed
    assert ActivationQuantiser.calibrated(4, x - 0.1).signed


def test_steps_can_be_powers_of_two() -> None:
    step = LearnedStep(torch.tensor([0.3, 0.75, 5.0, 2e-9]), power_of_two=True)
    assert step().tolist() == [0.25, 1.0, 4.0, 2.0**-29]
    step().sum().backward()
    assert step.log2.grad.abs().min() > 0


@pytest.mark.parametrize("bits", [1, 9, 0, 32, 4.0, True])
@pytest.mark.parametrize("name", ["weight_bits", "activation_bits", "edge_bits"])
def test_bits_out_of_range_are_refused(name: str, bits: object) -> None:
    with pytest.raises(ParameterError, match=f"{name} must be a whole number from 2 to 8"):
        QuantisationSettings(**{name: bits})  # type: ignore[arg-type]


@pytest.mark.parametrize("wrong", [{"quantised": 0.0}, {"auxiliary": -1.0}, {"distillation": float("nan")}])
def test_weights_of_losses_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ParameterError, match="weights of the losses"):
        LossWeights(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("width", [0, 9, 1.5, True])
def test_width_out_of_range_is_refused(width: int) -> None:
    with pytest.raises(ParameterError, match="width n"):
        check_width(width)
