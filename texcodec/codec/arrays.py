"""Arrays to and from ``.tcx`` files in one call, under the names that other libraries have for it."""

from __future__ import annotations

import os
from typing import Any, BinaryIO

import numpy as np

from ..errors import ParameterTypeError, StreamError
from ..files import check_output, write_atomically
from ..files.atomic import fill
from .encode import encode
from .file import Source, decode
from .sources import PictureSource


def imread(source: Source, **options: Any) -> np.ndarray:
    """The pixels of a ``.tcx`` file.

    Args:
        source: a path, the file's bytes, or a binary file object.
        options: of ``texcodec.decode``, without ``output``.
    Returns:
        uint8, H x W (grey), H x W x 2 (grey and alpha), H x W x 3 (RGB) or H x W x 4 (RGBA).
    Raises:
        TexcodecError: as ``texcodec.decode``.
    """
    return decode(source, output="numpy", **options)


def imwrite(target: str | os.PathLike[str] | BinaryIO, image: PictureSource, **options: Any) -> int:
    """Encode a picture into a ``.tcx`` file, which appears complete or not at all; an existing one is replaced.

    Args:
        target: a path, or a binary file object, which stays open.
        image: an array, or whatever else ``texcodec.encode`` takes.
        options: of ``texcodec.encode``.
    Returns:
        bytes written.
    Raises:
        ParameterTypeError: the target is neither.
        StreamError: the target cannot be written.
        TexcodecError: as ``texcodec.encode``.
    """
    if isinstance(target, (str, os.PathLike)):
        check_output(target, force=True)
        data = encode(image, **options)
        write_atomically(target, data, force=True)
        return len(data)
    if not hasattr(target, "write"):
        raise ParameterTypeError(
            f"A picture is written to a path or a binary file object, not {type(target).__name__}."
        )
    data = encode(image, **options)
    try:
        fill(target, data)
    except TypeError:  # io.StringIO, or a file in text mode
        raise ParameterTypeError("The file was opened in text mode; open it in binary mode ('wb').") from None
    except OSError as error:
        raise StreamError(f"Cannot write the file: {error.strerror or error}.") from error
    return len(data)
