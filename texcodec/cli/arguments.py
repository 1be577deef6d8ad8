"""Two arguments that a shell may have made: ``encode -f *`` in a folder of a picture and a .tcx file names both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from texcodec.errors import TexcodecError
from texcodec.files import STANDARD_STREAM, is_special

if TYPE_CHECKING:
    import numpy as np

ALIKE = 6.0
"""Grey levels by which the small pictures of one picture differ at most, on average. Coding at quality 1 changed those
of seven photographs and screenshots by 2 to 3.4; different ones of them differed by more than 40.
"""
OPAQUE = 250
"""Alpha from which on colours are compared."""


def holds_another_picture(source: str, name: str) -> bool:
    """Whether a file that could be the output exists and holds another picture than the input: nobody who repeats a
    command means to replace it.

    Files of one name but for its end are taken for one picture if their sizes are equal; others are compared by small
    pictures too. Where a picture cannot be read, the answer is no.

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
    if None in sizes:
        return False
    return sizes[0] != sizes[1] or (_stem(source) != _stem(name) and not _alike(source, name))


def no_output(source: str, name: str) -> click.UsageError:
    """The error about such a file."""
    return click.UsageError(
        f"{name} exists and holds another picture than {source}; if it is the output, give it with --output."
    )


def _stem(path: str) -> str:
    return os.path.splitext(os.path.basename(path))[0]


def _is_tcx(path: str) -> bool:
    from texcodec.container import MAGIC

    with open(path, "rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def _size(path: str) -> tuple[int, int] | None:
    """Width and height as its header says; None where it cannot be read."""
    import texcodec
    from texcodec.images import picture_size

    try:
        if _is_tcx(path):
            with texcodec.open(path) as tcx:
                return tcx.width, tcx.height
        with open(path, "rb") as file:
            return picture_size(file)
    except (OSError, TexcodecError):
        return None


def _alike(source: str, name: str) -> bool:
    """Whether two pictures of one size look the same when they are small, as far as they can be read."""
    import numpy as np

    try:
        one, other = _small(source), _small(name)
    except (OSError, TexcodecError):
        return True
    # what is hidden may have any colour
    seen = (one[..., 3:] >= OPAQUE) & (other[..., 3:] >= OPAQUE)
    if not seen.any():
        return True
    return float(np.abs(one - other)[..., :3].mean(where=seen)) <= ALIKE


def _small(path: str) -> np.ndarray:
    """A picture of 1/16 the width and height, float H x W x 4 with alpha."""
    import numpy as np
    from PIL import Image

    import texcodec
    from texcodec.images import read_picture, to_image
    from texcodec.tiles import STRIDE

    if _is_tcx(path):
        with texcodec.open(path) as tcx:
            width, height = tcx.width, tcx.height
            image = tcx.preview(warn=lambda sentence: None)
    else:
        picture = read_picture(path)
        width, height, image = picture.width, picture.height, to_image(picture)
    size = -(-width // STRIDE), -(-height // STRIDE)
    return np.asarray(image.convert("RGBA").resize(size, Image.Resampling.BOX)).astype(np.float64)
