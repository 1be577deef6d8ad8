"""Curves of the report, drawn by matplotlib."""

from __future__ import annotations

import io
import math
from typing import Any

from .metrics import ALL
from .report import Report

_STRAIGHT = {metric.key: metric.straight for metric in ALL.values()}
_TICKS = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4)


def quality_over_rate(report: Report, *, dark: bool = False) -> bytes:
    """A PNG file: a panel for every metric, bits per pixel on a logarithmic axis; texcodec's curves are thick."""
    import matplotlib

    matplotlib.use("Agg")  # no screen is needed
    from matplotlib import pyplot

    with pyplot.style.context("dark_background" if dark else "default"):
        metrics = report["metrics"]
        figure, panels = pyplot.subplots(1, len(metrics), figsize=(7 * len(metrics), 5.5), squeeze=False)
        try:
            for axes, metric in zip(panels[0], metrics):
                _panel(axes, report, metric)
            figure.tight_layout()
            buffer = io.BytesIO()
            figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
        finally:
            pyplot.close(figure)
    return buffer.getvalue()


def _panel(axes: Any, report: Report, metric: Report) -> None:
    low, high = report["range"]
    shown: list[float] = []
    for curve in report["curves"]:
        x, y = _points(curve["results"], metric["key"])
        if not x:
            continue
        style: dict[str, Any] = {"texcodec": {"linewidth": 2.5, "marker": "o", "markersize": 4}}.get(
            curve["kind"], {"linewidth": 1.2, "linestyle": "--" if curve["kind"] == "given" else "-"}
        )
        axes.plot(x, y, label=curve["name"], **style)
        shown += [value for rate, value in zip(x, y) if 0.8 * low <= rate <= 1.5 * high]
    axes.set(xscale="log", xlabel="bits per pixel, whole files", xlim=(0.7 * low, 1.8 * high))
    unit = f", {metric['curve_unit']}" if metric["curve_unit"] else ""
    axes.set_ylabel(f"{metric['name']}{unit}")
    if shown and max(shown) > min(shown):
        margin = 0.05 * (max(shown) - min(shown))
        axes.set_ylim(min(shown) - margin, max(shown) + margin)
    ticks = [t for t in _TICKS if 0.7 * low <= t <= 1.8 * high]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    if axes.lines:
        axes.legend(fontsize=8)


def _points(results: Report, key: str) -> tuple[list[float], list[float]]:
    straight = _STRAIGHT.get(key, float)
    pairs = [
        (rate, straight(value))
        for rate, value in zip(results["bpp"], results.get(key, ()))
        if rate is not None and value is not None
    ]
    pairs = [(rate, value) for rate, value in pairs if math.isfinite(value)]
    return [rate for rate, _ in pairs], [value for _, value in pairs]
