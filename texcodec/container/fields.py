"""Fixed and variable-length integers inside a chunk's payload, little-endian.

Source: docs/format.md, "Numbers".
"""

from __future__ import annotations

from ..errors import CorruptError

MAX_VARINT = 0xFFFF_FFFF
_MAX_VARINT_BYTES = 5


def varint(value: int) -> bytes:
    """Unsigned LEB128 in its shortest form; ``value`` from 0 to 2**32 - 1."""
    if not 0 <= value <= MAX_VARINT:
        raise ValueError(f"{value} does not fit a varint")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


class FieldReader:
    """Takes fields off the front of a payload; ``where``, a chunk's type, names the payload in error messages.

    Every method raises CorruptError when the payload is too short for the field or holds it in an invalid form.
    """

    def __init__(self, payload: bytes, where: str, *, chunk: bool = True) -> None:
        """``chunk`` is false where the payload is no chunk and ``where`` is a noun phrase that can begin a sentence."""
        self._payload = payload
        self._where = f"Chunk {where}" if chunk else where
        self.position = 0

    @property
    def remaining(self) -> int:
        """Bytes not taken yet."""
        return len(self._payload) - self.position

    def take(self, count: int, field: str) -> bytes:
        """The next ``count`` bytes."""
        if count > self.remaining:
            raise CorruptError(f"{self._where} ends within its field '{field}'.")
        start = self.position
        self.position += count
        return self._payload[start : self.position]

    def unsigned(self, size: int, field: str) -> int:
        """A little-endian unsigned integer of ``size`` bytes."""
        return int.from_bytes(self.take(size, field), "little")

    def signed(self, size: int, field: str) -> int:
        """A little-endian two's complement integer of ``size`` bytes."""
        return int.from_bytes(self.take(size, field), "little", signed=True)

    def varint(self, field: str) -> int:
        """An unsigned LEB128 integer below 2**32; only its shortest form is accepted."""
        value = 0
        for count in range(_MAX_VARINT_BYTES):
            byte = self.unsigned(1, field)
            value |= (byte & 0x7F) << (7 * count)
            if byte < 0x80:
                if value > MAX_VARINT or (byte == 0 and count > 0):
                    break
                return value
        raise CorruptError(f"{self._where} holds a number in an invalid form in its field '{field}'.")

    def finish(self) -> None:
        """Raise CorruptError when bytes are left over."""
        if self.remaining:
            raise CorruptError(f"{self._where} has {self.remaining} bytes after its last field.")
