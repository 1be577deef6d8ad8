"""Exported networks against integer arithmetic in numpy, on the worst inputs there are. Needs torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from integer_oracle import convolve, worst_input  # noqa: E402
from quantisation_samples import bits, branches, chain, pictures  # noqa: E402
from torch import nn  # noqa: E402

from texcodec.errors import ParameterError  # noqa: E402
from texcodec.quantisation import (  # noqa: E402
    FrozenConv,
    IntegerLayer,
    QuantisationSettings,
    freeze,
    integer_layers,
    quantise,
)

KINDS = {
    "plain": lambda: nn.Conv2d(16, 6, 3, padding=1),
    "strided, dilated": lambda: nn.Conv2d(16, 6, 3, stride=2, padding=2, dilation=2),
    "grouped": lambda: nn.Conv2d(16, 6, (3, 5), padding=(0, 2), groups=2),
    "depthwise": lambda: nn.Conv2d(16, 16, 5, padding=2, groups=16),
    "transposed": lambda: nn.ConvTranspose2d(16, 6, 4, stride=2, padding=1),
    "transposed, grouped": (
        lambda: nn.ConvTranspose2d(16, 6, 3, stride=(2, 3), padding=1, output_padding=1, dilation=2, groups=2)
    ),
}


def geometry(conv: nn.Module) -> dict[str, object]:
    names = ("stride", "padding", "dilation", "groups", "transposed")
    more = {"output_padding": conv.output_padding} if conv.transposed else {}
    return {name: getattr(conv, name) for name in names} | more


def frozen(kind: str, number: int, *, low: float = 0.0) -> tuple[FrozenConv, IntegerLayer]:
    torch.manual_seed(0)
    conv = KINDS[kind]()
    with torch.no_grad():
        conv.bias.mul_(30)
    x = torch.rand(2, 16, 7, 9) + low
    new = freeze(quantise(conv, x, bits(number)))
    return new, integer_layers(new)[""]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("number", "low"), [(2, 0.0), (5, -0.5), (8, 0.0), (8, -0.5)])
def test_sums_equal_those_of_integers_on_random_and_worst_inputs(kind: str, number: int, low: float) -> None:
    network, layer = frozen(kind, number, low=low)
    random = np.random.default_rng(0)
    q = random.integers(layer.low, layer.high + 1, (3, 16, 7, 9))
    q[1] = np.where(random.random(q[1].shape) < 0.5, layer.low, layer.high)
    q[2] = layer.high
    sums = network.sums(torch.from_numpy(q.astype(np.float32))).numpy()
    wanted = convolve(q, layer, **geometry(network.shape))
    assert wanted.dtype == np.int32 and sums.shape == wanted.shape
    np.testing.assert_array_equal(sums.astype(np.float64) * 2**layer.bias_fraction, wanted)
    assert len(np.unique(wanted)) > 50


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("signed", [False, True])
def test_worst_input_of_every_channel_stays_exact_and_below_the_bound(sign: int, signed: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(192, 5, 3)
    with torch.no_grad():
        conv.weight[0] = 1.0  # as bad as it gets: 1728 weights of one size
        conv.bias.mul_(100)
    network = freeze(quantise(conv, torch.rand(1, 192, 5, 5) - 0.5 * signed, bits(8)))
    layer = integer_layers(network)[""]
    q = np.stack([worst_input(layer, c, sign=sign) for c in range(5)])
    sums = network.sums(torch.from_numpy(q.astype(np.float32))).numpy()[:, :, 0, 0]
    wanted = convolve(q, layer, stride=(1, 1), padding=(0, 0))[:, :, 0, 0]
    np.testing.assert_array_equal(sums.astype(np.float64) * 2**layer.bias_fraction, wanted)
    assert np.abs(wanted).max() < 2**24
    for c in range(5):  # that input is the worst one: no other drives the channel further
        assert (sign * wanted[c, c] >= sign * wanted[:, c]).all()


def test_without_the_limit_sums_are_wrong_and_export_says_so() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(192, 5, 3)
    with torch.no_grad():
        conv.weight.copy_(conv.weight.abs().clamp(min=0.018))
    network = freeze(quantise(conv, torch.rand(1, 192, 5, 5), bits(8, exact=False)))
    with pytest.raises(ParameterError, match="beyond the exact range of float32.*exact=True"):
        integer_layers(network)
    q = np.random.default_rng(0).integers(200, 256, (1, 192, 9, 9))
    layer = IntegerLayer(
        network.weight.numpy().astype(np.int16), np.zeros(5, np.int32), 0, 0, 255, np.float32(1), np.ones(5)
    )
    network.bias.zero_()
    sums = network.sums(torch.from_numpy(q.astype(np.float32))).numpy()
    assert (sums != convolve(q, layer, stride=(1, 1), padding=(0, 0))).any()


def integer_chain(network: nn.Sequential, q: np.ndarray) -> np.ndarray:
    """A chain of convolutions and ReLUs whose steps are powers of two, in integers and shifts alone."""
    layers = list(integer_layers(network).values())
    for layer, following in zip(layers, [*layers[1:], None]):
        sums = convolve(q, layer, stride=(1, 1), padding=(1, 1)).astype(np.int64)
        if following is None:
            return sums * np.ldexp(layer.scale, -layer.bias_fraction)[:, None, None]
        exponent = np.log2(layer.scale) - layer.bias_fraction - np.log2(following.input_step)
        shift = -exponent.astype(np.int64)[:, None, None]
        assert (shift[:, 0, 0] == -exponent).all() and (shift > 0).all()
        q = np.clip((np.maximum(sums, 0) + (1 << (shift - 1))) >> shift, following.low, following.high)
    raise AssertionError


@pytest.mark.parametrize("number", [2, 3, 4, 8])
def test_whole_network_equals_integers_and_shifts(number: int) -> None:
    network = freeze(quantise(chain(24), pictures(), bits(number, power_of_two=True)))
    first = integer_layers(network)["0"]
    q = np.random.default_rng(0).integers(first.low, first.high + 1, (4, 3, 12, 12))
    for c in range(3):  # and the input that drives a channel furthest, in the middle
        q[c, :, 4:7, 4:7] = worst_input(first, c)
    q[3] = first.high
    given = torch.from_numpy(q.astype(np.float32)) * network[0].input_step
    np.testing.assert_array_equal(network(given).numpy(), integer_chain(network, q))


@pytest.mark.parametrize("number", [2, 4, 8])
def test_any_steps_equal_integer_sums_with_one_rounding_a_number(number: int) -> None:
    network = freeze(quantise(chain(24), pictures(), bits(number)))
    x = pictures(3, 12).numpy() * np.float32(1.3)
    for layer in integer_layers(network).values():
        q = np.floor(np.clip(x / layer.input_step, layer.low, layer.high) + np.float32(0.5))
        sums = convolve(q.astype(np.int64), layer, stride=(1, 1), padding=(1, 1))
        y = np.ldexp(sums.astype(np.float32), -layer.bias_fraction) * layer.scale[:, None, None]
        x = np.maximum(y, np.float32(0))
    np.testing.assert_array_equal(network(pictures(3, 12) * 1.3).numpy(), y)


def test_layers_are_small_integers_with_their_shapes() -> None:
    network = freeze(quantise(branches(), pictures(), QuantisationSettings(3, 5)))
    layers = integer_layers(network)
    assert list(layers) == ["enter", "depthwise", "gate", "down", "up", "leave"]
    assert layers["up"].weight.shape == (8, 4, 4, 4) and layers["depthwise"].weight.shape == (8, 1, 3, 3)
    for name, layer in layers.items():
        bits_of = 8 if name in ("enter", "leave") else 3
        assert layer.weight.dtype == np.int16 and layer.bias.dtype == np.int32
        assert -(2 ** (bits_of - 1)) <= layer.weight.min() and layer.weight.max() < 2 ** (bits_of - 1)
        assert layer.scale.dtype == np.float32 and layer.scale.shape == (len(layer.weight),)
    assert not layers["leave"].bias.any()


def test_networks_that_are_not_exported_have_no_integer_layers() -> None:
    with pytest.raises(ParameterError, match="export it first"):
        integer_layers(quantise(chain(), pictures()))
    with pytest.raises(ParameterError, match="Nothing in the network is quantised"):
        freeze(chain())


def test_oracle_notices_sums_beyond_int32() -> None:
    layer = IntegerLayer(
        np.full((1, 1, 1, 1), 2**14, np.int16), np.zeros(1, np.int32), 8, 0, 255, np.float32(1), np.ones(1)
    )
    with pytest.raises(OverflowError):
        convolve(np.full((1, 1, 1, 1), 2**10), layer, stride=(1, 1), padding=(0, 0))
