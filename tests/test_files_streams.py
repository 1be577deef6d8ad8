"""Standard input and output, and files of any length as inputs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from texcodec.errors import LimitError, ParameterError, StreamError
from texcodec.files import read_input, write_output

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


def test_standard_input_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x89\r\n\x00")))
    assert read_input("-") == b"\x89\r\n\x00"


def test_standard_output_gets_the_bytes() -> None:
    code = """
    from texcodec.files import write_output
    write_output("-", b"\\x89\\r\\n")
    write_output("-", lambda file: file.write(b"more"))
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"\x89\r\nmore", b"")


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.BytesIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Terminal()))
    with pytest.raises(ParameterError, match="terminal"):
        write_output("-", b"content")


@posix
def test_a_reader_that_is_gone_is_one_clean_error() -> None:
    code = """
    import sys
    from texcodec.errors import StreamError
    from texcodec.files import write_output
    sys.stdin.readline()
    try:
        write_output("-", bytes(1_000_000))
    except StreamError as error:
        sys.exit(7)
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin and process.stdout and process.stderr
        process.stdout.close()
        process.stdin.write(b"\n")
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait(timeout=30) == 7


def test_closed_streams_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(StreamError):
        read_input("-")
    with pytest.raises(StreamError):
        write_output("-", b"")


def test_files_are_read_up_to_the_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_input(tmp_path / "a") == read_input(tmp_path / "a", 5) == b"12345"
    with pytest.raises(LimitError, match="4 bytes"):
        read_input(tmp_path / "a", 4)


def test_unreadable_inputs(tmp_path: Path) -> None:
    with pytest.raises(StreamError, match="missing"):
        read_input(tmp_path / "missing")
    with pytest.raises(StreamError, match="directory"):
        read_input(tmp_path)
