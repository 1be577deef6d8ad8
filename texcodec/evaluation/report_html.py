"""The report as one HTML file: pictures inside, no scripts, light and dark as the reader's system is."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from .report import Report
from .tables import CROPS_NOTE, sections, summary, view_caption

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.2; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .8rem; border-bottom: 1px solid var(--line); text-align: right; }
th:first-child, td:first-child, .text { text-align: left; }
tr:hover td { background: var(--soft); }
img.plot { max-width: 100%; height: auto; }
.crops { display: flex; flex-wrap: wrap; gap: .8rem; }
figure { margin: 0; width: 16rem; }
figure img { width: 100%; image-rendering: pixelated; display: block; }
figcaption { font-size: .8rem; line-height: 1.3; padding-top: .3rem; }
"""


def html(report: Report, files: Mapping[str, bytes]) -> str:
    """The text of ``report.html``.

    Args:
        files: PNG files by name: ``rd.png``, ``rd-dark.png`` and those of the crops.
    """
    parts = ["<h1>Evaluation</h1>", *map(_paragraph, summary(report)), _plot(files)]
    for table in sections(report):
        head = "".join(_cell("th", text) for text in table.header)
        rows = "".join(f"<tr>{''.join(_cell('td', text) for text in row)}</tr>\n" for row in table.rows)
        parts += [
            f"<h2>{escape(table.title)}</h2>",
            *map(_paragraph, table.before),
            f'<div class="wide"><table><tr>{head}</tr>\n{rows}</table></div>',
            *map(_paragraph, table.after),
        ]
    if report["crops"]:
        parts += ["<h2>Crops</h2>", _paragraph(CROPS_NOTE)]
    for region in report["crops"]:
        x, y, w, h = region["region"]
        parts.append(f"<h3>{escape(region['picture'])}, {region['kind']}, {w} × {h} at ({x}, {y})</h3>")
        figures = [
            f'<figure><img src="{_data(files[view["file"]])}" alt="">'
            f"<figcaption>{'<br>'.join(map(escape, view_caption(view)))}</figcaption></figure>"
            for view in region["views"]
        ]
        parts.append(f'<div class="crops">{"".join(figures)}</div>')
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>texcodec evaluation</title>\n<style>{STYLE}</style>\n<body>\n{body}\n</body>\n</html>\n"
    )


def _plot(files: Mapping[str, bytes]) -> str:
    return (
        "<picture>"
        f'<source srcset="{_data(files["rd-dark.png"])}" media="(prefers-color-scheme: dark)">'
        f'<img class="plot" src="{_data(files["rd.png"])}" alt="Quality over rate"></picture>'
    )


def _cell(tag: str, text: str) -> str:
    wordy = any(c.isalpha() for c in text) and tag == "td"
    return f"<{tag}{' class=text' if wordy else ''}>{escape(text)}</{tag}>"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _data(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()
