"""Outputs that are complete or not there: atomic writing, full disks, killed processes."""

from __future__ import annotations

import errno
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
from cli_runs import names

from texcodec.errors import OutputExistsError, StreamError
from texcodec.files import (
    TEMPORARY_SUFFIX,
    write_atomically,
)

posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


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
        code = """
        import resource, sys
        from texcodec.errors import StreamError
        from texcodec.files import write_atomically
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        try:
            write_atomically(sys.argv[1], bytes(1_000_000))
        except StreamError as error:
            sys.exit(0 if "too large" in str(error) else 5)
        """
        command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "a")]
        done = subprocess.run(command, capture_output=True, timeout=60)
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


class TestPipesOfAShell:
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
