"""The command as a process: interrupts at any time, pipes that close, terminals, and what remains."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from cli_runs import SET, environment, names, process, save_photograph
from container_samples import full_file
from pictures import photograph

import texcodec

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")

# Runs the command line, and `disturb` when the module named first is about to be imported.
WITH_DISTURBED_IMPORT = """
    import os, signal, sys

    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == module and self in sys.meta_path:
                sys.meta_path.remove(self)
                disturb()

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    class Trap:
        def __del__(self):
            interrupt()

    disturb = {disturb}
    module = sys.argv.pop(1)
    sys.meta_path.insert(0, Finder())
    from texcodec.cli import main
    sys.exit(main())
"""


def listen() -> None:
    """In a new process: a job in the background hands down that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def python(code: str, *arguments: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    options = {"preexec_fn": listen, **options}
    return subprocess.run(
        command, capture_output=True, timeout=120, check=False, env=environment(), **options
    )


@pytest.fixture
def full(tmp_path: Path) -> Path:
    path = tmp_path / "full.tcx"
    path.write_bytes(full_file())
    return path


class TestInterrupts:
    @pytest.mark.parametrize(
        "module", ["texcodec.cli.app", "click", "numpy", "onnxruntime", "texcodec.codec.encode"]
    )
    def test_one_during_an_import_ends_quietly(self, tmp_path: Path, module: str) -> None:
        picture = save_photograph(tmp_path / "a.png")
        code = WITH_DISTURBED_IMPORT.format(disturb="interrupt")
        done = python(code, module, "encode", picture, "--models", SET)
        assert done.returncode == 130
        assert done.stderr.strip() == b""
        assert names(tmp_path) == ["a.png"]

    def test_one_that_python_swallows_in_a_finaliser_counts_too(self, full: Path) -> None:
        done = python(WITH_DISTURBED_IMPORT.format(disturb="Trap"), "texcodec.cli.info", "info", full)
        assert (done.returncode, done.stderr.strip(), done.stdout) == (130, b"", b"")

    def test_one_that_surfaces_as_another_error_counts_too(self, full: Path) -> None:
        code = """
            import os, signal, sys
            import texcodec.cli.app

            def run(arguments):
                try:
                    os.kill(os.getpid(), signal.SIGINT)
                except KeyboardInterrupt as error:
                    raise ImportError("a library translated it") from error

            texcodec.cli.app.run = run
            sys.exit(texcodec.cli.main())
        """
        done = python(code)
        assert (done.returncode, done.stderr) == (130, b"")

    def test_one_while_writing_leaves_no_output(self, tmp_path: Path) -> None:
        picture = save_photograph(tmp_path / "a.png")
        code = """
            import os, signal, sys
            os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGINT)
            from texcodec.cli import main
            sys.exit(main())
        """
        done = python(code, "encode", picture, "--models", SET)
        assert done.returncode == 130
        assert done.stderr.strip() == b""
        assert names(tmp_path) == ["a.png"]

    def test_a_process_that_ignores_them_goes_on(self, full: Path) -> None:
        code = WITH_DISTURBED_IMPORT.format(disturb="interrupt")
        ignore = {"preexec_fn": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)}
        done = python(code, "texcodec.cli.info", "info", full, **ignore)
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(os.fsencode(full))


class TestStreams:
    def test_a_reader_that_leaves_early_is_no_error_to_speak_of(self, full: Path) -> None:
        command = [sys.executable, "-m", "texcodec", "info", *[str(full)] * 50]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        ) as child:
            assert child.stdout is not None and child.stderr is not None
            child.stdout.close()
            assert child.stderr.read() == b""
        assert child.returncode == 1

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
    @pytest.mark.parametrize("arguments", [["info", "full.tcx"], ["models", "list"], ["--version"]])
    def test_a_full_disk_behind_standard_output_is_an_error(self, full: Path, arguments: list[str]) -> None:
        with open("/dev/full", "wb") as disk:
            child = subprocess.run(
                [sys.executable, "-m", "texcodec", *arguments],
                stdout=disk,
                stderr=subprocess.PIPE,
                cwd=full.parent,
                env=environment(),
            )
        assert child.returncode == 1
        assert child.stderr.startswith(b"texcodec: ")
        assert b"No space left on device" in child.stderr
        assert child.stderr.count(b"\n") == 1

    @pytest.mark.parametrize(
        ("arguments", "closed", "code"),
        [(["info", "-"], "<&-", 1), (["info", "full.tcx"], ">&-", 1), (["info", "full.tcx"], "2>&-", 0)],
    )
    def test_closed_standard_streams(self, full: Path, arguments: list[str], closed: str, code: int) -> None:
        shell = f'exec "$0" -m texcodec {" ".join(arguments)} {closed}'
        child = subprocess.run(
            ["sh", "-c", shell, sys.executable], capture_output=True, cwd=full.parent, env=environment()
        )
        assert child.returncode == code
        assert b"Traceback" not in child.stderr
        assert (b"is closed" in child.stderr) == (code == 1)

    def test_a_file_from_a_pipe(self, full: Path) -> None:
        done = process("info", "-", input=full.read_bytes())
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout.startswith(b"standard input\n")
        done = process("verify", "-", input=full.read_bytes()[:-1])
        assert done.returncode == 1
        assert done.stderr.startswith(b"texcodec: standard input: ")

    def test_warnings_of_libraries_are_not_shown(self) -> None:
        code = """
            import sys, warnings
            import texcodec.cli.app

            texcodec.cli.app.run = lambda arguments: warnings.warn("Corrupt EXIF data") or 7
            sys.exit(texcodec.cli.main())
        """
        done = python(code)
        assert (done.returncode, done.stderr) == (7, b"")


class TestTerminals:
    def on_terminal(self, *arguments: object, streams: tuple[str, ...]) -> tuple[int, bytes]:
        """Exit code, and what the command writes on a terminal of 80 columns that is one of its streams."""
        import fcntl
        import termios

        leader, follower = os.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        command = [sys.executable, "-m", "texcodec", *map(str, arguments)]
        others = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | dict.fromkeys(streams, follower)
        with subprocess.Popen(command, env=environment(), **others) as child:  # type: ignore[call-overload]
            os.close(follower)
            shown = b""
            while True:
                try:
                    piece = os.read(leader, 4096)
                except OSError:  # Linux reports the end of a terminal as an error
                    break
                if not piece:
                    break
                shown += piece
            child.communicate()
        os.close(leader)
        return child.returncode, shown

    def test_progress_is_shown_there_for_many_tiles_and_many_files(self, tmp_path: Path) -> None:
        big = save_photograph(tmp_path / "big.png", 512, 384)
        small = save_photograph(tmp_path / "small.png")
        encode = ("encode", "--force", "--models", SET, "--tile", 128)
        code, shown = self.on_terminal(*encode, big, streams=("stderr",))
        assert code == 0
        assert b"%|" in shown
        assert b"/24 [" in shown
        absent = tmp_path / "absent.png", tmp_path / "missing.png"
        code, shown = self.on_terminal(*encode, small, *absent, streams=("stderr",))
        assert code == 1
        assert b"/3 [" in shown
        assert b"missing.png: The file cannot be read" in shown
        assert self.on_terminal(*encode, small, streams=("stderr",)) == (0, b"")
        assert self.on_terminal(*encode, big, "--quiet", streams=("stderr",)) == (0, b"")
        assert process(*encode, big).stderr == b""

    def test_a_file_is_not_written_to_one(self, tmp_path: Path) -> None:
        picture = save_photograph(tmp_path / "a.png")
        code, shown = self.on_terminal("encode", picture, "-", streams=("stdout", "stderr"))
        assert code == 2
        assert shown.startswith(b"texcodec: Standard output is a terminal")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_too_little_address_space_is_a_sentence_and_not_an_abort(tmp_path: Path) -> None:
    import resource

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (360 << 20, 360 << 20))

    coded = tmp_path / "a.tcx"
    coded.write_bytes(texcodec.encode(photograph(40, 30), models=SET))
    done = process("decode", coded, tmp_path / "out.png", preexec_fn=limited)
    assert done.returncode == 4
    assert b"MB of address space" in done.stderr and done.stderr.count(b"\n") == 1
