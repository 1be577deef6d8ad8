"""Tries a set whose graph keeps all rules and doubles its tensor at every node, so that it needs much memory and
time.

Stopped by no rule (sets are to be trusted), but a limit on memory such as `ulimit -v` makes it an error with exit
code 3, and SIGTERM ends it at once; no output is left.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time

from onnx_bytes import attribute, field, node
from pictures import photograph
from room import Room, check, environment, forged_set

import texcodec
from texcodec.networks.graph_check import GRAPH, MODEL
from texcodec.networks.protobuf import BYTES, Field, MessageReader

SLOW = True
DOUBLINGS = 16


def attack(room: Room) -> None:
    if sys.platform != "linux":
        return
    import resource

    models = forged_set(room.folder / "set", _with_chain)
    path = room.file("a.tcx", texcodec.encode(photograph(200, 200), models=models))
    command = [
        sys.executable,
        "-m",
        "texcodec",
        "decode",
        str(path),
        str(room.folder / "out.png"),
        "--models",
        str(models),
    ]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))

    done = subprocess.run(
        command, env=environment(), preexec_fn=limited, capture_output=True, timeout=240, check=False
    )
    check(done.returncode == 3 and done.stderr.count(b"\n") == 1, f"{done.returncode}: {done.stderr!r}")
    with subprocess.Popen(command, env=environment(), stderr=subprocess.DEVNULL, preexec_fn=_much) as process:
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and _resident(process.pid) < 400 << 10:
            time.sleep(0.02)
        check(process.poll() is None, f"it ended by itself with {process.returncode}")
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            check(False, "SIGTERM does not end it")
    check(process.returncode == -signal.SIGTERM, f"it ended with {process.returncode}")
    check(sorted(p.name for p in room.folder.iterdir()) == ["a.tcx", "set"], "something is left")


def _much() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))


def _resident(pid: int) -> int:
    """KiB, 0 if the process has ended."""
    try:
        with open(f"/proc/{pid}/status") as file:
            return int(file.read().split("VmRSS:")[1].split()[0])
    except (OSError, IndexError):
        return 1 << 40


def _with_chain(model: bytes) -> bytes:
    """The graph with a chain of nodes before its output."""
    reader = MessageReader(100_000)
    graph = reader.read(memoryview(model), MODEL, "the model")["graph"][0]
    output = bytes(
        reader.read(
            reader.read(graph, GRAPH, "the graph")["output"][0],
            {1: Field("name", BYTES), 2: Field("type", BYTES)},
            "a name",
        )["name"][0]
    )
    name = b"#" * len(output)
    nodes = []
    changed = bytes(graph).replace(
        b"\x12" + bytes([len(output)]) + output, b"\x12" + bytes([len(output)]) + name, 1
    )
    for step in range(DOUBLINGS):
        nodes.append(node(b"Concat", [name, name], [b"chain%d" % step], attribute(b"axis", 2, field(3, 1))))
        name = b"chain%d" % step
    nodes.append(node(b"Abs", [name], [output]))
    opset = field(8, field(1, b"") + field(2, 17))
    return field(1, 8) + field(7, changed + field(1, *nodes)) + opset
