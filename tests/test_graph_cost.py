"""What runs of the codec's networks cost, and the shapes they give, are derived as onnxruntime computes them."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_bytes import attribute, field, integer, integers, node, vector, weight
from onnx_bytes import model as one_input

from texcodec.errors import ModelDamagedError
from texcodec.networks import Cost, check_graph
from texcodec.networks.operator_shapes import Costly
from texcodec.networks.sessions import Network
from texcodec.registry import PICTURES, kind_of_set, load_feature_set, load_set

ROOT = Path(__file__).parents[1]


def derived(graph: bytes, shapes: dict[str, tuple[int, ...]], **inputs: np.ndarray) -> Any:
    """The shape of the output, and the cost, as they are derived from the graph."""
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
    output, cost = derived(
        one_input(nodes, inside=inside), {"w": (6, 1, 3, 3)}, x=np.zeros((1, 2, 8, 5), np.float32)
    )
    assert output == (1, 6, 4, 5)
    assert cost == Cost(multiplications=6 * 4 * 5 * 9, numbers=2 * 6 * 4 * 5)
    a, b = weight(b"a", 4, 3), weight(b"b", 3, 5)
    product = [node(b"MatMul", [b"a", b"b"], [b"c"]), node(b"Abs", [b"x"], [b"y"])]
    output, cost = derived(one_input(product, inside=a + b), {"a": (4, 3), "b": (3, 5)})
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
def test_the_engine_gives_the_shapes_that_are_derived(
    case: tuple[list[bytes], dict[str, tuple[int, ...]], tuple[int, ...]],
) -> None:
    nodes, shapes, shape = case
    inside = b"".join(weight(name.encode(), *of) for name, of in shapes.items())
    graph = field(1, *nodes) + field(2, b"g") + inside
    graph += field(11, field(1, b"x") + field(2, field(1, field(1, 1)))) + field(12, field(1, b"y"))
    data = field(1, 8) + field(7, graph) + field(8, field(1, b"") + field(2, 17))
    x = np.ones(shape, np.float32)
    try:
        output, _ = derived(data, shapes, x=x)
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
def test_networks_of_sets_give_the_shapes_that_are_derived(folder: Path) -> None:
    models: Any = (load_set if kind_of_set(folder) == PICTURES else load_feature_set)(folder)
    models.build()
    networks = checked(models)
    assert len(networks) >= 8
    for network in networks:
        usual = network._cost.usual(network._budget)
        inputs = {name.decode(): np.zeros(shape, np.float32) for name, shape in usual.items()}
        assert network(None, **inputs).shape == network.usual_output


@pytest.mark.parametrize(
    "name",
    [
        "std-1",
        "std-2",
        "std-2-w8",
        "std-3",
        "std-4",
        "std-4-ssim",
        "std-5",
        "std-5-ssim",
        "std-6",
        "shapes-1",
    ],
)
def test_released_sets_need_a_fourth_of_what_is_allowed(name: str) -> None:
    folder = ROOT / "models" / name
    models: Any = (load_set if kind_of_set(folder) == PICTURES else load_feature_set)(folder)
    models.build()
    for network in checked(models):
        cost, _ = network._cost.of(network._cost.usual(network._budget))
        assert all(4 * have <= most for have, most in zip(cost, network._budget.most))
