"""``texcodec batch``: sources, destinations, tables, and what interruptions leave."""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest
from cli_runs import environment, save_photograph, texcodec
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import photograph
from PIL import Image

import texcodec as package
from texcodec.batch import Options, Settings, run
from texcodec.batch.listing import _free, list_source
from texcodec.batch.parquet import rows_of, table_of
from texcodec.batch.records import Record, write_failures
from texcodec.batch.storage import Storage
from texcodec.batch.work import Coded, Coder, Load
from texcodec.errors import FormatError, ParameterError
from texcodec.processes import Processes

SETTINGS = Settings(models="tiny-1")


def pictures(folder: Path, count: int, *, broken: int = 0) -> Path:
    """A folder of small pictures in two subfolders, some of which are none."""
    for i in range(count):
        place = folder / ("even" if i % 2 == 0 else "odd") / f"{i:03}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        if i < broken:
            place.write_bytes(b"no picture")
        else:
            save_photograph(place, 40, 24, seed=i)
    return folder


def outputs(folder: Path) -> dict[str, bytes]:
    """All .tcx files below a folder by their names."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*.tcx"))}


def rows(folder: Path) -> list[dict[str, object]]:
    """All rows of all tables."""
    found = [rows_of(path.read_bytes(), path.name) for path in sorted((folder / "tables").glob("*.parquet"))]
    return [row for table in found for row in table]


def in_tar(tar: Path) -> list[tuple[str, bytes]]:
    """Names and contents of a tar."""
    with tarfile.open(tar) as opened:
        return [(member.name, opened.extractfile(member).read()) for member in opened]  # type: ignore[union-attr]


class TestSources:
    def test_a_folder_is_mirrored_with_a_row_per_picture(self, tmp_path: Path) -> None:
        source = pictures(tmp_path / "in", 5)
        summary = run(str(source), str(tmp_path / "out"), SETTINGS, Options(shard_size=2))
        assert (summary.done, summary.failed, summary.shards, summary.exit_code) == (5, 0, 3, 0)
        coded = outputs(tmp_path / "out")
        assert sorted(coded) == [os.path.join(f, n) for f, n in [("even", "000.tcx"), ("even", "002.tcx"),
            ("even", "004.tcx"), ("odd", "001.tcx"), ("odd", "003.tcx")]]  # fmt: skip
        for row in rows(tmp_path / "out"):
            data = (tmp_path / "out" / f"{row['key']}.tcx").read_bytes()
            assert row["bytes_out"] == len(data) and row["status"] == "done"
            assert row["bytes_in"] == os.path.getsize(str(row["source"]))
            assert package.decode(data, output="numpy").shape == (row["height"], row["width"], 3)

    @pytest.mark.parametrize("kind", ["txt", "csv", "jsonl", "parquet"])
    def test_manifests_name_pictures_relative_to_themselves(self, tmp_path: Path, kind: str) -> None:
        pictures(tmp_path, 2)
        names = ["even/000.png", "odd/001.png"]
        manifest = tmp_path / f"list.{kind}"
        if kind == "txt":
            manifest.write_text("\n".join(names))
        elif kind == "csv":
            manifest.write_text("label,path\n" + "".join(f"x,{name}\n" for name in names))
        elif kind == "jsonl":
            manifest.write_text("".join(json.dumps({"source": name}) + "\n" for name in names))
        else:
            manifest.write_bytes(table_of([{"url": name} for name in names]))
        assert run(str(manifest), str(tmp_path / "out"), SETTINGS).done == 2
        assert len(outputs(tmp_path / "out")) == 2

    def test_urls_are_read_and_written(self, tmp_path: Path) -> None:
        import fsspec

        memory = fsspec.filesystem("memory")
        for i in range(3):
            buffer = io.BytesIO()
            Image.fromarray(photograph(20, 20, seed=i)).save(buffer, "PNG")
            memory.pipe_file(f"/batch-in/{i}.png", buffer.getvalue())
        assert run("memory://batch-in", "memory://batch-out", SETTINGS).done == 3
        assert run("memory://batch-in", "memory://batch-out", SETTINGS).before == 1
        assert package.decode(memory.cat_file("/batch-out/1.tcx"), output="numpy").shape == (20, 20, 3)

    def test_samples_of_tars_keep_their_other_files(self, tmp_path: Path) -> None:
        with tarfile.open(tmp_path / "train-00.tar", "w") as tar:
            for i in range(2):
                buffer = io.BytesIO()
                Image.fromarray(photograph(24, 16, seed=i)).save(buffer, "PNG")
                files = {"png": buffer.getvalue(), "cls": b"7", "json": b'{"caption": "x"}'}
                for extension, data in files.items():
                    info = tarfile.TarInfo(f"s{i}.{extension}")
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        options = Options(kind="webdataset")
        summary = run(str(tmp_path / "train-{00..00}.tar"), str(tmp_path / "out"), SETTINGS, options)
        assert summary.done == 2
        found = {Path(name).name: data for name, data in in_tar(tmp_path / "out" / "shard-000000.tar")}
        assert sorted(found) == sorted(f"s{i}.{e}" for i in range(2) for e in ("cls", "json", "tcx"))
        facts = json.loads(found["s0.json"])
        assert facts["original"] == {"caption": "x"} and facts["width"] == 24 and found["s1.cls"] == b"7"
        assert package.decode(found["s0.tcx"], output="numpy").shape == (16, 24, 3)

    def test_what_is_no_source_is_said_to_be_none(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="no folder, manifest"):
            list_source(str(tmp_path / "missing"))
        with pytest.raises(ParameterError, match="no pictures"):
            list_source(str(tmp_path))

    @settings(deadline=None)
    @given(names=st.lists(st.text(max_size=30), max_size=8))
    def test_keys_differ_and_lead_nowhere_else(self, names: list[str]) -> None:
        taken: set[str] = set()
        keys = [_free(name, name, taken) for name in names]
        assert len(set(keys)) == len(keys)
        for key in keys:
            assert key and not key.startswith("/")
            assert not {"", ".", ".."} & set(key.split("/"))

    def test_pictures_of_one_name_have_different_outputs(self, tmp_path: Path) -> None:
        (tmp_path / "in").mkdir()
        for suffix in ("png", "jpg"):
            save_photograph(tmp_path / "in" / f"a.{suffix}")
        assert run(str(tmp_path / "in"), str(tmp_path / "out"), SETTINGS).done == 2
        assert sorted(outputs(tmp_path / "out")) == ["a.png.tcx", "a.tcx"]


class TestGoingOn:
    def test_finished_shards_are_left_alone(self, tmp_path: Path) -> None:
        source, out = pictures(tmp_path / "in", 4), tmp_path / "out"
        run(str(source), str(out), SETTINGS, Options(shard_size=2))
        for path in out.rglob("*.tcx"):
            path.write_bytes(b"as it was")
        assert run(str(source), str(out), SETTINGS, Options(shard_size=2)).before == 2
        assert set(outputs(out).values()) == {b"as it was"}

    def test_other_settings_do_the_shards_again_and_replace_their_tables(self, tmp_path: Path) -> None:
        source, out = pictures(tmp_path / "in", 4), tmp_path / "out"
        run(str(source), str(out), SETTINGS, Options(shard_size=2))
        other = Settings(models="tiny-1", quality=5)
        assert run(str(source), str(out), other, Options(shard_size=2)).before == 0
        assert {row["quality"] for row in rows(out)} == {5.0} and len(rows(out)) == 4

    def test_new_pictures_are_added_on_request_only(self, tmp_path: Path) -> None:
        source, out = pictures(tmp_path / "in", 4), tmp_path / "out"
        run(str(source), str(out), SETTINGS, Options(shard_size=2))
        save_photograph(source / "0.png")  # the first by name
        assert run(str(source), str(out), SETTINGS, Options(shard_size=2)).done == 4
        summary = run(str(source), str(out), SETTINGS, Options(shard_size=2, relist=True))
        assert (summary.done, summary.before, summary.shards) == (5, 2, 3)

    def test_parts_are_disjoint_and_together_all(self, tmp_path: Path) -> None:
        source, out = pictures(tmp_path / "in", 7), tmp_path / "out"
        done = [
            run(str(source), str(out), SETTINGS, Options(shard_size=2, part=i, parts=3)).done
            for i in range(3)
        ]
        assert sum(done) == 7 and min(done) > 0
        assert run(str(source), str(out), SETTINGS, Options(shard_size=2)).before == 4

    def test_a_destination_holds_one_batch(self, tmp_path: Path) -> None:
        run(str(pictures(tmp_path / "in", 1)), str(tmp_path / "out"), SETTINGS)
        with pytest.raises(ParameterError, match="holds a batch of"):
            run(str(pictures(tmp_path / "other", 1)), str(tmp_path / "out"), SETTINGS)


class TestFailures:
    @pytest.mark.parametrize("kind", ["folders", "webdataset"])
    def test_failures_are_a_manifest_and_can_be_tried_again(self, tmp_path: Path, kind: str) -> None:
        source, out = pictures(tmp_path / "in", 4, broken=1), tmp_path / "out"
        options = Options(kind=kind, shard_size=2)
        summary = run(str(source), str(out), SETTINGS, options)
        assert (summary.done, summary.failed, summary.exit_code) == (3, 1, 1)
        failed = json.loads((out / "failures.jsonl").read_text())
        assert failed["source"].endswith("000.png") and "picture" in failed["error"]
        save_photograph(Path(failed["source"]), 40, 24)
        assert run(str(out / "failures.jsonl"), str(tmp_path / "again"), SETTINGS).done == 1
        assert run(str(source), str(out), SETTINGS, options).failed == 1
        summary = run(str(source), str(out), SETTINGS, Options(kind=kind, shard_size=2, retry_failed=True))
        assert (summary.done, summary.failed) == (4, 0)
        assert not (out / "failures.jsonl").exists()
        if kind == "webdataset":
            names = [name for tar in sorted(out.glob("*.tar")) for name, _ in in_tar(tar)]
            assert len(names) == len(set(names)) == 8
        else:
            assert len(outputs(out)) == 4

    @pytest.mark.parametrize("source", ["in", "list.txt"])
    def test_failures_of_a_relative_source_are_found_from_elsewhere(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
    ) -> None:
        monkeypatch.chdir(tmp_path)
        broken = Path("in", "x\udcff.png" if sys.platform == "linux" else "x.png")
        broken.parent.mkdir()
        broken.write_bytes(b"no picture")
        Path("list.txt").write_bytes(os.fsencode(broken) + b"\n")
        assert texcodec("batch", source, "out", "--models", "tiny-1") == 1
        failed = json.loads(Path("out", "failures.jsonl").read_text())
        assert failed["source"] == str(tmp_path / broken)
        save_photograph(broken, 40, 24)
        assert texcodec("batch", "out/failures.jsonl", "again", "--models", "tiny-1") == 0
        assert len(outputs(tmp_path / "again")) == 1

    def test_failures_of_urls_and_tars_keep_their_names(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        sources = ["memory://a/b.png", "c.tar::d.png", str(tmp_path / "e.png")]
        write_failures(Storage("out"), "failures.jsonl", [Record("k", source) for source in sources])
        lines = Path("out", "failures.jsonl").read_text().splitlines()
        expected = ["memory://a/b.png", str(tmp_path / "c.tar::d.png"), str(tmp_path / "e.png")]
        assert [json.loads(line)["source"] for line in lines] == expected

    def test_too_many_failures_give_the_batch_up(self, tmp_path: Path) -> None:
        source, out = pictures(tmp_path / "in", 6, broken=4), tmp_path / "out"
        summary = run(str(source), str(out), SETTINGS, Options(shard_size=10, max_failures=2))
        assert summary.given_up and summary.exit_code == 5
        assert not list(out.glob("tables/*.parquet"))

    def test_a_picture_that_ends_its_process_fails_alone(self, tmp_path: Path) -> None:
        loads = [Load(str(i), str(save_photograph(tmp_path / f"{i}.png", 20, 20))) for i in range(5)]
        loads.insert(2, Load("poison", str(tmp_path / "0.png")))
        coder = PoisonedCoder(SETTINGS, threads=1)
        with Processes(2, coder, coder.lost) as processes:
            found = list(processes.map(loads))
        assert [c.record.key for c in found] == [load.key for load in loads]
        assert [c.record.key for c in found if c.data is None] == ["poison"]
        assert "ended from outside" in found[2].record.error


class PoisonedCoder(Coder):
    """A picture of this name makes a process end, as a full memory does."""

    def __call__(self, load: Load) -> Coded:
        if load.key == "poison":
            os._exit(9)
        return super().__call__(load)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
@pytest.mark.parametrize("kind", ["folders", "webdataset"])
def test_a_batch_that_is_killed_again_and_again_loses_nothing_and_repeats_nothing(
    tmp_path: Path, kind: str
) -> None:
    source, out = pictures(tmp_path / "in", 40), tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "texcodec",
        "batch",
        str(source),
        str(out),
        "--models",
        "tiny-1",
        "--jobs",
        "2",
    ]
    command += ["--shard-size", "7", "--format", kind, "--quiet"]
    chance = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen(command, env=environment(), start_new_session=True)
        time.sleep(0.5 + chance.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert subprocess.run(command, env=environment(), check=False).returncode == 0
    assert len(rows(out)) == 40 and len({row["key"] for row in rows(out)}) == 40
    if kind == "folders":
        coded = outputs(out)
    else:
        members = [member for tar in sorted(out.glob("*.tar")) for member in in_tar(tar)]
        coded = {name: data for name, data in members if name.endswith(".tcx")}
        assert len(members) == 80
    assert len(coded) == 40
    for data in coded.values():
        assert package.decode(data, output="numpy").shape == (24, 40, 3)


def test_the_command_says_what_it_has_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = pictures(tmp_path / "in", 3, broken=1)
    arguments = ["batch", source, tmp_path / "out", "--models", "tiny-1"]
    assert texcodec(*arguments) == 1
    assert "2 done, 1 failed in 1 shards" in capsys.readouterr().err
    assert texcodec(*arguments, "--json") == 1
    assert json.loads(capsys.readouterr().out)["before"] == 1
    assert texcodec(*arguments, "--max-failures", 0, "--quality", 20) == 5
    assert texcodec(*arguments, "--shard", "3/3") == 2
    assert texcodec(*arguments, "--quality", 20, "--lossless") == 2


@pytest.mark.parametrize("jobs", [1, 2])
def test_verbose_prints_a_line_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], jobs: int
) -> None:
    source = pictures(tmp_path / "in", 3, broken=1)
    arguments = ["batch", source, tmp_path / "out", "--models", "tiny-1", "--jobs", jobs, "--verbose"]
    assert texcodec(*arguments) == 1
    *lines, last = capsys.readouterr().err.splitlines()
    assert "2 done, 1 failed" in last and len(lines) == 3
    for name, line in (("odd/001", lines[2]), ("even/002", lines[1])):
        size = (tmp_path / "out" / f"{name}.tcx").stat().st_size
        names = re.escape(
            f"{source / name}.png -> {name}.tcx: {size} bytes, {8 * size / (40 * 24):.3f} bpp, "
        )
        assert re.fullmatch(names + r"\d+\.\d\d s", line)
    assert lines[0].startswith(f"texcodec: {source / 'even' / '000.png'}: ")
    assert texcodec(*arguments) == 1  # what was done before is not told again
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_lossless_batches_need_no_set(tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", 1)
    assert run(str(source), str(tmp_path / "out"), Settings(lossless=True)).done == 1
    (data,) = outputs(tmp_path / "out").values()
    with Image.open(source / "even" / "000.png") as picture:
        np.testing.assert_array_equal(package.decode(data, output="numpy"), np.asarray(picture))


def test_a_name_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    storage = Storage(str(tmp_path))
    storage.write("a/b.tcx", b"1")
    storage.write("a/b.tcx", b"2")
    assert storage.names() == ["a/b.tcx"] and (tmp_path / "a" / "b.tcx").read_bytes() == b"2"


def test_a_run_with_nothing_to_do_ends_well_every_time(tmp_path: Path) -> None:
    source = pictures(tmp_path / "in", 2)
    assert run(str(source), str(tmp_path / "out"), SETTINGS, Options(shard_size=1)).done == 2
    code = "import sys; from texcodec.batch import Options, Settings, run; "
    code += "run(*sys.argv[1:], Settings(models='tiny-1'), Options(shard_size=1))"
    command = [sys.executable, "-c", code, str(source), str(tmp_path / "out")]
    for _ in range(6):  # threads that outlived the process made one in three abort
        assert subprocess.run(command, env=environment(), check=False).returncode == 0


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    (tmp_path / "list.parquet").write_bytes(b"PAR1 no table")
    with pytest.raises(FormatError, match=r"list\.parquet is no sound Parquet file"):
        list_source(str(tmp_path / "list.parquet"))
