"""Turning networks into quantised ones, and the bound that holds by construction. Needs torch."""

from __future__ import annotations

from collections.abc import Callable

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from quantisation_samples import bits, branches, chain, pictures  # noqa: E402
from torch import nn  # noqa: E402

from texcodec.errors import ParameterError  # noqa: E402
from texcodec.quantisation import (  # noqa: E402
    QuantisationSettings,
    QuantisedConv,
    quantise,
    quantised_convolutions,
)
from texcodec.quantisation.layouts import by_output, in_own_order  # noqa: E402

KINDS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (lambda: nn.Conv2d(4, 6, 3, padding=1), (2, 4, 9, 7)),
    "grouped, strided, dilated": (lambda: nn.Conv2d(4, 6, 3, stride=2, dilation=2, groups=2), (2, 4, 9, 11)),
    "depthwise": (lambda: nn.Conv2d(4, 8, 5, padding=2, groups=4), (2, 4, 9, 7)),
    "reflecting": (lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect"), (2, 4, 9, 7)),
    "transposed": (lambda: nn.ConvTranspose2d(4, 6, 4, stride=2, padding=1), (2, 4, 5, 3)),
    "transposed, grouped": (
        lambda: nn.ConvTranspose2d(4, 6, 3, stride=2, output_padding=1, groups=2),
        (2, 4, 5, 3),
    ),
    "one dimension": (lambda: nn.Conv1d(4, 6, 3), (2, 4, 9)),
    "three dimensions": (lambda: nn.Conv3d(4, 6, 3, bias=False), (2, 4, 5, 5, 5)),
}


def converted(kind: str, number: int, **changes: object) -> tuple[nn.Module, QuantisedConv, torch.Tensor]:
    make, shape = KINDS[kind]
    torch.manual_seed(0)
    conv, x = make(), torch.rand(shape)
    new = quantise(conv, x, bits(number, **changes))
    assert isinstance(new, QuantisedConv)
    return conv, new, x


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_convolution_nears_the_float_one_with_more_bits(kind: str) -> None:
    errors = []
    for number in range(2, 9):
        conv, new, x = converted(kind, number)
        wanted = conv(x)
        assert new(x).shape == wanted.shape
        errors.append(((new(x) - wanted).square().mean() / wanted.square().mean()).sqrt().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[0] < 0.7 and errors[-1] < 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_output_is_that_of_quantised_weights_on_quantised_input(kind: str) -> None:
    conv, new, x = converted(kind, 3)
    with torch.no_grad():
        conv.weight.copy_(new.weight)
        torch.testing.assert_close(new(x), conv(new.activation(x)), rtol=1e-3, atol=1e-3)
        rows = by_output(new.weight, conv)
        for channel in rows:
            assert len(channel.unique()) <= 8


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_weights_are_those_of_output_channels(kind: str) -> None:
    conv, _, x = converted(kind, 4)
    rows = by_output(conv.weight, conv)
    assert torch.equal(in_own_order(rows, conv), conv.weight)
    changed = torch.zeros_like(rows)
    changed[1] = rows[1]
    with torch.no_grad():
        conv.weight.copy_(in_own_order(changed, conv))
        if conv.bias is not None:
            conv.bias.zero_()
        made = conv(x).abs().flatten(2).sum((0, 2))
    assert made[1] > 0 and made.sum() == made[1]


def test_convolutions_are_replaced_where_they_stand_and_keep_their_biases() -> None:
    network = branches()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    new = quantise(network, pictures(), bits(4))
    found = quantised_convolutions(new)
    assert list(found) == ["enter", "depthwise", "gate", "down", "up", "leave"]
    for name, conv in found.items():
        assert (conv.bias is None) == (name == "leave")
        assert conv.bias is None or torch.equal(conv.bias, before[f"{name}.bias"])
        assert torch.equal(conv.conv.weight, before[f"{name}.weight"])
    assert not quantised_convolutions(network)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_convolution_in_two_places_stays_one() -> None:
    shared = nn.Conv2d(3, 3, 1)
    new = quantise(nn.Sequential(shared, nn.Sequential(shared)), pictures(), bits(4))
    assert new[0] is new[1][0] and len(quantised_convolutions(new)) == 1


class Reordered(nn.Module):
    """Runs its convolutions in another order than it names them."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.first, self.middle = nn.Conv2d(4, 2, 1), nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.middle(self.first(x)))


def test_edges_have_bits_of_their_own_in_the_order_of_running() -> None:
    found = quantised_convolutions(quantise(Reordered(), pictures(), QuantisationSettings(2, 3, edge_bits=8)))
    bits_of = {name: (c.weight_bits, c.activation.bits) for name, c in found.items()}
    assert bits_of == {"first": (8, 8), "middle": (2, 3), "last": (8, 8)}


def test_skipped_convolutions_stay_as_they_are() -> None:
    new = quantise(chain(), pictures(), QuantisationSettings(skip=("0", "4")))
    assert list(quantised_convolutions(new)) == ["2"] and type(new[0]) is nn.Conv2d


def test_modes_survive_calibration() -> None:
    network = branches()
    network.norm.eval()
    count = network.norm.num_batches_tracked.clone()
    new = quantise(network, pictures(), bits(4))
    assert network.training and not network.norm.training and not new.norm.training
    assert torch.equal(new.norm.num_batches_tracked, count)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("power_of_two", [False, True])
def test_no_weights_break_the_bound(kind: str, power_of_two: bool) -> None:
    _, new, _ = converted(kind, 8, power_of_two=power_of_two)
    generator = torch.Generator().manual_seed(0)
    for trial in range(20):
        with torch.no_grad():
            noise = torch.randn(new.conv.weight.shape, generator=generator)
            new.conv.weight.copy_(noise.sign() if trial % 2 else noise * 10.0 ** (trial - 10))
            if new.conv.bias is not None:
                new.conv.bias.copy_(
                    torch.randn(new.conv.bias.shape, generator=generator) * 10.0 ** (10 - trial)
                )
            assert worst_sum(new) < 2**24


def worst_sum(conv: QuantisedConv) -> float:
    """Largest sum over inputs of the largest magnitude, in units of the last bit of the bias."""
    q, step = conv.integer_weights()
    bias = conv.integer_bias(conv.scale(step))
    sums = q.double().abs().flatten(1).sum(1) * conv.activation.largest
    return ((sums + (0 if bias is None else bias.double().abs())) * 2**conv.bias_fraction).max().item()


def test_wide_layers_keep_the_bound_only_where_weights_are_limited() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(192, 4, 3, padding=1)
    with torch.no_grad():
        conv.weight.copy_(conv.weight.sign())  # all of the largest magnitude
    x = torch.rand(1, 192, 4, 4)
    free, limited = (quantise(conv, x, bits(8, exact=exact)) for exact in (False, True))
    assert worst_sum(free) > 2**24 > worst_sum(limited)
    q, _ = limited.integer_weights()
    assert q.abs().max() > 20  # no more is lost than the bound takes


def test_sums_are_exact_in_any_order() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(192, 4, 3)
    new = quantise(conv, torch.rand(1, 192, 5, 5), bits(8))
    q, step = new.integer_weights()
    bias = new.integer_bias(new.scale(step))
    x = torch.where(q[:1].sum(1, keepdim=True) > 0, 255.0, 0.0).expand(1, 192, 3, 3)
    exact = torch.nn.functional.conv2d(x.double(), q.double(), bias.double())
    order = torch.randperm(192)
    for chosen in (slice(None), order):
        sums = torch.nn.functional.conv2d(x[:, chosen], q[:, chosen], bias)
        assert torch.equal(sums.double(), exact)


def test_channels_of_zeros_do_not_coarsen_their_biases() -> None:
    conv = nn.Conv2d(3, 4, 1)
    nn.init.zeros_(conv.weight)
    new = quantise(conv, pictures(), bits(4))
    torch.testing.assert_close(new(pictures()), conv(pictures()), atol=2e-3, rtol=0)


def test_networks_without_convolutions_are_refused() -> None:
    with pytest.raises(ParameterError, match="no convolution"):
        quantise(nn.Linear(3, 3), torch.rand(2, 3))


def test_bounds_that_cannot_be_met_are_refused_and_named() -> None:
    huge = nn.Sequential(nn.Conv2d(8400, 1, 4))
    x = torch.rand(1, 8400, 4, 4)
    with pytest.raises(ParameterError, match="convolution 0 adds up 134400 .*exact=False"):
        quantise(huge, x, bits(8))
    assert torch.isfinite(quantise(huge, x, bits(8, exact=False))(x)).all()


def test_convolutions_that_are_not_run_are_refused_and_named() -> None:
    network = branches()
    network.spare = nn.Conv2d(1, 1, 1)
    with pytest.raises(ParameterError, match="does not run the convolution spare"):
        quantise(network, pictures())
    quantise(network, pictures(), QuantisationSettings(skip=("spare",)))


def test_names_to_skip_that_do_not_exist_are_refused() -> None:
    with pytest.raises(ParameterError, match="'nowhere'"):
        quantise(chain(), pictures(), QuantisationSettings(skip=("nowhere",)))


def test_quantised_networks_are_not_quantised_again() -> None:
    with pytest.raises(ParameterError, match="already"):
        quantise(quantise(chain(), pictures()), pictures())


def test_inputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ParameterError, match="not finite"):
        quantise(chain(), pictures() * float("inf"))


def test_computed_weights_are_refused() -> None:
    conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 3, 1))
    with pytest.raises(ParameterError, match="parametrisation"):
        quantise(nn.Sequential(conv), pictures())
