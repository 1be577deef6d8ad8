"""What the runs show: means, and differences paired by seed with confidence intervals; as JSON and as Markdown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import mean, stdev
from typing import Any

from runs import Run, all_runs

STUDENT_975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
"""97.5 % quantiles of Student's t for 1, 2, ... degrees of freedom."""


def paired(first: Sequence[float], second: Sequence[float]) -> dict[str, float] | None:
    """Mean of first - second and its two-sided 95 % interval, over pairs; None for fewer than two."""
    differences = [a - b for a, b in zip(first, second)]
    if len(differences) < 2:
        return None
    half = STUDENT_975[len(differences) - 2] * stdev(differences) / math.sqrt(len(differences))
    centre = mean(differences)
    return {"mean": centre, "low": centre - half, "high": centre + half, "pairs": len(differences)}


def collect(protocol: dict[str, Any], results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The report as JSON: every run, every kind of run, every comparison with plain training.

    Args:
        results: by name of the run; runs that are missing are left out of the means.
    """
    runs = all_runs(protocol)
    by_kind: dict[str, dict[int, dict[str, Any]]] = {}
    for run in runs:
        if run.name in results:
            by_kind.setdefault(run.kind, {})[run.seed] = results[run.name]
    kinds = [
        {
            "kind": kind,
            **{key: mean(r[key] for r in found.values()) for key in ("psnr", "steps", "seconds")},
            "deviation": stdev([r["psnr"] for r in found.values()]) if len(found) > 1 else None,
            "seeds": len(found),
        }
        for kind, found in by_kind.items()
    ]
    comparisons = []
    for kind in by_kind:
        run = next(r for r in runs if r.kind == kind)
        if run.helpers == "none":
            continue
        for base in (Run(0, run.bits), Run(0, run.bits, as_long_as="x")):
            known = by_kind.get(base.kind, {})
            seeds = sorted(by_kind[kind].keys() & known.keys())
            gain = paired([by_kind[kind][s]["psnr"] for s in seeds], [known[s]["psnr"] for s in seeds])
            if gain is not None:
                comparisons.append(
                    {"kind": kind, "against": base.kind, "main": is_main(run, protocol), **gain}
                )
    return {
        "protocol": protocol,
        "complete": all(run.name in results for run in runs),
        "kinds": kinds,
        "comparisons": comparisons,
        "verdicts": verdicts(protocol, comparisons),
        "runs": results,
    }


def is_main(run: Run, protocol: dict[str, Any]) -> bool:
    """Whether the claims are about this kind of run."""
    return {key: getattr(run, key) for key in protocol["main"]} == protocol["main"]


def verdicts(protocol: dict[str, Any], comparisons: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The claims: at 2 and 3 bits the interval lies above zero, at more bits above minus the protocol's margin."""
    found = []
    for number in protocol["bits"]:
        mine = [c for c in comparisons if c["main"] and c["kind"].startswith(f"{number} bits")]
        for c in mine:
            better = int(number) <= 3
            holds = c["low"] > (0 if better else -protocol["margin"])
            claim = f"At {number} bits, {'better than' if better else 'not worse than'} {c['against']}"
            found.append({"claim": claim, "holds": holds})
    return found


def markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    p = report["protocol"]
    task, training, main = p["task"], p["training"], p["main"]
    helped = Run(0, 2, **main).kind.removeprefix("2 bits, ")
    lines = [
        "# Quantised networks with full-precision helpers",
        "",
        "Written by `benchmarks/quantisation/run.py`; task, steps and seeds were fixed in "
        "`benchmarks/quantisation/protocol.json` before the first run. Commit and command are in the "
        "[results](../results.md#training-quantised-networks-with-full-precision-helpers).",
        "",
        f"Task: {task['what']}, noise of {task['noise']:g} of the range; {task['middle_layers'] + 2} convolutions of "
        f"{task['channels']} channels, the first and the last with {training['edge_bits']} bits, the others with the "
        "bits named. PSNR in dB of exported networks (each proved exact in float32) on "
        f"{task['test_pictures']} pictures, {len(p['seeds'])} seeds. A seed's runs start from the same float network "
        f"and see the same batches. Equal time: as long as the run with {helped} took for its {training['steps']} "
        "steps, in seconds of its process on a processor: with one thread a run needs about as many of them on a busy "
        "machine as on a quiet one.",
        "",
    ]
    if not report["complete"]:
        lines += ["**Some runs are missing: this is not the experiment's result.**", ""]
    lines += ["| | seeds | PSNR | deviation | steps | seconds |", "| --- | --- | --- | --- | --- | --- |"]
    for k in report["kinds"]:
        deviation = "–" if k["deviation"] is None else f"{k['deviation']:.3f}"
        lines.append(
            f"| {k['kind']} | {k['seeds']} | {k['psnr']:.3f} | {deviation} | {k['steps']:.0f} | {k['seconds']:.1f} |"
        )
    lines += [
        "",
        "Differences in PSNR, paired by seed, with 95 % confidence intervals (Student's t):",
        "",
        "| | against | difference, dB | interval |",
        "| --- | --- | --- | --- |",
    ]
    for c in report["comparisons"]:
        name = f"**{c['kind']}**" if c["main"] else c["kind"]
        lines.append(f"| {name} | {c['against']} | {c['mean']:+.3f} | {c['low']:+.3f} to {c['high']:+.3f} |")
    lines += [
        "",
        f"What was to be shown, of {helped} (better: the interval lies above zero; not worse: above "
        f"-{p['margin']:g} dB):",
        "",
    ]
    lines += [f"- {v['claim']}: {'shown' if v['holds'] else '**not shown**'}." for v in report["verdicts"]]
    return "\n".join(lines) + "\n"
