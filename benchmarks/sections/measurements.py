"""Sections on other measurements: parts of the codec, training, and cost.

Each function takes what a script measured and gives parts of Markdown; its pictures join the plots.
"""

from __future__ import annotations

import io
import runpy
from pathlib import Path
from typing import Any

from texcodec.evaluation.report_markdown import table_text

from .cells import shown

BENCHMARKS = Path(__file__).resolve().parents[1]
Piece = Any
Plots = dict[str, bytes]


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


def crop(piece: Piece, plots: Plots) -> list[str]:
    return [runpy.run_path(str(BENCHMARKS / "crop" / "report.py"))["section"](piece)]


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


def cost(piece: Piece, plots: Plots) -> list[str]:
    rows = piece["rows"]
    header = list(dict.fromkeys(key for row in rows for key in row))
    return [
        "## Cost",
        *([f"Hardware: {piece['hardware']}."] if "hardware" in piece else []),
        table_text(header, [[shown(row.get(key)) for key in header] for row in rows]),
    ]


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
