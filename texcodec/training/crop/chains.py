"""Markov chains of keep probabilities (torch).

Keeping pixels is a chain that starts at the reference pixel: the step to the k-th pixel outwards has a transition
probability p_k = sigmoid(a_k), and the pixel's keep probability is the product P_k = p_1 ... p_k. A pixel's keep
probability is that of its column times that of its row.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ...crop.region import DIRECTIONS, chain_lengths, mirrored_pairs

_CHAINS = {
    "isotropic": dict.fromkeys(DIRECTIONS, "all"),
    "symmetric": {"left": "across", "right": "across", "up": "along", "down": "along"},
    "free": {name: name for name in DIRECTIONS},
}
BAND = 0.95
"""The budget is met between this part of it and all of it."""
WIDEST, NARROWEST = 0.08, 0.008
"""Widths of the ramps in parts of the chains' lengths: at first, and in the end."""
BEYOND = 0.2
"""Largest logarithm of an end: past the edge, but not so far that it cannot come back."""
FURTHEST, HALVINGS, LEAST, TRIES = 16.0, 40, 0.1, 8
"""How far ends can be moved to meet the budget, in how many steps of half the size, what part of that at least each of
them, and how often a new direction is taken if that did not do."""


class Chains(nn.Module):
    """The four directions' keep probabilities for pictures of one size.

    A chain's logits are a_k = (end - k) / width + r_k: a ramp that says where the chain ends, and how surely, and a
    free rest for every step. Ends and rests are learned; the width is given, and falls. So the budget moves a
    region's border; of logits that are learned one by one it lowers all, which blurs the border.

    Args:
        pixel: column and row of the reference pixel.
        size: width and height.
        form: "isotropic", "symmetric" or "free" (``texcodec.crop.profile.FORMS``).
        correction: which opposite directions are made equal (``texcodec.crop.region.CORRECTIONS``).

    Attributes:
        ends: by chain, the logarithm of the end in parts of its length. Equal changes of opposite sign keep a
            rectangle's area.
        rests: by chain, a number for each of its steps.
        width: of the ramps, in parts of the chains' lengths.
    """

    width: Tensor

    def __init__(self, pixel: tuple[int, int], size: tuple[int, int], form: str, correction: str) -> None:
        super().__init__()
        self.lengths, self.pairs, self.chain_of = (
            chain_lengths(pixel, size),
            mirrored_pairs(correction),
            _CHAINS[form],
        )
        longest: dict[str, int] = {}
        for name, chain in self.chain_of.items():
            longest[chain] = max(longest.get(chain, 0), self.lengths[name])
        self.ends = nn.ParameterDict({k: nn.Parameter(torch.zeros(())) for k in longest})
        self.rests = nn.ParameterDict({k: nn.Parameter(torch.zeros(n)) for k, n in longest.items()})
        self.register_buffer("width", torch.tensor(WIDEST))

    def narrow(self, part: float) -> None:
        """Set the width: the widest at 0, the narrowest at 1."""
        self.width.fill_(WIDEST ** (1 - part) * NARROWEST**part)

    def transitions(self) -> dict[str, Tensor]:
        """Logits of the transition probabilities by chain."""
        found = {}
        for name, rest in self.rests.items():
            at = (torch.arange(len(rest)) + 0.5) / max(len(rest), 1)
            found[name] = (self.ends[name].exp() - at) / self.width + rest
        return found

    def keep(self) -> dict[str, Tensor]:
        """Keep probabilities by direction, from the reference pixel outwards."""
        logs = {name: F.logsigmoid(a).cumsum(0) for name, a in self.transitions().items()}
        return self._corrected(
            {name: logs[self.chain_of[name]][: self.lengths[name]].exp() for name in DIRECTIONS}
        )

    def axes(self) -> tuple[Tensor, Tensor]:
        """Keep probabilities of the rows (height) and of the columns (width)."""
        return _axes(self.keep())

    def sample(self, draws: int) -> tuple[Tensor, Tensor]:
        """Rows and columns kept by draws of the chains, a draw a line: 1 up to where each ends, then 0."""
        kept = {}
        for name, a in self.transitions().items():
            stays = torch.rand(draws, len(a)) < torch.sigmoid(a)
            kept[name] = stays.to(a.dtype).cumprod(1).sum(1, keepdim=True)
        steps = {name: torch.clamp(kept[self.chain_of[name]], max=self.lengths[name]) for name in DIRECTIONS}
        for one, other in self.pairs:
            if self.lengths[one] > self.lengths[other]:
                one, other = other, one
            both = steps[one] + steps[other]
            # as in ``hard_region``: what would lie beyond the nearer edge is kept on the farther side
            steps[one] = torch.clamp((both / 2).round(), max=self.lengths[one])
            beyond = torch.maximum(steps[one], both - steps[one])
            steps[other] = torch.where(steps[one] < self.lengths[one], steps[one], beyond)
        return _axes({name: (torch.arange(n) < steps[name]).float() for name, n in self.lengths.items()})

    def settle(self, budget: float) -> None:
        """Bring the expected cost into the budget's band, if it is not there, by moving the ends.

        They move down the gradient of ``budget_loss`` as far as it takes, as a weight that is neither too small nor
        too large would move them.
        """
        names = list(self.ends)
        for _ in range(TRIES):
            loss = budget_loss(expected_cost(*self.axes()), budget)
            if not loss.requires_grad:
                return
            direction = torch.stack(torch.autograd.grad(loss, list(self.ends.values()))).abs()
            direction = (direction / direction.max()).nan_to_num(1.0).clamp(min=LEAST)
            start = torch.stack([self.ends[name].detach() for name in names])
            low, high = -FURTHEST, FURTHEST
            for _ in range(HALVINGS):
                move = (low + high) / 2
                with torch.no_grad():
                    for name, value in zip(names, (start + move * direction).clamp(max=BEYOND)):
                        self.ends[name].copy_(value)
                if self.cost() < (1 + BAND) / 2 * budget:
                    low = move
                else:
                    high = move

    def cost(self) -> float:
        """Expected part of the pixels that is kept, from 0 to 1."""
        with torch.no_grad():
            return float(expected_cost(*self.axes()))

    def _corrected(self, keep: dict[str, Tensor]) -> dict[str, Tensor]:
        for one, other in self.pairs:
            a, b = keep[one], keep[other]
            n = min(len(a), len(b))
            mean = (a[:n] + b[:n]) / 2
            last = mean[-1:] if n else torch.ones(1)
            # beyond the nearer edge there is nothing to mirror, but probabilities still never rise
            keep[one], keep[other] = (torch.cat([mean, torch.minimum(c[n:], last)]) for c in (a, b))
        return keep


def _axes(keep: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    one = torch.ones(*keep["up"].shape[:-1], 1)
    return (
        torch.cat([keep["up"].flip(-1), one, keep["down"]], -1),
        torch.cat([keep["left"].flip(-1), one, keep["right"]], -1),
    )


def expected_cost(rows: Tensor, columns: Tensor) -> Tensor:
    """Expected part of the pixels that is kept, from 0 to 1; the network's work is proportional to it."""
    return rows.mean() * columns.mean()


def budget_loss(cost: Tensor, budget: float) -> Tensor:
    """log |cost - 0.95 budget|, and 0 with no gradient inside the dead band from 0.95 budget to budget.

    Source: the loss of differentiable Markov channel pruning (Guo et al., CVPR 2020) on the number of operations.
    """
    if BAND * budget <= float(cost.detach()) < budget:
        return torch.zeros(())
    # relative to the budget, which adds a constant, and away from the pole, whose gradient has no end
    return torch.log((cost / budget - BAND).abs() + 1e-3)
