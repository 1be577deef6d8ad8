"""From what was measured to crop.json and its pictures, and from crop.json to a section of docs/results.md."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np

AT = 1.05
"""Errors up to this part of another one count as equal to it."""


def write(facts: dict[str, Any], out: Path, work: Path) -> None:
    """Write everything into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "crop.json").write_text(json.dumps(facts | {"bars": judge(facts)}, indent=1) + "\n")
    seed = facts["sizes"]["seeds"][0]
    shutil.copy(work / f"crop-faces-{seed}-region.png", out / "crop-region.png")
    for name in ("faces", "fields"):
        shutil.copy(work / f"crop-{name}-{seed}.png", out / f"crop-{name}.png")
    shutil.copy(work / "crop-frame.png", out / "crop-frame.png")


def judge(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Every bar: what it asks, what was measured, whether it is met."""
    faces, control, budget = facts["faces"], facts["control"], facts["sizes"]["budget"]
    learned = _mean(faces["learned"])
    cost = float(np.mean([run["worked"] for run in faces["learned"]]))
    target, saved = equal_error(facts)
    rows: list[tuple[str, float, str, float]] = [
        ("part of the pixels, the larger region's", max(run["area"] for run in faces["learned"]), "<=", 0.15),
        ("error / the whole picture's", learned / _mean(faces["whole"]), "<=", 1.05),
        ("error of the square of that area / error", _mean(faces["square"]) / learned, ">=", 2.0),
        ("error / the best rectangle's", learned / _mean(faces["best"]), "<=", 1.05),
        ("pixels trained on / those of the grid's networks", cost / sum(run["worked"] for run in faces["grid"]),
         "<=", 0.2),
        ("cost / its target, furthest off", max((run["area"] / budget for run in faces["learned"]),
         key=lambda part: abs(part - 1)), "within", 0.05),
        ("error of the region / of the probabilities as a mask", learned / _mean(faces["soft"]), "<=", 1.02),
        ("control: error / the whole picture's", _mean(control["learned"]) / _mean(control["whole"]), ">=", 1.0),
        (f"bytes saved against whole frames, at {target:.2f} degrees", saved["whole"], ">=", 0.5),
        (f"bytes saved against squares cut out before, at {target:.2f} degrees", saved["square"], ">=", 0.5),
    ]  # fmt: skip
    return [
        {
            "bar": name,
            "measured": round(value, 4),
            "asked": f"{sign} {limit:g}",
            "met": _holds(value, sign, limit),
        }
        for name, value, sign, limit in rows
    ]


def equal_error(facts: dict[str, Any]) -> tuple[float, dict[str, float]]:
    """The task's error that is compared at, and the part of the bytes that dropping saves there.

    The error is that of the region's network + 5 %, or the smallest that all ways reach if that is larger; of the
    squares, the one that needs the fewest bytes counts. A way's bytes lie on straight lines between its qualities.
    """
    curves = error_curves(facts)
    groups = {
        "whole": ["whole"],
        "drop": ["drop"],
        "square": [name for name in curves if name.startswith("square")],
    }
    reached = [min(p["error"] for name in names for p in curves[name]) for names in groups.values()]
    target = max([AT * facts["faces"]["learned"][0]["error"], *reached])
    needed = {
        group: min(_bytes_at(curves[name], target) for name in names) for group, names in groups.items()
    }
    return target, {group: 1 - needed["drop"] / needed[group] for group in ("whole", "square")}


def error_curves(facts: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By way, bytes and errors at every quality.

    An error is that of the way's network on all scored pictures plus what coding adds to it on the frames. The frames
    are too few to tell networks apart, but on the same frames the difference that coding makes is a small one.
    """
    faces = facts["faces"]
    scored = dict(zip((f"square {side:g} before" for side in facts["sizes"]["squares"]), faces["squares"]))
    found = {}
    for name, way in facts["frames"]["ways"].items():
        base = scored.get(name, faces["learned"][0])["error"] - way["uncoded"]
        found[name] = [point | {"error": base + point["error"]} for point in way["points"]]
    return found


def _bytes_at(points: list[dict[str, Any]], target: float) -> float:
    """The least bytes with an error of at most ``target``; infinite if no quality has it."""
    points = sorted(points, key=lambda p: p["bytes"])
    if points[0]["error"] <= target:
        return float(points[0]["bytes"])
    for low, high in zip(points, points[1:]):
        if high["error"] <= target:
            share = (low["error"] - target) / (low["error"] - high["error"])
            return float(low["bytes"] + share * (high["bytes"] - low["bytes"]))
    return math.inf


def section(facts: dict[str, Any]) -> str:
    """The section of docs/results.md; links are relative to docs."""
    sizes, frames = facts["sizes"], facts["frames"]
    width, height = frames["frame"]
    ways = frames["ways"]
    before = [
        d["bytes"] / b["bytes"] - 1 for d, b in zip(ways["drop"]["points"], ways["region before"]["points"])
    ]
    verdicts = [
        [b["bar"], f"{b['measured']:.3f}", b["asked"], "yes" if b["met"] else "**no**"] for b in facts["bars"]
    ]
    return "\n\n".join(
        [
            "## The learned crop",
            f"`benchmarks/crop/run.py`. Drawn faces of {sizes['width']} x {sizes['height']} pixels; learned from "
            f"{sizes['learned']} pictures of {sizes['people']} people, scored on {sizes['scored']} of others. "
            "Mean angle between true and found gaze in degrees, "
            f"means of {len(sizes['seeds'])} seeds (of the control: one). Every "
            "network has had equally many steps. In the control, eyes fill the picture and each errs on its own.",
            _errors(facts),
            "![Keep probabilities over the mean face, with the region](results/crop-faces.png) "
            "![The region on one face](results/crop-region.png)\n"
            "![The same for the control](results/crop-fields.png)",
            f"Files of {sizes['frame_count']} frames of {width} x {height} pixels, other people's again, with "
            f"{sizes['models']}: mean bytes · degrees, read from the decoded frames. A square that is cut out before "
            "encoding, in the frame's middle, is the usual way without a learned region; it is read by a network that "
            "was trained for it. All other files are read by the region's network.",
            _files(facts),
            "![A frame, what --outside drop leaves of it, and --outside coarse](results/crop-frame.png)",
            "To cut out the learned region itself before encoding codes the same pixels: by construction it costs "
            f"about the same, and the files of --outside drop have {min(before):+.1%} to {max(before):+.1%} bytes "
            "against it. "
            "They keep the frame's size and the region's place.",
            _table(["quantity", "measured", "target", "met"], verdicts),
            "Equal error in the last two rows: an error is that of the network on the scored pictures plus what coding "
            "changes on the frames, which are too few to compare networks. Bytes are compared at the error of the "
            "region's network + 5 %, with the square that needs the fewest for it.",
            f"The benchmark took {facts['cpu'] / 60:.0f} minutes of processor time.",
        ]
    )


def _errors(facts: dict[str, Any]) -> str:
    faces, control = facts["faces"], facts["control"]
    rows = [["nothing: the mean", "–", "–", f"{faces['mean']:.2f}", f"{control['mean']:.2f}"]]
    for name, title in (
        ("whole", "the whole picture"),
        ("square", "the square centre crop of that area"),
        ("best", f"the best of {len(faces['grid'])} centre rectangles"),
        ("learned", "the learned crop"),
        ("soft", "the same, probabilities as a mask"),
    ):
        runs = faces[name]
        boxes = dict.fromkeys("{2} x {3}".format(*run["box"]) for run in runs)
        other = f"{_mean(control[name]):.2f}" if name in control else "–"
        area = float(np.mean([run["area"] for run in runs]))
        rows.append([title, f"{area:.1%}", " and ".join(boxes), f"{_mean(runs):.2f}", other])
    for side, run in zip(facts["sizes"]["squares"], faces["squares"]):
        title = f"a centre square of {side:g} of the height, one seed"
        rows.append(
            [title, f"{run['area']:.1%}", "{2} x {3}".format(*run["box"]), f"{run['error']:.2f}", "–"]
        )
    return _table(["the network sees", "pixels", "region", "faces", "control"], rows)


def _files(facts: dict[str, Any]) -> str:
    ways = facts["frames"]["ways"]
    rows = [["uncoded", *(f"{way['uncoded']:.2f}" for way in ways.values())]]
    for i, quality in enumerate(facts["sizes"]["qualities"]):
        points = [way["points"][i] for way in ways.values()]
        rows.append([str(quality), *(f"{p['bytes']:,.0f} · {p['error']:.2f}" for p in points)])
    return _table(["quality", *ways], rows)


def _table(header: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (header, ["---"] * len(header), *rows))


def _mean(runs: list[dict[str, Any]]) -> float:
    return float(np.mean([run["error"] for run in runs]))


def _holds(value: float, sign: str, limit: float) -> bool:
    if sign == "within":
        return bool(abs(value - 1) <= limit)
    return bool(value <= limit if sign == "<=" else value >= limit)
