"""Numbers from the front of some bytes, and refusal: chapter "Numbers" of docs/format.md."""

from __future__ import annotations

import struct


class Refused(Exception):
    """A file or model set that the document tells a decoder to refuse; the text is the rule it breaks."""


def require(holds: bool, rule: str) -> None:
    """Raise `Refused` with the rule unless it holds."""
    if not holds:
        raise Refused(rule)


class Fields:
    """Takes numbers from the front of some bytes; running out of them is a reason to refuse."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, size: int) -> bytes:
        require(self.position + size <= len(self.data), "fields fit into their chunk")
        self.position += size
        return self.data[self.position - size : self.position]

    def number(self, code: str) -> int:
        """One integer, `code` as in struct: B, b, H, I."""
        return int(struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0])

    def varint(self) -> int:
        value = 0
        for index in range(5):
            byte = self.number("B")
            value |= (byte & 0x7F) << 7 * index
            if byte < 0x80:
                require(byte > 0 or index == 0, "a varint has its shortest form")
                require(value < 2**32, "a varint is below 2^32")
                return value
        raise Refused("a varint has at most 5 bytes")

    @property
    def rest(self) -> int:
        return len(self.data) - self.position
