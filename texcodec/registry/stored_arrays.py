"""The arrays of a set, for pictures or features, in a file: safetensors that leaves out what is stored elsewhere.

Equal arrays are stored once: classes that share networks would otherwise repeat them. A set that has arrays in common
with another one need not store those either, and may store others as differences to those of that set, which archives,
such as wheels, pack better: it then has to lie beside that set. Values of more than one byte are stored as planes of
bytes, which archives pack a tenth better. All this is said in the file's metadata (docs/format.md, "Files of arrays");
identities are computed over the arrays, so they do not depend on it.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from .differences import fits, from_difference, to_difference

SAME = "same"
"""Of the metadata: a JSON object that names, for each array that is not stored, the stored one that it equals."""
OTHERS = "of"
"""The same: a JSON object with the folder of another set, and the names of the arrays that are taken from there."""
DIFFERENCES = "difference"
"""The same: a JSON object with the folder of another set, and the names of stored arrays that are differences to those
of the same names there.
"""
MOST_FILES = 3
"""Files that the arrays of one may be read from: itself, that of the set it names, and that of the set named there."""
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
    """A file needs arrays of a set that is not beside its own, itself or through the set that it names.

    Args:
        folder: the name of that set's.
    """

    def __init__(self, folder: str) -> None:
        super().__init__(f"it needs arrays of the set {folder}, which is not beside its own")
        self.folder = folder


def pack_arrays(
    arrays: Mapping[str, np.ndarray], like: Path | None = None, *, differences: bool = False
) -> bytes:
    """A file of arrays, the same bytes for the same arrays.

    Args:
        like: the file of the same name in another set's folder, whose arrays are not stored where they are equal. The
            two folders have to stay beside each other.
        differences: whether other arrays are stored as differences to those of ``like``, where that packs smaller.
    Raises:
        ValueError: the file ``like`` needs arrays of so many sets that no reader would find those of this one.
        MissingSetError: one of these sets is not beside that of ``like``.
    """
    others = origins(like) if like is not None else []
    if len(others) > MOST_FILES - 2:
        raise ValueError(f"{like} takes arrays of {others[0]}, and that of {others[1]}: name one of these.")
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
    changed = _packed_as_differences(stored, known) if differences else {}
    stored |= changed
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
    if like is not None:
        named = {OTHERS: taken, DIFFERENCES: list(changed)}
        metadata |= {k: json.dumps({"set": like.parent.name, "arrays": v}) for k, v in named.items() if v}
    return _ordered(save(stored, metadata or None))


def _packed_as_differences(arrays: Arrays, known: Arrays) -> Arrays:
    """The differences of those arrays that they pack smaller than, by more than the entry takes."""
    found: Arrays = {}
    for name, array in arrays.items():
        if name in known and fits(array, known[name]):
            difference = to_difference(array, known[name])
            if _packed(difference) + len(name) < _packed(array):
                found[name] = difference
    return found


def _packed(array: np.ndarray) -> int:
    """Bytes that an array takes in a wheel."""
    return len(zlib.compress(byte_planes(array).tobytes(), 9))


def origins(file: Path) -> list[str]:
    """The folders of the sets that a file of arrays needs: that which it names, then that which is named there. Readers
    allow ``MOST_FILES`` - 1 of them; no more than ``MOST_FILES`` are looked up.

    Raises:
        OSError, ValueError, KeyError, TypeError, AttributeError: a file cannot be read, or is damaged.
        MissingSetError: one of the folders has no such file.
    """
    found: list[str] = []
    folder = _source(_metadata(file.read_bytes()))
    while folder is not None and len(found) < MOST_FILES:
        found.append(folder)
        data, file = _beside(file, folder)
        folder = _source(_metadata(data))
    return found


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
    return _unpack(data, file, MOST_FILES)


def _unpack(data: bytes, file: Path | None, files: int) -> Arrays:
    """The same, from at most so many files."""
    if files == 0:
        raise ValueError(f"its arrays come from more than {MOST_FILES} files")
    arrays = load(data)
    metadata = _metadata(data)
    known: Arrays = {}
    folder = _source(metadata)
    if folder is not None:
        if file is None:
            raise ValueError(f"it cannot take arrays of the set {folder!r}")
        known = _unpack(*_beside(file, folder), files - 1)
    for name, kind in metadata.get(PLANES, {}).items():
        arrays[name] = _joined(arrays[name], kind)
    for name in _names(metadata, DIFFERENCES):
        arrays[name] = from_difference(arrays[name], known[name])
    same = metadata.get(SAME, {})
    stored, repeated = set(arrays), 0
    for name, first in same.items():
        if name in stored or first not in stored:
            raise ValueError(f"the array {name!r} cannot be the same as {first!r}")
        arrays[name] = arrays[first]
        repeated += arrays[name].nbytes
    taken = {name: known[name] for name in _names(metadata, OTHERS)}
    if taken.keys() & arrays.keys():
        raise ValueError("it takes arrays of another set that it has itself")
    repeated += sum(array.nbytes for array in taken.values())
    if repeated > LARGEST_REPEATED:
        raise ValueError(f"arrays that are not stored have {repeated} bytes together")
    return arrays | taken


def _metadata(data: bytes) -> dict[str, Any]:
    """The entries of a file's metadata that say what its arrays are.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: they are damaged.
    """
    length = int.from_bytes(data[:8], "little")
    try:
        entries = json.loads(data[8 : 8 + length]).get("__metadata__", {})
        return {
            key: json.loads(entries[key]) for key in (PLANES, SAME, OTHERS, DIFFERENCES) if key in entries
        }
    except RecursionError:
        raise ValueError("its metadata are nested too deeply") from None


def _source(metadata: Mapping[str, Any]) -> str | None:
    """The folder of the one other set that the metadata name; None where they name none."""
    folders = [metadata[key]["set"] for key in (OTHERS, DIFFERENCES) if key in metadata]
    if not folders:
        return None
    if not _FOLDER.fullmatch(folders[0]) or folders[0] != folders[-1]:
        raise ValueError(f"it cannot take arrays of {' and '.join(map(repr, folders))}")
    return str(folders[0])


def _names(metadata: Mapping[str, Any], key: str) -> list[str]:
    """The arrays that an entry lists, none if there is no such entry."""
    names = metadata[key]["arrays"] if key in metadata else []
    # a text would be read as names of one character; a difference would be added twice
    if not isinstance(names, list) or len(set(names)) < len(names):
        raise ValueError(f"its entry {key!r} is no list of different arrays")
    return names


def _beside(file: Path, folder: str) -> tuple[bytes, Path]:
    """The file of the same name in the folder beside that of ``file``, and its place."""
    other = file.parent.parent / folder / file.name
    try:
        return other.read_bytes(), other
    except OSError:
        raise MissingSetError(folder) from None
