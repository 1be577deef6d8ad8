"""Sections on rate-distortion curves: texcodec against codecs, and sets against each other.

Each function takes what a script measured and gives parts of Markdown; its pictures join the plots.
"""

from __future__ import annotations

from typing import Any

from texcodec.evaluation import tables
from texcodec.evaluation.plots import quality_over_rate
from texcodec.evaluation.report_markdown import section_text, table_text

from .cells import percent, shown

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
