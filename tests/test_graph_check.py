"""Graphs of model sets: what networks need is run, and nothing else reaches the engine."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_bytes import attribute, constant, field, floats, graph, located, model, node, number
from safetensors.numpy import load_file

import texcodec
from texcodec.errors import ModelDamagedError
from texcodec.networks import TASK_RULES, FloatNetwork, check_graph, graph_check
from texcodec.networks.graph_check import CODEC_RULES
from texcodec.networks.operators import CODEC, TASK
from texcodec.registry import PICTURES, decoder_identity, kind_of_set, load_feature_set, load_set

ROOT = Path(__file__).parents[1]
ABS = node(b"Abs", [b"x"], [b"y"])
GIVEN = field(5, located(b"w", [2, 1, 1], (b"location", b"weights")))
TIMES = node(b"Mul", [b"x", b"w"], [b"y"])
W = {"w": np.array([2, 3], np.float32).reshape(2, 1, 1)}
SHAPES = {name: w.shape for name, w in W.items()}
X = np.arange(-4, 4, dtype=np.float32).reshape(1, 2, 2, 2)

PATHS = sorted([*ROOT.glob("models/*/*/*.onnx"), *ROOT.glob("tests/data/*/*/*.onnx")])


def with_attribute(name: bytes, kind: int, *more: bytes) -> bytes:
    return model([node(b"Abs", [b"x"], [b"y"], attribute(name, kind, *more))])


def placed(*entries: tuple[bytes, bytes], name: bytes = b"w", shape: tuple[int, ...] = (2, 1, 1)) -> bytes:
    return model([TIMES], inside=field(5, located(name, list(shape), *entries)))


BRANCH = graph([node(b"Abs", [b"x"], [b"y"])])
IMPORT = field(8, field(1, b"evil") + field(2, 1))

NEVER = {
    "a loop": (
        model([node(b"Loop", [b"", b"", b"x"], [b"y"], attribute(b"body", 5, field(6, BRANCH)))]),
        "Loop",
    ),
    "a graph in an allowed operator": (with_attribute(b"body", 5, field(6, BRANCH)), "another graph"),
    "graphs in an allowed operator": (with_attribute(b"all", 10, field(11, BRANCH)), "another graph"),
    "a random operator": (model([node(b"RandomNormalLike", [b"x"], [b"y"])]), "RandomNormalLike"),
    "an unknown operator": (model([node(b"\x1b[31mEvil", [b"x"], [b"y"])]), r"\\x1b\[31mEvil"),
    "no operator": (model([field(1, b"x") + field(2, b"y")]), "the operator ,"),
    "an operator of another domain": (
        model([node(b"Abs", [b"x"], [b"y"], field(7, b"com.microsoft"))]),
        "Abs of the domain com.microsoft",
    ),
    "an import of another domain": (model([ABS], IMPORT), "the domain evil"),
    "two operator sets": (model([ABS], field(8, field(2, 17))), "2 operator sets"),
    "a function": (model([ABS], field(25, field(1, b"Abs"))), "functions"),
    "an overload": (model([node(b"Abs", [b"x"], [b"y"], field(8, b"o"))]), "Abs"),
    "a graph for training": (model([ABS], field(20, field(1, BRANCH))), "training"),
    "sparse weights": (model([ABS], inside=field(15, b"")), "sparse"),
    "a sparse attribute": (with_attribute(b"v", 11, field(22, b"")), "sparse_tensor"),
    "an attribute by reference": (with_attribute(b"v", 1, field(21, b"v")), "ref_attr_name"),
    "a file for a constant": (
        model([constant(b"c", located(b"", [1], (b"location", b"/etc/passwd"))), ABS]),
        "asks for a file in the attribute value of the operator Constant",
    ),
    "a file without location": (model([constant(b"c", located(b"", [1])), ABS]), "asks for a file"),
    "more numbers than bytes": (
        model([constant(b"c", field(1, 1 << 40), field(2, 1), field(9, bytes(4))), ABS]),
        "more numbers",
    ),
    "a negative size": (
        model([constant(b"c", field(1, -1), field(2, 1), field(9, bytes(4))), ABS]),
        "more numbers",
    ),
    "many sizes": (model([constant(b"c", field(1, *[1 << 62] * 70), field(2, 1)), ABS]), "more numbers"),
    "no graph": (field(1, 8) + field(8, field(2, 17)), "no graph"),
    "two graphs": (model([ABS], field(7, graph([node(b"Loop", [], [])]))), "graph twice"),
    "two names of an operator": (model([ABS + field(4, b"Loop")]), "op_type twice"),
    "an unknown field": (model([ABS], field(99, b"")), "field 99"),
    "a known field of another type": (model([ABS + field(8, 1)]), "another type"),
    "a group": (model([ABS], number(6 << 3 | 3)), "wire type 3"),
    "a cut": (model([ABS])[:-1], "reaches beyond"),
    "a number without end": (b"\xff" * 20, "too large"),
    "a length of 64 bits": (number(7 << 3 | 2) + number((1 << 64) - 1), "reaches beyond"),
    "nothing": (b"", "no graph"),
    "the engine's own format": (b"\x14\0\0\0ORTM\x0c\0\x10\0" + bytes(64), "not an ONNX model"),
}
"""Refused whoever made the graph: bytes, and what the error says."""

NOT_OURS = {
    "an operator that tasks may use": (model([node(b"Sigmoid", [b"x"], [b"y"])]), "Sigmoid"),
    "another version": (model([ABS], version=13), "version 13"),
    "a weight of its own": (model([TIMES], inside=field(5, field(8, b"w") + floats(1))), "itself"),
    "a path": (placed((b"location", b"../../secret")), "asks for a file"),
    "an address": (placed((b"location", b"*/_ORT_MEM_ADDR_/*"), (b"offset", b"4096")), "asks for a file"),
    "an offset": (placed((b"location", b"weights"), (b"offset", b"8")), "asks for a file"),
    "two locations": (placed((b"location", b"weights"), (b"location", b"weights")), "asks for a file"),
    "a weight that is not there": (placed((b"location", b"weights"), name=b"v"), "the weight v"),
    "a weight of another shape": (placed((b"location", b"weights"), shape=(1 << 40, 1, 1)), "another shape"),
    "a weight twice": (model([TIMES], inside=GIVEN + GIVEN), "twice"),
    "a large constant": (model([constant(b"c", floats(1000)), ABS]), "4000 bytes"),
    "a large number": (with_attribute(b"group", 2, field(3, 1 << 20)), "above 4096"),
    "a large negative number": (with_attribute(b"axis", 2, field(3, -(1 << 20))), "above 4096"),
    "large padding": (with_attribute(b"pads", 7, field(8, 0, 0, 17, 0)), "above 16"),
    "large padding, packed": (with_attribute(b"pads", 7, field(8, number(0) + number(17))), "above 16"),
    "many nodes": (model([ABS] * 1001), "1001 nodes"),
    "many bytes": (model([ABS], field(6, bytes(1 << 18))), "bytes; 262144"),
}
"""Refused in the codec's networks only, or because their weights are given."""


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No graph may reach onnxruntime."""

    def reached(*_: object, **__: object) -> None:
        raise AssertionError("onnxruntime was given the graph")

    monkeypatch.setattr(onnxruntime, "InferenceSession", reached)


def test_sound_graphs_run() -> None:
    assert np.array_equal(FloatNetwork(model([ABS]), {})(x=X), abs(X))
    assert np.array_equal(FloatNetwork(model([TIMES], inside=GIVEN), W)(x=X), X * W["w"])
    sigmoid = FloatNetwork(model([node(b"Sigmoid", [b"x"], [b"y"])], version=13), {}, TASK_RULES)
    np.testing.assert_allclose(sigmoid(x=X), 1 / (1 + np.exp(-X)), rtol=1e-5)
    own = field(5, field(1, 1) + field(2, 1) + field(8, b"w") + field(9, b"\0\0\0\x40"))
    assert np.array_equal(FloatNetwork(model([TIMES], inside=own), {}, TASK_RULES)(x=X), 2 * X)


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("rules", [CODEC_RULES, TASK_RULES], ids=["codec", "task"])
@pytest.mark.parametrize("case", NEVER)
def test_hostile_graphs_never_reach_the_engine(case: str, rules: object) -> None:
    data, message = NEVER[case]
    with pytest.raises(ModelDamagedError, match=message) as caught:
        FloatNetwork(data, {}, rules)  # type: ignore[arg-type]
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith("A network of the model set ")


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("case", NOT_OURS)
def test_graphs_that_are_not_the_codecs_never_reach_the_engine(case: str) -> None:
    data, message = NOT_OURS[case]
    with pytest.raises(ModelDamagedError, match=message):
        FloatNetwork(data, W)


@pytest.mark.usefixtures("engine")
def test_networks_of_tasks_have_no_weights_elsewhere_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelDamagedError, match="asks for a file for its weight w"):
        FloatNetwork(placed((b"location", b"weights")), W, TASK_RULES)
    with pytest.raises(ModelDamagedError, match="10001 nodes"):
        FloatNetwork(model([ABS] * 10_001), {}, TASK_RULES)
    monkeypatch.setattr(graph_check, "FIELDS", 1000)
    for many in (ABS + field(1, b"") * 1000, ABS + attribute(b"a", 7, field(8, bytes(1000)))):
        with pytest.raises(ModelDamagedError, match="too many fields"):
            FloatNetwork(model([many]), {}, TASK_RULES)


def test_a_graph_in_the_engines_own_format_is_not_taken_for_onnx(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "graph.ort")
    options.add_session_config_entry("session.save_model_format", "ORT")
    onnxruntime.InferenceSession(model([ABS]), options, providers=["CPUExecutionProvider"])
    data = (tmp_path / "graph.ort").read_bytes()
    onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])  # by itself it would be
    monkeypatch.setattr("texcodec.networks.sessions.check_graph", lambda *_: None)
    with pytest.raises(ModelDamagedError, match="cannot be built"):
        FloatNetwork(data, {})


@pytest.mark.parametrize("folder", sorted({path.parents[1] for path in PATHS}), ids=lambda path: path.name)
def test_sets_use_the_operators_of_the_lists_only(folder: Path) -> None:
    load = load_set if kind_of_set(folder) == PICTURES else load_feature_set
    load(folder).verify()  # builds, and so checks, every network


def test_lists_of_operators_hold_no_control_flow() -> None:
    assert CODEC < TASK
    assert not TASK & {
        b"If",
        b"Loop",
        b"Scan",
        b"SequenceMap",
        b"ImageDecoder",
        b"RandomNormal",
        b"StringConcat",
    }


@pytest.mark.parametrize("rules", [CODEC_RULES, TASK_RULES], ids=["codec", "task"])
@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_are_accepted_or_refused_as_damaged(rules: object, data: st.DataObject) -> None:
    graph_bytes = bytearray(data.draw(st.sampled_from(PATHS)).read_bytes()[:6000])
    for _ in range(data.draw(st.integers(0, 4))):
        graph_bytes[data.draw(st.integers(0, len(graph_bytes) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_graph(bytes(graph_bytes), SHAPES, rules)  # type: ignore[arg-type]
    except ModelDamagedError as error:
        assert str(error).isprintable()


def forged(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    """A set whose synthesis graph was changed, and its hash with it, as a hostile author would."""
    shutil.copytree(ROOT / "models" / "tiny-1", folder)
    path, manifest = folder / "graphs" / "synthesis.onnx", folder / "manifest.json"
    path.write_bytes(change(path.read_bytes()))
    graphs = {p.stem: p.read_bytes() for p in folder.glob("graphs/*.onnx")}
    del graphs["analysis"], graphs["hyper_analysis"]
    identity = decoder_identity(graphs, load_file(folder / "decoder.safetensors")).hex()
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | {"identity": identity}), "utf-8")
    return folder


def test_a_set_with_a_hostile_graph_decodes_nothing(tmp_path: Path) -> None:
    data = texcodec.encode(np.zeros((20, 30, 3), np.uint8), models=forged(tmp_path / "a", bytes))
    bad = forged(tmp_path / "b", lambda graph: graph.replace(b"\x22\x04Relu", b"\x22\x04Loop"))
    with pytest.raises(ModelDamagedError, match="uses the operator Loop, which is not among those") as caught:
        texcodec.encode(np.zeros((20, 30, 3), np.uint8), models=bad, psnr=30.0)
    assert "from people you trust" in caught.value.with_advice
    assert texcodec.decode(data, models=tmp_path / "a").size == (30, 20)


def test_documents_list_the_operators() -> None:
    """The reference lists those of codec and tasks, the format those of the codec."""

    def listed(text: str) -> set[bytes]:
        return {word.encode() for word in re.split(r"[\s,]+|\band\b", text) if word}

    reference = (ROOT / "docs" / "reference" / "models.md").read_text("utf-8")
    ours, others = re.findall(r"^(?:Operators of the|Further operators of).*:\n\n([^.]*)\.$", reference, re.M)
    assert listed(ours) == CODEC
    assert listed(others) == TASK - CODEC
    assert f"| {len(CODEC)}, " in reference and f"| {len(TASK)}, " in reference
    layout = (ROOT / "docs" / "format.md").read_text("utf-8")
    found = re.search(r"with the operators (.*?), without functions", layout, re.S)
    assert found is not None
    assert listed(found[1]) == CODEC


def test_names_of_a_graph_do_not_reach_the_terminal_when_it_fails(capfd: pytest.CaptureFixture[str]) -> None:
    wrong = node(b"MatMul", [b"x", b"w"], [b"y"], field(3, b"\x1b[31mname"))
    weight = field(5, field(1, 5, 5) + field(2, 1) + field(8, b"w") + field(9, bytes(100)))
    network = FloatNetwork(model([wrong], inside=weight), {}, TASK_RULES)
    with pytest.raises(ModelDamagedError, match="cannot be run"):
        network(x=X)
    printed = capfd.readouterr()
    assert printed.out == printed.err == ""


def test_names_that_are_no_text_are_refused_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    named = node(b"Abs", [b"x"], [b"y"], field(3, b"\xff"))
    for bad in (model([named]), model([node(b"Abs", [b"x"], [b"\xed"])]), model([ABS], field(2, b"\xff"))):
        with pytest.raises(ModelDamagedError, match="is not UTF-8"):
            FloatNetwork(bad, {})
    with pytest.raises(ModelDamagedError, match="is not UTF-8"):
        FloatNetwork(model([ABS], inside=field(13, field(1, b"\xff"))), {})
    assert capfd.readouterr().out == ""


def test_engine_does_not_try_again_and_print(capfd: pytest.CaptureFixture[str]) -> None:
    network = FloatNetwork(model([ABS]), {})
    assert not network._session._enable_fallback
    network._session.enable_fallback()
    assert not network._session._enable_fallback
