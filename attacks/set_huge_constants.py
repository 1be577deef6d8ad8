"""Tries graphs that declare exabytes in a few bytes, hold many megabytes, nest numbers or have a million nodes.

Stopped by the check of graphs: tensors declare no more than they hold, and sizes, nodes and fields are bounded.
"""

from __future__ import annotations

from onnx_bytes import attribute, constant, field, floats, model, node, number
from room import Room, refused

from texcodec.errors import ModelDamagedError
from texcodec.networks import TASK_RULES, FloatNetwork

ABS = node(b"Abs", [b"x"], [b"y"])


def attack(room: Room) -> None:
    declared = field(1, 1 << 40, 1 << 20) + field(2, 1) + field(9, bytes(4))
    for rules in ((), (TASK_RULES,)):
        for data in (
            model([constant(b"c", declared), ABS]),
            model([constant(b"c", field(1, *[1 << 62] * 70) + field(2, 1)), ABS]),
            model([constant(b"c", field(1, -5) + field(2, 1) + field(9, bytes(4))), ABS]),
            model([ABS] * 20_000),
            model([ABS + attribute(b"a", 7, field(8, bytes(600_000)))]),
            model([ABS])[:-3],
            number(7 << 3 | 2) + number((1 << 64) - 1),
            b"\x3a" * 100_000,
        ):
            refused(ModelDamagedError, FloatNetwork, data, {}, *rules)
    for data in (
        model([constant(b"c", floats(1000)), ABS]),
        model([ABS], field(6, bytes(1 << 22))),
        model([node(b"Abs", [b"x"], [b"y"], attribute(b"group", 2, field(3, 1 << 40)))]),
        model([node(b"Abs", [b"x"], [b"y"], attribute(b"pads", 7, field(8, 1 << 30, 0)))]),
    ):
        refused(ModelDamagedError, FloatNetwork, data, {})
