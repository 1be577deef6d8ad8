"""Lists and tars from elsewhere: what they may name, and where their outputs go."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_runs import save_photograph, texcodec

from texcodec.batch import Settings, Summary, run
from texcodec.batch.keys import safe_key
from texcodec.batch.records import is_table
from texcodec.batch.samples import samples
from texcodec.batch.storage import library
from texcodec.errors import FormatError, LibraryError, LimitError, ParameterError
from texcodec.limits import Limits

SETTINGS = Settings(lossless=True)
ELSEWHERE = "memory://lists"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder with a picture; what is stored elsewhere is forgotten afterwards."""
    save_photograph(tmp_path / "a.png", 12, 8)
    fs = library("fsspec").filesystem("memory")
    fs.pipe_file("/lists/a.png", (tmp_path / "a.png").read_bytes())
    yield tmp_path
    fs.rm("/lists", recursive=True)


def listed(*entries: dict[str, str], of: Path) -> Summary:
    """Code a list that is on this machine."""
    (of / "list.jsonl").write_text("\n".join(map(json.dumps, entries)), "utf-8")
    return run(str(of / "list.jsonl"), str(of / "out"), SETTINGS)


def fetched(text: str, out: Path) -> Summary:
    """Code a list that comes from elsewhere."""
    library("fsspec").filesystem("memory").pipe_file("/lists/list.txt", text.encode())
    return run(f"{ELSEWHERE}/list.txt", str(out), SETTINGS)


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "place",
    [
        "{room}/a.png",
        "file://{room}/a.png",
        "local://{room}/a.png",
        "zip://a.png::http://127.0.0.1:9/a.zip",
        "memory://lists/a.png::file://{room}/a.png",
        "simplecache::file://{room}/a.png",
        "reference://a.png",
        "ssh://127.0.0.1/a.png",
    ],
)
def test_a_list_from_elsewhere_names_no_files_of_this_machine(room: Path, place: str) -> None:
    with pytest.raises(ParameterError, match="which it must not") as caught:
        fetched(place.format(room=room), room / "out")
    assert "copy it to this machine" in caught.value.with_advice
    assert not (room / "out").exists()


def test_a_list_from_elsewhere_names_files_beside_it(room: Path) -> None:
    assert fetched(f"a.png\n{ELSEWHERE}/a.png", room / "out").done == 2
    # and so does the listing that is left of it
    lines = (room / "out" / "listing.jsonl").read_text("utf-8").splitlines()
    (room / "out" / "listing.jsonl").write_text(
        "\n".join([lines[0], json.dumps({"key": "b", "source": f"{room}/a.png"})]), "utf-8"
    )
    with pytest.raises(ParameterError, match="which it must not"):
        fetched("a.png", room / "out")


def test_keys_lead_nowhere_else_and_are_names_that_can_be(room: Path) -> None:
    place = str(room / "a.png")
    keys = [
        "../../b",
        "c\0d",
        "e\ud800",
        "f" * 300,
        "/".join("g" * 2000),
        "hh/" * 63 + "i" * 3000,
        "..\\..\\h",
    ]
    summary = listed(*({"source": place, "key": key} for key in keys), of=room)
    assert (summary.done, summary.failed) == (7, 0)
    coded = {name for name in files(room / "out") if name.endswith(".tcx")}
    assert {"b.tcx", "c_d.tcx", "e_.tcx", "h.tcx"} < coded and len(coded) == 7
    assert files(room) - {f"out/{name}" for name in files(room / "out")} == {"a.png", "list.jsonl"}


def test_a_forged_listing_leads_nowhere_else(room: Path) -> None:
    listed({"source": str(room / "a.png"), "key": "a"}, of=room)
    listing = room / "out" / "listing.jsonl"
    listing.write_text(listing.read_text("utf-8").replace('"key": "a"', '"key": "../../evil"'), "utf-8")
    run(str(room / "list.jsonl"), str(room / "out"), SETTINGS)
    assert "evil.tcx" in files(room / "out")
    assert not list(room.parent.glob("evil*")) and not list(room.glob("evil*"))


@pytest.mark.parametrize("name", ["a", "a b/ü.x", "x\udce4y", "12:30", "n" * 240])
def test_sound_keys_stay_as_they_are(name: str) -> None:
    if os.name != "nt":
        assert safe_key(name) == name
    assert safe_key(safe_key(name)) == safe_key(name)


def test_cut_keys_differ() -> None:
    assert safe_key("a" * 250 + "b") != safe_key("a" * 250 + "c")


def tar_of(path: Path, *members: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_a_sample_cannot_forge_a_table(room: Path) -> None:
    (room / "tars").mkdir()
    picture = (room / "a.png").read_bytes()
    tar_of(room / "tars" / "tables.tar", ("s.png", picture), ("s.parquet", b"evil"), ("s.txt", b"kept"))
    assert run(str(room / "tars"), str(room / "out"), SETTINGS).done == 1
    found = files(room / "out")
    assert {"tables/s.tcx", "tables/s.txt"} < found and "tables/s.parquet" not in found
    assert is_table("Tables/a.PARQUET") and not is_table("a/tables/a.parquet")


def test_a_sample_is_held_against_the_limit_as_a_whole(room: Path) -> None:
    tar = tar_of(room / "t.tar", ("s.png", bytes(600)), ("s.txt", bytes(600)), ("t.png", bytes(600)))
    with pytest.raises(LimitError, match=r"s\.txt in .* with what it belongs to"):
        list(samples(str(tar), "t", Limits(memory=1000)))
    assert len(list(samples(str(tar), "t", Limits(memory=1200)))) == 2


@pytest.mark.parametrize("name", ["nosuch://a/list.txt", "nosuch://a"])
def test_urls_that_cannot_be_opened_are_named(
    room: Path, name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert texcodec("batch", name, room / "out", "--lossless") == 2
    assert capsys.readouterr().err.startswith(f"texcodec: {name} cannot be opened: Protocol not known")
    assert texcodec("batch", room, "nosuch://out", "--lossless") == 2

    def missing(*_: object, **__: object) -> None:
        raise ImportError("it requires aiohttp")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(LibraryError, match="requires aiohttp"):
        run("http://127.0.0.1:9/list.txt", str(room / "out"), SETTINGS)


@pytest.mark.parametrize(
    "headers",
    [
        {"GNU.sparse.map": "a,b"},
        {"GNU.sparse.size": "x"},
        {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "x"},
    ],
)
def test_a_tar_of_forged_headers_is_no_sound_tar(room: Path, headers: dict[str, str]) -> None:
    picture = (room / "a.png").read_bytes()
    with tarfile.open(room / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("a.png")
        info.size, info.pax_headers = len(picture), headers
        tar.addfile(info, io.BytesIO(picture))
    with pytest.raises(FormatError, match="is no sound tar"):
        list(samples(str(room / "a.tar"), "a", Limits()))


def test_lines_end_at_line_feeds_alone(room: Path) -> None:
    names = ["a\u2028b", "c\u0085d", "e\x0bf"]
    for name in names:
        save_photograph(room / f"{name}.png", 12, 8)
    entries = [{"source": f"{name}.png", "caption": "x\u2028y"} for name in names]
    lines = [json.dumps(entry, ensure_ascii=False) for entry in entries]
    (room / "list.jsonl").write_bytes("\r\n".join(lines).encode())
    assert run(str(room / "list.jsonl"), str(room / "jsonl"), SETTINGS).done == 3
    (room / "list.txt").write_bytes("\n".join(f"{name}.png" for name in names).encode())
    assert run(str(room / "list.txt"), str(room / "txt"), SETTINGS).done == 3
