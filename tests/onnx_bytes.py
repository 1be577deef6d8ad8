"""ONNX models, byte by byte: what the onnx package would not write."""

from __future__ import annotations


def number(value: int) -> bytes:
    """A varint; negative numbers as protobuf has them."""
    value %= 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(key: int, *values: bytes | int) -> bytes:
    """One field for each value: bytes with their length, numbers as varints."""
    return b"".join(
        number(key << 3) + number(v) if isinstance(v, int) else number(key << 3 | 2) + number(len(v)) + v
        for v in values
    )


def node(operator: bytes, inputs: list[bytes], outputs: list[bytes], *more: bytes) -> bytes:
    return field(1, *inputs) + field(2, *outputs) + field(4, operator) + b"".join(more)


def attribute(name: bytes, kind: int, *more: bytes) -> bytes:
    """An attribute field of a node; the kind is that of AttributeProto.type."""
    return field(5, field(1, name) + b"".join(more) + field(20, kind))


def integer(name: bytes, given: int) -> bytes:
    """An attribute of one integer."""
    return attribute(name, 2, field(3, given))


def integers(name: bytes, *given: int) -> bytes:
    """An attribute of several integers."""
    return attribute(name, 7, field(8, *given))


def constant(name: bytes, *tensor: bytes) -> bytes:
    return node(b"Constant", [], [name], attribute(b"value", 4, field(5, b"".join(tensor))))


def vector(name: bytes, *given: int) -> bytes:
    """A node that gives an int64 vector, as shapes and axes are."""
    raw = b"".join(each.to_bytes(8, "little", signed=True) for each in given)
    return constant(name, field(1, len(given)) + field(2, 7) + field(9, raw))


def floats(count: int) -> bytes:
    """The fields of a float32 tensor of ``count`` zeros."""
    return field(1, count) + field(2, 1) + field(9, bytes(4 * count))


def located(name: bytes, shape: list[int], *entries: tuple[bytes, bytes]) -> bytes:
    """A float32 tensor whose data are elsewhere."""
    external = b"".join(field(13, field(1, key) + field(2, value)) for key, value in entries)
    return field(1, *shape) + field(2, 1) + field(8, name) + external + field(14, 1)


def weight(name: bytes, *shape: int) -> bytes:
    """The field of a graph for a float32 weight whose data are elsewhere."""
    return field(5, located(name, list(shape), (b"location", b"weights")))


def value(name: bytes) -> bytes:
    """float32 of shape 1 x 2 x H x W."""
    dims = field(1, field(1, 1)) + field(1, field(1, 2)) + field(1, field(2, b"H")) + field(1, field(2, b"W"))
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, dims)))


def graph(nodes: list[bytes], *more: bytes) -> bytes:
    """From ``x`` to ``y``."""
    return (
        field(1, *nodes) + field(2, b"g") + b"".join(more) + field(11, value(b"x")) + field(12, value(b"y"))
    )


def model(nodes: list[bytes], *more: bytes, inside: bytes = b"", version: int = 17) -> bytes:
    opset = field(8, field(1, b"") + field(2, version))
    return field(1, 8) + field(7, graph(nodes, inside)) + opset + b"".join(more)
