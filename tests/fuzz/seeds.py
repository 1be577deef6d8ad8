"""The first inputs of every target: the golden files, and small ones of every kind made here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from compact_samples import FILES as COMPACT_FILES
from container_samples import full_file, lean_file
from golden.make import encode, page, scene, with_alpha

import texcodec
from texcodec.container import Reader
from texcodec.container.compact_index import pack_entries
from texcodec.container.index import pack_index
from texcodec.crop.profile import Profile, profile_to_json
from texcodec.lossless import pack_samples

from .networks import known
from .streams import ROOT, TINY_2

GOLDEN = ROOT / "tests" / "golden"


def seeds(target: str) -> Iterator[bytes]:
    """Inputs for the target of this name."""
    yield from _SEEDS[target]()


def golden(largest: int = 6000) -> Iterator[bytes]:
    """The golden pictures that are not long."""
    for path in sorted(GOLDEN.glob("*.tcx")):
        if path.stat().st_size <= largest:
            yield path.read_bytes()


def compact() -> Iterator[bytes]:
    """Small pictures of entropy profile 2."""
    for picture, settings in (
        (scene(1, 1), {}),
        (scene(20, 33), dict(quality=60)),
        (scene(140, 150), dict(quality=20, tile=128)),
        (with_alpha(scene(24, 30)), {}),
        (scene(40, 40)[..., :1], dict(quality=90)),
        (scene(150, 300), dict(tile=128, crop=(37, 21, 150, 90))),
    ):
        yield texcodec.encode(picture, models=TINY_2, threads=1, **settings)  # type: ignore[arg-type]
    yield COMPACT_FILES["chunks"]


def _containers() -> Iterator[bytes]:
    yield full_file()
    yield lean_file()
    yield from COMPACT_FILES.values()
    yield from golden()
    yield from compact()
    yield from _features()


def _pictures() -> Iterator[bytes]:
    yield from golden()
    yield from compact()
    yield encode(scene(17, 16), quality=10)
    yield texcodec.encode(page(30, 40), lossless=True, threads=1)


def _features() -> Iterator[bytes]:
    for path in sorted((GOLDEN / "features").glob("*.tcx")):
        yield path.read_bytes()


def _indices() -> Iterator[bytes]:
    for data in (full_file(), *COMPACT_FILES.values(), *compact()):
        reader = Reader(data)
        pack = (
            pack_entries(reader.header, reader.tiles) if reader.header.compact else pack_index(reader.tiles)
        )
        yield bytes([len(reader.tiles)]) + pack
    yield bytes([1]) + bytes([255]) * 4


def _streams() -> Iterator[bytes]:
    for data in (*golden(2000), *compact()):
        reader = Reader(data)
        for number, entry in enumerate(reader.tiles):
            if not (entry.absent or entry.drawn) and entry.length < 1000:
                yield bytes([reader.header.compact, 3, 9, 200]) + reader.tile_bytes(number)
    yield bytes(4)


def _lossless() -> Iterator[bytes]:
    for h, w in (1, 1), (1, 9), (12, 7), (40, 60):
        for channels in (1, 3):
            for picture in scene(h, w), page(h, w):
                samples = np.ascontiguousarray(picture[..., :channels])
                yield bytes([h - 1, w - 1, channels >> 1]) + pack_samples(samples)


def _profiles() -> Iterator[bytes]:
    yield profile_to_json(Profile((0.1, 0.2, 0.5, 0.25))).encode()
    keep = {"left": (1.0, 0.5), "right": (1.0, 0.25, 0.0), "up": (0.5,), "down": (0.75, 0.75)}
    sized = dict(form="free", targets=("a", "b"), budget=0.5, provenance={"seed": 1, "card": ["x", None]})
    for size in (5, 3), (6, 4):
        try:
            yield profile_to_json(Profile((0, 0, 1, 1), size=size, keep=keep, **sized)).encode()  # type: ignore[arg-type]
        except texcodec.ParameterError:
            yield profile_to_json(Profile((0, 0, 0.5, 1), **sized)).encode()  # type: ignore[arg-type]


def _manifests() -> Iterator[bytes]:
    for path in sorted([*ROOT.glob("models/*/manifest.json"), *ROOT.glob("tests/data/*/manifest.json")]):
        yield path.read_bytes()


def _graphs() -> Iterator[bytes]:
    for number, network in enumerate(known()):
        if len(network.graph) < 1 << 13:
            yield bytes([number]) + network.graph


_SEEDS = {
    "container": _containers,
    "index": _indices,
    "rans": _streams,
    "lossless": _lossless,
    "pictures": _pictures,
    "features": _features,
    "profiles": _profiles,
    "manifests": _manifests,
    "graphs": _graphs,
    "command": _pictures,
}


def write(target: str, folder: Path) -> int:
    """Write the seeds of a target into a folder; their number."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for count, data in enumerate(seeds(target), 1):
        (folder / f"seed-{count}").write_bytes(data)
    return count
