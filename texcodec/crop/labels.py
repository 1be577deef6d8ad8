"""Labelled pictures: a CSV file with a column ``file`` and numeric columns, and the pictures that it names."""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import ImageError, ParameterError, StreamError, TexcodecError
from ..images import Picture, read_picture
from ..limits import Limits

FILE_COLUMN = "file"
SHAPE_SLACK = 0.02
"""How far, relatively, the pictures' shapes may differ: a profile is for one camera."""


@dataclass(frozen=True)
class Labelled:
    """Pictures in working size with the values to be found from them.

    Attributes:
        pixels: uint8 N x height x width x C; C is 1 if all pictures are grey, else 3. Both sides are odd, so that
            there is a pixel in the middle.
        values: float64 N x T.
        targets: names of the T values.
    """

    pixels: np.ndarray
    values: np.ndarray
    targets: tuple[str, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[1])


def working_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height, both odd, of a picture whose longer side becomes about ``side`` pixels."""
    scale = side / max(width, height)
    return tuple(max(int(round((n * scale - 1) / 2)), 0) * 2 + 1 for n in (width, height))  # type: ignore[return-value]


def load_labels(
    path: str | os.PathLike[str],
    *,
    targets: Sequence[str] = (),
    side: int = 97,
    limits: Limits | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Labelled:
    """Read a CSV file and its pictures.

    Args:
        path: of the CSV file, with a line of names first. Files are relative to its folder.
        targets: names of the columns to learn; default: all whose entries are all numbers, but for ``file``.
        side: pixels of the longer side that pictures are reduced to.
        progress: called with (pictures read, pictures in all).

    Raises:
        StreamError: the CSV file cannot be read.
        ParameterError: a column is missing, constant or has entries that are no finite numbers; there are fewer
            than two lines.
        ImageError: a picture cannot be read, or its shape is not that of the first one.
    """
    table, rows = Path(path), _rows(Path(path))
    names = tuple(targets) or _numeric_columns(rows)
    if not names:
        raise ParameterError(f"{table} has no column of numbers to learn; name columns with --targets.")
    values = np.array([[_number(table, i, row, name) for name in names] for i, row in enumerate(rows)])
    for name, column in zip(names, values.T):
        if np.ptp(column) == 0:
            raise ParameterError(
                f"The column '{name}' of {table} is {column[0]:g} on every line, so there is nothing to learn; "
                "name other columns with --targets."
            )
    pictures: list[Picture] = []
    reduced: list[np.ndarray] = []
    for i, row in enumerate(rows):
        picture = _read(table, i, row, limits)
        if not pictures:
            pictures.append(picture)
            size = working_size(picture.width, picture.height, side)
        first = pictures[0]
        if abs(picture.width * first.height / (picture.height * first.width) - 1) > SHAPE_SLACK:
            raise ImageError(
                f"{row[FILE_COLUMN]} has {picture.width} x {picture.height} pixels, another shape than the first "
                f"picture's {first.width} x {first.height}; a profile is for pictures of one camera."
            )
        reduced.append(reduce_picture(picture.pixels, *size))
        if progress:
            progress(i + 1, len(rows))
    if any(p.shape[2] == 3 for p in reduced):
        reduced = [np.broadcast_to(p, (*p.shape[:2], 3)) for p in reduced]
    return Labelled(np.stack(reduced), values, names)


def reduce_picture(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """A picture in working size: uint8 h x w x C to uint8 height x width x C, averaging."""
    from PIL import Image

    flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
    image = Image.fromarray(flat).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(height, width, pixels.shape[2])


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except OSError as error:
        raise StreamError(
            f"The labels {table} cannot be read ({error.strerror}); check their name."
        ) from None
    except (ValueError, csv.Error):
        raise ParameterError(f"{table} is not a CSV file in UTF-8; save it as one.") from None
    if FILE_COLUMN not in (reader.fieldnames or ()):
        raise ParameterError(f"{table} has no column '{FILE_COLUMN}'; its first line must name the columns.")
    if len(rows) < 2:
        raise ParameterError(f"{table} has {len(rows)} pictures; learning needs at least two.")
    return rows


def _is_number(text: str | None) -> bool:
    try:
        return math.isfinite(float(text or ""))
    except ValueError:
        return False


def _numeric_columns(rows: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(
        name
        for name in rows[0]
        if name and name != FILE_COLUMN and all(_is_number(row[name]) for row in rows)
    )


def _number(table: Path, index: int, row: dict[str, str], name: str) -> float:
    if name not in row:
        raise ParameterError(
            f"{table} has no column '{name}'; it has {', '.join(k for k in row if k and k != FILE_COLUMN)}."
        )
    if not _is_number(row[name]):
        raise ParameterError(
            f"Line {index + 2} of {table} has {row[name]!r} in column '{name}', which must be a finite number."
        )
    return float(row[name])


def _read(table: Path, index: int, row: dict[str, str], limits: Limits | None) -> Picture:
    name = row[FILE_COLUMN] or ""
    path = table.parent / name
    try:
        with path.open("rb") as file:
            return read_picture(file, limits or Limits(), name="The picture")
    except OSError as error:
        reason = error.strerror or str(error)
    except (ValueError, TexcodecError) as error:
        reason = str(error).rstrip(".")
    raise ImageError(
        f"The picture {name!r} on line {index + 2} of {table} cannot be read: {reason}."
    ) from None
