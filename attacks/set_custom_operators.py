"""Tries graphs with operators of other domains, functions, loops, graphs inside, and the engine's own format.

Stopped by the list of operators that networks may use, checked before the engine sees the graph.
"""

from __future__ import annotations

from onnx_bytes import attribute, field, graph, model, node
from room import Room, refused

from texcodec.errors import ModelDamagedError
from texcodec.networks import TASK_RULES, FloatNetwork

ABS = node(b"Abs", [b"x"], [b"y"])
BRANCH = graph([ABS])


def attack(room: Room) -> None:
    graphs = [
        model([node(b"Abs", [b"x"], [b"y"], field(7, b"com.microsoft"))]),
        model([node(b"FusedConv", [b"x"], [b"y"], field(7, b"com.microsoft"))]),
        model([ABS], field(8, field(1, b"evil.domain") + field(2, 1))),
        model([ABS], field(25, field(1, b"Abs") + field(10, b"evil"))),
        model([node(b"Abs", [b"x"], [b"y"], field(8, b"overload"))]),
        model([node(b"Abs", [b"x"], [b"y"], attribute(b"body", 5, field(6, BRANCH)))]),
        model([node(b"Abs", [b"x"], [b"y"], attribute(b"all", 10, field(11, BRANCH)))]),
        model([ABS], field(20, field(1, BRANCH))),
        b"\x14\0\0\0ORTM\x0c\0\x10\0" + bytes(500),
    ]
    for operator in (
        b"Loop",
        b"If",
        b"Scan",
        b"RandomNormalLike",
        b"ImageDecoder",
        b"StringNormalizer",
        b"PyOp",
        b"",
    ):
        graphs.append(model([node(operator, [b"x"], [b"y"])]))
    for data in graphs:
        refused(ModelDamagedError, FloatNetwork, data, {})
        refused(ModelDamagedError, FloatNetwork, data, {}, TASK_RULES)
