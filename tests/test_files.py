"""Outputs that are complete or not there, pipes, and names."""

from __future__ import annotations

import errno
import io
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from texcodec.errors import LimitError, OutputExistsError, ParameterError, StreamError
from texcodec.files import (
    TEMPORARY_SUFFIX,
    check_output,
    decoded_name,
    encoded_name,
    full_decoded_name,
    full_encoded_name,
    read_input,
    write_atomically,
    write_output,
)

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(code: str, *args: object, **options: Any) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, args)]
    return subprocess.run(command, capture_output=True, timeout=60, **options)


class TestAtomicWriting:
    def test_bytes_and_functions_write_the_same(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / "a", b"content")
        write_atomically(str(tmp_path / "b"), lambda file: file.write(b"content"))
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == b"content"
        assert names(tmp_path) == ["a", "b"]

    def test_nothing_appears_before_the_end(self, tmp_path: Path) -> None:
        def write(file: BinaryIO) -> None:
            file.write(b"half")
            file.flush()
            assert not (tmp_path / "a").exists()
            assert [name.endswith(TEMPORARY_SUFFIX) for name in names(tmp_path)] == [True]

        write_atomically(tmp_path / "a", write)

    @pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)])
    def test_an_exception_leaves_nothing(self, tmp_path: Path, error: BaseException) -> None:
        def write(file: BinaryIO) -> None:
            file.write(b"half")
            raise error

        with pytest.raises(type(error)):
            write_atomically(tmp_path / "a", write)
        assert names(tmp_path) == []

    def test_an_exception_keeps_the_old_file(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"old")
        with pytest.raises(ZeroDivisionError):
            write_atomically(tmp_path / "a", lambda file: file.write(b"half") // 0, force=True)
        assert (tmp_path / "a").read_bytes() == b"old"
        assert names(tmp_path) == ["a"]

    def test_an_existing_file_needs_force(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"old")
        with pytest.raises(OutputExistsError, match="exists"):
            write_atomically(tmp_path / "a", lambda file: pytest.fail("was called"))
        write_atomically(tmp_path / "a", b"new", force=True)
        assert (tmp_path / "a").read_bytes() == b"new"
        assert names(tmp_path) == ["a"]

    def test_a_file_that_appears_meanwhile_is_kept(self, tmp_path: Path) -> None:
        def write(file: BinaryIO) -> None:
            file.write(b"mine")
            (tmp_path / "a").write_bytes(b"theirs")

        with pytest.raises(StreamError, match="exists"):
            write_atomically(tmp_path / "a", write)
        assert (tmp_path / "a").read_bytes() == b"theirs"
        assert names(tmp_path) == ["a"]

    def test_of_many_writers_one_wins(self, tmp_path: Path) -> None:
        results: list[str] = []
        barrier = threading.Barrier(4)

        def write(file: BinaryIO) -> None:
            file.write(b"x" * 1000)
            barrier.wait()

        def work() -> None:
            try:
                write_atomically(tmp_path / "a", write)
                results.append("won")
            except StreamError:
                results.append("lost")

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["lost"] * 3 + ["won"]
        assert names(tmp_path) == ["a"]

    def test_no_hard_links_are_needed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any, **__: Any) -> None:
            raise OSError(errno.EPERM, "Operation not permitted")

        monkeypatch.setattr(os, "link", refuse)
        write_atomically(tmp_path / "a", b"content")
        assert (tmp_path / "a").read_bytes() == b"content"

        def write(file: BinaryIO) -> None:
            (tmp_path / "b").write_bytes(b"theirs")

        with pytest.raises(StreamError, match="exists"):
            write_atomically(tmp_path / "b", write)
        assert (tmp_path / "b").read_bytes() == b"theirs"
        assert names(tmp_path) == ["a", "b"]

    @posix
    @pytest.mark.parametrize("mask", [0o022, 0o077])
    def test_a_new_file_has_usual_permissions(self, tmp_path: Path, mask: int) -> None:
        before = os.umask(mask)
        try:
            write_atomically(tmp_path / "a", b"")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask

    @posix
    def test_a_replaced_file_keeps_its_permissions(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"secret")
        (tmp_path / "a").chmod(0o600)
        write_atomically(tmp_path / "a", b"new", force=True)
        assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o600

    @posix
    def test_a_link_stays_and_its_target_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        (tmp_path / "there" / "target").write_bytes(b"old")
        (tmp_path / "link").symlink_to(tmp_path / "there" / "target")
        with pytest.raises(StreamError, match="exists"):
            write_atomically(tmp_path / "link", b"new")
        write_atomically(tmp_path / "link", b"new", force=True)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "target").read_bytes() == b"new"
        assert names(tmp_path / "there") == ["target"]

    @posix
    def test_a_dangling_link_gets_its_target(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("target")
        write_atomically(tmp_path / "link", b"new")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "target").read_bytes() == b"new"

    @posix
    def test_a_link_to_itself_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("link")
        with pytest.raises(StreamError):
            write_atomically(tmp_path / "link", b"new")

    @posix
    def test_a_device_is_written_not_replaced(self) -> None:
        write_atomically("/dev/null", b"content")
        assert stat.S_ISCHR(os.stat("/dev/null").st_mode)

    def test_a_long_name_is_possible(self, tmp_path: Path) -> None:
        write_atomically(tmp_path / ("ä" * 127), b"content")
        assert len(names(tmp_path)) == 1

    def test_directories_are_refused(self, tmp_path: Path) -> None:
        for force in (False, True):
            with pytest.raises(StreamError, match="is a directory"):
                write_atomically(tmp_path, b"", force=force)
        with pytest.raises(StreamError, match="no directory"):
            write_atomically(tmp_path / "no" / "a", b"")

    @posix
    @pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere")
    def test_an_unwritable_directory(self, tmp_path: Path) -> None:
        tmp_path.chmod(0o500)
        try:
            with pytest.raises(StreamError, match="ermission"):
                write_atomically(tmp_path / "a", b"")
        finally:
            tmp_path.chmod(0o700)

    def test_a_refused_temporary_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any, **__: Any) -> int:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(os, "open", refuse)
        with pytest.raises(StreamError, match="Permission denied; check"):
            write_atomically(tmp_path / "a", b"")


class TestFullDisk:
    @pytest.mark.parametrize("at", ["fsync", "replace", "link"])
    def test_it_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str) -> None:
        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(os, at, full)
        if at == "link":
            monkeypatch.setattr(os, "replace", full)
        with pytest.raises(StreamError, match="No space left"):
            write_atomically(tmp_path / "a", b"x" * 100_000, force=at == "replace")
        assert names(tmp_path) == []

    @posix
    def test_a_real_write_error_leaves_nothing(self, tmp_path: Path) -> None:
        done = run(
            """
            import resource, sys
            from texcodec.errors import StreamError
            from texcodec.files import write_atomically
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
            try:
                write_atomically(sys.argv[1], bytes(1_000_000))
            except StreamError as error:
                sys.exit(0 if "too large" in str(error) else 5)
            """,
            tmp_path / "a",
        )
        assert done.returncode == 0, done.stderr
        assert names(tmp_path) == []

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
    def test_a_full_device(self) -> None:
        with pytest.raises(StreamError, match="No space left"):
            write_atomically("/dev/full", b"content")


@posix
class TestKilled:
    CODE = """
        import signal, sys, time
        from texcodec.files import write_atomically
        # tests that run under nohup or in the background inherit that these are ignored
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        def write(file):
            file.write(b"half")
            file.flush()
            print("writing", flush=True)
            time.sleep(60)
        write_atomically(sys.argv[1], write, force=True)
    """

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL, signal.SIGINT])
    def test_the_old_file_is_whole(self, tmp_path: Path, number: signal.Signals) -> None:
        (tmp_path / "a").write_bytes(b"old")
        command = [sys.executable, "-c", textwrap.dedent(self.CODE), str(tmp_path / "a")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"writing\n"
            process.send_signal(number)
            code = process.wait(timeout=30)
        assert (tmp_path / "a").read_bytes() == b"old"
        left = [name for name in names(tmp_path) if name != "a"]
        if number == signal.SIGKILL:
            assert all(name.endswith(TEMPORARY_SUFFIX) for name in left)
        else:
            assert left == []
        assert code in (-number, 130)

    def test_handlers_are_given_back(self, tmp_path: Path) -> None:
        before = signal.getsignal(signal.SIGTERM)
        write_atomically(tmp_path / "a", b"")
        assert signal.getsignal(signal.SIGTERM) is before


class TestStreams:
    def test_standard_input_is_read_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\x89\r\n\x00")))
        assert read_input("-") == b"\x89\r\n\x00"

    def test_standard_output_gets_the_bytes(self) -> None:
        code = """
        from texcodec.files import write_output
        write_output("-", b"\\x89\\r\\n")
        write_output("-", lambda file: file.write(b"more"))
        """
        done = run(code)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"\x89\r\nmore", b"")

    def test_a_terminal_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(io.BytesIO):
            def isatty(self) -> bool:
                return True

        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Terminal()))
        with pytest.raises(ParameterError, match="terminal"):
            write_output("-", b"content")

    @posix
    def test_a_reader_that_is_gone_is_one_clean_error(self) -> None:
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

    def test_closed_streams_are_an_error(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        monkeypatch.setattr(sys, "stdout", None)
        with pytest.raises(StreamError):
            read_input("-")
        with pytest.raises(StreamError):
            write_output("-", b"")

    def test_files_are_read_up_to_the_limit(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"12345")
        assert read_input(tmp_path / "a") == read_input(tmp_path / "a", 5) == b"12345"
        with pytest.raises(LimitError, match="4 bytes"):
            read_input(tmp_path / "a", 4)

    def test_unreadable_inputs(self, tmp_path: Path) -> None:
        with pytest.raises(StreamError, match="missing"):
            read_input(tmp_path / "missing")
        with pytest.raises(StreamError, match="directory"):
            read_input(tmp_path)


class TestNames:
    @pytest.mark.parametrize(
        ("source", "target"),
        [("a.png", "a.tcx"), ("b.c.jpg", "b.c.tcx"), ("plain", "plain.tcx"), (".png", ".png.tcx")],
    )
    def test_encoding(self, source: str, target: str) -> None:
        assert encoded_name(source) == target

    @pytest.mark.parametrize(
        ("source", "suffix", "target"),
        [
            ("a.tcx", ".png", "a.png"),
            ("a.TCX", ".webp", "a.webp"),
            ("a.b.tcx", ".png", "a.b.png"),
            ("a.old", ".png", "a.old.png"),
        ],
    )
    def test_decoding(self, source: str, suffix: str, target: str) -> None:
        assert decoded_name(source, suffix) == target

    @pytest.mark.parametrize("name", ["a.png", "a.b.png"])
    def test_full_names_lead_back_to_the_picture(self, name: str) -> None:
        assert full_decoded_name(full_encoded_name(name), ".png") == name

    def test_full_names_keep_two_formats_apart(self) -> None:
        assert full_encoded_name("a.jpg") != full_encoded_name("a.png")
        assert full_decoded_name("a.jpg.tcx", ".png") == "a.jpg.png"

    def test_check_output_tells_early(self, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"")
        check_output("-")
        check_output(tmp_path / "new")
        check_output(tmp_path / "a", force=True)
        with pytest.raises(StreamError, match="exists"):
            check_output(tmp_path / "a")


class TestNamesOfThePipesOfAShell:
    @pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="needs /dev/fd")
    def test_a_pipe_without_a_name_is_written_directly(self) -> None:
        reader, writer = os.pipe()
        try:
            write_atomically(f"/dev/fd/{writer}", b"content")
            assert os.read(reader, 100) == b"content"
        finally:
            os.close(reader)
            os.close(writer)


class TestManyFilesAtOnce:
    def test_files_are_forced_to_the_disk_together(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        forced: list[int] = []
        monkeypatch.setattr(os, "fsync", forced.append)
        write_atomically(tmp_path / "a", b"1", sync=False)
        assert not forced
        write_atomically(tmp_path / "b", b"2")
        assert forced
