"""texcodec: a learned image codec that picks a neural codec for every tile by its texture.

    import texcodec
    data = texcodec.encode(image, quality=50)
    image = texcodec.decode(data)

``texcodec.open`` gives sizes, metadata and regions without decoding everything. docs/format.md describes the
files.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from .errors import (
    ChecksumError,
    CorruptError,
    FormatError,
    ImageError,
    LibraryError,
    LimitError,
    ModelDamagedError,
    ModelError,
    ModelNotFoundError,
    NotTcxError,
    ParameterError,
    StreamError,
    TensorError,
    TexcodecError,
    TruncatedError,
    UnsupportedError,
)
from .limits import Limits

if TYPE_CHECKING:
    from .codec import TcxFile, decode, encode, open

__version__ = "0.3.0"

__all__ = [
    "ChecksumError",
    "CorruptError",
    "FormatError",
    "ImageError",
    "LimitError",
    "Limits",
    "LibraryError",
    "ModelDamagedError",
    "ModelError",
    "ModelNotFoundError",
    "NotTcxError",
    "ParameterError",
    "StreamError",
    "TcxFile",
    "TensorError",
    "TexcodecError",
    "TruncatedError",
    "UnsupportedError",
    "__version__",
    "decode",
    "encode",
    "open",
]

_LAZY = {"TcxFile", "decode", "encode", "open"}


def __getattr__(name: str) -> Any:
    # the codec is imported when first used: errors and the version should cost nothing
    if name in _LAZY:
        return getattr(importlib.import_module(".codec", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
