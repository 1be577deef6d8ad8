"""Rounding that gradients pass through."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from texcodec.training.core.rounding import ROUNDINGS, chosen_symbols, code_residual, logistic_bits  # noqa: E402


def residuals(sigma: float, count: int = 4000) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    uniform = torch.rand(count, generator=generator).clamp(1e-6, 1 - 1e-6)
    return torch.logit(uniform) * (sigma * math.sqrt(3) / math.pi)


NEAREST = torch.tensor(1e9)
"""A squared symbol worth so much that the nearest one is always the cheapest."""


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0, 20.0])
def test_symbols_are_the_nearest_ones_where_distortion_is_worth_everything(sigma: float) -> None:
    residual, log_scale = residuals(sigma), torch.full((4000,), math.log(sigma))
    symbols, bits = chosen_symbols(residual, log_scale, NEAREST)
    nearest, nearest_bits = code_residual(residual, log_scale, NEAREST, "nearest")
    assert torch.equal(symbols, torch.floor(residual + 0.5))
    torch.testing.assert_close(nearest, symbols)
    torch.testing.assert_close(bits, nearest_bits)


@pytest.mark.parametrize("worth", [2.0, 12.0, 40.0])
def test_every_choice_is_the_cheapest_of_all_symbols_nearby(worth: float) -> None:
    residual, log_scale = residuals(0.7), torch.full((4000,), math.log(0.7))
    symbols, bits = chosen_symbols(residual, log_scale, torch.tensor(worth))
    cost = bits + worth * (residual - symbols).square()
    for other in (torch.floor(residual), torch.ceil(residual)):
        assert (cost <= logistic_bits(other, log_scale) + worth * (residual - other).square() + 1e-3).all()
    assert (symbols.abs() <= torch.floor(residual + 0.5).abs()).all()
    assert (symbols != torch.floor(residual + 0.5)).any()


def test_noise_overestimates_the_bits_of_latents_that_are_mostly_zero() -> None:
    residual, log_scale = residuals(0.15), torch.full((4000,), math.log(0.15))
    torch.manual_seed(0)
    noisy = code_residual(residual, log_scale, NEAREST, "noise")[1].mean()
    assert noisy > 2 * code_residual(residual, log_scale, NEAREST, "nearest")[1].mean()


@pytest.mark.parametrize("worth", [12.0, 1e9])
def test_gradient_is_that_of_the_mean_over_the_symbols_of_a_narrow_distribution(worth: float) -> None:
    # what counts is the sum over many latents: moving all of them by a little moves so many over the edge
    residual, log_scale = residuals(0.3, 400_000), torch.full((400_000,), math.log(0.3))
    shift = torch.zeros((), requires_grad=True)
    symbols, bits = chosen_symbols(residual + shift + 0.2, log_scale, torch.tensor(worth))
    slope_symbols = torch.autograd.grad(symbols.mean(), shift, retain_graph=True)[0].item()
    slope_bits = torch.autograd.grad(bits.mean(), shift)[0].item()
    h = 0.02
    up, down = (chosen_symbols(residual + 0.2 + d, log_scale, torch.tensor(worth)) for d in (h, -h))
    # the relaxed edge is as wide as its temperature, so it sees more of a peak beside it
    assert 0.8 < slope_symbols / ((up[0] - down[0]).mean() / (2 * h)).item() < 2
    assert 0.8 < slope_bits / ((up[1] - down[1]).mean() / (2 * h)).item() < 2


def test_gradient_of_wide_distributions_is_nearly_that_of_the_identity() -> None:
    residual = residuals(10.0).requires_grad_()
    symbols, _ = chosen_symbols(residual, torch.full((4000,), math.log(10.0)), NEAREST)
    (slope,) = torch.autograd.grad(symbols.sum(), residual)
    assert slope.mean().item() == pytest.approx(1, abs=0.02)
    assert slope.min() > 0.9 and slope.max() < 1.1


def test_gradient_of_the_bits_in_the_scale_is_exact() -> None:
    residual = residuals(1.0)
    scale = torch.zeros(4000, requires_grad=True)
    (relaxed,) = torch.autograd.grad(chosen_symbols(residual, scale, NEAREST)[1].sum(), scale)
    (exact,) = torch.autograd.grad(logistic_bits(torch.floor(residual + 0.5), scale).sum(), scale)
    torch.testing.assert_close(relaxed, exact, rtol=1e-4, atol=1e-4)


def test_unknown_rounding_is_named() -> None:
    with pytest.raises(ValueError, match="relaxed"):
        code_residual(torch.zeros(1), torch.zeros(1), NEAREST, "dither")
    assert len(set(ROUNDINGS)) == 4
