"""The report in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from .report import Report
from .tables import CROPS_NOTE, Table, sections, summary, view_caption


def markdown(report: Report) -> str:
    """The text of ``report.md``, which refers to the files beside it."""
    parts = ["# Evaluation", *summary(report), "![Quality over rate](rd.png)"]
    parts += map(section_text, sections(report))
    if report["crops"]:
        parts += ["## Crops", CROPS_NOTE]
    for region in report["crops"]:
        x, y, w, h = region["region"]
        parts.append(f"### {escape(region['picture'])}, {region['kind']}, {w} × {h} at ({x}, {y})")
        captions = ["<br>".join(map(escape, view_caption(view))) for view in region["views"]]
        parts.append(
            table_text(captions, [[f"![]({view['file']})" for view in region["views"]]], escaped=True)
        )
    return "\n\n".join(parts) + "\n"


def section_text(table: Table, level: int = 2) -> str:
    """One table with its heading and paragraphs."""
    parts = [
        f"{'#' * level} {escape(table.title)}",
        *table.before,
        table_text(table.header, table.rows),
        *table.after,
    ]
    return "\n\n".join(parts)


def table_text(header: Sequence[str], rows: Sequence[Sequence[str]], *, escaped: bool = False) -> str:
    """A table; its cells are plain text unless they are ``escaped`` already."""
    clean = str if escaped else escape
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(clean(cell) for cell in line) + " |" for line in lines)


def escape(text: str) -> str:
    """Plain text that Markdown shows as it is; also where a file's name holds marks."""
    text = " ".join(text.split())
    return "".join("\\" + c if c in "\\|*_`[]<>#" else c for c in text)
