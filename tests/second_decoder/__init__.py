"""A second decoder of `.tcx` files, in plain numpy, written from docs/format.md alone.

It exists to show that the document is enough and that the symbols do not depend on any one
implementation. It shares no code with texcodec and needs no inference engine and no entropy coding library.
Speed does not matter here; being easy to compare with the document does.

    bytes -> container.read_file -> model_set.ModelSet -> entropy.decode_tile -> pixels.decode
                                 -> features.FeatureSet -> features.decode_features
"""

from .container import File, Header, TileRecord, read_file
from .features import FeatureSet, FeatureSymbols, decode_features, streams_hash
from .fields import Refused
from .model_set import ModelSet
from .pixels import Decoded, decode

__all__ = [
    "Decoded",
    "FeatureSet",
    "FeatureSymbols",
    "File",
    "Header",
    "ModelSet",
    "Refused",
    "TileRecord",
    "decode",
    "decode_features",
    "read_file",
    "streams_hash",
]
