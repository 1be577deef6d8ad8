"""Ways to change an input that keep its structure, so that changes reach what lies behind the first check.

Each takes the input, its largest size, a source of random numbers, and a function that changes bytes: libFuzzer's,
which knows what other inputs have shown, or ``scramble``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from . import repair

Change = Callable[[bytes, int], bytes]
Mutator = Callable[[bytes, int, Random, Change], bytes]

KINDS = [
    b"THDR",
    b"TIDX",
    b"TDAT",
    b"ALPH",
    b"FEAT",
    b"TEND",
    b"feat",
    b"iccp",
    b"exif",
    b"xmpd",
    b"text",
    b"prev",
]
KINDS += [b"psum", b"crop", b"zzzz", b"ZZZZ"]
NUMBERS = [0, 1, 2, 3, 7, 8, 15, 16, 127, 128, 254, 255, 256, 4095, 4096, 65535, 65536, 2**31 - 1, 2**32 - 1]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    255,
    1 << 31,
    1 << 64,
    10**300,
    0.5,
    -0.0,
    1e308,
    float("inf"),
]
VALUES += [
    float("nan"),
    "",
    "a",
    "\0",
    "../x",
    "\ud800",
    "0" * 32,
    "\x1b[2J",
    [],
    {},
    [[]],
    [0, 1],
    [0.0] * 4,
    {"": 0},
]


def scramble(data: bytes, random: Random) -> bytes:
    """Some bytes changed, removed, doubled or put in; libFuzzer's part where it is not there."""
    out = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at, how = random.randrange(len(out) + 1), random.randrange(5)
        if how == 0 and at < len(out):
            out[at] ^= 1 << random.randrange(8)
        elif how == 1 and at < len(out):
            out[at] = random.choice(NUMBERS) & 255
        elif how == 2:
            del out[at : at + random.randint(1, 8)]
        elif how == 3:
            out[at:at] = random.randbytes(random.randint(1, 8))
        else:
            out[at:at] = out[at : at + random.randint(1, 16)]
    return bytes(out)


def change_bytes(data: bytes, largest: int, random: Random, change: Change) -> bytes:
    """Anything, anywhere."""
    return change(data, largest)


def change_file(data: bytes, largest: int, random: Random, change: Change) -> bytes:
    """A part of a .tcx file, then all checksums; one time in ten the checksums are left wrong."""
    if data.startswith(repair.COMPACT) and random.random() < 0.8:
        return _change_compact(data, largest, random, change)
    if not data.startswith(repair.SIGNATURE) or random.random() < 0.1:
        changed = change(data, largest)
        return changed if random.random() < 0.1 else repair.repaired(changed)[:largest]
    chunks = repair.split(data)
    if not chunks:
        return change(data, largest)
    return repair.join(_change_chunks(chunks, largest, random, change))[:largest]


def _change_chunks(
    chunks: list[repair.Chunk], largest: int, random: Random, change: Change
) -> list[repair.Chunk]:
    at, how = random.randrange(len(chunks)), random.random()
    kind, payload = chunks[at]
    if how < 0.70:
        chunks[at] = kind, change(payload, max(1, min(largest, len(payload) + 64))) if payload else b"\0"
    elif how < 0.76:
        chunks.insert(random.randrange(len(chunks) + 1), chunks[at])
    elif how < 0.82:
        del chunks[at]
    elif how < 0.88:
        other = random.randrange(len(chunks))
        chunks[at], chunks[other] = chunks[other], chunks[at]
    elif how < 0.94:
        chunks[at] = random.choice(KINDS), payload
    else:
        new = random.choice(KINDS), random.randbytes(random.choice([0, 1, 5, 9, 30]))
        chunks.insert(random.randrange(len(chunks) + 1), new)
    return chunks


def _change_compact(data: bytes, largest: int, random: Random, change: Change) -> bytes:
    length, at = repair.varint(data, len(repair.COMPACT))
    head, rest = data[at : at + length], data[at + length + 4 :]
    if random.random() < 0.6 or not rest:
        head = change(head, len(head) + 16) if head else b"\0"
    else:
        flags = repair.varint(head, 0)[0]
        chunks = repair.split(repair.SIGNATURE + rest) if flags & 0x10 else []
        if chunks:
            rest = repair.join(_change_chunks(chunks, largest, random, change))[len(repair.SIGNATURE) :]
        else:
            rest = change(rest, min(largest, len(rest) + 64))
    return repair.compact(head, rest)[:largest]


def change_json(data: bytes, largest: int, random: Random, change: Change) -> bytes:
    """A value somewhere in a JSON text; one time in five its bytes."""
    try:
        whole = json.loads(data)
    except (ValueError, RecursionError):
        return change(data, largest)
    if random.random() < 0.2:
        return change(data, largest)
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        whole = _change_value(whole, random)
    return json.dumps(whole).encode()[:largest]


def _change_value(value: Any, random: Random) -> Any:
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice(list(value))
        how = random.random()
        if how < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if how < 0.15:
            return value | {random.choice(["", "kind", "a" * 70]): value[key]}
        return value | {key: _change_value(value[key], random)}
    if isinstance(value, list) and value and random.random() < 0.8:
        at, how = random.randrange(len(value)), random.random()
        if how < 0.15:
            return value[:at] + value[at + 1 :]
        if how < 0.3:
            return value[:at] + [value[at]] * random.choice([2, 3, 300]) + value[at + 1 :]
        return value[:at] + [_change_value(value[at], random)] + value[at + 1 :]
    if isinstance(value, (int, float)) and not isinstance(value, bool) and random.random() < 0.5:
        near = [
            value + 1,
            value - 1,
            -value,
            value * 2,
            f"{value:.17}" if isinstance(value, float) else hex(value),
        ]
        return random.choice([*near, value + 0.5 if abs(value) < 1 << 52 else 0.5, *NUMBERS])
    if isinstance(value, str) and random.random() < 0.5:
        return random.choice([value[1:], value + "0", value.upper(), value * 2, value[:-1] + "\n"])
    return random.choice(VALUES)


SUBMESSAGES = {
    "model": {7: "graph", 8: "opset"},
    "graph": {1: "node", 5: "tensor", 11: "value", 12: "value", 13: "value"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 10: "tensor"},
    "tensor": {13: "entry"},
    "value": {2: "type"},
    "type": {1: "tensor type"},
    "tensor type": {2: "shape"},
    "shape": {1: "dimension"},
}
"""Of an ONNX model: which fields of a message are messages, and of which kind."""


def change_graph(data: bytes, largest: int, random: Random, change: Change) -> bytes:
    """A field somewhere in an ONNX model, with the lengths around it; one time in ten its bytes.

    The first byte, which says whose place the graph takes, is kept.
    """
    if len(data) < 2 or random.random() < 0.1:
        return change(data, largest)
    try:
        return data[:1] + _change_message(data[1:], "model", random, change)[: largest - 1]
    except IndexError:
        return change(data, largest)


def _change_message(data: bytes, kind: str, random: Random, change: Change) -> bytes:
    fields = _fields(data)
    if not fields:
        return change(data, len(data) + 16) if data else random.randbytes(3)
    at = random.randrange(len(fields))
    if kind == "model" and random.random() < 0.8:  # most of a model is its graph
        at = next((i for i, (number, _, _) in enumerate(fields) if number == 7), at)
    number, wire, value = fields[at]
    below = SUBMESSAGES.get(kind, {})
    how = random.random()
    if wire == 2 and number in below and how < 0.85:
        assert isinstance(value, bytes)
        fields[at] = number, wire, _change_message(value, below[number], random, change)
    elif how < 0.45 and isinstance(value, bytes):
        fields[at] = number, wire, change(value, len(value) + 16) if value else b"x"
    elif how < 0.45:
        fields[at] = number, wire, random.choice([value + 1, value - 1, -1, *NUMBERS, 1 << 62])
    elif how < 0.6:
        del fields[at]
    elif how < 0.75:
        fields.insert(random.randrange(len(fields) + 1), fields[at])
    elif how < 0.9:
        other = random.randrange(len(fields))
        fields[at], fields[other] = fields[other], fields[at]
    elif random.random() < 0.1:
        fields[at] = random.randrange(1, 26), wire, value
    else:
        fields.append(random.choice(fields))
    return b"".join(map(_packed_field, fields))


Field = tuple[int, int, "bytes | int"]


def _fields(data: bytes) -> list[Field]:
    found: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _long(data, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _long(data, at)
            found.append((number, wire, value))
            continue
        length = {1: 8, 5: 4}.get(wire)
        if length is None:
            length, at = _long(data, at)
        found.append((number, wire, data[at : at + length]))
        at += length
    return found


def _long(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80 or shift > 63:
            return value, at


def _packed_field(field: Field) -> bytes:
    number, wire, value = field
    key = repair.packed(number << 3 | wire)
    if isinstance(value, int):
        return key + repair.packed(value % (1 << 64))
    return key + (repair.packed(len(value)) if wire == 2 else b"") + value


MUTATORS: dict[str, Mutator] = {
    "bytes": change_bytes,
    "file": change_file,
    "json": change_json,
    "graph": change_graph,
}
