"""What ``encode`` takes, from a path to an array, as a picture."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any, BinaryIO, Union

import numpy as np

from ..errors import ParameterTypeError
from ..images import Picture, from_array, from_image, read_picture
from ..limits import Limits
from .file import TcxFile

if TYPE_CHECKING:
    from numpy.typing import ArrayLike
    from PIL import Image

PictureSource = Union["Image.Image", Picture, "ArrayLike", str, os.PathLike[str], bytes, BinaryIO, TcxFile]

_ACCEPTED = (
    "the path of a picture, the bytes of its file, a binary file object, a Pillow image, an array of uint8, or a "
    "texcodec Picture or TcxFile"
)


def picture_of(source: Any, limits: Limits, *, metadata: bool = True) -> Picture:
    """The picture that a source holds.

    Args:
        source: see ``texcodec.encode``.
        limits: what is too large.
        metadata: whether metadata are wanted (``images.read_picture``).
    Raises:
        ParameterTypeError: it is nothing of the kind.
        ParameterError, ImageError, LimitError, StreamError: see ``texcodec.encode``.
    """
    if isinstance(source, Picture):
        return source
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, TcxFile):
        return source.decode_picture()
    if isinstance(source, (bytearray, memoryview)):
        source = bytes(source)
    if isinstance(source, (str, os.PathLike, bytes)):
        return read_picture(source, limits, metadata=metadata)
    from PIL import Image

    if isinstance(source, Image.Image):
        return from_image(source, limits, metadata=metadata)
    if hasattr(source, "__array__") or hasattr(source, "__array_interface__"):
        return from_array(np.asarray(source))
    if isinstance(source, io.TextIOBase):
        raise ParameterTypeError("The file was opened in text mode; open it in binary mode ('rb').")
    if hasattr(source, "read"):
        file = source if hasattr(source, "seekable") else io.BytesIO(source.read())
        return read_picture(file, limits, metadata=metadata)
    raise ParameterTypeError(f"A picture to encode is {_ACCEPTED}, not {type(source).__name__}.")
