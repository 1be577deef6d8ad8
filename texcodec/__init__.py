"""texcodec: a learned image codec that picks a neural codec for every tile by its texture.

    import texcodec
    data = texcodec.encode(image, quality=50)
    image = texcodec.decode(data)

``texcodec.open`` gives sizes, metadata and regions without decoding everything; ``import texcodec.pillow`` lets
Pillow open and save the files, which docs/format.md describes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    OutputExistsError,
    ParameterError,
    ParameterTypeError,
    StreamError,
    TargetError,
    TensorError,
    TexcodecError,
    TexcodecWarning,
    TruncatedError,
    UnsupportedError,
)
from .lazy import imported_when_used

if TYPE_CHECKING:
    from .codec import TcxFile, decode, encode, imread, imwrite, open
    from .container import Crop, Header, TileEntry
    from .images import Picture
    from .limits import Limits
    from .registry import ModelSet, SetInfo
    from .registry import list_sets as list_models
    from .registry import load_set as load_models

__version__ = "0.4.0.dev0"

__all__ = [
    "ChecksumError",
    "CorruptError",
    "Crop",
    "FormatError",
    "Header",
    "ImageError",
    "LibraryError",
    "LimitError",
    "Limits",
    "ModelDamagedError",
    "ModelError",
    "ModelNotFoundError",
    "ModelSet",
    "NotTcxError",
    "OutputExistsError",
    "ParameterError",
    "ParameterTypeError",
    "Picture",
    "SetInfo",
    "StreamError",
    "TargetError",
    "TcxFile",
    "TensorError",
    "TexcodecError",
    "TexcodecWarning",
    "TileEntry",
    "TruncatedError",
    "UnsupportedError",
    "__version__",
    "decode",
    "encode",
    "imread",
    "imwrite",
    "list_models",
    "load_models",
    "open",
]

# the codec is imported when first used: errors and the version should cost nothing
__getattr__, __dir__ = imported_when_used(
    __name__,
    {
        ".codec": ("TcxFile", "decode", "encode", "imread", "imwrite", "open"),
        ".container": ("Crop", "Header", "TileEntry"),
        ".limits": ("Limits",),
        ".images": ("Picture",),
        ".registry": {
            "ModelSet": "ModelSet",
            "SetInfo": "SetInfo",
            "list_models": "list_sets",
            "load_models": "load_set",
        },
    },
)
