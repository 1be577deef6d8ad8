"""Tries graphs that state false shapes, which the engine believes: between nodes, of the output, and of inputs, for
weights that it joins by them while it reads the graph.

Stopped by refusing shapes between nodes, reading of the output, and shapes that are read for anything but to shape what
depends on inputs.
"""

from __future__ import annotations

import numpy as np
from onnx_bytes import attribute, field, located, model, node
from room import Room, refused

from texcodec.errors import ModelDamagedError
from texcodec.networks import FloatNetwork

SIDE = 3000
"""Of a weight as a column; with itself as a row it makes 36 MB here, and terabytes if it is larger."""


def attack(room: Room) -> None:
    w = {"w": np.zeros(SIDE, np.float32)}
    given = field(5, located(b"w", [SIDE], (b"location", b"weights")))
    column, row = _value(b"a", SIDE, 1, 1, 1), _value(b"b", 1, SIDE, 1, 1)
    pair = [
        *_shaped(b"x", b"a", b"ra"),
        *_shaped(b"x", b"b", b"rb"),
        node(b"Add", [b"ra", b"rb"], [b"y"]),
    ]
    refused(ModelDamagedError, FloatNetwork, model(pair, inside=field(13, column) + field(13, row)), {})
    read = [node(b"Abs", [b"x"], [b"y"]), node(b"Shape", [b"y"], [b"s"])]
    refused(ModelDamagedError, FloatNetwork, model(read), {})
    joined = [
        node(b"Shape", [b"x"], [b"s"]),
        node(b"Reshape", [b"w", b"s"], [b"r"]),
        node(b"Transpose", [b"r"], [b"t"], attribute(b"perm", 7, field(8, 3, 2, 1, 0))),
        node(b"Add", [b"r", b"t"], [b"j"]),
        node(b"Add", [b"x", b"j"], [b"y"]),
    ]
    graph = field(1, *joined) + field(2, b"g") + given
    graph += field(11, _value(b"x", SIDE, 1, 1, 1)) + field(12, _value(b"y"))
    data = field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 17))
    refused(ModelDamagedError, FloatNetwork, data, w)


def _shaped(data: bytes, like: bytes, out: bytes) -> list[bytes]:
    """``data`` in the shape that is stated of ``like``."""
    return [
        node(b"Abs", [b"x"], [like]),
        node(b"Shape", [like], [like + b"s"]),
        node(b"Reshape", [data, like + b"s"], [out]),
    ]


def _value(name: bytes, *shape: int) -> bytes:
    """Name and stated shape of a float32 tensor."""
    dims = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + (field(2, dims) if shape else b"")))
