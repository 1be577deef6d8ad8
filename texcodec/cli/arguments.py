"""Two arguments that a shell may have made: ``encode -f *`` in a folder of a picture and a .tcx file names both."""

from __future__ import annotations

import os

import click

from texcodec.errors import TexcodecError
from texcodec.files import STANDARD_STREAM, is_special


def holds_another_picture(source: str, name: str) -> bool:
    """Whether a file that could be the output exists and is of another size than the input: nobody who repeats
    a command means to replace it.

    Args:
        source: the input, a picture or .tcx file.
        name: a picture or .tcx file.
    """
    if (
        STANDARD_STREAM in (source, name)
        or is_special(name)
        or not os.path.isfile(name)
        or not os.path.isfile(source)
    ):
        return False
    sizes = [_size(path) for path in (source, name)]
    return None not in sizes and sizes[0] != sizes[1]


def no_output(source: str, name: str) -> click.UsageError:
    """The error about such a file."""
    return click.UsageError(
        f"{name} exists and holds another picture than {source}; if it is the output, give it with --output."
    )


def _size(path: str) -> tuple[int, int] | None:
    """Width and height as its header says; None where that cannot be told."""
    import texcodec
    from texcodec.container import MAGIC
    from texcodec.images import picture_size

    try:
        with open(path, "rb") as file:
            if file.read(len(MAGIC)) == MAGIC:
                file.seek(0)
                with texcodec.open(file) as tcx:
                    return tcx.width, tcx.height
            file.seek(0)
            return picture_size(file)
    except (OSError, TexcodecError):
        return None
