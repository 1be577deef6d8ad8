"""The auxiliary network, limb by limb: slices, sharing, losses, export; and one module for all. Needs torch."""

from __future__ import annotations

from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

import torch.nn.functional as F  # noqa: E402
from quantisation_samples import bits, branches, chain, pictures  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from texcodec.errors import ParameterError  # noqa: E402
from texcodec.quantisation import (  # noqa: E402
    AuxiliaryNetwork,
    JoinedConv,
    LossWeights,
    QuantisedConv,
    losses,
    quantise,
    quantised_convolutions,
    softened_divergence,
)


def together(network: nn.Module, width: int, number: int = 3) -> AuxiliaryNetwork:
    torch.manual_seed(5)
    return AuxiliaryNetwork(quantise(network, pictures(), bits(number)), pictures(), width=width)


def joined(network: AuxiliaryNetwork) -> dict[str, JoinedConv]:
    return {name: m for name, m in network.auxiliary.named_modules() if isinstance(m, JoinedConv)}


def stirred(network: AuxiliaryNetwork) -> AuxiliaryNetwork:
    """Structures that are nowhere zero, and steps of the auxiliary network that differ from those of the other."""
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for module in joined(network).values():
            for p in module.full.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) * 0.3)
            module.activation.step.log2.add_(0.4)
    return network


def quantised_on(module: JoinedConv, x: Tensor) -> Tensor:
    """What the quantised weights make of an input quantised with the auxiliary network's step."""
    conv = module.quantised.conv
    return F.conv2d(
        module.activation(x), module.quantised.weight, conv.bias, conv.stride, conv.padding, 1, conv.groups
    )


@pytest.mark.parametrize("width", [1, 2, 3])
def test_outputs_are_summed_and_concatenated_along_the_network(width: int) -> None:
    network = stirred(together(chain(6), width))
    a, b, c = joined(network).values()
    x = pictures()
    # by hand, with the slices where the rule has them: in the channels
    wide = a.full(x)
    wide = F.relu(torch.cat([wide[:, :6] + quantised_on(a, x), wide[:, 6:]], 1))
    assert wide.shape[1] == 6 * width
    made = b.full(wide)
    wide = F.relu(torch.cat([made[:, :6] + quantised_on(b, wide[:, :6]), made[:, 6:]], 1))
    expected = c.full(wide) + quantised_on(c, wide[:, :6])
    torch.testing.assert_close(network(x)[1], expected, rtol=1e-4, atol=1e-4)


def test_structures_have_n_times_the_channels() -> None:
    for width in (1, 2, 3):
        shapes = [tuple(m.full.weight.shape[:2]) for m in joined(together(chain(6), width)).values()]
        # the first reads the picture, the last makes the output
        assert shapes == [(6 * width, 3), (6 * width, 6 * width), (2, 6 * width)]


def test_every_convolution_of_a_branching_network_is_joined() -> None:
    network = together(branches(), 2)
    found = joined(network)
    assert list(found) == ["enter", "depthwise", "gate", "down", "up", "leave"]
    assert [name for name, m in found.items() if m.read == 1] == ["enter"]
    assert [name for name, m in found.items() if m.made == 1] == ["leave"]
    assert not any(type(m) is QuantisedConv for m in direct(network.auxiliary))


def direct(network: nn.Module) -> list[nn.Module]:
    """Modules that are not inside a joined convolution."""
    found = [network]
    for child in network.children():
        if not isinstance(network, JoinedConv):
            found += direct(child)
    return found


@pytest.mark.parametrize("transposed", [False, True])
def test_groups_read_their_own_channels_in_every_slice(transposed: bool) -> None:
    torch.manual_seed(0)
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    conv, x = kind(4, 6, 3, padding=1, groups=2), torch.rand(2 * 3, 4, 5, 5)
    quantised = quantise(conv, x, bits(4))
    module = JoinedConv(quantised, width=3)
    out = module(x).unflatten(0, (3, 2))
    assert out.shape == (3, 2, 6, 5, 5)
    s1, s2, s3 = x.chunk(3)
    for group in range(2):
        read = torch.cat([s[:, 2 * group : 2 * group + 2] for s in (s1, s2, s3)], 1)
        part = nn.utils.skip_init(kind, 6, 9, 3, padding=1)
        size = 6 if transposed else 9
        with torch.no_grad():
            part.weight.copy_(module.full.weight[size * group : size * group + size])
            part.bias.copy_(module.full.bias[9 * group : 9 * group + 9])
        made = part(read)
        mine = slice(3 * group, 3 * group + 3)
        torch.testing.assert_close(out[0][:, mine], made[:, :3] + quantised(s1)[:, mine])
        torch.testing.assert_close(out[1][:, mine], made[:, 3:6])
        torch.testing.assert_close(out[2][:, mine], made[:, 6:])


def test_training_starts_from_the_quantised_network() -> None:
    network = together(branches(), 3).eval()
    quantised, auxiliary = network(pictures())
    torch.testing.assert_close(auxiliary, quantised)


@pytest.mark.parametrize("width", [1, 2, 3])
def test_residual_start_begins_as_the_float_network_but_for_the_activations(width: int) -> None:
    network = branches().eval()
    quantised = quantise(network, pictures(), bits(8, exact=False))
    for conv in quantised_convolutions(quantised).values():
        # weights of two bits, activations fine enough to leave no trace
        conv.low, conv.high = -2, 1
        conv.step.log2.data += 6
    both = AuxiliaryNetwork(quantised, pictures(), width=width, start="residual").eval()
    own, helped = both(pictures())
    wanted = network(pictures())
    assert (helped - wanted).abs().max() < 0.2 * (own - wanted).abs().max()
    with pytest.raises(ParameterError, match="start must be one of zero, residual"):
        AuxiliaryNetwork(quantised, pictures(), start="one")


def test_each_slice_has_batch_statistics_of_its_own() -> None:
    network = stirred(together(branches(), 2)).train()
    network(pictures())
    one, two = network.auxiliary.norm.norms
    assert not torch.allclose(one.running_mean, two.running_mean, atol=1e-3)
    assert not torch.allclose(one.running_mean, network.quantised.norm.running_mean, atol=1e-3)
    x = pictures().repeat(2, 1, 1, 1)
    h = torch.cat([network.auxiliary.enter(x)])
    normed = network.auxiliary.norm(h)
    for part in normed.chunk(2):
        torch.testing.assert_close(part.mean((0, 2, 3)), torch.zeros(8), atol=1e-4, rtol=0)
    assert one.weight is not two.weight and one.weight is not network.quantised.norm.weight


def test_both_branches_share_the_quantised_weights() -> None:
    network = together(chain(), 2)
    for name, conv in quantised_convolutions(network.quantised).items():
        assert joined(network)[name].quantised is conv
    auxiliary = network(pictures())[1]
    auxiliary.square().sum().backward()
    for conv in quantised_convolutions(network.quantised).values():
        assert conv.conv.weight.grad.abs().sum() > 0 and conv.conv.bias.grad.abs().sum() > 0


def test_linear_layers_and_other_parameters_are_shared_too() -> None:
    class Head(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(3, 4, 3), nn.Linear(4, 5)
            self.shift = nn.Parameter(torch.zeros(1, 4, 1, 1))

        def forward(self, x: Tensor) -> Tensor:
            return self.linear(F.relu(self.conv(x) + self.shift).mean((2, 3)))

    torch.manual_seed(0)
    network = together(Head(), 2)
    assert network.auxiliary.linear.weight is network.quantised.linear.weight
    assert network.auxiliary.shift is network.quantised.shift
    assert network(pictures())[1].shape == (4, 5)


def test_activation_steps_are_each_branch_s_own() -> None:
    network = together(chain(), 2)
    steps = [m.activation.step.log2 for m in joined(network).values()]
    others = [c.activation.step.log2 for c in quantised_convolutions(network.quantised).values()]
    assert not {id(p) for p in steps} & {id(p) for p in others}
    quantised, auxiliary = network(pictures())
    auxiliary.square().sum().backward(retain_graph=True)
    assert all(p.grad is None for p in others) and all(p.grad.abs() > 0 for p in steps)
    quantised.square().sum().backward()
    assert all(p.grad.abs() > 0 for p in others)


def gradients(network: AuxiliaryNetwork, weights: LossWeights) -> dict[str, float]:
    network.zero_grad()
    target = torch.zeros(4, 2, 8, 8)
    losses(network, pictures(), target, F.mse_loss, weights).total.backward()
    # K1 of the last layer, which has gradients in any case
    full = list(joined(network).values())[-1].full.weight.grad
    own = list(quantised_convolutions(network.quantised).values())[-1].activation.step.log2.grad
    return {"teacher": 0.0 if full is None else full.abs().sum().item(), "student": own.abs().item()}


def test_distillation_moves_the_pupil_and_the_teacher_only_where_wanted() -> None:
    network = stirred(together(chain(), 2))
    only = {"quantised": 1e-9, "auxiliary": 0.0}
    detached = gradients(network, LossWeights(**only))
    assert detached["teacher"] == 0 and detached["student"] > 1e-7
    assert gradients(network, LossWeights(**only, detach_teacher=False))["teacher"] > 1e-4


def test_total_is_the_weighted_sum_of_three_losses() -> None:
    network, target = stirred(together(chain(), 2)), torch.ones(4, 2, 8, 8)
    weights = LossWeights(0.5, 2.0, 3.0)
    found = losses(network, pictures(), target, F.mse_loss, weights)
    quantised, auxiliary = network(pictures())
    torch.testing.assert_close(found.quantised, F.mse_loss(quantised, target))
    torch.testing.assert_close(found.auxiliary, F.mse_loss(auxiliary, target))
    torch.testing.assert_close(found.distillation, F.mse_loss(quantised, auxiliary))
    torch.testing.assert_close(
        found.total, 0.5 * found.quantised + 2 * found.auxiliary + 3 * found.distillation
    )
    plain = losses(network.quantised, pictures(), target, F.mse_loss, weights)
    assert (
        plain.total == plain.quantised == found.quantised and not plain.auxiliary and not plain.distillation
    )


def test_softened_divergence_is_that_of_probabilities() -> None:
    student, teacher = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    p, q = torch.softmax(teacher / 2, 1), torch.softmax(student / 2, 1)
    expected = 4 * (p * (p / q).log()).sum(1).mean()
    torch.testing.assert_close(softened_divergence(2.0)(student, teacher), expected)
    assert softened_divergence()(teacher, teacher).abs() < 1e-6


def test_export_is_the_quantised_branch_bit_for_bit_without_helpers() -> None:
    network = stirred(together(branches(), 2))
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(3):
        optimizer.zero_grad()
        losses(network, pictures(), torch.ones(4, 3, 8, 8), F.mse_loss, LossWeights()).total.backward()
        optimizer.step()
    network.eval()
    exported, x = network.export(), pictures(3, 12) - 0.3
    assert torch.equal(exported(x), network.quantised(x))
    assert not torch.equal(exported(x), network(x)[1])
    kinds = {type(m).__name__ for m in exported.modules()}
    assert "FrozenConv" in kinds and not kinds & {"JoinedConv", "QuantisedConv", "SliceNorm", "LearnedStep"}
    own = sum(p.numel() for p in network.quantised.parameters())
    assert sum(t.numel() for t in exported.state_dict().values()) < 1.2 * own
    assert not any(p.requires_grad for p in exported.parameters())


def test_outputs_may_be_nested_and_inputs_several() -> None:
    class Pair(NamedTuple):
        picture: Tensor
        more: dict[str, list[Tensor]]

    class Nested(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.head = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 1, 1)

        def forward(self, x: Tensor, factor: Tensor, offset: Tensor) -> Pair:
            h = self.conv(x) * factor[:, None, None, None] + offset
            return Pair(h, {"heads": [self.head(F.relu(h))]})

    torch.manual_seed(0)
    inputs = (pictures(), torch.arange(4.0), torch.ones(1, 3, 1, 1))
    quantised = quantise(Nested(), inputs, bits(8))
    network = AuxiliaryNetwork(quantised, inputs, width=3)
    own, helped = network(*inputs)
    assert type(helped) is type(own) and helped.picture.shape == own.picture.shape
    torch.testing.assert_close(helped.more["heads"][0], own.more["heads"][0])
    found = losses(
        network, inputs, None, lambda y, _: y.picture.mean(), LossWeights(), lambda a, b: (a - b).abs().max()
    )
    assert torch.isfinite(found.total)


def test_construction_depends_on_the_seed_alone() -> None:
    one, two = together(branches(), 2), together(branches(), 2)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values()))


def test_networks_that_are_not_quantised_are_refused() -> None:
    with pytest.raises(ParameterError, match="Nothing in the network is quantised"):
        AuxiliaryNetwork(chain(), pictures())


def test_outputs_without_samples_are_refused() -> None:
    class Mean(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).mean(0)

    with pytest.raises(ParameterError, match="samples as their first dimension"):
        AuxiliaryNetwork(quantise(Mean(nn.Conv2d(3, 2, 1)), pictures()), pictures(), width=2)


def test_outputs_of_unknown_kind_are_refused() -> None:
    class Odd(nn.Sequential):
        def forward(self, x: Tensor) -> object:
            return {"a": super().forward(x), "b": "text"}

    with pytest.raises(ParameterError, match="returns a str"):
        AuxiliaryNetwork(quantise(Odd(nn.Conv2d(3, 2, 1)), pictures()), pictures())
