"""From what was measured to crop.json, the section crop.md and its pictures."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np


def write(facts: dict[str, Any], out: Path, work: Path) -> None:
    """Write everything into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    bars = judge(facts)
    (out / "crop.json").write_text(json.dumps(facts | {"bars": bars}, indent=1) + "\n")
    (out / "crop.md").write_text(section(facts, bars))
    seed = facts["sizes"]["seeds"][0]
    for kind in ("faces", "fields"):
        shutil.copy(work / f"crop-{kind}-{seed}.png", out / f"crop-{kind}.png")
    shutil.copy(work / f"crop-faces-{seed}-region.png", out / "crop-region.png")


def judge(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Every bar: what it asks, what was measured, whether it is met."""
    faces, control, frames = facts["faces"], facts["control"], facts["frames"]
    whole, learned, square, soft = (_mean(faces[name]) for name in ("whole", "learned", "square", "soft"))
    best = min(entry["error"] for entry in faces["grid"])
    budget = facts["sizes"]["budget"]
    cost = sum(run["worked"] for run in faces["learned"]) / len(faces["learned"])
    grid_cost = sum(entry["worked"] for entry in faces["grid"])
    off = max(abs(run["area"] / budget - 1) for run in faces["learned"])
    target, saved = equal_error(frames)
    rows: list[tuple[str, float, str, float]] = [
        ("area of the region, largest", max(run["area"] for run in faces["learned"]), "<=", 0.15),
        ("error / whole picture's", learned / whole, "<=", 1.05),
        ("square centre crop's error / learned", square / learned, ">=", 2.0),
        ("error / best rectangle's of the grid", learned / best, "<=", 1.05),
        ("training cost / grid's", cost / grid_cost, "<=", 0.2),
        ("cost off its target", off, "<=", 0.05),
        ("hard error / soft error", learned / soft, "<=", 1.02),
        ("control: learned error / whole picture's", _mean(control["learned"]) / _mean(control["whole"]), ">=", 1.0),
    ]
    for way, name in (
        ("whole", "the whole frame"),
        ("square before", "cropping to a square before encoding"),
        ("region before", "cropping to the learned region before encoding"),
    ):
        rows.append((f"bytes saved against {name}, error at most {target:.2f} degrees", saved[way], ">=", 0.5))
    return [
        {"bar": name, "measured": round(value, 4), "asked": f"{sign} {limit:g}", "met": _holds(value, sign, limit)}
        for name, value, sign, limit in rows
    ]


def equal_error(frames: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """The task's error that is compared at, and the part of the bytes that dropping saves there.

    The error is the smallest that every way reaches, or the uncoded frames' + 5 % if that is larger. A way's bytes at
    it lie on straight lines between its qualities.
    """
    ways = ("whole", "drop", "square before", "region before")
    target = max([1.05 * frames["uncoded"]["error"], *(min(p["error"] for p in frames[way]) for way in ways)])
    needed = {way: _bytes_at(frames[way], target) for way in ways}
    return target, {way: 1 - needed["drop"] / needed[way] for way in ways if way != "drop"}


def _bytes_at(points: list[dict[str, Any]], target: float) -> float:
    """The least bytes with an error of at most ``target``."""
    points = sorted(points, key=lambda p: p["bytes"])
    if points[0]["error"] <= target:
        return float(points[0]["bytes"])
    for low, high in zip(points, points[1:]):
        if high["error"] <= target:
            share = (low["error"] - target) / (low["error"] - high["error"])
            return float(low["bytes"] + share * (high["bytes"] - low["bytes"]))
    return float(points[-1]["bytes"])


def section(facts: dict[str, Any], bars: list[dict[str, Any]]) -> str:
    """Markdown."""
    faces, control, frames, sizes = facts["faces"], facts["control"], facts["frames"], facts["sizes"]
    best = min(faces["grid"], key=lambda entry: entry["error"])
    rows = [["answering with the mean", "–", "–", f"{faces['mean']:.2f}", f"{control['mean']:.2f}"]]
    for name, title in (
        ("whole", "whole picture"),
        ("square", "square centre crop"),
        ("learned", "learned crop"),
        ("soft", "learned crop, probabilities as a mask"),
    ):
        runs = faces[name]
        other = f"{_mean(control[name]):.2f}" if name in control else "–"
        areas = np.mean([run["area"] for run in runs])
        shown = " and ".join("{2} x {3}".format(*run["box"]) for run in runs)
        rows.append([title, f"{areas:.1%}", shown, f"{_mean(runs):.2f}", other])
    rows.append([
        f"best of {len(faces['grid'])} centre rectangles", f"{best['area']:.1%}", "{2} x {3}".format(*best["box"]),
        f"{best['error']:.2f}", "–",
    ])  # fmt: skip
    files = []
    for i, quality in enumerate(sizes["qualities"]):
        cells = [f"{frames[w][i]['bytes']:,.0f} · {frames[w][i]['error']:.2f}" for w in _WAYS]
        files.append([str(quality), *cells])
    width, height = frames["frame"]
    return "\n".join([
        "## The learned crop",
        "",
        f"Drawn faces of {sizes['width']} x {sizes['height']} pixels, learned from {sizes['learned']} pictures of "
        f"{sizes['people']} people and scored on {sizes['scored']} of others; mean angle of the gaze in degrees, means "
        f"over {len(sizes['seeds'])} seeds. In the control, eyes fill the picture and each one errs on its own.",
        "",
        *_table(["network sees", "pixels", "region", "faces", "control"], rows),
        "",
        "![What was learned](results/crop-faces.png) ![Its region](results/crop-region.png)",
        "",
        f"Files of {sizes['frame_count']} frames of {width} x {height} pixels, read with the network for the region: "
        f"mean bytes · degrees; without coding {frames['uncoded']['error']:.2f} degrees. The square is the smallest "
        "one in the centre that holds the region: what one would cut out without a learned shape. To cut out the "
        "learned region itself before encoding codes the same pixels, so nothing can be saved against it; but "
        "the file then has lost the region's place and the picture's size.",
        "",
        *_table(["quality", *_WAYS], files),
        "",
        *_table(["bar", "measured", "asked", "met"],
                [[b["bar"], f"{b['measured']:.3f}", b["asked"], "yes" if b["met"] else "**no**"] for b in bars]),
        "",
    ])  # fmt: skip


_WAYS = ("whole", "coarse", "drop", "square before", "region before")


def _table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows)]


def _mean(runs: list[dict[str, Any]]) -> float:
    return float(np.mean([run["error"] for run in runs]))


def _holds(value: float, sign: str, limit: float) -> bool:
    return bool(value <= limit if sign == "<=" else value >= limit)
