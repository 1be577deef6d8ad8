"""As much of protobuf as takes to see what an ONNX graph holds, without the onnx package.

Stricter than protobuf: fields that the schema does not name, fields of another wire type, and a second value of a field
that has one are refused, so that no other reader of the same bytes sees anything else. Nothing is copied, and messages
are read one level at a time, so that nothing recurses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


class Malformed(ValueError):
    """Bytes that are no message of the kind that was expected; says why."""


class Field(NamedTuple):
    """Of a message: its name, the wire type of one value, whether there may be several, and whether it is UTF-8."""

    name: str
    kind: int
    repeated: bool = False
    text: bool = False


Schema = Mapping[int, Field]


class Values(dict[str, list[Any]]):
    """By field name: int for varints, memoryview for everything else; none for fields that are not there."""

    def __missing__(self, name: str) -> list[Any]:
        return []


class MessageReader:
    """Reads messages, ``budget`` fields of them at most, whatever their number.

    Raises:
        Malformed: from every method.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget

    def read(self, data: memoryview, schema: Schema, what: str) -> Values:
        """The values of all fields.

        Args:
            what: the kind of the message, for errors.
        """
        found = Values()
        position, end = 0, len(data)
        while position < end:
            self._budget -= 1
            if self._budget < 0:
                raise Malformed("it has too many fields")
            key, position = data[position], position + 1
            if key >= 0x80:  # most are one byte: not worth a call
                key, position = varint(data, position - 1)
            number, kind = key >> 3, key & 7
            value: Any
            if kind == VARINT:
                value, position = varint(data, position)
            elif kind == BYTES and position < end and data[position] < min(0x80, end - position):
                # nearly always: not worth a call
                length = data[position]
                position += 1 + length
                value = data[position - length : position]
            else:
                length, position = self._length(data, position, kind)
                value = data[position : position + length]
                position += length
            field = schema.get(number)
            if field is None:
                raise Malformed(f"{what} has the field {number}, which is not known")
            name, wanted, repeated, is_text = field
            values = found.get(name)
            if values is None:
                values = found[name] = []
            elif not repeated:
                raise Malformed(f"{what} has its field {name} twice")
            if kind == wanted:
                if is_text:
                    _check_text(value, name, what)
                values.append(value)
            elif kind == BYTES and repeated:  # packed: numbers one after the other
                values += self._packed(value, wanted)
            else:
                raise Malformed(f"the field {name} of {what} is of another type")
        return found

    @staticmethod
    def _length(data: memoryview, position: int, kind: int) -> tuple[int, int]:
        """Bytes of a field that is no varint, and where they begin."""
        if kind == BYTES:
            length, position = varint(data, position)
        elif kind in (FIXED32, FIXED64):
            length = 4 if kind == FIXED32 else 8
        else:
            raise Malformed(f"a field is of the wire type {kind}")
        if length > len(data) - position:
            raise Malformed("a field reaches beyond its message")
        return length, position

    def _packed(self, data: memoryview, kind: int) -> list[Any]:
        """The numbers of a packed field; floats stay together, as nobody asks for them one by one."""
        if kind != VARINT:
            return [data]
        values, position = [], 0
        while position < len(data):
            self._budget -= 1
            if self._budget < 0:
                raise Malformed("it has too many fields")
            value, position = varint(data, position)
            values.append(value)
        return values


def _check_text(data: memoryview, name: str, what: str) -> None:
    """Raise Malformed for what is not UTF-8, at which other readers of the same bytes fail in ways of their own."""
    try:
        str(data, "utf-8")
    except UnicodeDecodeError:
        raise Malformed(f"the field {name} of {what} is not UTF-8") from None


def varint(data: memoryview, position: int) -> tuple[int, int]:
    """The number at ``position``, of 64 bits at most, and where it ends; raises Malformed."""
    if position < len(data) and data[position] < 0x80:  # nearly always
        return data[position], position + 1
    value = shift = 0
    while position < len(data) and shift < 64:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value >> 64:
                break
            return value, position
        shift += 7
    raise Malformed("a number is cut off or too large")
