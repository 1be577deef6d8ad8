"""What lies inside of tiles and feature streams: rANS words, and samples without loss."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from texcodec.entropy import ProbabilityTables, SymbolReader, portable
from texcodec.entropy.rans import ESCAPE_OFFSET
from texcodec.errors import CorruptError
from texcodec.lossless import pack_samples, unpack_samples
from texcodec.registry import ModelSet, read_model_set

from .rules import RuleBroken

ROOT = Path(__file__).parents[2]
TINY_1 = ROOT / "models" / "tiny-1"
TINY_2 = ROOT / "tests" / "data" / "tiny-2"
RANS_HEAD = 4
LOSSLESS_HEAD = 3


@cache
def model_set(folder: Path) -> ModelSet:
    """A set, read once."""
    return read_model_set(folder)


@cache
def _portable_model(tables: ProbabilityTables, row: int) -> portable.Model:
    return portable.exact_model(tables.row(row))


def rans(data: bytes) -> None:
    """A stream read by constriction and by the coder in Python: the same symbols, or an error of both.

    The first bytes say how many rows of hyper latents and symbols of which tables are read.
    """
    head, stream = data[:RANS_HEAD].ljust(RANS_HEAD, b"\0"), data[RANS_HEAD:]
    models = model_set(TINY_2 if head[0] & 1 else TINY_1)
    count, length = 1 + head[1] % 8, head[2] % 32
    indices = (np.arange(head[3]) * (1 + head[0]) + head[2]) % len(models.symbol_tables)
    reader = SymbolReader(stream)
    stack = portable.AnsCoder(np.frombuffer(stream + bytes(-len(stream) % 4), "<u4").astype(np.uint32))
    hyper = reader.rows(count, length, models.hyper_tables, models.hyper_row(head[3]))
    for i, row in enumerate(hyper, models.hyper_row(head[3])):
        again = stack.decode(_portable_model(models.hyper_tables, i), length)
        _same(row, again - models.hyper_tables.support[i])
    failed = None
    try:
        symbols = reader.indexed(indices, models.symbol_tables)
    except CorruptError as error:
        failed, symbols = error, np.zeros(len(indices), np.int32)
    for k in range(1, len(models.symbol_tables)):
        at = np.flatnonzero(indices == k)
        support = int(models.symbol_tables.support[k])
        again = stack.decode(_portable_model(models.symbol_tables, k), len(at)) - support
        escaped = np.flatnonzero(again > support)
        again[escaped] = stack.decode(_escapes(), len(escaped)) - ESCAPE_OFFSET
        if failed is not None and (again[escaped] == -ESCAPE_OFFSET).any():
            raise failed
        if failed is None:
            _same(symbols[at], again)
    if failed is not None:
        raise RuleBroken("only one of two coders refuses an escape") from failed
    start = int.from_bytes(head[:3], "little")
    ends = stack.get_compressed().tolist() == ([start] if start else [])
    try:
        reader.finish(start)
    except CorruptError:
        if ends:
            raise RuleBroken("only one of two coders refuses the end of a stream") from None
        raise
    if not ends:
        raise RuleBroken("only one of two coders accepts the end of a stream")


@cache
def _escapes() -> portable.Model:
    return portable.uniform_model(2 * ESCAPE_OFFSET)


def _same(one: np.ndarray, other: np.ndarray) -> None:
    if not np.array_equal(one, other):
        raise RuleBroken("two rANS coders read other symbols")


def lossless(data: bytes) -> None:
    """The payload of a drawn tile, of a size that the first bytes say."""
    head, payload = data[:LOSSLESS_HEAD].ljust(LOSSLESS_HEAD, b"\0"), data[LOSSLESS_HEAD:]
    height, width, channels = 1 + head[0], 1 + head[1], 1 + 2 * (head[2] & 1)
    samples = unpack_samples(payload, height, width, channels)
    if samples.shape != (height, width, channels) or samples.dtype != np.uint8:
        raise RuleBroken(f"samples of shape {samples.shape}")
    if samples.size <= 1024 and not np.array_equal(
        unpack_samples(pack_samples(samples), *samples.shape), samples
    ):
        raise RuleBroken("samples do not come back")
