"""Model sets as the viewer fetches them: graphs and arrays of a decoder in one compressed file.

A pack is gzip over a magic number, a JSON head behind its length (u32), the graphs and the arrays. Weights stay
in the types in which the set stores them (synthesis in float16 or int8, the integer networks in int16 and int32),
so nothing is rounded, and the reader computes the set's identity (docs/format.md, "Identity") anew over what it
unpacked. An array that equals an earlier one, as those of classes that share a network do, is named and not repeated.
"""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np

from ..registry.picture_manifest import ENCODER_GRAPHS
from ..registry.stored_arrays import byte_planes, read_arrays

MAGIC = b"TCXPACK2"
SUFFIX = ".tcxpack"
MANIFEST_FIELDS = (
    "name",
    "entropy_profile",
    "slices",
    "hyper_channels",
    "classes",
    "halo",
    "fusion",
    "gains",
)
"""What the viewer reads of a manifest."""
NAME_DIGITS = 16
"""Digits of an identity by which packs are named and asked for: compact files name no more of them."""


def pack_models(folder: Path) -> bytes:
    """The decoder's half of the set for pictures in ``folder``, packed; the same bytes for the same set.

    Raises:
        OSError, ValueError, LookupError, SafetensorError: the folder holds no sound set, or one that takes arrays of
            another, which is not beside it.
    """
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    arrays = read_arrays(folder / "decoder.safetensors")
    paths = sorted(path for path in (folder / "graphs").glob("*.onnx") if path.stem not in ENCODER_GRAPHS)
    graphs = {path.stem: path.read_bytes() for path in paths}
    entries, parts = _entries(arrays)
    head = {
        "manifest": {field: manifest[field] for field in MANIFEST_FIELDS if field in manifest},
        "graphs": [[name, len(data)] for name, data in graphs.items()],
        "arrays": entries,
    }
    encoded = json.dumps(head, separators=(",", ":")).encode()
    parts = [MAGIC, struct.pack("<I", len(encoded)), encoded, *graphs.values(), *parts]
    return gzip.compress(b"".join(parts), compresslevel=9, mtime=0)


def _entries(arrays: dict[str, np.ndarray]) -> tuple[list[list[Any]], list[bytes]]:
    """What the head says of each array, and the bytes of those that equal no earlier one."""
    entries: list[list[Any]] = []
    parts: list[bytes] = []
    seen: dict[tuple[str, bytes], int] = {}
    for name in sorted(arrays):
        kind, planes = arrays[name].dtype.name, byte_planes(arrays[name]).tobytes()
        entry = [name, kind, list(arrays[name].shape)]
        earlier = seen.setdefault((kind, planes), len(entries))
        if earlier < len(entries):
            entry.append(earlier)
        else:
            parts.append(planes)
        entries.append(entry)
    return entries, parts


def pack_name(identity: str) -> str:
    """Name of the file with the pack of an identity, 32 hexadecimal digits."""
    return identity[:NAME_DIGITS] + SUFFIX


def catalogue(folders: list[Path]) -> dict[str, dict[str, Any]]:
    """What the viewer knows of the sets in ``folders``: name, kind, classes or, of feature sets, tasks; by identity."""
    found: dict[str, dict[str, Any]] = {}
    for folder in folders:
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        entry: dict[str, Any] = {"name": manifest["name"], "kind": manifest.get("kind", "pictures")}
        if entry["kind"] == "features":
            entry["tasks"] = [task["name"] for task in manifest["tasks"]]
        else:
            entry["classes"] = manifest["classes"]
        found[manifest["identity"]] = entry
    return found
