"""Shapes of what the operators of the codec's networks make, and the multiply-accumulates that it takes.

The rules are those of ONNX, for as much of each operator as training exports use; the rest is refused, so that no shape
depends on numbers that a network computes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

from .protobuf import Malformed, Values, varint

Shape = tuple[int, ...]
Shapes = list[Shape]

RANK = 8
"""Most axes of a tensor."""
CONSTANT = b"Constant"
INT64 = 7
"""Of ONNX's types, that of the vectors that say where to cut and how to shape."""


class Node(NamedTuple):
    """A node of a graph.

    Attributes:
        attributes: by name: int, list of int, or the fields of a tensor; None for what is of another type.
    """

    operator: bytes
    inputs: Sequence[bytes]
    outputs: Sequence[bytes]
    attributes: Mapping[bytes, Any]


class Costly(ValueError):
    """A graph whose cost is too high, or cannot be derived; says why, of "A network of the model set"."""


def node_error(node: Node, why: str) -> Costly:
    """The error for a node that ``why`` is said of."""
    return Costly(f"has a node {node.operator.decode()} that {why}")


class Call(NamedTuple):
    """A node with the shapes of what it reads, and the values of vectors, in which it may put its own."""

    node: Node
    read: Shapes
    weights: Mapping[bytes, Shape]
    vectors: dict[bytes, Shape]

    def error(self, why: str) -> Costly:
        return node_error(self.node, why)

    def only(self, *names: bytes) -> None:
        """Refuse attributes beyond those named."""
        for name in self.node.attributes:
            if name not in names:
                raise self.error("has an attribute that the codec's do not have")

    def takes(self, fewest: int, most: int) -> None:
        """Refuse another number of inputs."""
        if not fewest <= len(self.read) <= most or b"" in self.node.inputs[:fewest]:
            raise self.error(f"has {len(self.read)} inputs")

    def integer(self, name: bytes, default: int) -> int:
        value = self.node.attributes.get(name, default)
        if not isinstance(value, int):
            raise self.error("has an attribute of another type than it should")
        return value

    def integers(self, name: bytes, default: Shape) -> Shape:
        value = self.node.attributes.get(name)
        if name not in self.node.attributes:
            return default
        if not isinstance(value, list) or len(value) != len(default):
            raise self.error("has an attribute of another type than it should")
        return tuple(value)

    def vector(self, number: int) -> Shape:
        """The values of an input, which must be known beforehand."""
        found = self.vectors.get(self.node.inputs[number])
        if found is None:
            raise self.error("depends on numbers that are computed")
        return found

    def axis(self, value: int, rank: int) -> int:
        if not -rank <= value < rank:
            raise self.error("names an axis that is not there")
        return value % rank


Made = tuple[Shapes, int]
Rule = Callable[[Call], Made]


def _same(call: Call) -> Made:
    call.takes(1, 1)
    call.only()
    return [call.read[0]], 0


def _clip(call: Call) -> Made:
    call.takes(1, 3)
    call.only()
    return [call.read[0]], 0


def _broadcast(call: Call, a: Shape, b: Shape) -> Shape:
    if a == b or not b:
        return a
    if len(a) < len(b):
        a, b = b, a
    b = (1,) * (len(a) - len(b)) + b
    if any(m != n and m != 1 and n != 1 for m, n in zip(a, b)):
        raise call.error("joins tensors whose shapes do not fit each other")
    return tuple(n if m == 1 else m for m, n in zip(a, b))


def _join(call: Call) -> Made:
    call.takes(2, 2)
    call.only()
    return [_broadcast(call, *call.read)], 0


def _concat(call: Call) -> Made:
    call.only(b"axis")
    first, rank = call.read[0] if call.read else (), len(call.read[0]) if call.read else 0
    axis = call.axis(call.integer(b"axis", rank), rank)
    rest = first[:axis] + first[axis + 1 :]
    if any(len(s) != rank or s[:axis] + s[axis + 1 :] != rest for s in call.read):
        raise call.error("joins tensors whose shapes do not fit each other")
    return [(*first[:axis], sum(s[axis] for s in call.read), *first[axis + 1 :])], 0


def constant(node: Node) -> tuple[Shape, Shape | None]:
    """Shape of a constant, and its values if it is a vector of integers.

    Raises:
        Costly, Malformed: it is none of a tensor, or the tensor is unsound.
    """
    tensor = node.attributes.get(b"value")
    if len(node.attributes) != 1 or not isinstance(tensor, Values) or node.inputs or len(node.outputs) != 1:
        raise node_error(node, "is none of a tensor")
    shape = tuple(tensor["dims"])
    if len(shape) > RANK:
        raise node_error(node, "has too many axes")
    if tensor["data_type"] != [INT64] or len(shape) != 1:
        return shape, None
    values = tuple(_int64(tensor))
    if len(values) != shape[0]:
        raise Malformed("a constant holds another number of numbers than it declares")
    return shape, values


def _int64(tensor: Values) -> Iterator[int]:
    if tensor["raw_data"] and tensor["int64_data"]:
        raise Malformed("a tensor holds its numbers twice")
    for data in tensor["raw_data"]:
        yield from struct.unpack(f"<{len(data) // 8}q", data[: len(data) // 8 * 8])
    for data in tensor["int64_data"]:  # packed
        position = 0
        while position < len(data):
            value, position = varint(data, position)
            yield value - (value >> 63 << 64)


def _conv(call: Call) -> Made:
    call.takes(2, 3)
    call.only(b"kernel_shape", b"strides", b"pads", b"dilations", b"group")
    x, weight = call.read[:2]
    if call.node.inputs[1] not in call.weights or len(x) != 4 or len(weight) != 4:
        raise call.error("is none of two axes with weights of the set")
    kernel = call.integers(b"kernel_shape", weight[2:])
    stride, dilation = call.integers(b"strides", (1, 1)), call.integers(b"dilations", (1, 1))
    pads, group = call.integers(b"pads", (0, 0, 0, 0)), call.integer(b"group", 1)
    if min(*stride, *dilation, group, *weight) < 1 or min(pads) < 0 or kernel != weight[2:]:
        raise call.error("has an attribute that is out of range")
    if x[1] != weight[1] * group or weight[0] % group:
        raise call.error("has weights that do not fit its input")
    out = x[0], weight[0], *(_steps(call, x, kernel, stride, dilation, pads, axis) for axis in (0, 1))
    return [out], prod(out) * prod(weight[1:])


def _steps(
    call: Call, x: Shape, kernel: Shape, stride: Shape, dilation: Shape, pads: Shape, axis: int
) -> int:
    reach = x[2 + axis] + pads[axis] + pads[2 + axis] - dilation[axis] * (kernel[axis] - 1) - 1
    if reach < 0:
        raise call.error("has an input that is smaller than its kernel")
    return reach // stride[axis] + 1


def _depth_to_space(call: Call) -> Made:
    call.takes(1, 1)
    call.only(b"blocksize", b"mode")
    x, block = call.read[0], call.integer(b"blocksize", 0)
    if len(x) != 4 or block < 1 or x[1] % block**2:
        raise call.error("does not divide the channels that it is given")
    return [(x[0], x[1] // block**2, x[2] * block, x[3] * block)], 0


def _pool(call: Call) -> Made:
    call.takes(1, 1)
    call.only()
    x = call.read[0]
    return [x[:2] + (1,) * (len(x) - 2)], prod(x)


def _mat_mul(call: Call) -> Made:
    call.takes(2, 2)
    call.only()
    a, b = call.read
    if len(a) < 2 or len(b) < 2 or a[-1] != b[-2]:
        raise call.error("joins tensors whose shapes do not fit each other")
    out = *_broadcast(call, a[:-2], b[:-2]), a[-2], b[-1]
    return [out], prod(out) * a[-1]


def _reshape(call: Call) -> Made:
    call.takes(2, 2)
    call.only()
    x, wanted = call.read[0], call.vector(1)
    if len(wanted) > RANK or any(n < -1 or (n == 0 and i >= len(x)) for i, n in enumerate(wanted)):
        raise call.error("asks for a shape that is none")
    shape = [x[i] if n == 0 else n for i, n in enumerate(wanted)]
    if shape.count(-1) == 1:
        rest = -prod(shape)
        shape[shape.index(-1)] = prod(x) // rest if rest else 0
    if -1 in shape or prod(shape) != prod(x):
        raise call.error("asks for a shape of another size")
    return [tuple(shape)], 0


def _shape(call: Call) -> Made:
    call.takes(1, 1)
    call.only()
    if call.node.outputs:
        call.vectors[call.node.outputs[0]] = call.read[0]
    return [(len(call.read[0]),)], 0


def _slice(call: Call) -> Made:
    call.takes(4, 5)
    call.only()
    shape, (starts, ends, axes) = list(call.read[0]), map(call.vector, (1, 2, 3))
    if len(call.read) == 5 and {*call.vector(4)} != {1}:
        raise call.error("does not take every number")
    if not len(starts) == len(ends) == len(axes):
        raise call.error("has starts, ends and axes of different numbers")
    places = [call.axis(axis, len(shape)) for axis in axes]
    if len({*places}) < len(places):
        raise call.error("names an axis twice")
    for start, end, axis in zip(starts, ends, places):
        shape[axis] = len(range(shape[axis])[start:end])
    return [tuple(shape)], 0


def _split(call: Call) -> Made:
    call.takes(1, 1)
    call.only(b"axis")
    x, parts = call.read[0], len(call.node.outputs)
    axis = call.axis(call.integer(b"axis", 0), len(x))
    if not parts or x[axis] % parts:
        raise call.error("does not divide its input")
    return [(*x[:axis], x[axis] // parts, *x[axis + 1 :])] * parts, 0


def _transpose(call: Call) -> Made:
    call.takes(1, 1)
    call.only(b"perm")
    x = call.read[0]
    order = call.integers(b"perm", tuple(reversed(range(len(x)))))
    if sorted(order) != [*range(len(x))]:
        raise call.error("names axes that are not there")
    return [tuple(x[axis] for axis in order)], 0


RULES: Mapping[bytes, Rule] = {
    **dict.fromkeys((b"Abs", b"Floor", b"Identity", b"Log", b"Relu", b"Sign"), _same),
    **dict.fromkeys((b"Add", b"Div", b"Mul", b"Sub"), _join),
    b"Clip": _clip,
    b"Concat": _concat,
    b"Conv": _conv,
    b"DepthToSpace": _depth_to_space,
    b"GlobalAveragePool": _pool,
    b"MatMul": _mat_mul,
    b"Reshape": _reshape,
    b"Shape": _shape,
    b"Slice": _slice,
    b"Split": _split,
    b"Transpose": _transpose,
}
"""Of all operators of ``CODEC`` but constants."""
