"""What became of every item: a row in the Parquet table of its shard."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from .parquet import rows_of, table_of
from .storage import Storage, content, is_url

TABLES, FAILURES = "tables", "failures.jsonl"
DONE, FAILED = "done", "failed"
_MOST_TABLE = 1 << 30


@dataclass(frozen=True)
class Record:
    """A row.

    Attributes:
        key, source: of the item.
        sha256: of the input's bytes; empty where it could not be read.
        status: ``done`` or ``failed``.
        error: why it failed.
        notices: what was changed.
        bytes_in, bytes_out: of input and output.
        width, height: pixels.
        quality: that was asked for; 0 for another target.
        models: identity of the model set.
        seconds: that it took.
    """

    key: str
    source: str
    sha256: str = ""
    status: str = DONE
    error: str = ""
    notices: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    width: int = 0
    height: int = 0
    quality: float = 0.0
    models: str = ""
    seconds: float = 0.0


def shard_name(number: int) -> str:
    """Of a shard, in files' names."""
    return f"shard-{number:06d}"


def table_name(number: int, digest: str) -> str:
    """Of the table of a shard with these settings: that it is there says that the shard is done."""
    return f"{TABLES}/{shard_name(number)}-{digest}.parquet"


def is_table(name: str) -> bool:
    """Whether a file of the destination counts as a table, on file systems of any case."""
    return name.lower().startswith(f"{TABLES}/") and name.lower().endswith(".parquet")


def write_table(destination: Storage, name: str, records: Sequence[Record]) -> None:
    """Write a table, complete or not at all."""
    destination.write(name, table_of([_printable(record) for record in records]))


def read_table(destination: Storage, name: str) -> list[Record]:
    """The records of a table."""
    data = content(destination.path(name), _MOST_TABLE)
    return [Record(**row) for row in rows_of(data, destination.path(name))]


def write_failures(destination: Storage, name: str, failed: Iterable[Record]) -> None:
    """Write the failures as a manifest, from which they can be tried again; none where nothing failed."""
    lines = [
        json.dumps({"source": _anywhere(record.source), "key": record.key, "error": record.error})
        for record in failed
    ]
    if lines:
        destination.write(name, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    elif destination.exists(name):
        destination.remove(name)


def _anywhere(source: str) -> str:
    # names in a manifest are relative to it, but those of a source to the current folder
    return source if is_url(source) else os.path.join(os.getcwd(), source)


def _printable(record: Record) -> dict[str, object]:
    # Parquet holds UTF-8 only
    row = asdict(record)
    return {
        k: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v for k, v in row.items()
    }
