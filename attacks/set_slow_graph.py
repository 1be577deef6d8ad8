"""Tries sets whose graphs keep all other rules and need much: tensors that double, wide layers, padding that grows,
pairs of all positions, and a small tile that costs as much as a large one.

Stopped by telling the cost of a run from the graph and the shapes of its inputs, before the engine sees the graph and
before runs on other shapes.
"""

from __future__ import annotations

import numpy as np
from onnx_bytes import attribute, constant, field, located, model, node
from room import Room, check, forged_set, refused

from texcodec.errors import ModelDamagedError
from texcodec.networks import Budget, Cost, FloatNetwork
from texcodec.networks.graph_check import CODEC_RULES, GRAPH, MODEL
from texcodec.networks.protobuf import BYTES, Field, MessageReader

USUAL = Budget(Cost(1 << 32, 1 << 26), {"x": (1, 2, 256, 256)})
DOUBLINGS = 16


def attack(room: Room) -> None:
    for nodes, shape in (
        ([*_doubled(b"x", 60), _last(b"d59")], None),
        ([*_doubled(b"w", 60), _last(b"x")], (64, 64, 1, 1)),
        (_layers(), (2048, 2, 1, 1)),
        ([*_padded(900), _last(b"p899")], (2, 2, 1, 1)),
        (_pairs(), None),
    ):
        refused(ModelDamagedError, FloatNetwork, *_graph(nodes, shape), CODEC_RULES, USUAL)
    _small_tile()
    models = forged_set(room.folder / "set", _with_chain)
    coded = room.folder / "a.tcx"
    check(room.command("encode", room.picture(), coded, "--models", models) == 0, room.err)
    code = room.command("decode", coded, room.folder / "out.png", "--models", models)
    check(code == 3 and "numbers in its tensors" in room.err, f"{code}: {room.err}")
    check("out.png" not in room.names(), "there is an output")


def _small_tile() -> None:
    """A network that joins its input with a large weight, whatever the input's size."""
    pooled = node(b"GlobalAveragePool", [b"x"], [b"g"])
    nodes = [pooled, *(node(b"Add", [b"g", b"w"], [b"a%d" % i]) for i in range(40)), _last(b"a0")]
    graph, weights = _graph(nodes, (1, 2, 512, 512))
    network = FloatNetwork(graph, weights, budget=USUAL)
    network(x=np.zeros((1, 2, 256, 256), np.float32))
    refused(ModelDamagedError, lambda: network(x=np.zeros((1, 2, 8, 8), np.float32)))


def _graph(nodes: list[bytes], shape: tuple[int, ...] | None) -> tuple[bytes, dict[str, np.ndarray]]:
    """A graph and its weight w, if there is one."""
    if shape is None:
        return model(nodes), {}
    inside = field(5, located(b"w", list(shape), (b"location", b"weights")))
    return model(nodes, inside=inside), {"w": np.zeros(shape, np.float16)}


def _last(name: bytes) -> bytes:
    return node(b"Abs", [name], [b"y"])


def _doubled(name: bytes, times: int) -> list[bytes]:
    nodes = []
    for step in range(times):
        nodes.append(node(b"Concat", [name, name], [b"d%d" % step], attribute(b"axis", 2, field(3, 0))))
        name = b"d%d" % step
    return nodes


def _layers() -> list[bytes]:
    wide = [node(b"Conv", [b"x", b"w"], [b"a%d" % i]) for i in range(30)]
    return [*wide, _last(b"a0")]


def _padded(times: int) -> list[bytes]:
    pads = attribute(b"pads", 7, field(8, 16, 16, 16, 16))
    names = [b"x", *(b"p%d" % i for i in range(times))]
    return [node(b"Conv", [a, b"w"], [b], pads) for a, b in zip(names, names[1:])]


def _pairs() -> list[bytes]:
    nodes = []
    for name, shape in ((b"c", (-1, 1)), (b"r", (1, -1))):
        vector = field(1, 2) + field(2, 7) + field(9, np.array(shape, "<i8").tobytes())
        nodes += [constant(b"v" + name, vector), node(b"Reshape", [b"x", b"v" + name], [name])]
    return [*nodes, node(b"MatMul", [b"c", b"r"], [b"y"])]


def _with_chain(data: bytes) -> bytes:
    """The graph with a chain of nodes before its output."""
    reader = MessageReader(100_000)
    graph = reader.read(memoryview(data), MODEL, "the model")["graph"][0]
    output = bytes(
        reader.read(
            reader.read(graph, GRAPH, "the graph")["output"][0],
            {1: Field("name", BYTES), 2: Field("type", BYTES)},
            "a name",
        )["name"][0]
    )
    name = b"#" * len(output)
    changed = bytes(graph).replace(
        b"\x12" + bytes([len(output)]) + output, b"\x12" + bytes([len(output)]) + name, 1
    )
    nodes = [*_doubled(name, DOUBLINGS), node(b"Abs", [b"d%d" % (DOUBLINGS - 1)], [output])]
    opset = field(8, field(1, b"") + field(2, 17))
    return field(1, 8) + field(7, changed + field(1, *nodes)) + opset
