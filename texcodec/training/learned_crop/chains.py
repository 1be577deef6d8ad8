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


class Chains(nn.Module):
    """The four directions' keep probabilities for pictures of one size.

    Args:
        pixel: column and row of the reference pixel.
        size: width and height.
        form: "isotropic", "symmetric" or "free" (``texcodec.crop.profile.FORMS``).
        correction: which opposite directions are made equal (``texcodec.crop.region.CORRECTIONS``).
        start: logit of every transition probability at first.
    """

    def __init__(
        self, pixel: tuple[int, int], size: tuple[int, int], form: str, correction: str, start: float = 4.5
    ) -> None:
        super().__init__()
        self.lengths, self.pairs, self.chain_of = chain_lengths(pixel, size), mirrored_pairs(correction), _CHAINS[form]
        longest: dict[str, int] = {}
        for name, chain in self.chain_of.items():
            longest[chain] = max(longest.get(chain, 0), self.lengths[name])
        self.logits = nn.ParameterDict({k: nn.Parameter(torch.full((n,), start)) for k, n in longest.items()})

    def keep(self) -> dict[str, Tensor]:
        """Keep probabilities by direction, from the reference pixel outwards."""
        logs = {name: F.logsigmoid(a).cumsum(0) for name, a in self.logits.items()}
        return self._corrected({name: logs[self.chain_of[name]][: self.lengths[name]].exp() for name in DIRECTIONS})

    def axes(self) -> tuple[Tensor, Tensor]:
        """Keep probabilities of the rows (height) and of the columns (width)."""
        return _axes(self.keep())

    def spread(self) -> Tensor:
        """Standard deviation of the place where a chain ends, in parts of its length; the mean over the directions."""
        spreads = []
        for p in self.keep().values():
            if len(p):
                # the mean of a length is the sum of P_k, that of its square the sum of (2k - 1) P_k
                odd = 2 * torch.arange(len(p)) + 1
                variance = (odd * p).sum() - p.sum() ** 2
                spreads.append((variance.clamp(min=0) + 0.01).sqrt() / len(p))
        return torch.stack(spreads).mean() if spreads else torch.zeros(())

    def sample(self, draws: int) -> tuple[Tensor, Tensor]:
        """Rows and columns kept by draws of the chains, a draw a line: 1 up to where each ends, then 0."""
        kept = {}
        for name, a in self.logits.items():
            stays = torch.rand(draws, len(a)) < torch.sigmoid(a)
            kept[name] = stays.to(a.dtype).cumprod(1).sum(1, keepdim=True)
        steps = {name: torch.clamp(kept[self.chain_of[name]], max=self.lengths[name]) for name in DIRECTIONS}
        for one, other in self.pairs:
            mean = (steps[one] + steps[other]) / 2
            steps[one], steps[other] = (torch.clamp(mean, max=self.lengths[name]) for name in (one, other))
        return _axes({name: (torch.arange(n) < steps[name].round()).float() for name, n in self.lengths.items()})

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
