"""Faults from outside: full and read-only disks, signals in every stage, killed processes, network mounts, clocks."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import environment, names, process, save_photograph, texcodec
from PIL import Image

import texcodec as package
from texcodec.batch import Settings, run
from texcodec.files import TEMPORARY_SUFFIX, atomic

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX only")
TERMINATED = -signal.SIGTERM
STAGES = Path(__file__).with_name("fault_stages.py")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=64", "texcodec", str(place)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("needs to be root, or another system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


def noise(path: Path, side: int) -> Path:
    """A picture whose files are large."""
    Image.fromarray(np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


class TestDisks:
    @pytest.mark.parametrize("force", [False, True])
    def test_a_full_one_is_an_error_and_keeps_what_was_there(
        self, disk: Path, tmp_path: Path, force: bool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        target = disk / "a.tcx"
        if force:
            target.write_bytes(b"old")
        before = names(disk)
        picture = noise(tmp_path / "a.png", 256)
        assert texcodec("encode", picture, target, "--lossless", *(["--force"] if force else [])) == 1
        assert "No space left on device; free some space" in capsys.readouterr().err
        assert names(disk) == before
        assert not force or target.read_bytes() == b"old"
        small = save_photograph(tmp_path / "b.png", 12, 8)
        assert texcodec("encode", small, disk / "b.tcx", "--lossless") == 0
        coded = tmp_path / "a.tcx"
        assert texcodec("encode", picture, coded, "--lossless") == 0
        assert texcodec("decode", coded, disk / "a.png") == 1
        assert "a.png" not in names(disk)

    @pytest.mark.parametrize("kind", ["folders", "webdataset"])
    def test_a_batch_goes_on_when_there_is_room(
        self, disk: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "in").mkdir()
        for side in (40, 120, 130):
            noise(tmp_path / "in" / f"{side}.png", side)
        command = ("batch", tmp_path / "in", disk / "out", "--lossless", "--format", kind, "--shard-size", 1)
        assert texcodec(*command) == 1
        assert "No space left on device" in capsys.readouterr().err
        assert not [p for p in disk.rglob("*") if p.name.endswith(TEMPORARY_SUFFIX)]
        tables = set((disk / "out" / "tables").iterdir())
        assert 1 <= len(tables) < 3
        remount(disk, "size=1m")
        assert texcodec(*command) == 0
        assert tables < set((disk / "out" / "tables").iterdir())

    def test_a_read_only_one_is_an_error(
        self, disk: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        picture = save_photograph(tmp_path / "a.png", 12, 8)
        (disk / "old.tcx").write_bytes(b"old")
        remount(disk, "ro")
        assert texcodec("encode", picture, disk / "a.tcx", "--lossless") == 1
        assert "Read-only file system" in capsys.readouterr().err
        assert texcodec("encode", picture, disk / "old.tcx", "--lossless", "--force") == 1
        assert texcodec("batch", tmp_path, disk / "out", "--lossless") == 1
        assert texcodec("encode", picture, "--out-dir", disk / "new", "--lossless") == 1
        assert names(disk) == ["old.tcx"] and (disk / "old.tcx").read_bytes() == b"old"

    def test_a_limit_on_the_size_of_files_is_an_error(self, tmp_path: Path) -> None:
        import resource

        def limited() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))

        picture = noise(tmp_path / "a.png", 64)
        done = process("encode", picture, tmp_path / "a.tcx", "--lossless", preexec_fn=limited)
        assert done.returncode == 1 and b"File too large" in done.stderr
        assert names(tmp_path) == ["a.png"]


def test_sigterm_in_each_stage_leaves_whole_outputs_or_none(tmp_path: Path) -> None:
    picture = save_photograph(tmp_path / "a.png", 24, 16)
    old = package.encode(np.zeros((8, 8, 3), np.uint8), lossless=True)
    new = package.encode(np.asarray(Image.open(picture)), lossless=True)
    (tmp_path / "old.tcx").write_bytes(old)
    done = subprocess.run(
        [sys.executable, str(STAGES), str(tmp_path)],
        capture_output=True,
        env=environment(),
        check=True,
        timeout=300,
    )
    found = json.loads(done.stdout)
    assert len(found) == 40
    ended = 0
    for stage, (status, files) in found.items():
        assert status in (TERMINATED, 0), stage  # 0: a stage that this command does not have
        ended += status == TERMINATED
        assert not [name for name in files if name.endswith(TEMPORARY_SUFFIX)], stage
        kept = bytes.fromhex(files["old.tcx"])
        assert kept in ((old, new) if stage.startswith("forced") else (old,)), stage
        for name, content in files.items():
            data = bytes.fromhex(content)
            if name.endswith(".tcx"):
                package.open(data).verify()
            assert data, f"{stage} left {name} empty"
        if status == 0:
            assert set(files) > {"a.png", "in/a.png", "old.tcx"} or kept == new, stage
    assert ended >= 25


class TestOneOutputForTwo:
    """Of several processes that write one output at once."""

    CODE = """
        import os, sys
        from texcodec.cli import app, encode
        import numpy, PIL.PngImagePlugin, texcodec.codec.encode, texcodec.images
        target, forced, rounds = sys.argv[1], sys.argv[2:3], int(sys.argv[3])
        for turn in range(rounds):
            ready, go = os.pipe()
            pids = []
            for number in range(4):
                pid = os.fork()
                if pid == 0:
                    os.close(go)
                    os.read(ready, 1)  # until the parent closes it
                    command = ["encode", f"{number}.png", f"{target}{turn}.tcx", "--lossless"]
                    os._exit(app.run([*command, *filter(None, forced)]))
                pids.append(pid)
            os.close(ready)
            os.close(go)
            print(*sorted(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids))
    """

    @pytest.mark.parametrize("force", [False, True])
    def test_one_wins_or_the_last_and_the_output_is_whole(self, tmp_path: Path, force: bool) -> None:
        for number in range(4):
            save_photograph(tmp_path / f"{number}.png", 24 + number, 16, seed=number)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(self.CODE), "a", "--force" if force else "", "10"],
            cwd=tmp_path,
            capture_output=True,
            env=environment(),
            check=True,
            timeout=300,
        )
        codes = done.stdout.decode().split("\n")[:10]
        assert set(codes) == {"0 0 0 0" if force else "0 1 1 1"}, done.stderr.decode()
        assert names(tmp_path) == sorted([*(f"{n}.png" for n in range(4)), *(f"a{n}.tcx" for n in range(10))])
        for turn in range(10):
            assert package.open(tmp_path / f"a{turn}.tcx").width in range(24, 28)


Fault = Callable[[pytest.MonkeyPatch], None]


def failing(name: str, number: int, *, done: bool) -> Fault:
    """A call that fails, perhaps although it was done: its answer was lost, and the repeated request fails."""

    def arm(monkeypatch: pytest.MonkeyPatch) -> None:
        true = getattr(os, name)

        def call(*given: Any, **named: Any) -> Any:
            if done:
                true(*given, **named)
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(os, name, call)

    return arm


class TestNetworkMounts:
    @pytest.mark.parametrize("number", [errno.EEXIST, errno.EIO, errno.ESTALE])
    def test_a_link_that_was_made_counts_whatever_the_mount_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
    ) -> None:
        picture = save_photograph(tmp_path / "a.png", 12, 8)
        failing("link", number, done=True)(monkeypatch)
        assert texcodec("encode", picture, tmp_path / "a.tcx", "--lossless") == 0
        assert names(tmp_path) == ["a.png", "a.tcx"]
        package.open(tmp_path / "a.tcx").verify()

    @pytest.mark.parametrize("number", [errno.ENOENT, errno.EIO, errno.ESTALE])
    @pytest.mark.parametrize("links", [True, False])
    def test_a_rename_that_was_made_counts_whatever_the_mount_says(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, links: bool
    ) -> None:
        picture, target = save_photograph(tmp_path / "a.png", 12, 8), tmp_path / "a.tcx"
        failing("replace", number, done=True)(monkeypatch)
        if links:
            target.write_bytes(b"old")
            assert texcodec("encode", picture, target, "--lossless", "--force") == 0
        else:
            failing("link", errno.EPERM, done=False)(monkeypatch)
            assert texcodec("encode", picture, target, "--lossless") == 0
        assert names(tmp_path) == ["a.png", "a.tcx"]
        package.open(target).verify()

    @pytest.mark.parametrize("name", ["open", "fsync", "replace"])
    @pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EDQUOT])
    def test_a_call_that_was_not_done_is_an_error_and_loses_nothing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
    ) -> None:
        picture, target = save_photograph(tmp_path / "a.png", 12, 8), tmp_path / "a.tcx"
        target.write_bytes(b"old")
        with monkeypatch.context() as patch:
            failing(name, number, done=False)(patch)
            assert texcodec("encode", picture, target, "--lossless", "--force") == 1
        assert names(tmp_path) == ["a.png", "a.tcx"] and target.read_bytes() == b"old"
        with monkeypatch.context() as patch:
            failing("link", errno.EPERM, done=False)(patch)
            failing(name, number, done=False)(patch)
            assert texcodec("encode", picture, tmp_path / "b.tcx", "--lossless") == 1
        assert names(tmp_path) == ["a.png", "a.tcx"]

    def test_a_name_of_the_output_that_cannot_be_removed_is_no_error(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        picture = save_photograph(tmp_path / "a.png", 12, 8)
        failing("unlink", errno.ESTALE, done=False)(monkeypatch)
        assert texcodec("encode", picture, tmp_path / "a.tcx", "--lossless") == 0
        package.open(tmp_path / "a.tcx").verify()

    def test_a_reserved_name_that_another_has_taken_stays_theirs(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = tmp_path / "a"

        def overtaken(*_: Any) -> None:
            target.unlink()
            target.write_bytes(b"theirs")
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        failing("link", errno.EPERM, done=False)(monkeypatch)
        monkeypatch.setattr(os, "replace", overtaken)
        with pytest.raises(package.StreamError, match="Input/output error"):
            atomic.write_atomically(target, b"mine")
        assert target.read_bytes() == b"theirs" and names(tmp_path) == ["a"]


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_files_of_killed_processes_are_done_by_others(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for i in range(12):
        save_photograph(tmp_path / "in" / f"{i}.png", 300, 200, seed=i)
    command = [
        sys.executable,
        "-m",
        "texcodec",
        "encode",
        "in",
        "--out-dir",
        "out",
        "--lossless",
        "--jobs",
        "2",
    ]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, env=environment()) as child:
        while child.poll() is None and not list((tmp_path / "out").glob("*.tcx")):
            time.sleep(0.005)
        workers = Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()
        spawned = [pid for pid in workers if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        for pid in spawned:
            os.kill(int(pid), signal.SIGKILL)
        assert child.stderr is not None
        printed = child.stderr.read()
    assert child.returncode == 0 and printed == b""
    done = [name for name in names(tmp_path / "out") if not name.endswith(TEMPORARY_SUFFIX)]
    assert sorted(done) == sorted(f"{i}.tcx" for i in range(12))
    assert texcodec("verify", *(tmp_path / "out").glob("*.tcx"), "--quiet") == 0
    assert len(list((tmp_path / "out").glob("*.tcx"))) == 12


def test_a_clock_that_jumps_changes_no_byte_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    for i, when in enumerate((0, 1, 2**33)):  # 1970 and 2242
        path = save_photograph(tmp_path / "in" / f"{i}.png", 12, 8, seed=i)
        os.utime(path, (when, when))
    assert texcodec("encode", tmp_path / "in", "--out-dir", tmp_path / "calm", "--lossless") == 0
    hours = iter(range(0, 10**6))

    def jumps() -> float:
        turn = next(hours)
        return (-1) ** turn * 1e9 + turn * 3600

    monkeypatch.setattr(time, "time", jumps)
    monkeypatch.setattr(time, "time_ns", lambda: int(jumps()) * 10**9)
    assert (
        texcodec("encode", tmp_path / "in", "--out-dir", tmp_path / "jumps", "--lossless", "--keep-times")
        == 0
    )
    for name in names(tmp_path / "calm"):
        assert (tmp_path / "calm" / name).read_bytes() == (tmp_path / "jumps" / name).read_bytes()
    assert [int((tmp_path / "jumps" / f"{i}.tcx").stat().st_mtime) for i in range(3)] == [0, 1, 2**33]
    first = run(str(tmp_path / "in"), str(tmp_path / "batch"), Settings(lossless=True))
    again = run(str(tmp_path / "in"), str(tmp_path / "batch"), Settings(lossless=True))
    assert (first.done, first.before, again.done, again.before) == (3, 0, 3, 1)
