"""Writes docs/results.md from what was measured: JSON files in docs/results, each one a section if it is there.

    python benchmarks/results.py [--pieces docs/results] [--out docs/results.md]

    notes.md            free text for the top; its links are relative to its own folder
    kodak.json          report.json of `texcodec evaluate`, against codecs and curves
    eyes.json           of benchmarks/eyes.py
    multi-single.json   report.json of two sets, the multi-model one first, and "training": {name of the set:
                        {"steps": N, "minutes": M}}, where either number may be missing
    fusion.json         of benchmarks/seams.py
    training.json       {"what": "BD-rate against ..., %", "hardware": "...", "points": [{"minutes": M, "bd" or
                        "cost": X}, ...]}, or the list of points alone
    choices.json        of benchmarks/choices.py
    entropy-model.json  of benchmarks/entropy_model.py
    tuning.json         report.json of two sets, the tuned one first, and "tuning": {"domain": "...", "minutes": M,
                        "hardware": "..."}
    crop.json           of benchmarks/crop/run.py, with pictures beside it
    quantisation.json   of benchmarks/quantisation/run.py
    features.json       of benchmarks/features/run.py, with a plot beside it
    byte-weights.json   of benchmarks/byte_weights.py: report.json of two sets, the one of bytes first,
                        and "bytes": {"synthesis": {set: % of float32}, "decoder": {set: MB}}
    drawn.json          of benchmarks/drawn.py
    cost.json           {"hardware": "...", "rows": [{"name": "...", "any column": number or text, ...}, ...]}

Every piece may have a "provenance" (benchmarks/provenance.py), which its section ends with. Tables of
docs/performance.md are quoted, and pages of docs/decisions listed.
"""

from __future__ import annotations

import argparse
import io
import json
import posixpath
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from texcodec.evaluation import tables
from texcodec.evaluation.plots import quality_over_rate
from texcodec.evaluation.report_markdown import section_text, table_text

ROOT = Path(__file__).resolve().parents[1]
sentence = runpy.run_path(str(ROOT / "benchmarks" / "provenance.py"))["sentence"]
Piece = Any
Plots = dict[str, bytes]


def kodak(piece: Piece, plots: Plots) -> list[str]:
    plots["kodak.png"] = quality_over_rate(piece)
    return [
        "## On the Kodak pictures",
        *tables.summary(piece),
        "![Quality over rate](results/kodak.png)",
        *(section_text(table, level=3) for table in tables.sections(piece)),
    ]


def eyes(piece: Piece, plots: Plots) -> list[str]:
    plots["eyes.png"] = quality_over_rate(piece)
    anchor, metrics = piece["against"]["anchor"], piece["metrics"]
    settings = {c["name"]: c["settings"] for c in piece["curves"]}
    rows = [
        [f"{name} ({settings[name]})", *(percent(rates[m["key"]]) for m in metrics)]
        for name, rates in piece["against"]["bd_rate"].items()
    ]
    low, high = piece["range"]
    names = ", ".join(p["name"].removesuffix(".png") for p in piece["pictures"])
    return [
        "## Metrics of the eye",
        f"BD-rate against {anchor} ({settings[anchor]}), from {low:g} to {high:g} bits per pixel, whole files; "
        "negative: fewer bits at equal quality. libavif tunes for the eye unless it is told otherwise. "
        f"Pictures: {names}.",
        table_text(["codec", *(m["name"] for m in metrics)], rows),
        "MS-SSIM counts in dB, Butteraugli as the logarithm of the 3-norm ([metrics](guides/evaluate.md#metrics)).",
        "![Four metrics over rate](results/eyes.png)",
    ]


def multi_single(piece: Piece, plots: Plots) -> list[str]:
    plots["multi-single.png"] = quality_over_rate(piece)
    training, (first, second) = piece.get("training", {}), two_sets(piece)
    rows = []
    for curve in (first, second):
        about, trained = curve.get("about", {}), training.get(curve["name"], training.get(name_of(curve), {}))
        cost = about.get("kmac_per_pixel", {}).get("decode")
        values = (about.get("classes"), trained.get("steps"), trained.get("minutes"), cost)
        rows.append([curve["name"], *("–" if value is None else f"{value:,}" for value in values)])
    header = ["set", "classes", "training steps", "training minutes", "decoder, kMAC/pixel"]
    used = [i for i in range(len(header)) if any(row[i] != "–" for row in rows)]
    return [
        "## Multi-model against single-model",
        "Sets with networks of the same sizes; the single model has the steps of the parent and all classes.",
        table_text([header[i] for i in used], [[row[i] for i in used] for row in rows]),
        *saved(piece),
        section_text(tables.bd_rates(piece), level=3),
        "![Quality over rate](results/multi-single.png)",
    ]


def fusion(piece: Piece, plots: Plots) -> list[str]:
    rows = []
    for quality, ((band_off, off), (band_on, on)) in zip(piece["qualities"], piece["psnr"]):
        gains = f"{band_on - band_off:+.3f}", f"{on - off:+.3f}"
        rows.append(
            [
                f"{quality:g}",
                f"{band_off:.3f}",
                f"{band_on:.3f}",
                gains[0],
                f"{off:.3f}",
                f"{on:.3f}",
                gains[1],
            ]
        )
    about = [f"{piece['pictures']} pictures" if "pictures" in piece else "", piece.get("models", "")]
    return [
        "## Fusion on and off",
        f"PSNR in dB within {piece.get('band', 16)} pixels of a seam and on whole pictures"
        + "".join(f", {text}" for text in about if text)
        + " (`benchmarks/seams.py`).",
        table_text(["quality", "bands, off", "bands, on", "gain", "whole, off", "whole, on", "gain"], rows),
    ]


def training(piece: Piece, plots: Plots) -> list[str]:
    piece = {"points": piece} if isinstance(piece, list) else piece
    points = sorted(piece["points"], key=lambda point: point["minutes"])
    key = next(key for key in ("bd", "cost") if key in points[0])
    what = piece.get("what", {"bd": "BD-rate, %", "cost": "held-out cost"}[key])
    plots["training.png"] = plot([p["minutes"] for p in points], [p[key] for p in points], what)
    rows = [[f"{p['minutes']:g}", f"{p[key]:+.1f}" if key == "bd" else f"{p[key]:.4f}"] for p in points]
    return [
        "## What short training costs",
        *([f"Hardware: {piece['hardware']}."] if "hardware" in piece else []),
        table_text(["minutes of training", what], rows),
        f"![{what} over minutes of training](results/training.png)",
    ]


def choices(piece: Piece, plots: Plots) -> list[str]:
    rows = [[name, f"{row['bd_rate']:+.2f} %"] for name, row in piece["rows"].items()]
    return [
        "## Choices of the encoder",
        f"BD-rate of other choices against what the encoder does, {piece['models']}, on {len(piece['pictures'])} "
        "held-out pictures; negative: fewer bits.",
        table_text(["choice", "BD-rate"], rows),
        "Pictures: " + ", ".join(piece["pictures"]) + ".",
    ]


def entropy_model(piece: Piece, plots: Plots) -> list[str]:
    rows = [
        [str(rate), f"{skipped:.1%}", *(f"{bits:.4f}" for bits in parts)]
        for rate, skipped, parts in zip(piece["rates"], piece["not_coded"], piece["bits_per_pixel"])
    ]
    return [
        "## Bits by slice",
        f"Bits per pixel of hyper latents and of the slices of latents, {piece['models']}, on one tile of 256 × 256 "
        f"of each of {len(piece['pictures'])} held-out pictures.",
        table_text(
            ["rate index", "latents not coded", "hyper latents", *(f"{n} channels" for n in piece["slices"])],
            rows,
        ),
        "Pictures: " + ", ".join(piece["pictures"]) + ".",
    ]


def tuning(piece: Piece, plots: Plots) -> list[str]:
    about = piece.get("tuning", {})
    facts = [
        f"Pictures: {about['domain']}" if "domain" in about else "",
        f"{about['minutes']:g} minutes of fine-tuning" if "minutes" in about else "",
        about.get("hardware", ""),
    ]
    return [
        "## Fine-tuning on one domain",
        *(["; ".join(fact for fact in facts if fact) + "."] if any(facts) else []),
        *saved(piece),
        section_text(tables.bd_rates(piece), level=3),
    ]


def crop(piece: Piece, plots: Plots) -> list[str]:
    return [runpy.run_path(str(ROOT / "benchmarks" / "crop" / "report.py"))["section"](piece)]


def quantisation(piece: Piece, plots: Plots) -> list[str]:
    main = [row for row in piece["comparisons"] if row["main"]]
    psnr = {kind["kind"]: f"{kind['psnr']:.3f}" for kind in piece["kinds"]}
    rows = [
        [
            row["kind"],
            row["against"],
            psnr[row["kind"]],
            psnr[row["against"]],
            f"{row['mean']:+.3f}",
            f"{row['low']:+.3f} to {row['high']:+.3f}",
        ]
        for row in main
    ]
    claims = [f"- {v['claim']}: {'shown' if v['holds'] else '**not shown**'}." for v in piece["verdicts"]]
    return [
        "## Training quantised networks with full-precision helpers",
        f"PSNR in dB on a denoising task, {len(piece['protocol']['seeds'])} seeds, paired 95 % confidence intervals; "
        "all runs and ablations are in [a page of their own](results/quantisation.md) (`benchmarks/quantisation`).",
        *([] if piece["complete"] else ["**Some runs are missing: this is not the experiment's result.**"]),
        table_text(["with helpers", "against", "PSNR", "PSNR", "difference", "interval"], rows),
        "\n".join(claims),
    ]


def features(piece: Piece, plots: Plots) -> list[str]:
    return [str(piece["section"]).replace("](features.png)", "](results/features.png)").rstrip()]


def byte_weights(piece: Piece, plots: Plots) -> list[str]:
    about = piece["bytes"]
    rows = [
        [curve["name"], shown(about["synthesis"][name_of(curve)]), shown(about["decoder"][name_of(curve)])]
        for curve in two_sets(piece)
    ]
    return [
        "## Synthesis weights of one byte",
        "The same networks with synthesis weights as float16 and as one byte each, with a scale per channel "
        "([decision](decisions/byte-weights.md)); entropy networks, tables and so the bytes of files are the same.",
        table_text(
            ["set", "synthesis, % of float32", "decoder, MB"], [[shown(v) for v in row] for row in rows]
        ),
        *saved(piece, digits=2),
        section_text(tables.bd_rates(piece), level=3),
    ]


def drawn(piece: Piece, plots: Plots) -> list[str]:
    pictures, anchors = piece["pictures"], list(piece["pictures"][0]["bd_rate"])
    columns = [(anchor, kind) for anchor in anchors for kind in ("texcodec", "in steps", "networks alone")]
    values = [[row["bd_rate"][anchor][kind] for anchor, kind in columns] for row in pictures]
    means = []
    for column in zip(*values):
        known = [value for value in column if value is not None]
        means.append(sum(known) / len(known) if known else None)
    rows = [
        [name, *(percent(value) for value in line)]
        for name, line in [*zip((row["name"] for row in pictures), values), ("mean", means)]
    ]
    heads = {"texcodec": "", "in steps": ", in steps", "networks alone": ", networks alone"}
    counted = [
        [
            str(quality),
            *(
                f"{100 * sum(t[key] / t['tiles'] for t in tiles) / len(tiles):.0f} %"
                for key in ("drawn", "lossless")
            ),
            str(sum(t["without a set"] for t in tiles)),
        ]
        for quality, tiles in zip(piece["qualities"], zip(*(row["tiles"] for row in pictures)))
    ]
    groups: dict[tuple[str, str], list[float]] = {}
    for row in piece["lossless"]:
        kind = row["folder"], "grey" if row["mode"] == "L" else "colour"
        groups.setdefault(kind, []).append(100 * row["bytes"] / row["cwebp"] - 100)
    exact = [
        [*kind, str(len(found)), f"{sum(found) / len(found):+.1f} %", f"{max(found):+.1f} %"]
        for kind, found in groups.items()
    ]
    return [
        "## Drawn pictures",
        f"BD-rate of whole files from {piece['lowest']:g} dB up, model set {piece['models']}, against AVIF (4:4:4, "
        "speed 6) and lossy WebP (method 6); negative: texcodec needs fewer bits. A file without loss counts as 68 dB. "
        '"In steps" takes, at every PSNR, the smallest measured file of texcodec that is at least as good, and '
        "interpolates nothing between them. –: no common PSNR.",
        table_text(["picture", *(f"{anchor}{heads[kind]}" for anchor, kind in columns)], rows),
        "Tiles that are drawn, tiles without loss (means over the pictures), and pictures coded without any network:",
        table_text(["quality", "drawn tiles", "without loss", "pictures without a set"], counted),
        "`--lossless` against `cwebp -lossless -m 6`, whole files ([decision](decisions/drawn.md)):",
        table_text(["pictures", "samples", "number", "mean", "worst"], exact),
    ]


def percent(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f} %"


def cost(piece: Piece, plots: Plots) -> list[str]:
    rows = piece["rows"]
    header = list(dict.fromkeys(key for row in rows for key in row))
    return [
        "## Cost",
        *([f"Hardware: {piece['hardware']}."] if "hardware" in piece else []),
        table_text(header, [[shown(row.get(key)) for key in header] for row in rows]),
    ]


SECTIONS: dict[str, Callable[[Piece, Plots], list[str]]] = {
    "kodak": kodak,
    "eyes": eyes,
    "multi-single": multi_single,
    "fusion": fusion,
    "training": training,
    "choices": choices,
    "entropy-model": entropy_model,
    "tuning": tuning,
    "crop": crop,
    "quantisation": quantisation,
    "features": features,
    "byte-weights": byte_weights,
    "drawn": drawn,
    "cost": cost,
}


def two_sets(piece: Piece) -> list[Piece]:
    found = [curve for curve in piece["curves"] if curve["kind"] == "texcodec"]
    if len(found) != 2:
        raise ValueError(f"it has {len(found)} texcodec sets and needs two")
    return found


def saved(piece: Piece, *, digits: int = 1) -> list[str]:
    """What the first set needs against the second, as a sentence."""
    first, second = two_sets(piece)
    low, high = piece["range"]
    sentences = []
    for metric in piece["metrics"]:
        rate = piece["bd_rate"]["against"][second["name"]].get(metric["key"])
        if rate is not None:
            more = "more" if rate > 0 else "fewer"
            sentences.append(
                f"At equal {metric['name']}, from {low:g} to {high:g} bits per pixel, {first['name']} needs "
                f"{abs(rate):.{digits}f} % {more} bits than {second['name']}."
            )
    return [" ".join(sentences)] if sentences else []


def name_of(curve: Piece) -> str:
    return str(curve.get("about", {}).get("set", curve["name"]))


def shown(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def plot(x: list[float], y: list[float], label: str) -> bytes:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    axes.plot(x, y, marker="o")
    axes.set(xlabel="minutes of training", ylabel=label)
    axes.grid(alpha=0.3)
    figure.tight_layout()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    pyplot.close(figure)
    return buffer.getvalue()


def performance(document: Path) -> list[str]:
    """The tables of docs/performance.md."""
    if not document.exists():
        return []
    blocks = [block for block in document.read_text("utf-8").split("\n\n") if block.startswith("|")]
    return [
        "## Time and memory",
        "From [Speed and memory](performance.md), which names the machine.",
        *blocks,
    ]


def decisions(folder: Path) -> list[str]:
    """Links to what was decided by measurement."""
    pages = [page for page in sorted(folder.glob("*.md")) if page.name != "README.md"]
    links = [
        f"- [{page.read_text('utf-8').splitlines()[0].lstrip('# ')}](decisions/{page.name})" for page in pages
    ]
    return ["## Decisions", "Each with its tables:", "\n".join(links)] if links else []


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pieces", type=Path, default=ROOT / "docs" / "results")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results.md")
    options = parser.parse_args()
    plots: Plots = {}
    notes = options.pieces / "notes.md"
    parts = [
        "# Results",
        "Written by `benchmarks/results.py` from the measurements in `docs/results`. Each section ends with the "
        "commit, the command and the data of its figures.",
    ]
    if notes.exists():
        # a path of its own folder becomes one of the document's
        parts.append(
            re.sub(
                r"\]\((?!\w+:|#)([^)]*)\)",
                lambda link: f"]({posixpath.normpath(f'{options.pieces.name}/{link[1]}')})",
                notes.read_text("utf-8").strip(),
            )
        )
    for name, section in SECTIONS.items():
        file = options.pieces / f"{name}.json"
        if not file.exists():
            continue
        try:
            piece = json.loads(file.read_text("utf-8"))
            parts += [*section(piece, plots), *sentence(piece)]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError, StopIteration) as error:
            sys.exit(
                f"{file} is not what benchmarks/results.py expects there ({error!r}); see its first lines."
            )
    docs = options.out.parent
    parts += performance(docs / "performance.md") + decisions(docs / "decisions")
    for name, data in plots.items():
        (options.pieces / name).write_bytes(data)
    options.out.write_text("\n\n".join(parts) + "\n", "utf-8")
    print(f"{options.out}: {len(parts)} parts, {len(plots)} plots")


if __name__ == "__main__":
    main()
