"""Names of inputs and outputs."""

from __future__ import annotations

import os

PathLike = str | os.PathLike[str]
STANDARD_STREAM = "-"


def is_stream(path: PathLike) -> bool:
    """Whether a path stands for standard input or output."""
    return os.fspath(path) == STANDARD_STREAM


def encoded_name(name: str) -> str:
    """``photo.png`` becomes ``photo.tcx``."""
    return os.path.splitext(name)[0] + ".tcx"


def full_encoded_name(name: str) -> str:
    """``photo.png`` becomes ``photo.png.tcx``, so that ``photo.jpg`` has another output."""
    return name + ".tcx"


def decoded_name(name: str, suffix: str = ".png") -> str:
    """``photo.tcx`` becomes ``photo.png``; a name without ``.tcx`` keeps all of it."""
    stem, extension = os.path.splitext(name)
    return (stem if extension.lower() == ".tcx" else name) + suffix


def full_decoded_name(name: str, suffix: str = ".png") -> str:
    """``photo.png.tcx`` becomes ``photo.png``, and ``photo.jpg.tcx`` becomes ``photo.jpg.png``."""
    stem = decoded_name(name, "")
    return stem if os.path.splitext(stem)[1].lower() == suffix else stem + suffix
