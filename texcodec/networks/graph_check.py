"""What a graph may hold, checked before the engine sees it (docs/reference/models.md, "Graphs").

A graph is a program. These rules leave of it what networks need: operators of a list, of the standard domain, in one
graph without others inside, and no data but its own bytes and the weights that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ModelDamagedError
from .graph_cost import GraphCost
from .operator_shapes import Costly, Node
from .operators import CODEC, OPSET, TASK
from .protobuf import BYTES, FIXED32, FIXED64, VARINT, Field, Malformed, MessageReader, Schema, Values

MODEL: Schema = {
    1: Field("ir_version", VARINT),
    2: Field("producer_name", BYTES, False, True),
    3: Field("producer_version", BYTES, False, True),
    4: Field("domain", BYTES, False, True),
    5: Field("model_version", VARINT),
    6: Field("doc_string", BYTES, False, True),
    7: Field("graph", BYTES),
    8: Field("opset_import", BYTES, True),
    14: Field("metadata_props", BYTES, True),
    20: Field("training_info", BYTES, True),
    25: Field("functions", BYTES, True),
}
OPSET_IMPORT: Schema = {1: Field("domain", BYTES, False, True), 2: Field("version", VARINT)}
GRAPH: Schema = {
    1: Field("node", BYTES, True),
    2: Field("name", BYTES, False, True),
    5: Field("initializer", BYTES, True),
    10: Field("doc_string", BYTES, False, True),
    11: Field("input", BYTES, True),
    12: Field("output", BYTES, True),
    13: Field("value_info", BYTES, True),
    14: Field("quantization_annotation", BYTES, True),
    15: Field("sparse_initializer", BYTES, True),
    16: Field("metadata_props", BYTES, True),
}
NODE: Schema = {
    1: Field("input", BYTES, True, True),
    2: Field("output", BYTES, True, True),
    3: Field("name", BYTES, False, True),
    4: Field("op_type", BYTES, False, True),
    5: Field("attribute", BYTES, True),
    6: Field("doc_string", BYTES, False, True),
    7: Field("domain", BYTES, False, True),
    8: Field("overload", BYTES, False, True),
    9: Field("metadata_props", BYTES, True),
}
ATTRIBUTE: Schema = {
    1: Field("name", BYTES, False, True),
    2: Field("f", FIXED32),
    3: Field("i", VARINT),
    4: Field("s", BYTES),
    5: Field("t", BYTES),
    6: Field("g", BYTES),
    7: Field("floats", FIXED32, True),
    8: Field("ints", VARINT, True),
    9: Field("strings", BYTES, True),
    10: Field("tensors", BYTES, True),
    11: Field("graphs", BYTES, True),
    13: Field("doc_string", BYTES, False, True),
    14: Field("tp", BYTES),
    15: Field("type_protos", BYTES, True),
    20: Field("type", VARINT),
    21: Field("ref_attr_name", BYTES, False, True),
    22: Field("sparse_tensor", BYTES),
    23: Field("sparse_tensors", BYTES, True),
}
TENSOR: Schema = {
    1: Field("dims", VARINT, True),
    2: Field("data_type", VARINT),
    4: Field("float_data", FIXED32, True),
    5: Field("int32_data", BYTES, True),  # packed, which is not unpacked here
    6: Field("string_data", BYTES, True),
    7: Field("int64_data", BYTES, True),
    8: Field("name", BYTES, False, True),
    9: Field("raw_data", BYTES),
    10: Field("double_data", FIXED64, True),
    11: Field("uint64_data", BYTES, True),
    12: Field("doc_string", BYTES, False, True),
    13: Field("external_data", BYTES, True),
    14: Field("data_location", VARINT),
    16: Field("metadata_props", BYTES, True),
}
VALUE: Schema = {
    1: Field("name", BYTES, False, True),
    2: Field("type", BYTES),
    3: Field("doc_string", BYTES, False, True),
    9: Field("metadata_props", BYTES, True),
}
ENTRY: Schema = {1: Field("key", BYTES, False, True), 2: Field("value", BYTES, False, True)}

_INT, _TENSOR, _INTS = 2, 4, 7
"""Types of attributes."""
DATA = ("float_data", "int32_data", "string_data", "int64_data", "raw_data", "double_data", "uint64_data")
NO_KINDS = {"tp", "type_protos", "sparse_tensor", "sparse_tensors", "ref_attr_name"}
"""Fields of attributes that networks do not need."""
EXTERNAL = {b"location": b"weights"}
"""What weights that are given by name say of where they are: a name that is never opened."""
ELEMENTS_PER_BYTE = 4
"""Of the smallest type that ONNX has, two bits."""
FIELDS = 500_000
"""Of all messages that are read of one graph; this number takes a second or two."""


@dataclass(frozen=True)
class GraphRules:
    """What the graphs of one origin may hold.

    Args:
        origin: of the networks, for errors.
        operators: names of the standard domain.
        opset: its version, or None for any.
        given: whether all weights are given from outside; otherwise all are in the graph.
        graph_bytes, nodes: largest size and number.
        constant_bytes: largest size of a tensor in the graph.
        integer: largest magnitude of an integer attribute.
        padding: the same of pads, by which a convolution's output outgrows its input.
    """

    origin: str
    operators: frozenset[bytes]
    opset: int | None
    given: bool
    graph_bytes: int
    nodes: int
    constant_bytes: int
    integer: int
    padding: int


CODEC_RULES = GraphRules("the codec", CODEC, OPSET, True, 1 << 18, 1000, 1024, 4096, 16)
"""Largest of the released sets: 6659 bytes, 93 nodes, 14 bytes in a constant, 256 in an attribute, padding of 1."""
TASK_RULES = GraphRules("a task", TASK, None, False, 1 << 30, 10_000, 1 << 30, (1 << 63) - 1, (1 << 63) - 1)


def check_graph(
    graph: bytes, weights: Mapping[str, tuple[int, ...]], rules: GraphRules = CODEC_RULES
) -> GraphCost | None:
    """That a serialised ONNX model keeps the rules.

    Args:
        weights: shapes by name of the weights that are given to it.
    Returns:
        What bounds the cost of its runs, where the weights are given; that of tasks' networks is not bounded.
    Raises:
        ModelDamagedError: it is no ONNX model, or holds what the rules do not allow.
    """
    if len(graph) > rules.graph_bytes:
        raise refused(f"is a graph of {len(graph)} bytes; {rules.graph_bytes} are allowed")
    try:
        return _Check(weights, rules).model(memoryview(graph))
    except Malformed as error:
        raise refused(f"is not an ONNX model as it should be: {error}") from None
    except Costly as error:
        raise refused(str(error)) from None


def refused(why: str) -> ModelDamagedError:
    """The error for a network that ``why`` is said of."""
    return ModelDamagedError(
        f"A network of the model set {why}.",
        advice="Use a set that texcodec exported, from people you trust.",
    )


def text(name: memoryview | bytes) -> str:
    """A name out of a graph for an error: printable, and not long."""
    shown = ascii(bytes(name[:61]).decode("ascii", "backslashreplace"))[1:-1]
    return shown if len(name) <= 60 else shown[:60] + "..."


class _Check:
    """Of one graph."""

    def __init__(self, weights: Mapping[str, tuple[int, ...]], rules: GraphRules) -> None:
        self._weights = {name.encode(): shape for name, shape in weights.items()}
        self._rules = rules
        self._reader = MessageReader(FIELDS)

    def model(self, data: memoryview) -> GraphCost | None:
        model = self._reader.read(data, MODEL, "the model")
        if model["functions"]:
            raise refused("defines functions of its own, which are not allowed")
        if model["training_info"]:
            raise refused("holds graphs for training, which are not allowed")
        if not model["graph"]:
            raise Malformed("it has no graph")
        self._opset(model)
        graph = self._reader.read(model["graph"][0], GRAPH, "the graph")
        if graph["sparse_initializer"]:
            raise refused("holds sparse weights, which are not allowed")
        if len(graph["node"]) > self._rules.nodes:
            raise refused(f"has {len(graph['node'])} nodes; {self._rules.nodes} are allowed")
        inputs = [self._value(data) for data in graph["input"]]
        outputs = [self._value(data) for data in graph["output"]]
        for data in graph["value_info"]:
            self._value(data)
        if self._rules.given and graph["value_info"]:  # the engine would believe them
            raise refused("states shapes of what is between its nodes, which is not allowed")
        nodes = [self._node(node) for node in graph["node"]]
        seen: set[bytes] = set()
        for data in graph["initializer"]:
            name = self._initializer(self._reader.read(data, TENSOR, "a tensor"))
            if name in seen:
                raise refused(f"declares the weight {text(name)} twice")
            seen.add(name)
        if not self._rules.given:
            return None
        weights = {name: self._weights[name] for name in seen}
        return GraphCost(nodes, inputs, outputs[0] if outputs else b"", weights)

    def _value(self, data: memoryview) -> bytes:
        """The name of an input, output or value."""
        names = self._reader.read(data, VALUE, "an input, output or value")["name"]
        return bytes(names[0]) if names else b""

    def _opset(self, model: Values) -> None:
        imports = [self._reader.read(data, OPSET_IMPORT, "an operator set") for data in model["opset_import"]]
        for found in imports:
            self._domain(found, None)
        if len(imports) != 1:
            raise refused(f"names {len(imports)} operator sets instead of one")
        version = imports[0]["version"][0] if imports[0]["version"] else 0
        if self._rules.opset not in (None, version):
            raise refused(f"uses version {version} of the operators instead of {self._rules.opset}")

    @staticmethod
    def _domain(message: Values, operator: bytes | None) -> None:
        """That a message names no domain of its own: one of a node with an operator, or of an operator set."""
        domain = bytes(message["domain"][0]) if message["domain"] else b""
        if domain not in (b"", b"ai.onnx"):
            what = "names operators" if operator is None else f"uses the operator {text(operator)}"
            raise refused(f"{what} of the domain {text(domain)}; only those of ONNX itself are allowed")

    def _node(self, data: memoryview) -> Node:
        node = self._reader.read(data, NODE, "a node")
        operator = bytes(node["op_type"][0]) if node["op_type"] else b""
        self._domain(node, operator)
        if operator not in self._rules.operators or node["overload"]:
            raise refused(
                f"uses the operator {text(operator)}, which is not among those that networks of {self._rules.origin} "
                "may use"
            )
        attributes: dict[bytes, Any] = {}
        for attribute in node["attribute"]:
            name, value = self._attribute(self._reader.read(attribute, ATTRIBUTE, "an attribute"), operator)
            if name in attributes:
                raise refused(f"has the attribute {text(name)} of the operator {text(operator)} twice")
            attributes[name] = value
        return Node(operator, [*map(bytes, node["input"])], [*map(bytes, node["output"])], attributes)

    def _attribute(self, attribute: Values, operator: bytes) -> tuple[bytes, Any]:
        """Name and value, as ``Node`` has it."""
        name = bytes(attribute["name"][0]) if attribute["name"] else b""
        if attribute["g"] or attribute["graphs"]:
            raise refused(f"holds another graph {_where(name, operator)}, which is not allowed")
        for kind in NO_KINDS & attribute.keys():
            raise refused(f"holds a value of the kind {kind} {_where(name, operator)}, which is not allowed")
        limit = self._rules.padding if name == b"pads" else self._rules.integer
        integers = [value - (value >> 63 << 64) for value in attribute["i"] + attribute["ints"]]
        if any(abs(value) > limit for value in integers):
            raise refused(f"holds a number above {limit} {_where(name, operator)}")
        tensors = [
            self._reader.read(data, TENSOR, "a tensor") for data in attribute["t"] + attribute["tensors"]
        ]
        for tensor in tensors:
            if _is_external(tensor):
                raise refused(f"asks for a file {_where(name, operator)}, which is not allowed")
            self._constant(tensor, lambda: _where(name, operator))
        # the engine reads the field that the type names
        read = attribute["type"]
        if read == [_INT] and attribute["i"]:
            return name, integers[0]
        if read == [_INTS]:
            return name, integers[len(attribute["i"]) :]
        if read == [_TENSOR] and attribute["t"]:
            return name, tensors[0]
        return name, None

    def _initializer(self, tensor: Values) -> bytes:
        name = bytes(tensor["name"][0]) if tensor["name"] else b""
        if not self._rules.given:
            if _is_external(tensor):
                raise refused(f"asks for a file for its weight {text(name)}, which is not allowed")
            self._constant(tensor, lambda: f"in its weight {text(name)}")
            return name
        if not _is_external(tensor):
            raise refused(
                f"holds its weight {text(name)} itself; the weights of the codec's networks are given"
            )
        entries = [self._reader.read(data, ENTRY, "a location") for data in tensor["external_data"]]
        found = {bytes(e["key"][0]): bytes(e["value"][0]) for e in entries if e["key"] and e["value"]}
        if found != EXTERNAL or len(entries) != 1 or tensor["data_location"] != [1]:
            raise refused(f"asks for a file for its weight {text(name)}, which is not allowed")
        if name not in self._weights:
            raise refused(f"needs the weight {text(name)}, which the set does not have")
        if tuple(tensor["dims"]) != self._weights[name] or any(tensor[kind] for kind in DATA):
            raise refused(f"needs the weight {text(name)} in another shape than the set has it")
        return name

    def _constant(self, tensor: Values, where: Callable[[], str]) -> None:
        held = sum(len(data) for kind in DATA for data in tensor[kind])
        if held > self._rules.constant_bytes:
            raise refused(f"holds {held} bytes {where()}; {self._rules.constant_bytes} are allowed")
        elements = math.prod(tensor["dims"]) if len(tensor["dims"]) <= 64 else math.inf
        if elements > ELEMENTS_PER_BYTE * held:
            raise refused(f"declares more numbers {where()} than it holds")


def _where(attribute: bytes, operator: bytes) -> str:
    """Where something is, for errors."""
    return f"in the attribute {text(attribute)} of the operator {text(operator)}"


def _is_external(tensor: Values) -> bool:
    return bool(tensor["external_data"]) or tensor["data_location"] not in ([], [0])
