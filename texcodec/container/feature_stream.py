"""FEAT and feat: which features a stream holds, and its symbols as bytes.

Source: docs/format.md, "FEAT and feat". What the symbols mean is the business of texcodec.features.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from ..constants import IDENTITY_BYTES, MOST_TASKS
from ..errors import CorruptError, ParameterError
from .fields import MAX_VARINT, FieldReader, varint

MOST_LEVELS = 256


@dataclass(frozen=True)
class StreamTask:
    """One of the tasks whose features a stream holds.

    Attributes:
        identifier: ``task_identifier`` of its name.
        height, width: of its feature tensor, 1 to 2**32 - 1.
    """

    identifier: int
    height: int
    width: int


@dataclass(frozen=True)
class FeatureStream:
    """The fields of a FEAT or feat chunk.

    Attributes:
        identity: 16 bytes: of the feature set whose entropy decoder the symbols need.
        level: rate level, 0 to 255.
        tasks: 1 to 255 of them, no identifier twice.
        symbols_crc: ``symbols_crc`` of the decoded symbols, 16 bits.
        payload: the rANS stream.

    Raises:
        ParameterError: a field is out of its range.
    """

    identity: bytes
    level: int
    tasks: tuple[StreamTask, ...]
    symbols_crc: int
    payload: bytes

    def __post_init__(self) -> None:
        if len(self.identity) != IDENTITY_BYTES:
            raise ParameterError(f"A feature stream's identity must have 16 bytes, not {len(self.identity)}.")
        if not 0 <= self.level < MOST_LEVELS:
            raise ParameterError(f"A feature stream's level must be from 0 to 255, not {self.level}.")
        if not 1 <= len(self.tasks) <= MOST_TASKS:
            raise ParameterError(f"A feature stream must have 1 to 255 tasks, not {len(self.tasks)}.")
        if len({task.identifier for task in self.tasks}) < len(self.tasks):
            raise ParameterError("A feature stream must not name a task twice.")
        for task in self.tasks:
            if not (1 <= task.height <= MAX_VARINT and 1 <= task.width <= MAX_VARINT):
                raise ParameterError(
                    f"A task of a feature stream has sides from 1 to {MAX_VARINT}, not {task.height} x {task.width}."
                )


def task_identifier(name: str) -> int:
    """How a stream names a task: the low 16 bits of the CRC-32 of its name in UTF-8."""
    return zlib.crc32(name.encode()) & 0xFFFF


def pack_stream(stream: FeatureStream) -> bytes:
    """The payload of the chunk; less its first 16 bytes, what follows the header in a lean file."""
    tasks = b"".join(
        struct.pack("<H", task.identifier) + varint(task.height) + varint(task.width) for task in stream.tasks
    )
    head = stream.identity + bytes([stream.level]) + varint(len(stream.tasks))
    return head + tasks + struct.pack("<H", stream.symbols_crc) + stream.payload


def unpack_stream(payload: bytes) -> FeatureStream:
    """The inverse of ``pack_stream``; raises CorruptError for impossible fields."""
    fields = FieldReader(payload, "FEAT or feat")
    identity = fields.take(IDENTITY_BYTES, "identity")
    level = fields.unsigned(1, "level")
    count = fields.varint("number of tasks")
    if count > MOST_TASKS:
        raise CorruptError(f"A feature stream names {count} tasks, more than 255.")
    tasks = tuple(
        StreamTask(
            fields.unsigned(2, f"identifier of task {index}"),
            fields.varint(f"height of task {index}"),
            fields.varint(f"width of task {index}"),
        )
        for index in range(count)
    )
    symbols = fields.unsigned(2, "symbol checksum")
    try:
        return FeatureStream(identity, level, tasks, symbols, fields.take(fields.remaining, "payload"))
    except ParameterError as error:
        raise CorruptError(str(error)) from None
