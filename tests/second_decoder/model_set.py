"""A model set: arrays, sizes, shifts that its graphs state, identity, and the bound of its integer layers.

Chapters "Model sets", "Identity" and "Integer arithmetic" of docs/format.md. Graphs are read with the few
lines of protobuf that this needs, so neither an ONNX library nor an inference engine takes part.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import safe_open

from .fields import require

TOTAL = 1 << 24
LARGEST_INPUT = 255
PICTURE_LAYERS = ("squeeze", "spread", "joint", "leave")
INTEGER_LAYERS = {
    "hyper_synthesis": ("enter", "up1", "up2", "leave"),
    "context_0": ("joint", "leave"),
    "first_0": ("joint", "leave"),
    "gains": ("leave",),
}
FIRST_SLICE = ("first_0", "first_1_11", "first_2_01", "first_2_10", "first_3_11", "first_4_01", "first_4_10")

PLANE_TYPES = ("float16", "float32", "int16", "int32", "int64", "uint16", "uint32", "uint64")
DIFFERENCE_TYPES = ("float16", "float32", "int16", "int32", "uint16", "uint32")


def read_arrays(file: Path, files: int = 3) -> dict[str, np.ndarray]:
    """All arrays of a file, those too that its metadata calls the same as others, or those of another set, from at
    most so many files ("Files of arrays").
    """
    require(files > 0, "arrays of at most three files")
    with safe_open(file, framework="numpy") as stored:
        names = stored.keys()
        arrays: dict[str, np.ndarray] = {name: stored.get_tensor(name) for name in names}
        metadata = stored.metadata() or {}
    for name, kind in json.loads(metadata.get("planes", "{}")).items():
        require(kind in PLANE_TYPES, "type of an array of planes")
        planes, width = arrays[name], np.dtype(kind).itemsize
        require(planes.dtype == np.uint8 and planes.shape[:1] == (width,), "a plane for each byte of a value")
        values = np.moveaxis(planes, 0, -1).tobytes()
        arrays[name] = np.frombuffer(values, np.dtype(kind).newbyteorder("<")).reshape(planes.shape[1:])
    others = {key: json.loads(metadata[key]) for key in ("of", "difference") if key in metadata}
    known: dict[str, np.ndarray] = {}
    lists: dict[str, list[str]] = {"of": [], "difference": []}
    for key, entry in others.items():
        folder, lists[key] = entry["set"], entry["arrays"]
        require(isinstance(folder, str), "name of a folder")
        require(re.fullmatch("[A-Za-z0-9][A-Za-z0-9._-]{0,63}", folder) is not None, "name of a folder")
        require(all(other["set"] == folder for other in others.values()), "arrays of one other set")
        require(isinstance(lists[key], list), "a list of arrays")
        require(all(isinstance(name, str) for name in lists[key]), "names of arrays")
        require(len(lists[key]) == len(set(lists[key])), "an array is listed once")
        known = known or read_arrays(file.parent.parent / folder / file.name, files - 1)
        require(all(name in known for name in lists[key]), "arrays that the other set has")
    for name in lists["difference"]:
        require(name in arrays, "differences that are stored")
        arrays[name] = added(arrays[name], known[name])
    same: dict[str, str] = json.loads(metadata.get("same", "{}"))
    require(not same.keys() & arrays.keys(), "arrays that are stored or the same as others")
    require(set(same.values()) <= arrays.keys(), "stored arrays that others are the same as")
    arrays |= {name: arrays[first].copy() for name, first in same.items()}
    require(not arrays.keys() & set(lists["of"]), "arrays that are stored here or there")
    return arrays | {name: known[name] for name in lists["of"]}


def added(stored: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The array that is stored as difference to `known`."""
    require(stored.dtype.name in DIFFERENCE_TYPES, "type of a difference")
    require(stored.dtype == known.dtype and stored.shape == known.shape, "a difference to an array like it")
    pattern = np.dtype(f"<u{stored.dtype.itemsize}")
    s = np.frombuffer(stored.tobytes(), pattern).astype(np.int64)
    r = np.frombuffer(known.tobytes(), pattern).astype(np.int64)
    d = np.where(s % 2 == 0, s // 2, -(s + 1) // 2)
    u = (r + d) % 2 ** (8 * pattern.itemsize)
    return np.frombuffer(u.astype(pattern).tobytes(), stored.dtype).reshape(stored.shape)


class ModelSet:
    """The decoder's half of the model set in `folder`, checked: tables, shifts and bounds.

    `arrays` has numpy arrays under the names of the document; `shifts` maps names of integer layers such as
    "context_1.joint" to t; `starts` has a row of first codes (cumulative frequencies) for each table.
    """

    def __init__(self, folder: str | Path) -> None:
        folder = Path(folder)
        manifest = json.loads((folder / "manifest.json").read_text())
        self.arrays = read_arrays(folder / "decoder.safetensors")
        self.slices: list[int] = manifest["slices"]
        self.channels = sum(self.slices)
        self.hyper_channels: int = manifest["hyper_channels"]
        self.classes = len(manifest["classes"])
        self.halo: int = manifest["halo"]
        self.fusion: bool = manifest["fusion"]
        self.profile: int = manifest["entropy_profile"]
        self.gains: bool = self.profile == 2 and manifest.get("gains", False)
        if self.profile == 1:
            integer = ["hyper_synthesis", *(f"context_{step}" for step in range(len(self.slices) + 1))]
        else:
            integer = ["hyper_synthesis", *FIRST_SLICE, *(f"context_{s}" for s in range(1, len(self.slices)))]
            integer += ["gains"] if self.gains else []
        names = ["synthesis", *integer, *(["fusion"] if self.fusion else [])]
        self.graphs = {name: (folder / "graphs" / f"{name}.onnx").read_bytes() for name in names}
        self.identity = decoder_identity(self.graphs, self.arrays)
        self.shifts: dict[str, int] = {}
        for name in integer:
            # the two graphs of a pass over the first slice have one set of arrays
            owner = "_".join(name.split("_")[:2])
            for layer in INTEGER_LAYERS.get(name, PICTURE_LAYERS):
                check_bound(self.arrays, f"{owner}.{layer}")
                shift = shift_of(self.graphs[name], layer)
                require(
                    self.shifts.setdefault(f"{owner}.{layer}", shift) == shift,
                    f"one shift of {owner}.{layer}",
                )
        self._prepare_tables()
        if self.profile == 2:
            self._check_profile_2()
        for name in [n for n, array in self.arrays.items() if array.dtype == np.int8]:
            scales = self.arrays.pop(f"{name}.scale")
            require(scales.dtype == np.float32, f"{name} has scales")
            self.arrays[name] = self.arrays[name].astype(np.float32) * scales

    def _prepare_tables(self) -> None:
        self.support, self.symbol_starts = symbol_starts_of(self.arrays)
        hyper = self.arrays["tables.hyper"]
        require(hyper.shape[1:] == (self.hyper_channels, 63), "the shape of tables.hyper")
        self.hyper_bands = len(hyper)
        self.hyper_starts = [starts_of(table) for table in hyper.reshape(-1, 63)]
        for name in ("tables.steps", "tables.base_steps"):
            require(len(self.arrays[name]) == 256, f"{name} has a row for each rate index")

    def _check_profile_2(self) -> None:
        c, arrays = self.slices[0], self.arrays
        require(self.halo == 1, "the halo is 1 in profile 2")
        require(c >= 3, "the first slice has at least 3 channels")
        tables = arrays["tables.slices"]
        require(tables.shape[1:] == (2 * len(self.slices) + 1,), "the shape of tables.slices")
        self.slice_starts = [starts_of(table) for table in tables]
        for number in range(1, 5):
            weights = arrays[f"first_{number}.prediction"]
            require(
                weights.dtype == np.int16 and weights.shape == (c, c + 3, 3, 3),
                f"the prediction of pass {number}",
            )
        require(arrays["linear.lapping"].shape == (16, 16), "the shape of linear.lapping")
        if self.gains:
            require(arrays["tables.gains"].shape == (64,), "there are 64 gains")
            require(bool((arrays["tables.gains"] > 0).all()), "gains are above 0")
            planes = arrays["tables.gain_planes"]
            require(
                planes.shape == (self.channels,) and int(planes.max()) <= 2, "a channel has gain 0, 1 or 2"
            )
            require(not planes[:3].any(), "block means have no gain")


def check_bound(arrays: dict[str, np.ndarray], layer: str) -> None:
    """Sum |a| * 255 + |b| < 2^24 for every output channel."""
    weight, bias = arrays[layer + ".weight"], arrays[layer + ".bias"]
    require(weight.dtype == np.int16 and bias.dtype == np.int32, f"{layer} has integer weights")
    largest = np.abs(weight.astype(np.int64)).sum((1, 2, 3)) * LARGEST_INPUT + np.abs(bias.astype(np.int64))
    require(int(largest.max()) < TOTAL, f"the sums of {layer} stay below 2^24")


def symbol_starts_of(arrays: dict[str, np.ndarray]) -> tuple[list[int], list[list[int]]]:
    """K_i of the 64 symbol tables, and F of each."""
    support = arrays["tables.support"].astype(int).tolist()
    require(len(support) == 64, "there are 64 symbol tables")
    cuts = np.cumsum([2 * largest + 2 for largest in support])
    symbols = arrays["tables.symbols"]
    require(len(symbols) == cuts[-1], "tables.symbols has 2 K + 2 entries a table")
    return support, [starts_of(table) for table in np.split(symbols, cuts[:-1])]


def starts_of(table: np.ndarray) -> list[int]:
    """F(s) of every entry and, at the end, 2^24."""
    require(bool((table >= 1).all()), "frequencies are at least 1")
    starts = [0, *np.cumsum(table, dtype=np.int64).tolist()]
    require(starts[-1] == TOTAL, "frequencies sum to 2^24")
    return starts


def decoder_identity(graphs: dict[str, bytes], arrays: dict[str, np.ndarray]) -> bytes:
    return _identity(b"texcodec decoder 1\0", graphs, arrays)


def feature_identity(graphs: dict[str, bytes], arrays: dict[str, np.ndarray]) -> bytes:
    return _identity(b"texcodec features 1\0", graphs, arrays)


def _identity(domain: bytes, graphs: dict[str, bytes], arrays: dict[str, np.ndarray]) -> bytes:
    digest = hashlib.sha256(domain)
    labelled = [(f"graph {name}", graphs[name]) for name in sorted(graphs)]
    for name in sorted(arrays):
        array = arrays[name]
        shape = "x".join(map(str, array.shape))
        values = array.astype(array.dtype.newbyteorder("<")).tobytes()
        labelled.append((f"array {name} {array.dtype.name} {shape}", values))
    for label, data in labelled:
        digest.update(
            struct.pack("<I", len(label.encode())) + label.encode() + struct.pack("<Q", len(data)) + data
        )
    return digest.digest()[:16]


# Protobuf, as much as it takes to find "Conv, then Mul by a constant" in an ONNX file. Field numbers are
# those of ModelProto.graph, GraphProto.node, NodeProto.{input, output, op_type, attribute},
# AttributeProto.t, TensorProto.{float_data, raw_data}.


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(number, bytes) of the fields of a message that have bytes; other fields are skipped."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        key = varint()
        kind = key & 7
        if kind == 0:
            varint()
        elif kind == 2:
            length = varint()
            yield key >> 3, data[position : position + length]
            position += length
        else:
            require(kind in (1, 5), "a graph is protobuf")
            position += 8 if kind == 1 else 4


def _all(data: bytes, number: int) -> list[bytes]:
    return [value for field, value in _messages(data) if field == number]


def shift_of(graph: bytes, layer: str) -> int:
    """t of the layer whose Conv takes `layer`.weight: its output is multiplied by the constant 2^-t."""
    nodes = _all(_all(graph, 7)[0], 1)
    constants, products, output = {}, [], None
    for node in nodes:
        inputs = [name.decode() for name in _all(node, 1)]
        outputs = [name.decode() for name in _all(node, 2)]
        operation = _all(node, 4)[0].decode()
        if operation == "Conv" and inputs[1] == f"{layer}.weight":
            output = outputs[0]
        elif operation == "Mul":
            products.append(inputs)
        elif operation == "Constant":
            tensor = _all(_all(node, 5)[0], 5)[0]
            values = _all(tensor, 4) + _all(tensor, 9)  # float_data or raw_data
            sound = bool(values) and len(values[0]) == 4  # others are shapes
            constants[outputs[0]] = struct.unpack("<f", values[0])[0] if sound else None
    factors = [constants.get(second if first == output else first) for first, second in products
               if output in (first, second)]  # fmt: skip
    require(len(factors) == 1 and factors[0] is not None, f"the graph states the shift of {layer}")
    mantissa, exponent = math.frexp(factors[0] or 0.0)
    require(mantissa == 0.5 and exponent <= 1, f"the shift of {layer} is a power of two")
    return 1 - exponent
