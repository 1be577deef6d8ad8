"""A feature stream to its symbols and latents: the chapter "Feature streams" of docs/format.md."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .container import File
from .entropy import Stream, clamped, layer, step_symbols
from .fields import Fields, require
from .model_set import check_bound, feature_identity, read_arrays, shift_of, starts_of, symbol_starts_of

INTEGER_LAYERS = {
    "generator": ("enter", "middle", "leave", "codebook"),
    "predictor": ("enter", "spread", "leave"),
}


class FeatureSet:
    """The entropy decoder's half of the feature set in `folder`, checked: identity, tables, shifts and bounds."""

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        require(manifest["kind"] == "features", "the manifest is that of a feature set")
        self.channels: int = manifest["latent_channels"]
        self.side_channels: int = manifest["hyper_channels"]
        self.groups: int = manifest["groups"]
        self.elements: int = manifest["codebook"]
        self.grid: tuple[int, int] = tuple(manifest["grid"])
        self.levels: int = manifest["levels"]
        self.factors = {
            zlib.crc32(t["name"].encode()) & 0xFFFF: t["factor"] for t in manifest["tasks"] if t["stream"]
        }
        self.arrays = read_arrays(folder / "decoder.safetensors")
        graphs = {name: (folder / "graphs" / f"{name}.onnx").read_bytes() for name in INTEGER_LAYERS}
        self.identity = feature_identity(graphs, self.arrays)
        self.shifts: dict[str, int] = {}
        for name, layers in INTEGER_LAYERS.items():
            for each in layers:
                check_bound(self.arrays, f"{name}.{each}")
                self.shifts[f"{name}.{each}"] = shift_of(graphs[name], each)
        self.support, self.symbol_starts = symbol_starts_of(self.arrays)
        hyper = self.arrays["tables.hyper"]
        require(hyper.shape == (self.levels, self.side_channels, 63), "the shape of tables.hyper")
        self.side_starts = [starts_of(table) for table in hyper.reshape(-1, 63)]


@dataclass(frozen=True)
class FeatureSymbols:
    """Symbols of a stream, int64: `side`, V, and `latents`, M x h x w; `means` in sixteenths; `z` float32."""

    side: np.ndarray
    latents: np.ndarray
    means: np.ndarray
    z: np.ndarray
    escapes: int

    def serialised(self) -> bytes:
        """What the symbol checksum is taken over."""
        return self.side.astype("<i1").tobytes() + self.latents.astype("<i2").tobytes()


def decode_features(models: FeatureSet, payload: bytes) -> FeatureSymbols:
    """Decode a stream of `read_file`; refuse it if its symbols do not match their checksum."""
    fields = Fields(payload)
    require(fields.take(16) == models.identity, "the identity is that of the set")
    level, count = fields.number("B"), fields.varint()
    require(level < models.levels, "the level is below the set's number of levels")
    require(1 <= count <= 255, "a stream has 1 to 255 tasks")
    sizes: dict[int, tuple[int, int]] = {}
    for _ in range(count):
        identifier, size = fields.number("H"), (fields.varint(), fields.varint())
        require(identifier not in sizes, "no two identifiers are equal")
        require(min(size) >= 1, "height and width are at least 1")
        sizes[identifier] = size
    checksum, stream = fields.number("H"), Stream(fields.take(fields.rest))
    require(
        list(sizes) == list(models.factors), "the tasks are those that the set codes together, in its order"
    )
    shapes = {(-(-h // models.factors[k]), -(-w // models.factors[k])) for k, (h, w) in sizes.items()}
    require(len(shapes) == 1, "h and w are the same for all tasks")
    h, w = shapes.pop()
    tables = models.side_starts[level * models.side_channels :][: models.side_channels]
    side = np.array([stream.symbol(table) - 31 for table in tables], np.int64)
    means, scales = _predictor(models, _maps(models, side, level, h, w))
    symbols = step_symbols(models, stream, scales.ravel()).reshape(scales.shape)
    stream.finish()
    gain = models.arrays["inverse_gains"][level][:, None, None]
    z = gain * ((16 * symbols + means) / np.float32(16)).astype(np.float32)
    found = FeatureSymbols(side, symbols, means, z, stream.escapes)
    require(zlib.crc32(found.serialised()) & 0xFFFF == checksum, "the symbols match their checksum")
    return found


def streams_hash(models: FeatureSet, file: File) -> str:
    """The symbols hash of a file without pixels."""
    serialised = [decode_features(models, payload).serialised() for payload in file.streams]
    return hashlib.sha256(b"".join(serialised)).hexdigest()


def _maps(models: FeatureSet, side: np.ndarray, level: int, h: int, w: int) -> np.ndarray:
    """u, int64, n x h x w."""
    x = np.zeros((models.side_channels + models.levels, 1, 1), np.int64)
    x[: models.side_channels, 0, 0] = 8 * side
    x[models.side_channels + level] = 32
    x = clamped(models, "generator.middle", clamped(models, "generator.enter", x))
    coefficients = np.clip(layer(models, "generator.leave", x), -255, 255)[:, 0, 0]
    rows, columns = models.grid
    y, x = np.arange(h) * rows // h, np.arange(w) * columns // w
    out = np.zeros((models.groups, h, w), np.int64)
    for i in range(models.groups):
        a = np.array([coefficients[j * models.groups + i] for j in range(models.elements)])
        group = np.clip(layer(models, "generator.codebook", a[:, None, None]), -255, 255)
        out[i] = group.reshape(rows, columns)[y[:, None], x]
    return out


def _predictor(models: FeatureSet, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means and scale indices, int64, M x h x w each."""
    x = layer(
        models, "predictor.leave", clamped(models, "predictor.spread", clamped(models, "predictor.enter", u))
    )
    means, scales = np.split(x, 2)
    return np.clip(means, -(1 << 18), 1 << 18), np.clip(scales, 0, 63)
