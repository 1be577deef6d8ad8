"""Bjøntegaard delta rate: how many more bits one codec needs than another for the same quality.

G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", VCEG-M33, 2001; the integral is
that of the library ``bjontegaard`` with piecewise cubic (PCHIP) interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from .curves import Curve
from .metrics import Metric

Range = tuple[float, float]

DEFAULT_RANGE: Range = (0.12, 1.4)
"""Bits per pixel that are compared: from barely usable to nearly transparent."""


def bd_rate(anchor: Curve, test: Curve, metric: Metric, within: Range) -> float | None:
    """Bits that ``test`` needs beyond ``anchor`` at equal quality, in per cent; negative: it needs fewer.

    Both curves are cut to the points within the range of bits per pixel and one neighbour at each end.

    Returns:
        None where one curve lacks the metric or two usable points, or where they share no quality.
    """
    # it imports pyplot, which must not look for a screen
    import matplotlib

    matplotlib.use("Agg")
    import bjontegaard

    parts = [_usable(curve, metric, within) for curve in (anchor, test)]
    if any(len(rates) < 2 for rates, _ in parts):
        return None
    (rates, values), (test_rates, test_values) = parts
    if min(values[-1], test_values[-1]) <= max(values[0], test_values[0]):
        return None
    result = float(
        bjontegaard.bd_rate(
            rates,
            values,
            test_rates,
            test_values,
            method="pchip",
            require_matching_points=False,
            min_overlap=0,
        )
    )
    return result if math.isfinite(result) else None


def _usable(curve: Curve, metric: Metric, within: Range) -> tuple[list[float], list[float]]:
    """Rates and values on the straight scale, both rising: interpolation needs a function of the quality."""
    rates: list[float] = []
    values: list[float] = []
    for rate, value in sorted(zip(curve.rates, curve.values.get(metric.key, ()))):
        straight = math.inf if value is None else metric.straight(value)
        if math.isfinite(straight) and (not rates or (rate > rates[-1] and straight > values[-1])):
            rates.append(rate)
            values.append(straight)
    inside = [within[0] <= rate <= within[1] for rate in rates]
    kept = [i for i in range(len(rates)) if any(inside[max(0, i - 1) : i + 2])]
    return [rates[i] for i in kept], [values[i] for i in kept]


def against_all(
    test: Curve, others: Sequence[Curve], metrics: Sequence[Metric], within: Range
) -> dict[str, dict]:
    """BD-rates of one curve against others: by their names, then by metric."""
    return {
        other.name: {metric.key: bd_rate(other, test, metric, within) for metric in metrics}
        for other in others
    }
