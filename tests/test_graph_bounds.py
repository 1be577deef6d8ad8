"""Graphs whose runs would cost much, or whose cost cannot be derived, are refused before any number is computed."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx_bytes import attribute, constant, field, integer, integers, node, value, vector, weight
from onnx_bytes import model as one_input

from texcodec.errors import ModelDamagedError
from texcodec.networks import Budget, Cost, FloatNetwork

ABS = node(b"Abs", [b"x"], [b"y"])
ANYWHERE = Budget(Cost(1 << 32, 1 << 26), {"x": (1, 2, 64, 64)})


def zeros(*shape: int) -> np.ndarray:
    """Zeros that take no memory."""
    return np.broadcast_to(np.float32(0), shape)


def doubled(name: bytes, times: int, axis: int = 2) -> list[bytes]:
    """A chain that doubles its tensor at every node, to ``y``."""
    names = [name, *(b"d%d" % i for i in range(times - 1)), b"y"]
    return [node(b"Concat", [a, a], [b], integer(b"axis", axis)) for a, b in zip(names, names[1:])]


def growing(times: int) -> list[bytes]:
    """Convolutions by one weight whose padding makes each output larger than the one before."""
    names = [b"x", *(b"d%d" % i for i in range(times - 1)), b"y"]
    pads = integers(b"pads", 16, 16, 16, 16)
    return [node(b"Conv", [a, b"w"], [b], pads) for a, b in zip(names, names[1:])]


MUCH: dict[str, tuple[list[bytes], dict[str, tuple[int, ...]]]] = {
    "a chain that doubles": (doubled(b"x", 40), {}),
    "a chain that doubles channels": (doubled(b"x", 40, 1), {}),
    "a chain of a weight, which the engine would compute itself": (
        [*doubled(b"w", 40, 0)[:-1], ABS],
        {"w": (2, 2)},
    ),
    "growth by depth to space": (
        [
            *(node(b"Concat", [b"x"] * 128, [b"c"], integer(b"axis", 1)),),
            node(b"DepthToSpace", [b"c"], [b"s"], integer(b"blocksize", 16)),
            *(node(b"Concat", [b"s"] * 512, [b"y"], integer(b"axis", 1)),),
        ],
        {},
    ),
    "a wide layer": (
        [node(b"Conv", [b"x", b"w"], [b"a"]), node(b"Conv", [b"a", b"v"], [b"y"])],
        {"w": (2048, 2, 1, 1), "v": (2048, 2048, 1, 1)},
    ),
    "wide layers of a narrow tensor": (
        [
            node(b"Conv", [b"x", b"w"], [b"a"], integers(b"pads", 3, 3, 3, 3)),
            *(node(b"Conv", [b"a", b"v"], [b"a%d" % i]) for i in range(99)),
            node(b"Concat", [b"a%d" % i for i in range(99)], [b"y"], integer(b"axis", 1)),
        ],
        {"w": (64, 2, 7, 7), "v": (64, 64, 7, 7)},
    ),
    "a long chain": (
        [
            node(b"Concat", [b"x"] * 16, [b"a0"], integer(b"axis", 1)),
            *(node(b"Abs", [b"a%d" % i], [b"a%d" % (i + 1)]) for i in range(998)),
            node(b"Abs", [b"a998"], [b"y"]),
        ],
        {},
    ),
    "padding": (growing(400), {"w": (2, 2, 1, 1)}),
    "a product of all positions": (
        [
            vector(b"v", -1, 1),
            node(b"Reshape", [b"x", b"v"], [b"c"]),
            node(b"Transpose", [b"c"], [b"r"]),
            node(b"MatMul", [b"c", b"r"], [b"p"]),
            node(b"MatMul", [b"p", b"p"], [b"y"]),
        ],
        {},
    ),
    "a sum of all pairs": (
        [
            vector(b"v", -1, 1),
            vector(b"u", 1, -1),
            node(b"Reshape", [b"x", b"v"], [b"c"]),
            node(b"Reshape", [b"x", b"u"], [b"r"]),
            *(node(b"Add", [b"c", b"r"], [b"p%d" % i]) for i in range(9)),
            node(b"Abs", [b"p8"], [b"y"]),
        ],
        {},
    ),
    "averages, which only read": (
        [
            node(b"Concat", [b"x"] * 1024, [b"a"], integer(b"axis", 1)),
            *(node(b"GlobalAveragePool", [b"a"], [b"g%d" % i]) for i in range(900)),
            node(b"Abs", [b"g8"], [b"y"]),
        ],
        {},
    ),
}
"""Nodes and weights of graphs that keep all other rules."""


UNTOLD: dict[str, tuple[list[bytes], str]] = {
    "a shape that is computed": (
        [node(b"Identity", [b"x"], [b"v"]), node(b"Reshape", [b"x", b"v"], [b"y"])],
        "computed",
    ),
    "a cut that is computed": (
        [vector(b"v", 0), node(b"Slice", [b"x", b"x", b"v", b"v"], [b"y"])],
        "computed",
    ),
    "a shape as a tensor": (
        [node(b"Shape", [b"x"], [b"s"]), node(b"Mul", [b"s", b"s"], [b"y"])],
        "reads the shape",
    ),
    "a weight in the shape of an input": (
        [
            node(b"Shape", [b"x"], [b"s"]),
            node(b"Reshape", [b"w", b"s"], [b"r"]),
            node(b"Add", [b"x", b"r"], [b"y"]),
        ],
        "reads the shape",
    ),
    "an output that is read": ([ABS, node(b"Shape", [b"y"], [b"s"])], "reads the output"),
    "another order": (
        [node(b"Abs", [b"a"], [b"y"]), node(b"Abs", [b"x"], [b"a"])],
        "what no node before it makes",
    ),
    "a name twice": ([node(b"Abs", [b"x"], [b"a"]), node(b"Abs", [b"x"], [b"a"]), ABS], "one name"),
    "an input made again": ([node(b"Abs", [b"x"], [b"x"]), ABS], "one name"),
    "an output without a name": ([node(b"Abs", [b"x"], [b""]), ABS], "without"),
    "weights that are computed": (
        [node(b"Abs", [b"w"], [b"v"]), node(b"Conv", [b"x", b"v"], [b"y"])],
        "weights of the set",
    ),
    "an attribute of another type": (
        [node(b"Conv", [b"x", b"w"], [b"y"], integer(b"strides", 2))],
        "another type",
    ),
    "an attribute without type": (
        [node(b"DepthToSpace", [b"x"], [b"y"], field(5, field(1, b"blocksize") + field(3, 1)))],
        "another type",
    ),
    "an attribute twice": (
        [node(b"Conv", [b"x", b"w"], [b"y"], integers(b"strides", 2, 2), integers(b"strides", 1, 1))],
        "twice",
    ),
    "padding of its own": (
        [node(b"Conv", [b"x", b"w"], [b"y"], attribute(b"auto_pad", 3, field(4, b"SAME_UPPER")))],
        "an attribute that",
    ),
    "negative padding": (
        [node(b"Conv", [b"x", b"w"], [b"y"], integers(b"pads", -1, 0, 0, 0))],
        "out of range",
    ),
    "no stride": ([node(b"Conv", [b"x", b"w"], [b"y"], integers(b"strides", 0, 1))], "out of range"),
    "another kernel": (
        [node(b"Conv", [b"x", b"w"], [b"y"], integers(b"kernel_shape", 3, 3))],
        "out of range",
    ),
    "more outputs": ([node(b"Abs", [b"x"], [b"y", b"z"])], "2 outputs"),
    "no inputs": ([node(b"Abs", [], [b"y"])], "0 inputs"),
    "steps": (
        [
            vector(b"a", 0),
            vector(b"b", 9),
            vector(b"s", 2),
            node(b"Slice", [b"x", b"a", b"b", b"a", b"s"], [b"y"]),
        ],
        "every number",
    ),
    "many axes": (
        [vector(b"v", *[1] * 8, -1), node(b"Reshape", [b"x", b"v"], [b"y"])],
        "asks for a shape",
    ),
    "a constant of no tensor": (
        [node(b"Constant", [], [b"c"], attribute(b"value_ints", 7, field(8, 1))), ABS],
        "none of a tensor",
    ),
    "a short constant": (
        [constant(b"c", field(1, 2) + field(2, 7) + field(9, bytes(8))), ABS],
        "another number of numbers",
    ),
}


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No graph may reach onnxruntime."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("onnxruntime was given the graph")

    monkeypatch.setattr(onnxruntime, "InferenceSession", reached)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("case", MUCH)
def test_graphs_that_need_much_never_reach_the_engine(case: str) -> None:
    nodes, shapes = MUCH[case]
    inside = b"".join(weight(name.encode(), *shape) for name, shape in shapes.items())
    weights = {name: zeros(*shape) for name, shape in shapes.items()}
    with pytest.raises(ModelDamagedError, match="needs more than .* allowed for 8192 numbers of input"):
        FloatNetwork(one_input(nodes, inside=inside), weights, budget=ANYWHERE)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("case", UNTOLD)
def test_graphs_whose_cost_cannot_be_told_never_reach_the_engine(case: str) -> None:
    nodes, message = UNTOLD[case]
    weights = {"w": zeros(2, 2, 1, 1)}
    with pytest.raises(ModelDamagedError, match=message):
        FloatNetwork(one_input(nodes, inside=weight(b"w", 2, 2, 1, 1)), weights, budget=ANYWHERE)


@pytest.mark.usefixtures("engine")
def test_shapes_that_the_engine_would_believe_are_refused() -> None:
    """It takes a stated shape for the shape of a tensor, and gives it to ``Reshape``."""
    nodes = [
        node(b"Abs", [b"x"], [b"a"]),
        node(b"Shape", [b"a"], [b"s"]),
        node(b"Reshape", [b"x", b"s"], [b"y"]),
    ]
    with pytest.raises(ModelDamagedError, match="states shapes"):
        FloatNetwork(one_input(nodes, inside=field(13, value(b"a"))), {}, budget=ANYWHERE)


@pytest.mark.usefixtures("engine")
def test_inputs_that_the_codec_does_not_give_are_refused() -> None:
    with pytest.raises(ModelDamagedError, match="inputs that it is not given"):
        FloatNetwork(one_input([ABS]), {}, budget=ANYWHERE._replace(inputs={"pixels": (1, 3, 8, 8)}))
    with pytest.raises(ModelDamagedError, match="1 inputs instead of 2"):
        FloatNetwork(one_input([ABS]), {}, budget=ANYWHERE._replace(inputs=[(1, 2, 8, 8)] * 2))


def test_runs_are_bounded_by_the_size_of_their_inputs() -> None:
    """A network that costs as much for a small tile as for a large one is not run on the small one."""
    shapes = {"w": (1, 2, 512, 512)}
    plane = node(b"GlobalAveragePool", [b"x"], [b"p"])
    nodes = [plane, node(b"Add", [b"p", b"w"], [b"y"])]
    budget = ANYWHERE._replace(most=Cost(1 << 20, 1 << 20))
    network = FloatNetwork(
        one_input(nodes, inside=weight(b"w", *shapes["w"])), {"w": zeros(*shapes["w"])}, budget=budget
    )
    assert network.usual_output == (1, 2, 512, 512)
    assert network(x=np.ones((1, 2, 64, 64), np.float32)).shape == (1, 2, 512, 512)
    for side in (4, 1):
        with pytest.raises(ModelDamagedError, match=f"allowed for {2 * side * side} numbers of input"):
            network(x=np.ones((1, 2, side, side), np.float32))
    larger = network(x=np.ones((1, 2, 90, 64), np.float32))
    assert larger.shape == (1, 2, 512, 512)


def test_networks_of_which_nothing_is_known_are_checked_when_they_run() -> None:
    network = FloatNetwork(one_input(doubled(b"x", 20)), {})
    assert network.usual_output is None
    assert network(x=np.ones((1, 2, 1, 4), np.float32)).shape == (1, 2, 1 << 20, 4)
    with pytest.raises(ModelDamagedError, match="numbers in its tensors"):
        network(x=np.ones((1, 2, 8, 8), np.float32))
