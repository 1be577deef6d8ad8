"""The report's folder: where points are kept while they come, and the report goes in the end."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import StreamError
from ..files import write_atomically
from .crops import Crop
from .plots import quality_over_rate
from .report import Report, to_json
from .report_html import html
from .report_markdown import markdown

POINTS = "points.jsonl"


def prepare(folder: Path, *, force: bool) -> Path:
    """Make the folder, and return the journal's place in it.

    A folder with points in it is one of a run before, which goes on.

    Args:
        force: use a folder that holds other things, too, and forget points that are in it.
    Raises:
        StreamError: it cannot be made or written, or holds other things.
    """
    points = folder / POINTS
    try:
        if folder.exists() and not folder.is_dir():
            raise StreamError(f"{folder} is a file; name a folder for the report.")
        if not force and folder.is_dir() and any(folder.iterdir()) and not points.exists():
            raise StreamError(
                f"The folder {folder} holds other things; name a new one, or use --force to write among them."
            )
        folder.mkdir(parents=True, exist_ok=True)
        if force:
            points.unlink(missing_ok=True)
        points.open("a").close()
    except OSError as error:
        raise StreamError(
            f"Cannot write to the folder {folder}: {error.strerror}; name another one."
        ) from error
    return points


def crop_names(crops: Sequence[Crop]) -> list[str]:
    """A file for each, relative to the folder; pictures are numbered, since their names may be anything."""
    numbers = {digest: i for i, digest in enumerate(dict.fromkeys(crop.source.digest for crop in crops), 1)}
    return [
        f"crops/{numbers[crop.source.digest]:02d}-{crop.kind}-{crop.codec.key if crop.codec else 'original'}.png"
        for crop in crops
    ]


def write(folder: Path, report: Report, crops: Mapping[str, Crop]) -> None:
    """Write the report: HTML, Markdown, JSON, plots, crops, and every measured curve as a file for ``--curve``.

    Raises:
        StreamError: a file cannot be written.
    """
    try:
        for part in ("crops", "curves"):
            (folder / part).mkdir(exist_ok=True)
        for old in [*(folder / "crops").glob("[0-9][0-9]-*.png"), *(folder / "curves").glob("*.json")]:
            old.unlink()
    except OSError as error:
        raise StreamError(
            f"Cannot write to the folder {folder}: {error.strerror}; the points are kept."
        ) from error
    pictures = {name: _png(crop.pixels) for name, crop in crops.items()}
    plots = {"rd.png": quality_over_rate(report), "rd-dark.png": quality_over_rate(report, dark=True)}
    files = {**pictures, "rd.png": plots["rd.png"]}
    for curve in report["curves"]:
        if curve["kind"] != "given":
            alone = {key: curve[key] for key in ("name", "settings", "version", "results")}
            files[f"curves/{curve['key']}.json"] = to_json(alone).encode()
    files["report.md"] = markdown(report).encode()
    files["report.html"] = html(report, pictures | plots).encode()
    files["report.json"] = to_json(report).encode()
    for name, data in files.items():
        write_atomically(folder / name, data, force=True)


def _png(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
