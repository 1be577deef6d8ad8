"""The quick look at a file agrees with the reader, and leaves whatever is unusual to it."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import compact_samples
import pytest
from cli_runs import environment
from container_samples import chunk, flipped, full_file, join, lean_file, split
from hypothesis import given, settings
from hypothesis import strategies as st

from texcodec.container import FEAT, FeatureStream, Reader, StreamTask, feature_header, pack_stream, write
from texcodec.container.outline import Outline, outline
from texcodec.errors import FormatError

GOLDEN = Path(__file__).parent / "golden"
FILES = [full_file(), lean_file(), compact_samples.BARE, compact_samples.FULL]
steady = settings(deadline=None, derandomize=True, max_examples=300)


def looked_at(data: bytes, start: int = 0) -> Outline | None:
    return outline(io.BytesIO(bytes(start) + data), start)


def read(data: bytes) -> Outline:
    reader = Reader(data)
    header = reader.header
    mode = ("L" if header.channels == 1 else "RGB") + ("A" if header.alpha_mode else "")
    return Outline(header.width, header.height, mode, reader.chunks)


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.tcx")), ids=lambda path: path.stem)
def test_golden_files_have_the_outline_that_the_reader_finds(path: Path) -> None:
    data = path.read_bytes()
    assert looked_at(data) == looked_at(data, 7) == read(data)


@pytest.mark.parametrize("data", FILES, ids=["full", "lean", "compact", "compact with chunks"])
def test_every_form_has_an_outline_wherever_it_begins(data: bytes) -> None:
    assert looked_at(data) == looked_at(data, 3) == read(data)


@steady
@given(st.sampled_from(FILES), st.data())
def test_a_file_with_a_wrong_bit_has_no_outline_or_that_of_the_sound_file(
    file: bytes, data: st.DataObject
) -> None:
    damaged = flipped(file, data.draw(st.integers(0, 8 * len(file) - 1)))
    assert looked_at(damaged) in (None, read(file))


@steady
@given(st.binary(max_size=80), st.sampled_from(FILES), st.integers(0, 80))
def test_any_bytes_have_an_outline_or_none(noise: bytes, file: bytes, keep: int) -> None:
    looked_at(file[:keep] + noise)
    looked_at(noise)


@steady
@given(st.sampled_from(FILES), st.data())
def test_a_file_cut_short_has_its_size_or_no_outline(file: bytes, data: st.DataObject) -> None:
    found = looked_at(file[: data.draw(st.integers(0, len(file) - 1))])
    assert found is None or found[:3] == read(file)[:3]


@pytest.mark.parametrize(
    "at, value",
    [(0, 2), (2, 0x40), (2, 0x80), (7, 0x71), (7, 0x82), (7, 0x7A)],
    ids=["version", "flag 6", "flag 7", "two channels", "nine bits", "alpha mode"],
)
def test_a_header_that_the_reader_refuses_has_no_outline(at: int, value: int) -> None:
    first, *others = split(full_file())
    header = bytearray(first[1])
    header[at] = value
    data = join([[b"THDR", bytes(header)], *others])
    assert looked_at(data) is None
    with pytest.raises(FormatError):
        Reader(data)


def test_a_file_without_pixels_has_no_outline() -> None:
    stream = FeatureStream(bytes(16), 3, (StreamTask(1, 8, 8),), 0x1234, b"\1\2")
    data = write(feature_header(64, 48), [], [], [(FEAT, pack_stream(stream))])
    assert not Reader(data).header.has_pixels
    assert looked_at(data) is None


def test_repeated_critical_and_large_chunks_are_left_to_the_reader() -> None:
    parts = split(full_file())
    assert looked_at(join([*parts[:2], [b"iccp", b"again"], *parts[2:]])) is None
    assert looked_at(join([*parts[:2], [b"NEWS", b"critical"], *parts[2:]])) is None
    assert looked_at(join([*parts[:2], [b"news", bytes(1 << 20)], *parts[2:]])) is None
    repeated = join([*parts[:2], [b"news", b"first"], [b"news", b"second"], *parts[2:]])
    found = looked_at(repeated)
    assert found is not None and found.chunks[b"news"] == b"first"


def test_a_failing_file_has_no_outline() -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise OSError("gone")

    assert outline(Failing(full_file())) is None


def test_opening_through_pillow_imports_neither_numpy_nor_the_reader() -> None:
    code = (
        "import sys, texcodec.pillow; from PIL import Image; Image.open(sys.argv[1]);"
        "print([m for m in ('numpy', 'dataclasses', 'inspect', 'onnxruntime', 'texcodec.container.reader',"
        "'texcodec.limits', 'PIL.TiffImagePlugin') if m in sys.modules])"
    )
    arguments = [sys.executable, "-c", code, str(GOLDEN / "metadata.tcx")]
    done = subprocess.run(arguments, capture_output=True, text=True, env=environment(), timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_checksums_of_metadata_are_verified() -> None:
    data = full_file()
    at = data.index(chunk(b"iccp", b"profile")) + 9
    assert looked_at(flipped(data, 8 * at)) is None
