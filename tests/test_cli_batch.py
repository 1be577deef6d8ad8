"""``encode`` and ``decode`` of many files: folders, processes, what is done already, and what is reported of it."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli_runs import environment, save_photograph, texcodec
from pictures import photograph
from PIL import Image

from texcodec.cli.console import Console
from texcodec.cli.outcomes import DONE, FAILED, Outcome, Reporter, Result
from texcodec.cli.plan import Job, Plan, plan
from texcodec.cli.runner import Settings, run
from texcodec.files import encoded_name, full_encoded_name

SET = "tiny-1"
COMPACT_SET = Path(__file__).parent / "data" / "tiny-2"
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder ``in`` of pictures, the working directory around it, and a small model set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXCODEC_MODELS", SET)
    (tmp_path / "in" / "sub" / "deep").mkdir(parents=True)
    for name in ("a.png", "b.jpg", "sub/c.png", "sub/deep/d.png"):
        save_photograph(tmp_path / "in" / name)
    (tmp_path / "in" / "notes.txt").write_text("no picture")
    (tmp_path / "in" / ".hidden.png").write_bytes(b"")
    return tmp_path


def files(folder: Path) -> list[str]:
    """All files below a folder, in order."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _none(name: str) -> bool:
    """No argument is an output."""
    return False


CODED = ["a.tcx", "b.tcx", "sub/c.tcx", "sub/deep/d.tcx"]


class TestFolders:
    def test_pictures_of_a_folder_keep_their_places(self, folder: Path) -> None:
        assert texcodec("encode", "in", "--out-dir", "out") == 0
        assert files(folder / "out") == CODED
        assert texcodec("decode", "out", "--out-dir", "back") == 0
        assert files(folder / "back") == [name.replace(".tcx", ".png") for name in CODED]

    def test_without_an_output_folder_they_lie_beside_their_pictures(self, folder: Path) -> None:
        assert texcodec("encode", "in/sub") == 0
        assert [name for name in files(folder / "in") if name.endswith(".tcx")] == [
            "sub/c.tcx",
            "sub/deep/d.tcx",
        ]

    def test_an_output_folder_inside_is_no_input(self, folder: Path) -> None:
        for _ in range(2):
            assert texcodec("decode", "in", "--out-dir", "in/out") == 1  # there is nothing else to decode
            assert texcodec("encode", "in", "--out-dir", "in/out", "--skip-existing") == 0
        assert files(folder / "in" / "out") == CODED

    def test_a_folder_has_no_single_output(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert texcodec("encode", "in", "-o", "x.tcx") == 2
        assert "in is a folder; name a folder for its outputs with --out-dir" in capsys.readouterr().err

    def test_where_a_file_is_meant_a_folder_is_called_one(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec("info", "in") == 1
        assert "in: It is a folder; name files in it." in capsys.readouterr().err

    def test_a_file_that_is_named_twice_is_done_once(self) -> None:
        todo = plan(["a.png", "x/../a.png"], output=None, out_dir=None, is_output=_none, named=encoded_name)
        assert [job.source for job in todo.jobs] == ["a.png"] and not todo.refused

    def test_an_output_never_replaces_an_input(self) -> None:
        todo = plan(["a.tcx"], output=None, out_dir=None, is_output=_none, named=encoded_name)
        assert not todo.jobs and "would replace the input a.tcx" in todo.refused[0][1]

    def test_full_names_keep_two_pictures_of_one_name_apart(self) -> None:
        sources = ["a.png", "a.jpg"]
        todo = plan(sources, output=None, out_dir="o", is_output=_none, named=encoded_name)
        assert [job.source for job in todo.jobs] == ["a.png"]
        assert "o/a.tcx is that of a.png too" in todo.refused[0][1].replace(os.sep, "/")
        todo = plan(sources, output=None, out_dir="o", is_output=_none, named=full_encoded_name)
        assert [Path(job.target).name for job in todo.jobs] == ["a.png.tcx", "a.jpg.tcx"]


class TestProcesses:
    def test_two_processes_write_the_same_files_as_one(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "in" / "broken.png").write_bytes(b"no picture")
        assert texcodec("encode", "in", "--out-dir", "one") == 1
        alone = capsys.readouterr().err
        assert texcodec("encode", "in", "--out-dir", "two", "--jobs", 2) == 1
        assert capsys.readouterr().err == alone
        assert files(folder / "two") == CODED
        for name in CODED:
            assert (folder / "two" / name).read_bytes() == (folder / "one" / name).read_bytes()

    def test_a_file_that_ends_its_process_fails_alone(self, folder: Path) -> None:
        jobs = tuple(Job(name, name + ".tcx") for name in ("a", "b", "c", "d"))
        reporter = Reports()
        assert run(Plan(jobs), ends_at_b, Settings(processes=2), Console(quiet=True), reporter) == 1
        assert [outcome.job for outcome in reporter.outcomes] == list(jobs)
        assert [outcome.status for outcome in reporter.outcomes] == [DONE, FAILED, DONE, DONE]
        assert "ended from outside" in (reporter.outcomes[1].error or "")

    @POSIX
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupt_leaves_finished_files_only(self, folder: Path, number: int) -> None:
        for i in range(60):
            save_photograph(folder / "in" / f"{i}.png")
        command = [sys.executable, "-m", "texcodec", "encode", "in", "--out-dir", "out", "--jobs", "2"]
        process = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, start_new_session=True, env=environment()
        )
        while process.poll() is None and not list((folder / "out").glob("*.tcx")):
            time.sleep(0.01)
        os.killpg(process.pid, number)
        process.communicate(timeout=60)
        assert process.returncode in (130, -number)
        done = files(folder / "out")
        assert done and all(name.endswith(".tcx") for name in done)
        assert texcodec("verify", *(folder / "out" / name for name in done)) == 0


def ends_at_b(job: Job, **settings: object) -> Result:
    """What a full memory does to the process that has the second file."""
    if job.source == "b":
        os._exit(9)
    return Result(1, 1, 1, 1, 1)


class Reports(Reporter):
    """Keeps outcomes."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True), as_json=False)
        self.outcomes: list[Outcome] = []

    def outcome(self, outcome: Outcome, *, noticed: bool = False) -> None:
        self.outcomes.append(outcome)


class TestWhatIsThereAlready:
    def test_finished_files_are_left_alone(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "out").mkdir()
        (folder / "out" / "a.tcx").write_bytes(b"finished")
        assert texcodec("encode", "in", "--out-dir", "out") == 1
        assert "leave what is done with --skip-existing" in capsys.readouterr().err
        assert texcodec("encode", "in", "--out-dir", "out", "--skip-existing") == 0
        assert (folder / "out" / "a.tcx").read_bytes() == b"finished"
        assert files(folder / "out") == CODED

    def test_force_and_skip_existing_exclude_each_other(self, folder: Path) -> None:
        assert texcodec("encode", "in", "--force", "--skip-existing") == 2

    @pytest.mark.parametrize("force", [(), ("--force",)])
    @pytest.mark.parametrize("models", [SET, COMPACT_SET], ids=["chunks", "compact"])
    def test_a_second_picture_is_not_replaced_as_an_output(
        self, folder: Path, capsys: pytest.CaptureFixture[str], models: object, force: tuple[str, ...]
    ) -> None:
        assert texcodec("encode", "in/a.png", "z.tcx", "--models", models) == 0
        coded = (folder / "z.tcx").read_bytes()
        save_photograph(folder / "other.png", 40, 30)
        assert texcodec("encode", *force, "other.png", "z.tcx") == 2
        assert "z.tcx exists and holds another picture than other.png" in capsys.readouterr().err
        assert texcodec("decode", *force, "z.tcx", "other.png") == 2
        assert (folder / "z.tcx").read_bytes() == coded

    @pytest.mark.parametrize("hidden", [False, True], ids=["opaque", "hidden colours"])
    def test_pictures_of_one_size_are_told_apart(
        self, folder: Path, capsys: pytest.CaptureFixture[str], hidden: bool
    ) -> None:
        for name, pixels in (("one.png", photograph(96, 80)), ("two.png", 255 - photograph(96, 80))):
            if hidden:
                pixels = np.dstack([pixels, np.full((80, 96), 255, np.uint8)])
                pixels[:32, :48, 3] = 0
            Image.fromarray(pixels).save(folder / name)
        coded = ("--models", SET, "--quality", 5, "--force")
        assert texcodec("encode", "two.png", "z.tcx", *coded) == 0
        kept = (folder / "z.tcx").read_bytes()
        assert texcodec("encode", "one.png", "z.tcx", *coded) == 2
        assert "z.tcx exists and holds another picture than one.png" in capsys.readouterr().err
        assert (folder / "z.tcx").read_bytes() == kept
        assert texcodec("decode", "z.tcx", "one.png", "--force") == 2
        assert texcodec("encode", "two.png", "z.tcx", *coded) == 0
        assert texcodec("encode", "one.png", "-o", "z.tcx", *coded) == 0

    @pytest.mark.parametrize("part", [("--region", "0,0,9,9"), ("--preview",), ("--fit", 20)])
    def test_part_of_a_picture_may_be_decoded_again(self, folder: Path, part: tuple[object, ...]) -> None:
        assert texcodec("encode", "in/a.png", "z.tcx") == 0
        for _ in range(2):
            assert texcodec("decode", "--force", "z.tcx", "z.png", *part) == 0

    def test_the_same_command_with_force_may_be_repeated(self, folder: Path) -> None:
        for _ in range(2):
            assert texcodec("encode", "--force", "in/a.png", "z.tcx") == 0
            assert texcodec("decode", "--force", "z.tcx", "z.png") == 0


class TestOutputs:
    def test_outputs_have_the_times_of_their_inputs(self, folder: Path) -> None:
        times = (1_000_000_000_000_000_000, 1_100_000_000_000_000_000)
        os.utime("in/a.png", ns=times)
        assert texcodec("encode", "in/a.png", "a.tcx", "--keep-times") == 0
        assert texcodec("decode", "a.tcx", "b.png", "--keep-times") == 0
        for name in ("a.tcx", "b.png"):
            assert os.stat(name).st_mtime_ns == times[1]

    def test_a_file_that_would_be_larger_is_not_written(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        picture = folder / "in" / "b.jpg"
        save_photograph(picture, 16, 16)
        assert texcodec("encode", picture, "--quality", 100, "--only-if-smaller", "--json") == 0
        line = json.loads(capsys.readouterr().out)
        assert line["status"] == ("done" if line["bytes_out"] < line["bytes_in"] else "larger")
        assert picture.with_suffix(".tcx").exists() == (line["status"] == "done")
        save_photograph(folder / "in" / "a.png", 200, 150)
        assert texcodec("encode", "in/a.png", "--quality", 1, "--only-if-smaller") == 0
        assert (folder / "in" / "a.tcx").exists()

    @POSIX
    def test_standard_output_may_be_named_as_a_device(self, folder: Path) -> None:
        command = [sys.executable, "-m", "texcodec", "encode", "in/a.png", "-o", "/dev/stdout"]
        piped = subprocess.run(command, cwd=folder, capture_output=True, check=True, env=environment()).stdout
        assert texcodec("encode", "in/a.png", "a.tcx") == 0
        assert piped == (folder / "a.tcx").read_bytes()


class TestReports:
    def test_a_dry_run_names_outputs_and_writes_nothing(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = files(folder)
        assert texcodec("encode", "in", "--out-dir", "out", "--dry-run") == 0
        lines = capsys.readouterr().out.replace(os.sep, "/").splitlines()
        assert "in/sub/c.png -> out/sub/c.tcx" in lines and len(lines) == len(CODED)
        assert files(folder) == before and not (folder / "out").exists()

    def test_a_line_of_json_per_file(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (folder / "in" / "broken.png").write_bytes(b"no picture")
        assert texcodec("encode", "in", "--out-dir", "out", "--json") == 1
        printed = capsys.readouterr()
        lines = {Path(line["source"]).name: line for line in map(json.loads, printed.out.splitlines())}
        assert not printed.err and len(lines) == 5
        good, bad = lines["a.png"], lines["broken.png"]
        assert good["status"] == "done" and good["width"] > 0
        assert good["bytes_out"] == os.path.getsize(good["target"])
        assert good["bytes_in"] == os.path.getsize(good["source"])
        assert bad["status"] == "failed" and bad["exit_code"] == 1 and "picture" in bad["error"]

    @POSIX
    def test_a_name_that_is_not_utf_8_can_be_found_again(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        raw = b"in/\xff.png"
        os.rename("in/a.png", raw)
        assert texcodec("encode", os.fsdecode(raw), "--json", "--out-dir", "out") == 0
        line = json.loads(capsys.readouterr().out)
        assert line["source"] == "in/\\xff.png"
        assert base64.b64decode(line["source_base64"]) == raw
        assert os.path.exists(base64.b64decode(line["target_base64"]))

    def test_json_and_the_file_do_not_share_standard_output(self, folder: Path) -> None:
        assert texcodec("encode", "in/a.png", "-o", "-", "--json") == 2


def test_a_model_folder_that_is_not_there_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert texcodec("encode", "in/a.png", "a.tcx") == 0
    monkeypatch.setenv("TEXCODEC_MODELS", str(folder / "gone"))
    for arguments in (["decode", "a.tcx", "a.png"], ["models", "list"], ["encode", "in/b.jpg"]):
        assert texcodec(*arguments) == 3
        assert "gone" in capsys.readouterr().err
