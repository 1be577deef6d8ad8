"""From the pieces of the benchmark to features.json, the section features.md and a plot."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pixels
import priors
from curves import Curve, curve, saved, together
from items import NEW_TASKS, RELATED, Item, new_item

from texcodec.evaluation.report_markdown import table_text
from texcodec.features.metrics import MEASURES
from texcodec.training.features.selfcheck import STATE_BITS

BASELINES = tuple(name for name in priors.NAMES if name != "codebook")
STATE_BYTES = STATE_BITS / 8
Pieces = dict[str, dict[str, Any]]


def collect(protocol: dict[str, Any], pieces: Pieces) -> dict[str, Any]:
    """All facts, in the form of features.json."""
    tasks = []
    for name in networks_of(protocol):
        seeds = protocol["seeds"] if name.startswith("shapes") else [0]
        tasks.append(one_task(name, seeds, pieces, protocol))
    facts = {
        "protocol": protocol,
        "tasks": tasks,
        "pairs": [pair(seed, unrelated, pieces) for unrelated in (False, True) for seed in protocol["seeds"]],
        "new": [new(seed, coded, kind, pieces) for coded, kind in NEW_TASKS for seed in protocol["seeds"]],
        "speed": [piece for name, piece in pieces.items() if name.startswith("speed")],
        "seconds": {name: piece["seconds"] for name, piece in pieces.items()},
        "pieces": {name: piece for name, piece in pieces.items() if "rows" in piece},
    }
    return facts | {"bars": judge(facts)}


def networks_of(protocol: dict[str, Any]) -> list[str]:
    """Names of the task networks."""
    shapes = [f"shapes-{kind}" for kind in protocol["shape_tasks"]]
    return shapes + [name for name in ("camvid", "tiny") if name in protocol["plans"]]


def curve_of(piece: dict[str, Any], kind: str, size: str = "bytes") -> Curve:
    """The curve of a piece; size: "bytes" of files or "payload", of the rANS streams alone."""
    return curve([(row[size], row["tasks"][kind]["value"]) for row in piece["rows"]], kind)


def one_task(name: str, seeds: list[int], pieces: Pieces, protocol: dict[str, Any]) -> dict[str, Any]:
    """The codebook hyperprior against everything else on one task."""
    network = pieces[Item("network", (name,)).name]
    kind = network["kind"]
    found: dict[str, Any] = {
        "name": name,
        "kind": kind,
        "network": network["network"],
        "uncoded": network["uncoded"],
        "saved": {},
        "saved_payload": {},
        "length": [],
    }
    own = [pieces[Item("codec", (name,), "codebook", seed).name] for seed in seeds]
    planned = protocol["plans"][name.split("-")[0]]["priors"]
    for baseline in BASELINES:
        # where a baseline has several variants, the one that leaves the least to save
        variants = [prior for prior in planned if prior == baseline or prior.startswith(f"{baseline}-")]
        for key, size in (("saved", "bytes"), ("saved_payload", "payload")):
            every = {
                v: [
                    saved(
                        curve_of(a, kind, size),
                        curve_of(pieces[Item("codec", (name,), v, seed).name], kind, size),
                    )
                    for a, seed in zip(own, seeds)
                ]
                for v in variants
            }
            found[key][baseline] = min(every.values(), key=lambda values: mean(values) or 0.0)
            found.setdefault("variants", {})[f"{baseline}, {size}"] = every
    group = (
        tuple(n for n in networks_of(protocol) if n.startswith("shapes"))
        if name.startswith("shapes")
        else (name,)
    )
    for codec in pixels.CODECS:
        other = pieces[Item("pixels", group, codec).name]
        found["saved"][codec] = [saved(curve_of(a, kind), curve_of(other, kind)) for a in own]
    levels = [row for piece in own for row in piece["rows"]]
    found["length"] = [row["bytes"] / (row["bytes"] - row["payload"] + row["estimate"]) - 1 for row in levels]
    found["length_state"] = [
        row["bytes"] / (row["bytes"] - row["payload"] + row["estimate"] + STATE_BYTES) - 1 for row in levels
    ]
    return found


def pair(seed: int, unrelated: bool, pieces: Pieces) -> dict[str, Any]:
    """Two tasks in one stream against both in streams of their own."""
    names = tuple(f"shapes-{kind}" for kind in RELATED)
    piece = pieces[Item("codec", names, "codebook", seed, unrelated).name]
    result: dict[str, Any] = {"seed": seed, "unrelated": unrelated}
    for key, size in (("part", "bytes"), ("part_payload", "payload")):
        apart = [
            curve_of(pieces[Item("codec", (name,), "codebook", seed).name], kind, size)
            for name, kind in zip(names, RELATED)
        ]
        sign = [1 if MEASURES[kind].higher_is_better else -1 for kind in RELATED]
        points = [
            (row[size], [s * row["tasks"][kind]["value"] for s, kind in zip(sign, RELATED)])
            for row in piece["rows"]
        ]
        result[key] = together(points, apart)
    return result


def new(seed: int, coded: tuple[str, ...], kind: str, pieces: Pieces) -> dict[str, Any]:
    """A task learned afterwards against a codec of its own, at the bytes of the streams that were there."""
    names = tuple(f"shapes-{k}" for k in coded)
    streams = pieces[Item("codec", names, "codebook", seed).name]["rows"]
    found = pieces[new_item(coded, kind, seed).name]["rows"]
    own = curve_of(pieces[Item("codec", (f"shapes-{kind}",), "codebook", seed).name], kind)
    rows = []
    for stream, row in zip(streams, found):
        dedicated = own.at_bytes(stream["bytes"]) * (1 if MEASURES[kind].higher_is_better else -1)
        rows.append({"bytes": stream["bytes"], "value": row["value"], "dedicated": dedicated})
    return {"seed": seed, "coded": list(coded), "kind": kind, "rows": rows}


def mean(values: list[float | None]) -> float | None:
    """Mean of what there is; None if there is nothing."""
    there = [v for v in values if v is not None]
    return float(np.mean(there)) if there else None


def judge(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Every bar: what it asks, what was measured, whether it is met."""
    rows: list[tuple[str, float | None, str, float]] = []
    for group, members in groups(facts).items():
        for other, limit in (("mean-scale", 0.15), ("global", 0.15), ("factorised", 0.40)):
            value = mean([mean(task["saved"][other]) for task in members])
            rows.append((f"{group}: bytes saved against {other}", value, ">=", limit))
        for other in pixels.CODECS:
            value = mean([mean(task["saved"][other]) for task in members])
            rows.append((f"{group}: bytes saved against {other} pixels", value, ">", 0.0))
    for key, text in (("part", ""), ("part_payload", " (entropy-coded bytes)")):
        value = mean([p[key] for p in facts["pairs"] if not p["unrelated"]])
        rows.append((f"normals + depth{text}, together / apart", value, "<=", 0.85))
    value = mean([p["part_payload"] for p in facts["pairs"] if p["unrelated"]])
    rows.append(("control: of other pictures (entropy-coded bytes), together / apart", value, ">", 0.85))
    for _, kind in NEW_TASKS:
        runs = [r for n in facts["new"] if n["kind"] == kind for r in n["rows"]]
        if MEASURES[kind].higher_is_better:
            lost = [r["dedicated"] - r["value"] for r in runs]
            text, limit = f"{MEASURES[kind].name} lost", 0.03
        else:
            lost = [r["value"] / r["dedicated"] - 1 for r in runs]
            text, limit = f"{MEASURES[kind].name} added, part of it", 0.1
        rows.append((f"new task {kind}, against a codec of its own: {text}", mean(lost), "<=", limit))
    lengths = [abs(value) for task in facts["tasks"] for value in task["length"]]
    rows.append(("length of files beyond the estimate, mean", mean(lengths), "<=", 0.01))
    rows.append(("length of files beyond the estimate, largest", max(lengths), "<=", 0.01))
    state = [abs(value) for task in facts["tasks"] for value in task["length_state"]]
    rows.append(
        (f"the same less the coder's last state of {STATE_BYTES:g} bytes, mean", mean(state), "<=", 0.01)
    )
    for found in facts["speed"]:
        spent = sum(found["milliseconds"][f"{way} features"]["median"] for way in ("encode", "decode"))
        rows.append(
            (f"milliseconds to encode and decode the features of {found['size']} pixels", spent, "<=", 50.0)
        )
    return [
        {
            "bar": name,
            "measured": None if value is None else round(value, 4),
            "asked": f"{sign} {limit:g}",
            "met": value is not None
            and {"<=": value <= limit, ">=": value >= limit, ">": value > limit}[sign],
        }
        for name, value, sign, limit in rows
    ]


def groups(facts: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Tasks by data set."""
    names = {"shapes": "shapes (mean of the tasks)", "camvid": "CamVid", "tiny": "Tiny-ImageNet-20"}
    found = {
        title: [task for task in facts["tasks"] if task["name"].split("-")[0] == key]
        for key, title in names.items()
    }
    return {title: members for title, members in found.items() if members}


def percent(values: list[float | None]) -> str:
    """Mean and range in per cent."""
    there = [100 * v for v in values if v is not None]
    if not there:
        return "–"
    text = f"{np.mean(there):.1f} %"
    return text + (f" ({min(there):.1f} to {max(there):.1f})" if len(there) > 1 else "")


def markdown(facts: dict[str, Any]) -> str:
    """The section for the results."""
    others = [*BASELINES, *pixels.CODECS]
    saving = [[task["name"], *(percent(task["saved"][other]) for other in others)] for task in facts["tasks"]]
    payload = [
        [task["name"], *(percent(task["saved_payload"][other]) for other in BASELINES)]
        for task in facts["tasks"]
    ]
    networks = [
        [
            task["name"],
            f"{MEASURES[task['kind']].name} {task['uncoded']:.4g}",
            f"{task['network']['parameters']:,}",
            f"{task['network']['steps']:,} x {task['network']['batch']}",
        ]
        for task in facts["tasks"]
    ]
    pairs = [
        [
            "other pictures (control)" if unrelated else "same pictures",
            percent([p["part"] for p in facts["pairs"] if p["unrelated"] == unrelated]),
            percent([p["part_payload"] for p in facts["pairs"] if p["unrelated"] == unrelated]),
        ]
        for unrelated in (False, True)
    ]
    news = []
    for coded, kind in NEW_TASKS:
        runs = [n["rows"] for n in facts["new"] if n["kind"] == kind]
        for level in range(len(runs[0])):
            at = [rows[level] for rows in runs]
            columns = (np.mean([row[key] for row in at]) for key in ("bytes", "value", "dedicated"))
            count, value, dedicated = (float(c) for c in columns)
            news.append(
                [
                    " + ".join(coded),
                    kind,
                    f"{count:.0f}",
                    f"{value:.3f}",
                    f"{dedicated:.3f}",
                    f"{value - dedicated:+.3f}",
                ]
            )
    bars = [
        [
            bar["bar"],
            bar["asked"],
            "–" if bar["measured"] is None else f"{bar['measured']:.3f}",
            "yes" if bar["met"] else "no",
        ]
        for bar in facts["bars"]
    ]
    parts = [
        "## Deep features",
        "Bytes of whole files that the codebook hyperprior saves against other priors (everything else equal) and "
        "against pixels that are coded, decoded and given to the same network, at equal task quality: mean over the "
        "qualities that both reach; shapes with "
        f"{len(facts['protocol']['seeds'])} seeds (mean, and range of the seeds), the others with one. "
        "Negative: it needs more (`benchmarks/features/run.py`).",
        table_text(["task", *others], saving),
        "The same for the entropy-coded bytes alone, without the container:",
        table_text(["task", *BASELINES], payload),
        "Latents of shapes and of Tiny-ImageNet-20 are 4 x 4; there, the mean-scale hyperprior with the stride that "
        "the tuning chose has its side information at one position, too, and makes maps of it, as the codebook does. "
        "On CamVid (15 x 20) it has 4 x 5 positions; of its two variants the better one is compared.",
        "![Task quality over bytes](features.png)",
        "### Targets",
        table_text(["quantity", "target", "measured", "met"], bars),
        "### Task networks",
        table_text(["network", "uncoded", "parameters", "steps x batch"], networks),
        "### Two tasks in one stream",
        "Bytes of one stream for normals and depth, as a share of those of two streams, at the same qualities. For the "
        "control, the two tasks see different pictures.",
        table_text(["pictures", "files", "entropy-coded bytes"], pairs),
        "### A new task on existing streams",
        "The reconstruction of a further task is trained afterwards; the streams are unchanged. Its own codec is "
        "read at the same bytes (at its last level where the stream is longer).",
        table_text(["stream", "new task", "bytes", "measure", "codec of its own", "difference"], news),
        *tuning_section(facts.get("tuning", [])),
        *(part for found in facts["speed"] for part in speed_section(found)),
    ]
    return "\n\n".join(parts) + "\n"


def tuning_section(trials: list[dict[str, Any]]) -> list[str]:
    """What tuning tried and chose."""
    if not trials:
        return []
    rows = []
    for prior in priors.NAMES:
        own = sorted((t for t in trials if t["prior"] == prior), key=lambda t: float(t["objective"]))
        best = own[0]
        chosen = {"rate": best["rate"], "stride": best.get("stride"), **best.get("settings", {})}
        text = ", ".join(f"{name} {value:g}" for name, value in chosen.items() if value is not None)
        rows.append([prior, str(len(own)), text, f"{best['objective']:.1f}", f"{own[-1]['objective']:.1f}"])
    return [
        "### Tuning",
        "Objective (bits per latent position + multiplier x loss, less is better) on held-out pictures of the normals "
        f"task after {trials[0]['steps']} steps (`benchmarks/features/tune.py`; all trials: `tuning.json` there).",
        table_text(["prior", "trials", "chosen", "objective", "worst"], rows),
    ]


def speed_section(found: dict[str, Any]) -> list[str]:
    """Milliseconds of a frame."""
    rows = [[step, f"{ms['median']:.1f}", f"{ms['least']:.1f}"] for step, ms in found["milliseconds"].items()]
    return [
        "### Time",
        f"One road scene of {found['size']} pixels, {found['bytes']:.0f} bytes, on one thread with the models "
        "loaded, while the benchmark's other process was running.",
        table_text(["step", "median, ms", "least, ms"], rows),
    ]


def plot(facts: dict[str, Any]) -> bytes:
    """Quality over bytes, a panel a task."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot, ticker

    tasks = facts["tasks"]
    columns = 3 if len(tasks) > 4 else 2
    rows = -(-len(tasks) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4.2 * columns, 3.4 * rows), squeeze=False)
    for panel in axes.ravel()[len(tasks) :]:
        panel.axis("off")
    for panel, task in zip(axes.ravel(), tasks):
        kind = task["kind"]
        for number, codec in enumerate([*priors.NAMES, *pixels.CODECS]):
            found = [
                piece["rows"]
                for name, piece in facts["pieces"].items()
                if piece["item"].startswith(("codec_", "pixels_"))
                and task["name"] in name.split("_")[1].split("+")
                and name.split("_")[2] == codec
                and ("+" not in name.split("_")[1] or name.startswith("pixels_"))
            ]
            if found:
                x = np.mean([[row["bytes"] for row in run] for run in found], 0)
                y = np.mean([[row["tasks"][kind]["value"] for row in run] for run in found], 0)
                style = (
                    {"marker": "o", "color": f"C{number}"}
                    if codec in priors.NAMES
                    else {"ls": "--", "color": f"C{number}"}
                )
                panel.plot(x, y, label=codec, markersize=3, lw=1.2, **style)
        panel.axhline(task["uncoded"], color="0.6", lw=0.8, label="uncoded")
        panel.set(xscale="log", title=task["name"], xlabel="bytes of a file", ylabel=MEASURES[kind].name)
        panel.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(ticker.ScalarFormatter())
        panel.xaxis.set_minor_formatter(ticker.NullFormatter())
        panel.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    pyplot.close(figure)
    return buffer.getvalue()


def write(facts: dict[str, Any], out: Path) -> None:
    """Write everything into a folder."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "features.png").write_bytes(plot(facts))
    section = markdown(facts)
    (out / "features.md").write_text(section, "utf-8")
    (out / "features.json").write_text(json.dumps(facts | {"section": section}, indent=1) + "\n", "utf-8")
