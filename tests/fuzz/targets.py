"""All targets by name."""

from __future__ import annotations

from texcodec.errors import (
    CorruptError,
    FormatError,
    LibraryError,
    LimitError,
    ModelError,
    ParameterError,
    UnsupportedError,
)

from . import files, networks, streams, texts
from .rules import Target

TARGETS: dict[str, Target] = {
    "container": Target(files.container, (FormatError, LimitError), "file"),
    "index": Target(files.index, (CorruptError,)),
    "rans": Target(streams.rans, (CorruptError,)),
    "lossless": Target(streams.lossless, (CorruptError, LibraryError)),
    "pictures": Target(files.pictures, mutator="file"),
    "features": Target(files.features, mutator="file"),
    "profiles": Target(texts.profiles, (ParameterError, UnsupportedError), "json"),
    "manifests": Target(texts.manifests, (ModelError,), "json"),
    "graphs": Target(networks.graphs, (ModelError,), "graph"),
    "command": Target(files.command, (), "file"),
}
