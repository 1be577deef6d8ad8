"""The arrays of a set, for pictures or features, in a file: safetensors that leaves out what is stored elsewhere.

Equal arrays are stored once: classes that share networks would otherwise repeat them. A set that has arrays in common
with another one need not store those either: it then has to lie beside that set. Values of more than one byte are
stored as planes of bytes, which archives, such as wheels, pack a tenth better. All this is said in the file's metadata
(docs/format.md, "Files of arrays"); identities are computed over the arrays, so they do not depend on it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

SAME = "same"
"""Of the metadata: a JSON object that names, for each array that is not stored, the stored one that it equals."""
OTHERS = "of"
"""The same: a JSON object with the folder of another set, and the names of the arrays that are taken from there."""
PLANES = "planes"
"""The same: a JSON object with the type of each array whose bytes are stored as planes."""
PLANE_TYPES = ("float16", "float32", "int16", "int32", "int64", "uint16", "uint32", "uint64")
SMALLEST_PLANES = 4096
"""Bytes from which on an array is stored as planes: of smaller ones the entry would take what they save."""
LARGEST_REPEATED = 256 << 20
"""Bytes that arrays which are not stored may have together: reading a set takes time in proportion to them."""
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Arrays = dict[str, np.ndarray]


class MissingSetError(LookupError):
    """A file takes arrays of a set that is not beside its own.

    Args:
        folder: the name of that set's.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(f"it takes arrays of the set {folder}, which is not beside its own")
        self.folder = folder


def pack_arrays(arrays: Mapping[str, np.ndarray], like: Path | None = None) -> bytes:
    """A file of arrays, the same bytes for the same arrays.

    Args:
        like: the file of the same name in another set's folder, whose arrays are not stored where they are equal. The
            two folders have to stay beside each other.
    Raises:
        ValueError: the file ``like`` takes arrays of a third set, which no reader looks up.
    """
    other = origin(like) if like is not None else None
    if other is not None:
        raise ValueError(f"{like} takes arrays of the set {other} itself; name that one.")
    known = read_arrays(like) if like is not None else {}
    stored: Arrays = {}
    same: dict[str, str] = {}
    taken: list[str] = []
    seen: dict[tuple[str, tuple[int, ...], bytes], str] = {}
    for name, array in sorted(arrays.items()):
        array = np.asarray(array, order="C")
        if name in known and _content(known[name]) == _content(array):
            taken.append(name)
            continue
        first = seen.setdefault(_content(array), name)
        if first == name:
            stored[name] = array
        else:
            same[name] = first
    metadata = {SAME: json.dumps(same)} if same else {}
    types = {
        name: array.dtype.name
        for name, array in stored.items()
        if array.dtype.name in PLANE_TYPES and array.nbytes >= SMALLEST_PLANES
    }
    if types:
        metadata[PLANES] = json.dumps(types)
    for name in types:
        stored[name] = byte_planes(stored[name])
    if like is not None and taken:
        metadata[OTHERS] = json.dumps({"set": like.parent.name, "arrays": taken})
    return _ordered(save(stored, metadata or None))


def origin(file: Path) -> str | None:
    """The folder of the set that a file of arrays takes some from; None where it has all of its own.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: it cannot be read, or is damaged.
    """
    entry = _metadata(file.read_bytes()).get(OTHERS)
    return None if entry is None else str(entry["set"])


def _ordered(data: bytes) -> bytes:
    """The same file with the entries of its metadata by name: the library writes them in any order."""
    length = int.from_bytes(data[:8], "little")
    head = json.loads(data[8 : 8 + length])
    if "__metadata__" in head:
        head["__metadata__"] = dict(sorted(head["__metadata__"].items()))
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


def byte_planes(array: np.ndarray) -> np.ndarray:
    """The bytes of an array's values: uint8, bytes of a value x the array's shape; the lowest bytes come first."""
    little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
    planes = little.reshape(-1).view(np.uint8).reshape(-1, array.dtype.itemsize).T
    return np.ascontiguousarray(planes).reshape(array.dtype.itemsize, *array.shape)


def _joined(planes: np.ndarray, kind: str) -> np.ndarray:
    """The array whose byte planes were stored.

    Args:
        kind: numpy's name of its type.
    """
    if kind not in PLANE_TYPES or planes.dtype != np.uint8 or planes.shape[:1] != (np.dtype(kind).itemsize,):
        raise ValueError(f"an array of {planes.dtype.name} and shape {planes.shape} is no planes of {kind}")
    # all values of a plane at once: a transposition takes several times as long
    values = planes[-1, ...].astype(f"u{len(planes)}")
    for plane in planes[-2::-1]:
        values <<= 8
        values |= plane
    return values.view(kind)


def _content(array: np.ndarray) -> tuple[str, tuple[int, ...], bytes]:
    return array.dtype.name, array.shape, array.tobytes()


def read_arrays(file: Path) -> Arrays:
    """All arrays of a file in a set's folder; those that are equal by its metadata are one object.

    Raises:
        OSError: it cannot be read.
        MissingSetError: a set that it takes arrays from is not beside its own.
        SafetensorError, ValueError, KeyError, TypeError, AttributeError: it is damaged, or holds types that numpy does
            not have.
    """
    return unpack_arrays(file.read_bytes(), file)


def unpack_arrays(data: bytes, file: Path | None = None) -> Arrays:
    """What ``read_arrays`` gives of a file's bytes.

    Args:
        file: where they are from; None refuses arrays of other sets.
    """
    arrays = load(data)
    metadata = _metadata(data)
    for name, kind in metadata.get(PLANES, {}).items():
        arrays[name] = _joined(arrays[name], kind)
    same = metadata.get(SAME, {})
    stored, repeated = set(arrays), 0
    for name, first in same.items():
        if name in stored or first not in stored:
            raise ValueError(f"the array {name!r} cannot be the same as {first!r}")
        arrays[name] = arrays[first]
        repeated += arrays[name].nbytes
    if OTHERS in metadata:
        taken = _taken(metadata[OTHERS], file)
        if taken.keys() & arrays.keys():
            raise ValueError("it takes arrays of another set that it has itself")
        arrays |= taken
        repeated += sum(array.nbytes for array in taken.values())
    if repeated > LARGEST_REPEATED:
        raise ValueError(f"arrays that are not stored have {repeated} bytes together")
    return arrays


def _metadata(data: bytes) -> dict[str, Any]:
    """The entries of a file's metadata that say what its arrays are.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: they are damaged.
    """
    length = int.from_bytes(data[:8], "little")
    try:
        entries = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        return {key: json.loads(entries[key]) for key in (PLANES, SAME, OTHERS) if key in entries}
    except RecursionError:
        raise ValueError("its metadata are nested too deeply") from None


def _taken(entry: Any, file: Path | None) -> Arrays:
    """The arrays that the metadata take from the set beside that of ``file``."""
    folder, names = entry["set"], entry["arrays"]
    if file is None or not _FOLDER.fullmatch(folder):
        raise ValueError(f"it cannot take arrays of the set {folder!r}")
    other = file.parent.parent / folder / file.name
    try:
        data = other.read_bytes()
    except OSError:
        raise MissingSetError(folder) from None
    known = unpack_arrays(data)  # which has all of its own: nothing is looked up twice
    return {name: known[name] for name in names}
