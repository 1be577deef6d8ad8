"""When to stop: the total loss no longer falls, or by less than a threshold."""

from __future__ import annotations

from dataclasses import dataclass, field

from .settings import check


@dataclass
class Convergence:
    """The rule, fed with the total loss over all training samples of each iteration (a pass over them).

    Attributes:
        threshold: fraction of the lowest total so far by which a total must be below it to count as falling.
        patience: iterations in a row without a fall that end the training; 1 is the rule in its plain form, more
            make it sturdy against the noise of random batches.
        totals: all totals so far.
    """

    threshold: float = 1e-3
    patience: int = 1
    totals: list[float] = field(default_factory=list)
    _lowest: float = float("inf")
    _idle: int = 0

    def __post_init__(self) -> None:
        check(0 <= self.threshold < 1, "The threshold of convergence must be at least 0 and below 1.")
        check(self.patience >= 1, "The patience of convergence must be at least 1.")

    def update(self, total: float) -> bool:
        """Note the total of one more iteration; returns whether training has converged.

        Raises:
            FloatingPointError: the total is not finite.
        """
        if not abs(total) < float("inf"):
            raise FloatingPointError(
                "The total loss is not finite; lower the learning rate, or the weights of the losses."
            )
        self.totals.append(total)
        first = self._lowest == float("inf")
        falls = first or self._lowest - total > self.threshold * abs(self._lowest)
        self._idle = 0 if falls else self._idle + 1
        self._lowest = min(self._lowest, total)
        return self._idle >= self.patience
