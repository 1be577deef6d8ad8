"""The portable rANS coder gives constriction's words, symbols and errors, and the codec runs on it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import texcodec
from texcodec.entropy import (
    ProbabilityTables,
    SymbolReader,
    SymbolWriter,
    ans,
    portable,
    quantise_probabilities,
    rans,
    tables,
)
from texcodec.errors import CorruptError

ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
LEVELS = 64


def use_portable(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(rans, "AnsCoder", portable.AnsCoder)
    patch.setattr(rans, "ESCAPE_MODEL", portable.uniform_model(2 * rans.ESCAPE_OFFSET))
    patch.setattr(tables, "exact_model", portable.exact_model)


def random_tables(random: np.random.Generator, count: int = LEVELS) -> ProbabilityTables:
    """Tables from flat to nearly certain ones, with escapes."""
    support = random.integers(0, 40, count)
    rows = [
        quantise_probabilities(random.gamma(random.choice([0.01, 0.3, 5.0]), size=2 * s + 2) + 1e-9)
        for s in support
    ]
    return ProbabilityTables(np.concatenate(rows), support, escapes=True)


def random_symbols(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Symbols, some of them far outside every table, and their indices; those of index 0 are zero."""
    indices = random.integers(0, LEVELS, count)
    symbols = np.rint(random.laplace(0, 8, count)).astype(np.int64)
    far = random.random(count) < 0.01
    symbols[far] = random.integers(-32767, 32768, int(far.sum()))
    return np.where(indices > 0, symbols, 0), indices


def write(symbols: np.ndarray, indices: np.ndarray, seed: int, start: int) -> bytes:
    writer = SymbolWriter()
    writer.indexed(symbols, indices, random_tables(np.random.default_rng(seed)))
    return writer.finish(start)


def outcome(data: bytes, indices: np.ndarray, seed: int, start: int) -> tuple[list[int], str]:
    """What reading gives: the symbols as far as they were read, and the error."""
    symbols: list[int] = []
    try:
        reader = SymbolReader(data)
        symbols = reader.indexed(indices, random_tables(np.random.default_rng(seed))).tolist()
        reader.finish(start)
    except CorruptError as error:
        return symbols, str(error)
    return symbols, ""


def with_both(function, *arguments):  # type: ignore[no-untyped-def]
    """The result of both coders, constriction's first."""
    first = function(*arguments)
    with pytest.MonkeyPatch.context() as patch:
        use_portable(patch)
        return first, function(*arguments)


def test_constriction_is_used_where_it_is_installed() -> None:
    assert ans.AnsCoder is constriction.stream.stack.AnsCoder
    assert rans.AnsCoder is ans.AnsCoder


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 300), st.sampled_from([0, 1, 0xABCDEF, 2**24 - 1]))
def test_both_coders_write_the_same_bytes_and_read_them_back(seed: int, count: int, start: int) -> None:
    symbols, indices = random_symbols(np.random.default_rng(seed), count)
    data, same = with_both(write, symbols, indices, seed, start)
    assert data == same
    assert with_both(outcome, data, indices, seed, start) == ((symbols.tolist(), ""), (symbols.tolist(), ""))


def test_both_coders_agree_on_many_symbols() -> None:
    symbols, indices = random_symbols(np.random.default_rng(1), 10_000)
    data, same = with_both(write, symbols, indices, 2, 0)
    assert len(data) > 5000
    assert data == same
    assert with_both(outcome, data, indices, 2, 0) == ((symbols.tolist(), ""), (symbols.tolist(), ""))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32), st.data())
def test_both_coders_treat_a_damaged_stream_alike(seed: int, data: st.DataObject) -> None:
    symbols, indices = random_symbols(np.random.default_rng(seed), 60)
    stream = bytearray(write(symbols, indices, seed, 7))
    position = data.draw(st.integers(0, len(stream) - 1))
    stream[position] ^= data.draw(st.integers(1, 255))
    cut = bytes(stream[: data.draw(st.integers(0, len(stream)))])
    for damaged in (bytes(stream), cut, bytes(stream) + b"\1"):
        one, other = with_both(outcome, damaged, indices, seed, 7)
        assert one == other
        assert one != (symbols.tolist(), "")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 2**32 - 1), max_size=9))
def test_both_coders_take_the_same_words(words: list[int]) -> None:
    array = np.array(words, np.uint32)

    def taken(kind: type) -> object:
        try:
            return kind(array).get_compressed().tolist()
        except ValueError:
            return ValueError

    assert taken(portable.AnsCoder) == taken(ans.AnsCoder)


@pytest.mark.parametrize("symbol", [-1, 2])
@pytest.mark.parametrize(
    "coder, model", [(ans.AnsCoder, ans.exact_model), (portable.AnsCoder, portable.exact_model)]
)
def test_a_symbol_outside_its_table_is_not_coded(coder: type, model: object, symbol: int) -> None:
    table = model(np.array([1, 2**24 - 1]))  # type: ignore[operator]
    with pytest.raises(KeyError):
        coder().encode_reverse(np.array([0, symbol], np.int32), table)


WITHOUT = """
import json, sys
sys.modules["constriction"] = None  # importing it fails
sys.path.insert(0, "tests")
import texcodec
from texcodec.entropy import ans, portable
from golden.make_features import symbols_hash
assert ans.AnsCoder is portable.AnsCoder
pictures, features, picture = json.loads(sys.argv[1])
hashes = []
for path in pictures:
    with texcodec.open(path) as file:
        hashes.append(file.symbols_hash(models="models/tiny-1"))
for path, models in features:
    with open(path, "rb") as file:
        hashes.append(symbols_hash(file.read(), models))
print(json.dumps([hashes, texcodec.encode(picture, quality=30, models="models/tiny-1").hex()]))
"""


def lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text("ascii").splitlines() if line[0] != "#"]


def test_without_constriction_golden_files_decode_to_their_symbols_and_encoding_gives_the_same_bytes() -> (
    None
):
    picture = str(GOLDEN / "rates.png")
    pictures, features = lines(GOLDEN / "golden.txt"), lines(GOLDEN / "features" / "golden.txt")
    files = [str(GOLDEN / f"{line[0]}.tcx") for line in pictures]
    streams = [(str(GOLDEN / "features" / f"{line[0]}.tcx"), line[1]) for line in features]
    command = [sys.executable, "-c", WITHOUT, json.dumps([files, streams, picture])]
    done = subprocess.run(command, capture_output=True, check=True, cwd=ROOT)
    hashes, data = json.loads(done.stdout)
    assert hashes == [line[2] for line in pictures] + [line[3] for line in features]
    assert bytes.fromhex(data) == texcodec.encode(picture, quality=30, models=ROOT / "models" / "tiny-1")
