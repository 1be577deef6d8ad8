"""Names of inputs and outputs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from ..errors import ParameterError

PathLike = str | os.PathLike[str]
STANDARD_STREAM = "-"


def is_stream(path: PathLike) -> bool:
    """Whether a path stands for standard input or output."""
    return os.fspath(path) == STANDARD_STREAM


def encoded_name(source: PathLike, out_dir: PathLike | None = None) -> Path:
    """``photo.png`` becomes ``photo.tcx``, in the same folder or in ``out_dir``."""
    path = Path(source)
    return _placed(path, path.stem + ".tcx", out_dir)


def decoded_name(source: PathLike, out_dir: PathLike | None = None, suffix: str = ".png") -> Path:
    """``photo.tcx`` becomes ``photo.png``; a name without ``.tcx`` keeps all of it."""
    path = Path(source)
    stem = path.stem if path.suffix.lower() == ".tcx" else path.name
    return _placed(path, stem + suffix, out_dir)


def pair_outputs(sources: Iterable[PathLike], name: Callable[[PathLike], Path]) -> list[tuple[Path, Path]]:
    """Each source with its output, as ``name`` names it.

    Raises:
        ParameterError: two sources would be written to one file, or one over itself or over another source.
    """
    pairs = [(Path(source), name(source)) for source in sources]
    taken = {os.path.realpath(source): source for source, _ in pairs}
    for source, target in pairs:
        place = os.path.realpath(target)
        if place in taken:
            raise ParameterError(
                f"The output of {source} would be {target}, which is taken by {taken[place]}; "
                "rename one or use another output directory."
            )
        taken[place] = source
    return pairs


def _placed(source: Path, name: str, out_dir: PathLike | None) -> Path:
    return (source.parent if out_dir is None else Path(out_dir)) / name
