"""The arrays of a set, for pictures or features, in a file: safetensors in which equal arrays are stored once.

Classes that share networks would otherwise repeat them. Which arrays are not stored is in the file's metadata
(docs/format.md, "Files of arrays"); identities are computed over all arrays, so they do not depend on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import numpy as np
from safetensors.numpy import load, save

KEY = "same"
"""Of the metadata: a JSON object that names, for each array that is not stored, the stored one that it equals."""
LARGEST_REPEATED = 256 << 20
"""Bytes that arrays which are not stored may have together: reading a set takes time in proportion to them."""


def pack_arrays(arrays: Mapping[str, np.ndarray]) -> bytes:
    """A file of arrays, the same bytes for the same arrays."""
    stored: dict[str, np.ndarray] = {}
    same: dict[str, str] = {}
    seen: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    for name, array in sorted(arrays.items()):
        array = np.ascontiguousarray(array)
        first = seen.setdefault((array.dtype.name, array.shape, array.tobytes()), name)
        if first == name:
            stored[name] = array
        else:
            same[name] = first
    return save(stored, {KEY: json.dumps(same)} if same else None)


def unpack_arrays(data: bytes) -> dict[str, np.ndarray]:
    """All arrays of a file; those that are equal by its metadata are one object.

    Raises:
        SafetensorError, ValueError, KeyError, TypeError, AttributeError: it is damaged, or holds types that numpy does
            not have.
    """
    arrays = load(data)
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    same = json.loads(metadata.get(KEY, "{}"))
    stored, repeated = set(arrays), 0
    for name, first in same.items():
        if name in stored or first not in stored:
            raise ValueError(f"the array {name!r} cannot be the same as {first!r}")
        arrays[name] = arrays[first]
        repeated += arrays[name].nbytes
    if repeated > LARGEST_REPEATED:
        raise ValueError(f"arrays that are not stored have {repeated} bytes together")
    return arrays
