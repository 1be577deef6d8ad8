"""What training minimises: rate and distortion with a given multiplier, or one of them with a bound on the
other.

Bits and squared errors become one number here and nowhere else. A bound is kept by Lagrangian duality: the
multiplier rises (dual ascent, in the logarithm) while the bound is missed and falls while there is room.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from ..core.stage import ObjectiveSettings
from .architecture import LAMBDA_MAX, LAMBDA_MIN, RATE_INDICES
from .rates import lagrangian

TYPICAL_COST, TYPICAL_LAMBDA, TYPICAL_POWER = 1.2, 0.013, 0.45
"""bits + lambda * squared error of a trained codec is roughly 1.2 (lambda / 0.013) ** 0.45."""
USUAL_RATES = (36, 215)
"""Rate indices of about 0.1 to 1.5 bits per pixel."""
LARGEST_VIOLATION = 1.0
"""A bound that is missed by more than a factor of e moves the multiplier no faster."""
MULTIPLIER_RANGE = (1e-5, 1e6)


def typical_cost(multiplier: Tensor) -> Tensor:
    """Roughly what bits + multiplier * squared error is: losses are divided by it, so that every rate counts
    alike.
    """
    return TYPICAL_COST * (multiplier / TYPICAL_LAMBDA) ** TYPICAL_POWER


def mean_squared_error(psnr: float) -> float:
    """Of pixels on the 0..255 scale, for a PSNR in dB."""
    return 255.0**2 * 10 ** (-psnr / 10)


def usual_lambda(settings: ObjectiveSettings) -> float:
    """The multiplier lambda whose usual rate or distortion is the bound, by the slope of the typical cost.

    With J(lambda) = min R + lambda D, D is dJ/dlambda: a share of ``TYPICAL_POWER`` of the cost is distortion.
    """
    if settings.kind == "bound-rate":
        cost = settings.bpp / (1 - TYPICAL_POWER)
        return TYPICAL_LAMBDA * (cost / TYPICAL_COST) ** (1 / TYPICAL_POWER)
    # D = power * 1.2 * (lambda / 0.013) ** power / lambda
    slope = mean_squared_error(settings.psnr) * TYPICAL_LAMBDA / (TYPICAL_POWER * TYPICAL_COST)
    return TYPICAL_LAMBDA * slope ** (1 / (TYPICAL_POWER - 1))


class Objective(nn.Module):
    """Turns the rates and distortions of a batch into a loss.

    Args:
        settings: which of the four forms, and its bound.
    Attributes:
        log_multiplier: float64 scalar, of the bounded forms: the logarithm of what multiplies the bounded
            quantity. It is part of ``state_dict()``.
    """

    log_multiplier: Tensor

    def __init__(self, settings: ObjectiveSettings) -> None:
        super().__init__()
        self.settings = settings
        start = 0.0
        if settings.bounded:
            lowest, highest = LAMBDA_MIN, LAMBDA_MAX
            start = math.log(min(highest, max(lowest, usual_lambda(settings))))
            start = -start if settings.kind == "bound-rate" else start
        self.register_buffer("log_multiplier", torch.tensor(start, dtype=torch.float64))
        grid = torch.arange(RATE_INDICES) / (RATE_INDICES - 1)
        lambdas = lagrangian(grid)
        self._usual_distortion = float((typical_cost(lambdas) / lambdas).mean())

    @property
    def rate_index(self) -> int | None:
        """The one rate index that is trained, or None where all of them are."""
        s = self.settings
        if not s.bounded:
            return None
        if s.rate_index >= 0:
            return s.rate_index
        t = math.log(usual_lambda(s) / LAMBDA_MIN) / math.log(LAMBDA_MAX / LAMBDA_MIN)
        return round(min(1.0, max(0.0, t)) * (RATE_INDICES - 1))

    def draw(self, random: np.random.Generator, size: int) -> np.ndarray:
        """``size`` rate indices: the one that is trained, or any, those that users ask for more often."""
        index = self.rate_index
        if index is not None:
            return np.full(size, index)
        usual = random.integers(USUAL_RATES[0], USUAL_RATES[1] + 1, size)
        anywhere = random.integers(0, RATE_INDICES, size)
        return np.where(random.random(size) < self.settings.usual_share, usual, anywhere)

    @property
    def multiplier(self) -> Tensor:
        """Of the bounded quantity: bits per pixel in squared grey levels for "bound-rate", lambda for
        "bound-distortion".
        """
        return torch.exp(self.log_multiplier)

    def forward(self, rate: Tensor, distortion: Tensor, t: Tensor) -> Tensor:
        """The loss of a batch, a scalar.

        Args:
            rate: B, bits per pixel.
            distortion: B, squared grey levels of 0..255 (``distortions``).
            t: B rates in [0, 1].
        """
        kind = self.settings.kind
        if kind == "rate+lambda*distortion":
            weight = lagrangian(t)
            return ((rate + weight * distortion) / typical_cost(weight)).mean()
        if kind == "log(rate+lambda*distortion)":
            weight = lagrangian(t)
            return torch.log((rate + weight * distortion) / typical_cost(weight)).mean()
        if kind == "distortion+rate/lambda":
            # one scale for all rates: unlike the form above, this one cares most for the low rates
            return (distortion + rate / lagrangian(t)).mean() / self._usual_distortion
        sign = -1 if kind == "bound-rate" else 1
        weight = torch.exp(sign * self.log_multiplier).to(rate.dtype)
        return ((rate + weight * distortion) / typical_cost(weight)).mean()

    @torch.no_grad()
    def ascend(self, rate: Tensor, distortion: Tensor, learning_rate: float) -> None:
        """One step of dual ascent; nothing happens where there is no bound, or what is bounded is no number.

        Args:
            rate: scalar, bits per pixel of the last batch.
            distortion: scalar, its mean squared error.
            learning_rate: of the weights in this step.
        """
        s = self.settings
        if not s.bounded:
            return
        if s.kind == "bound-rate":
            excess = torch.log(rate / s.bpp)
        else:
            excess = torch.log(distortion / mean_squared_error(s.psnr))
        excess = torch.clamp(torch.nan_to_num(excess, 0.0), -LARGEST_VIOLATION, LARGEST_VIOLATION)
        step = s.speed * learning_rate * excess
        low, high = map(math.log, MULTIPLIER_RANGE)
        self.log_multiplier.add_(step.to(self.log_multiplier)).clamp_(low, high)
