"""Standard input and output, and files of any length as inputs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import textwrap

import pytest

from texcodec.errors import ParameterError, StreamError
from texcodec.files import write_output

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


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


def test_closed_standard_output_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with pytest.raises(StreamError):
        write_output("-", b"")
