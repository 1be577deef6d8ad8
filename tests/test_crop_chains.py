"""Chains of keep probabilities of a crop: products, ramps, draws, corrections, and the budget. Needs torch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from texcodec.crop.region import hard_region  # noqa: E402
from texcodec.training.crop.chains import Chains, budget_loss  # noqa: E402


def chains_of(
    correction: str, pixel: tuple[int, int], size: tuple[int, int], **logits: list[float]
) -> Chains:
    """Free chains with these logits, and 0 for all others."""
    chains = Chains(pixel, size, "free", correction)
    with torch.no_grad():
        chains.width.fill_(1e9)  # no ramp
        for name, values in logits.items():
            chains.rests[name][:] = torch.tensor(values)
    return chains


def test_keep_probability_is_the_product_of_all_transitions_before() -> None:
    chains = chains_of("none", (3, 2), (7, 5), left=[2.0, -1.0, 0.5])
    p = torch.sigmoid(torch.tensor([2.0, -1.0, 0.5]))
    torch.testing.assert_close(chains.keep()["left"].detach(), torch.stack([p[0], p[0] * p[1], p.prod()]))
    rows, columns = chains.axes()
    assert (len(rows), len(columns)) == (5, 7)
    assert rows[2] == columns[3] == 1


def test_narrow_ramps_end_where_they_say() -> None:
    chains = Chains((10, 0), (41, 1), "free", "none")
    with torch.no_grad():
        chains.ends["right"].copy_(torch.tensor(0.5).log())
    spreads = []
    for part in (0.0, 0.5, 1.0):
        chains.narrow(part)
        p = chains.keep()["right"].detach()
        spreads.append(float((p * (1 - p)).sum()))
    assert spreads == sorted(spreads, reverse=True)
    assert spreads[-1] < 0.3
    assert float(p.sum()) == pytest.approx(15, abs=0.7)


def test_draws_are_runs_with_the_frequencies_of_the_chains() -> None:
    torch.manual_seed(1)
    chains = chains_of("none", (4, 0), (9, 1), left=[1.0] * 4, right=[1.0] * 4)
    rows, columns = chains.sample(4000)
    assert rows.shape == (4000, 1)
    assert (columns[:, 4] == 1).all()
    assert (columns[:, 5:].diff(dim=1) <= 0).all()
    torch.testing.assert_close(columns.mean(0), chains.axes()[1].detach(), atol=0.03, rtol=0)


def test_mirrored_draws_are_symmetric() -> None:
    torch.manual_seed(1)
    _, columns = chains_of("left-right", (4, 0), (9, 1), left=[1.0] * 4, right=[1.0] * 4).sample(50)
    assert ((columns - columns.flip(1)) == 0).all()
    assert 1 < columns.sum(1).mean() < 9


@pytest.mark.parametrize(
    ("correction", "equal"),
    [("none", ""), ("left-right", "x"), ("up-down", "y"), ("centre", "xy")],
)
def test_correction_makes_opposite_probabilities_equal_and_keeps_the_cost(
    correction: str, equal: str
) -> None:
    logits = {"left": [3.0, 2.0, -1.0], "up": [-2.0, 1.0]}
    chains = chains_of(correction, (3, 2), (7, 5), **logits)
    keep = {name: p.detach() for name, p in chains.keep().items()}
    assert torch.equal(keep["left"], keep["right"]) == ("x" in equal)
    assert torch.equal(keep["up"], keep["down"]) == ("y" in equal)
    assert chains.cost() == pytest.approx(chains_of("none", (3, 2), (7, 5), **logits).cost())


@pytest.mark.parametrize("column", [0, 1])
def test_correction_about_a_reference_near_the_edge_cuts_off_what_is_beyond(column: int) -> None:
    torch.manual_seed(1)
    chains = chains_of("left-right", (column, 2), (7, 5), left=[9.0] * column, right=[9.0] * (6 - column))
    keep = {name: p.detach() for name, p in chains.keep().items()}
    torch.testing.assert_close(keep["left"], keep["right"][:column])
    left, _, width, _ = hard_region(
        {k: p.tolist() for k, p in keep.items()}, (column, 2), (7, 5), "left-right"
    )
    assert (left, width) == pytest.approx((0, 1), abs=0.01)
    _, columns = chains.sample(200)
    assert columns.mean() > 0.99


@pytest.mark.parametrize("budget", [0.02, 0.15, 0.3, 0.95])
def test_settling_meets_the_budget_and_keeps_the_shape(budget: float) -> None:
    chains = Chains((48, 36), (97, 73), "symmetric", "none")
    chains.narrow(1.0)
    with torch.no_grad():
        chains.ends["across"].copy_(torch.tensor(0.8).log())
        chains.ends["along"].copy_(torch.tensor(0.4).log())
    chains.settle(budget)
    assert 0.95 * budget <= chains.cost() < budget
    settled = [float(chains.ends[name].detach().exp()) for name in ("across", "along")]
    if budget < 0.4:
        assert settled[0] / settled[1] == pytest.approx(2, rel=0.2)
    chains.settle(budget)
    assert settled == [float(chains.ends[name].detach().exp()) for name in ("across", "along")]


@pytest.mark.parametrize(
    ("cost", "sign"), [(0.05, -1), (0.09, -1), (0.096, 0), (0.0999, 0), (0.11, 1), (0.9, 1)]
)
def test_budget_pushes_from_both_sides_and_rests_in_its_band(cost: float, sign: int) -> None:
    at = torch.tensor(cost, requires_grad=True)
    loss = budget_loss(at, 0.1)
    if sign:
        loss.backward()
        assert at.grad is not None
        assert np.sign(float(at.grad)) == sign
    else:
        assert float(loss) == 0
        assert not loss.requires_grad
