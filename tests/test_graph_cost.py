"""What runs of the codec's networks cost is told before any number is computed, and bounded."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_bytes import attribute, constant, field, located, node, value
from onnx_bytes import model as one_input

from texcodec.errors import ModelDamagedError
from texcodec.networks import Budget, Cost, FloatNetwork, check_graph
from texcodec.networks.operator_shapes import Costly
from texcodec.networks.sessions import Network
from texcodec.registry import PICTURES, kind_of_set, load_feature_set, load_set

ROOT = Path(__file__).parents[1]
ABS = node(b"Abs", [b"x"], [b"y"])
ANYWHERE = Budget(Cost(1 << 32, 1 << 26), {"x": (1, 2, 64, 64)})


def integer(name: bytes, number: int) -> bytes:
    return attribute(name, 2, field(3, number))


def integers(name: bytes, *numbers: int) -> bytes:
    return attribute(name, 7, field(8, *numbers))


def vector(name: bytes, *numbers: int) -> bytes:
    raw = np.array(numbers, "<i8").tobytes()
    return constant(name, field(1, len(numbers)) + field(2, 7) + field(9, raw))


def weight(name: bytes, *shape: int) -> bytes:
    return field(5, located(name, list(shape), (b"location", b"weights")))


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


def told(graph: bytes, shapes: dict[str, tuple[int, ...]], **inputs: np.ndarray) -> Any:
    """The shape of the output, and the cost, as they are told."""
    cost = check_graph(graph, shapes)
    assert cost is not None
    found, output = cost.of({name.encode(): x.shape for name, x in inputs.items()})
    return output, found


def test_costs() -> None:
    inside = weight(b"w", 6, 1, 3, 3)
    nodes = [
        node(
            b"Conv",
            [b"x", b"w"],
            [b"a"],
            integer(b"group", 2),
            integers(b"strides", 2, 1),
            integers(b"pads", 1, 1, 1, 1),
        ),
        node(b"Relu", [b"a"], [b"y"]),
    ]
    output, cost = told(one_input(nodes, inside=inside), {"w": (6, 1, 3, 3)}, x=zeros(1, 2, 8, 5))
    assert output == (1, 6, 4, 5)
    assert cost == Cost(multiplications=6 * 4 * 5 * 9, numbers=2 * 6 * 4 * 5)
    a, b = weight(b"a", 4, 3), weight(b"b", 3, 5)
    product = [node(b"MatMul", [b"a", b"b"], [b"c"]), node(b"Abs", [b"x"], [b"y"])]
    output, cost = told(one_input(product, inside=a + b), {"a": (4, 3), "b": (3, 5)})
    assert output is None and cost == Cost(4 * 5 * 3, 4 * 5)  # what depends on the input is left out


small = st.integers(1, 4)
sides = st.tuples(small, st.integers(1, 6), st.integers(1, 9), st.integers(1, 9))


@st.composite
def single(draw: st.DrawFn) -> tuple[list[bytes], dict[str, tuple[int, ...]], tuple[int, ...]]:
    """A graph around one node, its weights, and the shape of its input; it may be none that can run."""
    shape = draw(sides)
    operator = draw(
        st.sampled_from(
            [b"Conv", b"Slice", b"Reshape", b"Transpose", b"Split", b"Concat", b"DepthToSpace", b"MatMul"]
            + [b"Add", b"GlobalAveragePool", b"Shape"]
        )
    )
    if operator == b"Conv":
        group = draw(st.sampled_from([1, 1, 2, shape[1]]))
        kernel = draw(st.tuples(small, small))
        of = (draw(small) * group, max(1, shape[1] // group), *kernel)
        more = [
            integer(b"group", group),
            integers(b"strides", *draw(st.tuples(small, small))),
            integers(b"dilations", *draw(st.tuples(small, small))),
            integers(b"pads", *draw(st.tuples(*[st.integers(0, 3)] * 4))),
        ]
        return [node(operator, [b"x", b"w"], [b"y"], *draw(st.permutations(more)))], {"w": of}, shape
    if operator == b"Slice":
        axes = draw(st.lists(st.integers(-4, 3), min_size=1, max_size=3))
        ends = st.integers(-12, 12) | st.just(1 << 30)
        starts = [draw(ends) for _ in axes], [draw(ends) for _ in axes]
        cut = node(operator, [b"x", b"s", b"e", b"a"], [b"y"])
        return [vector(b"s", *starts[0]), vector(b"e", *starts[1]), vector(b"a", *axes), cut], {}, shape
    if operator == b"Reshape":
        wanted = draw(st.lists(st.sampled_from([0, -1, 1, 2, 3, 4, prod(shape)]), min_size=1, max_size=5))
        return [vector(b"v", *wanted), node(operator, [b"x", b"v"], [b"y"])], {}, shape
    if operator == b"Shape":
        nodes = [
            node(b"Abs", [b"x"], [b"a"]),
            node(operator, [b"a"], [b"s"]),
            vector(b"v", -1),
            node(b"Reshape", [b"x", b"v"], [b"f"]),
            node(b"Reshape", [b"f", b"s"], [b"y"]),
        ]
        return nodes, {}, shape
    if operator == b"Transpose":
        order = draw(st.permutations(range(4)) | st.lists(st.integers(0, 3), min_size=3, max_size=4))
        return [node(operator, [b"x"], [b"y"], integers(b"perm", *order))], {}, shape
    axis = integer(b"axis", draw(st.integers(-4, 4)))
    if operator == b"Split":
        parts = [b"y", *(b"z%d" % i for i in range(draw(st.integers(0, 3))))]
        return [node(operator, [b"x"], parts, axis)], {}, shape
    other = draw(sides | st.just(shape))
    if operator == b"Concat":
        return [node(operator, [b"x", b"w", b"x"], [b"y"], axis)], {"w": other}, shape
    if operator == b"DepthToSpace":
        more = [integer(b"blocksize", draw(small)), attribute(b"mode", 3, field(4, b"CRD"))]
        return [node(operator, [b"x"], [b"y"], *more)], {}, (shape[0], shape[1] * draw(small), *shape[2:])
    if operator == b"GlobalAveragePool":
        return [node(operator, [b"x"], [b"y"])], {}, shape
    of = draw(st.sampled_from([other, other[1:], other[3:], (1, *other[1:]), (other[0], shape[3], other[3])]))
    return [node(operator, draw(st.permutations([b"x", b"w"])), [b"y"])], {"w": of}, shape


@settings(max_examples=200, deadline=None)
@given(single())
def test_the_engine_gives_the_shapes_that_are_told(
    case: tuple[list[bytes], dict[str, tuple[int, ...]], tuple[int, ...]],
) -> None:
    nodes, shapes, shape = case
    inside = b"".join(weight(name.encode(), *of) for name, of in shapes.items())
    graph = field(1, *nodes) + field(2, b"g") + inside
    graph += field(11, field(1, b"x") + field(2, field(1, field(1, 1)))) + field(12, field(1, b"y"))
    data = field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 17))
    x = np.ones(shape, np.float32)
    try:
        output, _ = told(data, shapes, x=x)
    except (Costly, ModelDamagedError):
        return  # what is refused never runs
    values = {name: np.ones(of, np.float32) for name, of in shapes.items()}
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    ort_values = [onnxruntime.OrtValue.ortvalue_from_numpy(v) for v in values.values()]
    options.add_external_initializers(list(values), ort_values)
    try:
        session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        found = session.run(["y"], {"x": x})[0]
    except Exception:  # what the engine refuses costs nothing
        return
    assert found.shape == output


def checked(models: Any) -> list[Any]:
    """The networks of a set that was built whose cost is bounded."""
    return [n for n in models._networks.values() if isinstance(n, Network) and n._cost is not None]


FOLDERS = [
    ROOT / "models" / "tiny-1",
    ROOT / "tests" / "data" / "tiny-2",
    ROOT / "tests" / "data" / "tiny-features",
]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_networks_of_sets_give_the_shapes_that_are_told(folder: Path) -> None:
    models: Any = (load_set if kind_of_set(folder) == PICTURES else load_feature_set)(folder)
    models.build()
    networks = checked(models)
    assert len(networks) >= 8
    for network in networks:
        usual = network._cost.usual(network._budget)
        inputs = {name.decode(): np.zeros(shape, np.float32) for name, shape in usual.items()}
        assert network(None, **inputs).shape == network.usual_output


@pytest.mark.parametrize("name", ["std-1", "std-2", "std-2-w8", "std-3", "shapes-1"])
def test_released_sets_need_a_fourth_of_what_is_allowed(name: str) -> None:
    folder = ROOT / "models" / name
    models: Any = (load_set if kind_of_set(folder) == PICTURES else load_feature_set)(folder)
    models.build()
    for network in checked(models):
        cost, _ = network._cost.of(network._cost.usual(network._budget))
        assert all(4 * have <= most for have, most in zip(cost, network._budget.most))
