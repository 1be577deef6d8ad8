"""The identity of a decoder, of pictures or of features: a hash over everything that decides what a file decodes to
(docs/format.md, "Identity").

Encoder networks, the card and texture thresholds are not part of it, so better encoders need no new set. Arrays that
are stored once are hashed under each of their names, so that the identity does not depend on how a file stores them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np

from ..constants import IDENTITY_BYTES

_DECODER = b"texcodec decoder 1\0"
_FEATURES = b"texcodec features 1\0"


def decoder_identity(graphs: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The first 16 bytes of SHA-256 over the decoder's graphs and arrays, each with its name, sorted by name.

    Args:
        graphs: serialised ONNX graphs of the decoder by file name.
        arrays: the decoder's arrays by name, in the dtype in which they are stored.
    """
    return _identity(_DECODER, graphs, arrays)


def feature_identity(graphs: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> bytes:
    """The same for a feature set: over the graphs ``generator`` and ``predictor`` and the arrays of its entropy
    decoder. Tasks are not part of it, so a set can gain tasks for streams that exist.
    """
    return _identity(_FEATURES, graphs, arrays)


def _identity(domain: bytes, graphs: Mapping[str, bytes], arrays: Mapping[str, np.ndarray]) -> bytes:
    digest = hashlib.sha256(domain)
    for name in sorted(graphs):
        _add(digest, f"graph {name}", graphs[name])
    for name in sorted(arrays):
        array = arrays[name]
        shape = "x".join(map(str, array.shape))
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        _add(digest, f"array {name} {array.dtype.name} {shape}", little.data)
    return digest.digest()[:IDENTITY_BYTES]


def _add(digest: hashlib._Hash, label: str, data: bytes | memoryview) -> None:
    encoded = label.encode()
    digest.update(len(encoded).to_bytes(4, "little") + encoded)
    digest.update((data.nbytes if isinstance(data, memoryview) else len(data)).to_bytes(8, "little"))
    digest.update(data)
