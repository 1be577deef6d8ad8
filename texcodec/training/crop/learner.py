"""Joint training of a task network and the chains of a crop (torch).

    warm-up   the network alone, on whole pictures
    joint     in turn: the network on masked pictures; the chains by the task's loss and the budget's
    finish    the network alone, on the hard region

Everything is computed on the part of the picture whose keep probability is not negligible, so steps become cheaper
as the region shrinks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ...crop.labels import Labelled
from ...crop.profile import FORMS, Profile
from ...crop.region import hard_region, pixel_box, reference_pixel
from ...errors import ParameterError
from ...tiles import Box
from ..core.descent import Descent, cosine
from .chains import BAND, Chains, expected_cost
from .network import TaskNetwork, aligned

NEGLIGIBLE = 0.02
"""Rows and columns whose keep probability is below it are not computed."""
SHRINKING = 0.6
"""Part of the joint steps in which the budget goes down from the first cost to its final value."""
DRAWS = 32
"""Draws of the chains that the pictures of a step are shared out among."""
NARROWING = 0.3, 0.9
"""Parts of the joint steps between which the chains' ramps become narrow."""
REMEMBERED = 0.98
"""Of the slopes' mean square from one step of the chains to the next."""
SMALLEST = 3
"""Pixels of the working size, squared, that a budget must be worth."""
EVALUATED = 512
"""Pictures evaluated at a time."""


@dataclass(frozen=True)
class CropSettings:
    """How a crop is learned.

    Attributes:
        budget: largest part of the pixels that may be kept, above 0 to 1.
        form, correction, reference: of the chains, see ``Profile``.
        warm_up, joint, finish: steps of the three phases.
        batch: pictures per step.
        learning_rate, chain_learning_rate: of the network (Adam) and of the chains.
        noise: standard deviation of noise added to standardised pixels in the joint phase. As it comes after the mask,
            a dimmed pixel tells less: the network cannot undo the mask by amplifying.
        width: channels of the network.
        seed: of everything drawn at random.
    """

    budget: float = 0.15
    form: str = "symmetric"
    correction: str = "none"
    reference: tuple[float, float] = (0.5, 0.5)
    warm_up: int = 300
    joint: int = 1200
    finish: int = 600
    batch: int = 64
    learning_rate: float = 2e-3
    chain_learning_rate: float = 0.02
    noise: float = 0.2
    width: int = 32
    seed: int = 1

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ParameterError(f"The form must be one of {', '.join(FORMS)}, not {self.form!r}.")
        if not 0 < self.budget <= 1:
            raise ParameterError(f"The budget must be above 0 and at most 1, not {self.budget:g}.")
        if min(self.warm_up, self.joint, self.finish) < 0 or min(self.batch, self.width // 2) < 1:
            raise ParameterError("Steps must be 0 or more, the batch 1 or more and the width 2 or more.")

    @property
    def steps(self) -> int:
        """Of all phases."""
        return self.warm_up + self.joint + self.finish


def chain_learning_rate(joint: int) -> float:
    """A learning rate of the chains that suits ``joint`` joint steps: fewer steps must be larger."""
    return 0.02 * math.sqrt(1200 / max(joint, 1))


class Learner:
    """A network and the chains on their way; its state can be saved and restored between any two steps.

    Args:
        data: the pictures to learn from.
        region: learn the network for this box of the working size alone; then the chains play no part.
        soft_finish: end on the keep probabilities as a mask instead of on the hard region, for comparison.

    Raises:
        ParameterError: the budget is less than ``SMALLEST`` pixels squared.
    """

    def __init__(
        self, data: Labelled, settings: CropSettings, region: Box | None = None, *, soft_finish: bool = False
    ) -> None:
        self.data, self.settings, self.size = data, settings, data.size
        self.pixel = reference_pixel(settings.reference, self.size)
        least = min(self.size[0], SMALLEST) * min(self.size[1], SMALLEST)
        if BAND * settings.budget * self.size[0] * self.size[1] < least:
            raise ParameterError(
                f"A budget of {settings.budget:g} is less than {SMALLEST} x {SMALLEST} pixels of the {self.size[0]} x "
                f"{self.size[1]} that are learned from; give a larger one, or more pixels with --side."
            )
        torch.manual_seed(settings.seed)
        self.random = np.random.default_rng(settings.seed)
        self.chains = Chains(self.pixel, self.size, settings.form, settings.correction)
        self.network = TaskNetwork(data.pixels.shape[3], len(data.targets), self.size, settings.width)
        self.opening = max(self.chains.cost(), settings.budget)
        self.weights_by = torch.optim.Adam(self.network.parameters(), fused=True)
        self.descent = Descent(self.weights_by, list(self.network.parameters()), clip=1.0)
        speed = settings.chain_learning_rate
        self.ends_by = torch.optim.SGD(self.chains.ends.parameters(), speed, momentum=0.9, dampening=0.9)
        self.rests_by = torch.optim.Adam(self.chains.rests.parameters(), speed, (0.9, 0.99))
        self.pixels = torch.from_numpy(np.ascontiguousarray(data.pixels.transpose(0, 3, 1, 2)))
        sample = data.pixels[:: max(1, len(data.pixels) // 256)].astype(np.float32)
        self.level, self.contrast = float(sample.mean()), float(sample.std()) or 1.0
        self.mean, self.spread = data.values.mean(0), data.values.std(0)
        self.values = self._standardised(data.values)
        self.fixed, self.soft_finish = region, soft_finish
        self.step, self.worked, self.moves, self.slope = 0, 0, 0, 0.0
        """``worked`` counts the pixels that went through the network in training."""

    # -- training
    def advance(self) -> dict[str, float]:
        """One step; returns what a log shows: the phase, the losses and the cost."""
        phase, part = self._phase()
        # a network for a fixed region has no phases before; it gets the whole of its time on one slope
        self.learning_rate = self.settings.learning_rate * (cosine(part) if phase == "finish" else 1.0)
        batch = torch.from_numpy(self.random.integers(0, len(self.values), self.settings.batch))
        self.step += 1
        if phase != "joint":
            box = Box(0, 0, *self.size) if phase == "warm-up" else self.fixed or self.hard_box()
            rows, columns = self._hard(box)
            if phase == "finish" and self.soft_finish:
                with torch.no_grad():
                    rows, columns = self.chains.axes()
            return {"task": self._teach_network(batch, rows, columns, noise=0.0)}
        if self.step % 2:
            # half of the time as the chains may fall out, so that the network knows hard edges everywhere
            with torch.no_grad():
                rows, columns = self.chains.sample(DRAWS) if self.step % 4 == 1 else self.chains.axes()
            facts = {"task": self._teach_network(batch, rows, columns, noise=self.settings.noise)}
        else:
            facts = self._teach_chains(batch, part)
        if self.step == self.settings.warm_up + self.settings.joint:
            self.chains.narrow(1.0)
            self.chains.settle(self.settings.budget)  # from here on only the network learns
        return facts

    def _phase(self) -> tuple[str, float]:
        """The phase of the next step, and how much of it is over, from 0 to 1."""
        s, at = self.settings, self.step
        if self.fixed is not None:
            return "finish", at / max(s.steps, 1)
        for name, steps in (("warm-up", s.warm_up), ("joint", s.joint)):
            if at < steps:
                return name, at / steps
            at -= steps
        return "finish", at / max(s.finish, 1)

    def _budget(self, part: float) -> float:
        gone = min(part / SHRINKING, 1)
        return float(self.opening ** (1 - gone) * self.settings.budget**gone)

    def _teach_network(self, batch: Tensor, rows: Tensor, columns: Tensor, noise: float) -> float:
        loss = F.mse_loss(self._seen(batch, rows, columns, noise), self.values[batch])
        self.descent.clear()
        loss.backward()
        self.descent.step(self.learning_rate)
        return float(loss.detach())

    def _teach_chains(self, batch: Tensor, part: float) -> dict[str, float]:
        s, budget = self.settings, self._budget(part)
        first, last = NARROWING
        self.chains.narrow(min(max((part - first) / (last - first), 0), 1))
        rows, columns = self.chains.axes()
        cost = expected_cost(rows, columns)
        with torch.no_grad():
            drawn = self.chains.sample(DRAWS)
        # forwards hard draws, backwards the probabilities: a dimmed pixel could be amplified, a dropped one cannot
        rows, columns = (hard + (soft - soft.detach()) for hard, soft in zip(drawn, (rows, columns)))
        task = F.mse_loss(self._seen(batch, rows, columns, s.noise), self.values[batch])
        self._move_chains(task, torch.log(cost))
        self.chains.settle(budget)
        return {"task": float(task.detach()), "cost": float(cost.detach()), "budget": budget}

    def _move_chains(self, task: Tensor, cost: Tensor) -> None:
        """One step by the task's loss, of the ends only where it does not change the cost, which the budget sets."""
        ends = list(self.chains.ends.values())
        direction = torch.stack(torch.autograd.grad(cost, ends, retain_graph=True))
        self.ends_by.zero_grad()
        self.rests_by.zero_grad()
        task.backward()
        slopes = torch.stack([torch.zeros(()) if end.grad is None else end.grad for end in ends])
        slopes -= direction * (slopes @ direction) / (direction @ direction + 1e-12)
        # one scale for all ends, unlike Adam's: which of them the task needs more is what is to be learned
        self.moves += 1
        self.slope += (1 - REMEMBERED) * (float(slopes @ slopes) - self.slope)
        slopes /= math.sqrt(self.slope / (1 - REMEMBERED**self.moves)) + 1e-12
        for end, slope in zip(ends, slopes):
            end.grad = slope
        self.ends_by.step()
        self.rests_by.step()

    def _seen(self, batch: Tensor, rows: Tensor, columns: Tensor, noise: float) -> Tensor:
        """What the network makes of masked pictures; rows and columns may be several draws, one a line."""
        box = _support(rows.detach(), columns.detach())
        mask = rows[..., box.top : box.bottom, None] * columns[..., None, box.left : box.right]
        if mask.ndim == 3:  # several draws are shared out among the pictures
            mask = mask[torch.arange(len(batch)) % len(mask), None]
        x = self._input(batch, box) * mask
        if noise:
            x = x + noise * torch.randn_like(x)
        self.worked += len(batch) * box.width * box.height
        out: Tensor = self.network(x, (box.left, box.top))
        return out

    # -- results
    def hard_box(self) -> Box:
        """The region that the chains amount to now, in the working size."""
        return pixel_box(self._region(), *self.size)

    def predict(self, data: Labelled, mask: str = "hard", box: Box | None = None) -> np.ndarray:
        """Predictions for other pictures: float64 N x T, in the units of the labels.

        Args:
            mask: "hard" crops to the region (or to ``box``), "soft" multiplies by the keep probabilities.
        """
        with torch.no_grad():
            chosen = (
                self.chains.axes() if mask == "soft" else self._hard(box or self.fixed or self.hard_box())
            )
            rows, columns = chosen
            inside = _support(rows, columns)
            weight = rows[inside.top : inside.bottom, None] * columns[inside.left : inside.right]
            pixels = torch.from_numpy(np.ascontiguousarray(data.pixels.transpose(0, 3, 1, 2)))
            found = [
                self.network(self._scaled(_cut(part, inside)) * weight, (inside.left, inside.top))
                for part in pixels.split(EVALUATED)
            ]
        return torch.cat(found).double().numpy() * self.spread + self.mean

    def profile(self, provenance: dict[str, Any]) -> Profile:
        """What was learned."""
        with torch.no_grad():
            keep = {name: tuple(p.double().clamp(0, 1).tolist()) for name, p in self.chains.keep().items()}
        s = self.settings
        return Profile(
            region=self._region(),
            size=self.size,
            reference=s.reference,
            keep=keep,
            form=s.form,
            correction=s.correction,
            targets=self.data.targets,
            budget=s.budget,
            provenance=provenance,
        )

    # -- state
    def state(self) -> dict[str, Any]:
        """Everything that continuing needs, but for data and settings."""
        return {
            "network": self.network.state_dict(),
            "chains": self.chains.state_dict(),
            "weights_by": self.weights_by.state_dict(),
            "ends_by": self.ends_by.state_dict(),
            "rests_by": self.rests_by.state_dict(),
            "step": self.step,
            "worked": self.worked,
            "moves": self.moves,
            "slope": self.slope,
            "torch": torch.get_rng_state(),
            "numpy": self.random.bit_generator.state,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a saved state."""
        for name in ("network", "chains", "weights_by", "ends_by", "rests_by"):
            getattr(self, name).load_state_dict(state[name])
        self.step, self.worked, self.moves, self.slope = (
            state[k] for k in ("step", "worked", "moves", "slope")
        )
        torch.set_rng_state(state["torch"])
        self.random.bit_generator.state = state["numpy"]

    # -- inside
    def _region(self) -> tuple[float, float, float, float]:
        with torch.no_grad():
            keep = {name: p.double().tolist() for name, p in self.chains.keep().items()}
        return hard_region(keep, self.pixel, self.size, self.settings.correction)

    def _hard(self, box: Box) -> tuple[Tensor, Tensor]:
        rows, columns = torch.zeros(self.size[1]), torch.zeros(self.size[0])
        rows[box.top : box.bottom] = 1
        columns[box.left : box.right] = 1
        return rows, columns

    def _input(self, batch: Tensor, box: Box) -> Tensor:
        return self._scaled(_cut(self.pixels, box)[batch])

    def _scaled(self, pixels: Tensor) -> Tensor:
        return (pixels.float() - self.level) / self.contrast

    def _standardised(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy((values - self.mean) / self.spread).float()


def _cut(pixels: Tensor, box: Box) -> Tensor:
    return pixels[:, :, box.top : box.bottom, box.left : box.right]


def _support(rows: Tensor, columns: Tensor) -> Box:
    """The box of all rows and columns that are not negligible, from where the network can begin."""
    wanted = (axis.amax(0) if axis.ndim == 2 else axis for axis in (rows, columns))
    y, x = (torch.nonzero(axis > NEGLIGIBLE).flatten() for axis in wanted)
    return Box(aligned(int(x[0])), aligned(int(y[0])), int(x[-1]) + 1, int(y[-1]) + 1)
