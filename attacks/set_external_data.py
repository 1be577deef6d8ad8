"""Tries a model set whose graph takes its weights from files of this machine, memory addresses or paths above the
set.

Stopped by the check of graphs before the engine sees them: the one location that may be named is never opened.
"""

from __future__ import annotations

from onnx_bytes import constant, field, located, model, node
from room import Room, check, forged_set, refused

import texcodec
from texcodec.errors import ModelDamagedError
from texcodec.networks import TASK_RULES, FloatNetwork

PLACES = (
    b"/etc/passwd",
    b"../../../etc/passwd",
    b"*/_ORT_MEM_ADDR_/*",
    b"file:///etc/passwd",
    b"weights2",
    b"",
)


def attack(room: Room) -> None:
    import numpy as np
    from pictures import photograph

    times = node(b"Mul", [b"x", b"w"], [b"y"])
    weights = {"w": np.ones((2, 1, 1), np.float32)}
    for place in PLACES:
        for entries in (((b"location", place),), ((b"location", b"weights"), (b"location", place))):
            outside = model([times], inside=field(5, located(b"w", [2, 1, 1], *entries)))
            inside = model([constant(b"w", located(b"", [2, 1, 1], *entries)), times])
            for graph in (outside, inside):
                refused(ModelDamagedError, FloatNetwork, graph, weights)
                refused(ModelDamagedError, FloatNetwork, graph, {}, TASK_RULES)
    data = texcodec.encode(photograph(40, 30), models=forged_set(room.folder / "sound", bytes))
    bad = forged_set(room.folder / "bad", lambda graph: graph.replace(b"weights", b"/etc/hh", 1))
    path = room.file("a.tcx", data)
    out = room.folder / "a.png"
    check(room.command("decode", path, out, "--models", bad) == 3, "another exit code than that of sets")
    check(not out.exists(), "an output was written")
