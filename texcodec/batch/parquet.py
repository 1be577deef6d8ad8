"""Rows of Parquet tables, read and written in this thread.

pyarrow's pools of threads may not have ended when a short process does, which aborts it ("terminate called without an
active exception"), so nothing here starts them.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast

from ..errors import FormatError
from .storage import library


def rows_of(data: bytes, name: str) -> list[dict[str, Any]]:
    """The rows of a table.

    Args:
        data: of the file.
        name: of the file, for messages.

    Raises:
        FormatError: it is no sound Parquet file.
    """
    pyarrow, parquet = library("pyarrow"), library("pyarrow.parquet")
    try:
        table = parquet.ParquetFile(pyarrow.BufferReader(data), pre_buffer=False).read(use_threads=False)
    except (pyarrow.ArrowException, OSError) as error:
        raise FormatError(
            f"{name} is no sound Parquet file ({error}).", advice="Get another copy of it."
        ) from error
    return cast(list[dict[str, Any]], table.to_pylist())


def table_of(rows: Sequence[dict[str, Any]]) -> bytes:
    """The file of a table with these rows."""
    buffer = io.BytesIO()
    table = library("pyarrow").Table.from_pylist(list(rows))
    library("pyarrow.parquet").write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
