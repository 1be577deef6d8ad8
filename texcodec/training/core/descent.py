"""One step of gradient descent, as all trainings take it: learning rates, clipped gradients, steps that are skipped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from . import processes
from .stage import StageSettings

MOST_IN_A_ROW = 100
WINDOW, MOST_IN_WINDOW = 1000, 300
"""Steps whose gradient is not finite are skipped; this many in a row, or in a window of steps, end the training."""


def cosine(progress: float) -> float:
    """From 1 at 0 down to 0 at 1 and beyond, along half a cosine."""
    return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))


def adam(modules: nn.Module, settings: StageSettings) -> tuple[torch.optim.Adam, list[str]]:
    """The optimiser of a stage, and the names of its parameters in the order of its state; the frozen ones
    are switched off.
    """
    for key, p in modules.named_parameters():
        p.requires_grad_(not any(fnmatchcase(key, f"{prefix}*") for prefix in settings.freeze))
    named = [(k, p) for k, p in modules.named_parameters() if p.requires_grad]
    slow = [(k, p) for k, p in named if k.startswith("linear.") or ".linear." in k]
    fast = [pair for pair in named if not any(pair[1] is p for _, p in slow)]
    groups = [
        {"params": [p for _, p in part], "factor": factor}
        for part, factor in ((fast, 1.0), (slow, settings.linear_learning_rate))
        if part
    ]
    return torch.optim.Adam(groups, lr=1e-8, betas=(0.9, 0.98), fused=True), [k for k, _ in [*fast, *slow]]


class Descent:
    """Takes steps with the gradients that the parameters have.

    Args:
        optimizer: a fused one, since it can leave everything as it is; a group may have a "factor" of the learning
            rate.
        parameters: those of the optimiser, in the order in which the norm is summed.
        clip: largest norm of the gradient.
    Attributes:
        skipped: steps whose gradient was not finite, as far as ``check`` has looked.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, parameters: Sequence[nn.Parameter], clip: float
    ) -> None:
        self.optimizer, self.parameters, self.clip, self.skipped = optimizer, list(parameters), clip, 0
        device = self.parameters[0].device if self.parameters else None
        # skipped in a row, in this window, and in all; on the device, which is not waited for
        self._bad = torch.zeros(3, dtype=torch.float64, device=device)
        self._steps = 0

    def clear(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def step(self, learning_rate: float) -> tuple[Tensor, Tensor]:
        """One step, by the gradients averaged over all processes; nothing changes if they are not finite.

        Returns:
            the norm of the gradients before they were clipped, and whether it was not finite; scalars.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group.get("factor", 1.0)
        processes.average_gradients(self.parameters)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.clip)
        bad = torch.logical_not(torch.isfinite(norm))
        # the fused optimiser leaves everything as it is where this is 1: no need to wait for a GPU
        self.optimizer.found_inf = bad.float()  # type: ignore[attr-defined]
        self.optimizer.step()
        self._steps += 1
        if self._steps % WINDOW == 0:
            self._bad[1] = 0
        self._bad += bad
        self._bad[0] *= bad
        return norm, bad

    def resume(self, steps: int, skipped: int) -> None:
        """Count from where an earlier run has ended."""
        self._steps, self.skipped = steps, skipped
        self._bad[2] = skipped

    def check(self, what: str, advice: str) -> bool:
        """Whether the last step was taken.

        Args:
            what: is trained, for the message.
            advice: the same.
        Raises:
            FloatingPointError: too many were not.
        """
        row, window, self.skipped = map(int, self._bad.tolist())
        if row >= MOST_IN_A_ROW or window >= MOST_IN_WINDOW:
            bad, of = (row, row) if row >= MOST_IN_A_ROW else (window, WINDOW)
            raise FloatingPointError(
                f"The loss of {what} was not finite in {bad} of the last {of} steps; lower the learning rate "
                f"({advice})."
            )
        return row == 0
