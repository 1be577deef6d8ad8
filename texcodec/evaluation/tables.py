"""The report as titled tables of text, which HTML and Markdown write down alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .report import Report

MOST_ROWS = 60
"""Tables by picture are left to the JSON when there are more."""


@dataclass(frozen=True)
class Table:
    """A section of a report.

    Attributes:
        title: its heading.
        header, rows: texts; the first column names the row, the others hold numbers.
        before, after: paragraphs around it.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    before: list[str] = field(default_factory=list)
    after: list[str] = field(default_factory=list)


def summary(report: Report) -> list[str]:
    """What was measured, in sentences."""
    pictures = report["pictures"]
    megapixels = sum(p["width"] * p["height"] for p in pictures) / 1e6
    sentences = [
        f"{_count(len(pictures), 'picture')}, {megapixels:.2f} megapixels. Bytes are those of whole files without "
        "metadata; metrics are over 8-bit RGB samples; means are over the pictures."
    ]
    if report["skipped"]:
        names = "; ".join(f"{entry['name']}: {entry['reason']}" for entry in report["skipped"])
        sentences.append(f"Not measured: {names}")
    if report["left_out"]:
        names = "; ".join(f"{e['picture']} ({e['codec']}: {e['reason']})" for e in report["left_out"])
        sentences.append(f"Left out of all means, since one codec could not code them: {names}.")
    return [*sentences, *report["notices"]]


def sections(report: Report) -> list[Table]:
    """All tables that the report has something for."""
    made = [
        bd_rates(report),
        between_sets(report),
        codecs(report),
        *(points(report, curve) for curve in report["curves"] if curve["kind"] == "texcodec"),
        by_picture(report),
    ]
    return [table for table in made if table.rows]


def bd_rates(report: Report) -> Table:
    """The first set against every other curve."""
    low, high = report["range"]
    curves = {curve["name"]: curve for curve in report["curves"]}
    against = report["bd_rate"]["against"]
    rows = [
        [_full_name(curves[name]), *(per_cent(values.get(m["key"])) for m in report["metrics"])]
        for name, values in against.items()
    ]
    given = any(curves[name]["kind"] == "given" for name in against)
    marked = ["† The curve was given as a file and not measured in this run."] if given else []
    return Table(
        f"BD-rate of {report['bd_rate']['of']}",
        ["against", *(m["name"] for m in report["metrics"])],
        rows,
        [f"At equal quality, from {low:g} to {high:g} bits per pixel; negative: texcodec needs fewer bits."],
        marked,
    )


def _full_name(curve: Report) -> str:
    """With its settings, without which a comparison says little; † for a curve that was given."""
    marks = {"texcodec": "", "measured": f" ({curve.get('settings')})", "given": " †"}
    return curve["name"] + marks[curve["kind"]]


def between_sets(report: Report) -> Table:
    """Every texcodec set against every other."""
    rows = [
        [row["of"], row["against"], *(per_cent(row.get(m["key"])) for m in report["metrics"])]
        for row in report["between_sets"]
    ]
    header = ["set", "against", *(m["name"] for m in report["metrics"])]
    return Table("BD-rate between the model sets", header, rows)


def codecs(report: Report) -> Table:
    """Settings, versions and times of what was measured."""
    rows = []
    for curve in report["curves"]:
        if curve["kind"] == "given":
            continue
        seconds, cost = (
            curve.get("seconds_per_megapixel", {}),
            curve.get("about", {}).get("kmac_per_pixel", {}),
        )
        rows.append(
            [
                curve["name"],
                curve["settings"],
                curve["version"],
                *(_number(seconds.get(what), 3) for what in ("encode", "decode")),
                *(_number(cost.get(what), 2) for what in ("encode", "decode")),
            ]
        )
    notes = []
    if any("seconds_per_megapixel" in curve for curve in report["curves"]):
        machine = report["machine"]
        notes.append(
            "Seconds per megapixel are medians over pictures and qualities, with the threads that each codec chooses. "
            f"Machine: {machine['processor']}, {_count(machine['cores'], 'core')}."
        )
    if report.get("jobs", 1) > 1:
        notes.append(
            f"Up to {report['jobs']} points were measured at a time, so the seconds are not comparable."
        )
    header = [
        "codec",
        "settings",
        "version",
        "encode, s",
        "decode, s",
        "encode, kMAC/pixel",
        "decode, kMAC/pixel",
    ]
    used = [i for i in range(len(header)) if any(row[i] != "–" for row in rows)]
    return Table("Codecs", [header[i] for i in used], [[row[i] for i in used] for row in rows], [], notes)


def points(report: Report, curve: Report) -> Table:
    """The points of a texcodec set."""
    results = curve["results"]
    metrics = [m for m in report["metrics"] if m["key"] in results]
    rows = [
        [
            f"{quality:g}",
            f"{results['bpp'][i]:.3f}",
            *(_number(results[m["key"]][i], m["decimals"]) for m in metrics),
        ]
        for i, quality in enumerate(curve["qualities"])
    ]
    rising = "yes" if curve["rising"] else "no"
    return Table(
        f"Points of {curve['name']}",
        ["quality", "bits per pixel", *(", ".join(filter(None, (m["name"], m["unit"]))) for m in metrics)],
        rows,
        [],
        [f"Bytes and PSNR rise with every step of quality on every picture: {rising}."],
    )


def by_picture(report: Report) -> Table:
    """BD-rates in PSNR for every picture."""
    table = report["bd_rate"].get("per_picture", {})
    names = list(dict.fromkeys(name for row in table.values() for name in row))
    rows = [[picture, *(per_cent(row.get(name)) for name in names)] for picture, row in table.items()]
    few = len(rows) <= MOST_ROWS and names and len(rows) > 1
    return Table("BD-rate in PSNR by picture", ["picture", *names], rows if few else [])


def per_cent(value: float | None) -> str:
    """A signed BD-rate."""
    return "–" if value is None else f"{value:+.1f} %"


def _number(value: float | None, decimals: int) -> str:
    return "–" if value is None else f"{value:.{decimals}f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


CROPS_NOTE = (
    "Every file has about as many bytes as the first one; bits per pixel and PSNR are of whole pictures."
)


def view_caption(view: Report) -> Sequence[str]:
    """Who coded a crop, and at what cost."""
    if view["codec"] is None:
        return ["original"]
    return [view["codec"], f"{view['bpp']:.3f} bits per pixel", f"{_number(view['psnr-rgb'], 2)} dB"]
