"""Entries for the desktop and file(1), in a home folder of their own, and thumbnails."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from cli_runs import SET, environment, names, save_photograph, texcodec
from compact_samples import BARE
from container_samples import full_file
from PIL import Image

from texcodec.cli.desktop import MIME, magic_entry, mime_entry, thumbnailer_entry
from texcodec.container import MAGIC
from texcodec.images import fitted, from_array
from texcodec.pillow import MIME as PILLOWS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


ENTRIES = [
    ".local/share/mime/packages/texcodec.xml",
    ".local/share/thumbnailers/texcodec.thumbnailer",
    ".magic",
]


class TestInstallation:
    def test_entries_come_and_go(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert texcodec("integrate") == 0
        assert set(ENTRIES) <= set(files(home))
        printed = capsys.readouterr()
        assert printed.out.count("installed") == 3 and str(home / ENTRIES[0]) in printed.out
        before = {name: (home / name).read_bytes() for name in ENTRIES}
        assert texcodec("integrate") == 0
        assert {name: (home / name).read_bytes() for name in ENTRIES} == before
        capsys.readouterr()
        assert texcodec("integrate", "--remove") == 0
        assert not set(ENTRIES) & set(files(home))
        assert capsys.readouterr().out.count("removed") == 3
        assert texcodec("integrate", "--remove") == 0
        assert capsys.readouterr().out == ""
        assert texcodec("integrate", "--quiet") == 0
        assert capsys.readouterr() == ("", "")

    def test_the_folder_for_data_may_be_another(
        self, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        assert texcodec("integrate", "--quiet") == 0
        assert names(home) == [".magic"]
        assert (tmp_path / "data" / "thumbnailers" / "texcodec.thumbnailer").is_file()

    @pytest.mark.parametrize("others", [b"0 string \xff\xfe mine\n", b"0 string ab mine"])
    def test_rules_of_others_stay(self, home: Path, others: bytes) -> None:
        rules = home / ".magic"
        rules.write_bytes(others)
        for _ in range(2):
            assert texcodec("integrate", "--quiet") == 0
        ours = rules.read_bytes()
        assert ours.startswith(others) and ours.count(MIME.encode()) == 1
        assert texcodec("integrate", "--remove", "--quiet") == 0
        assert rules.read_bytes() == others.rstrip(b"\n") + b"\n"

    def test_compiled_rules_are_left_alone(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (home / ".magic").mkdir()
        assert texcodec("integrate") == 0
        assert "compiled rules" in capsys.readouterr().err
        assert names(home / ".magic") == []

    def test_a_folder_that_cannot_be_made_is_an_error(
        self, home: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (home / ".local").touch()
        assert texcodec("integrate") == 1
        assert f"Cannot change {home / ENTRIES[0]}" in capsys.readouterr().err


class TestEntries:
    def test_all_name_the_media_type_that_pillow_knows(self) -> None:
        assert MIME == PILLOWS
        for text in (mime_entry(), magic_entry(), thumbnailer_entry()):
            assert MIME in text

    def test_the_desktops_magic_is_what_all_files_begin_with(self) -> None:
        match = ElementTree.fromstring(mime_entry()).find(".//{*}match")
        assert match is not None and match.get("offset") == "0"
        assert match.get("value", "").encode().decode("unicode_escape").encode("latin-1") == MAGIC

    @pytest.mark.skipif(shutil.which("update-mime-database") is None, reason="no shared MIME database here")
    def test_the_database_of_the_desktop_takes_the_entry(self, home: Path) -> None:
        assert texcodec("integrate") == 0
        folder = home / ".local" / "share" / "mime"
        assert f"{MIME}:*.tcx\n" in (folder / "globs").read_text()
        assert MAGIC in (folder / "magic").read_bytes()
        assert texcodec("integrate", "--remove") == 0
        assert MIME not in (folder / "globs").read_text()

    @pytest.mark.skipif(shutil.which("file") is None, reason="no file(1) here")
    def test_file_knows_the_type(self, home: Path, tmp_path: Path) -> None:
        (tmp_path / "picture").write_bytes(full_file())
        (tmp_path / "compact").write_bytes(BARE)
        (tmp_path / "text").write_text("89 TCX")
        assert texcodec("integrate", "--quiet") == 0

        def kind(name: str) -> str:
            command = ["file", "--brief", "--mime-type", str(tmp_path / name)]
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

        assert kind("picture") == kind("compact") == MIME
        assert kind("text") == "text/plain"

    def test_the_thumbnailer_draws_a_small_png(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(shutil, "which", lambda name: None)
        save_photograph(tmp_path / "a.png", 320, 200)
        assert texcodec("encode", tmp_path / "a.png", "--models", SET) == 0
        line = next(each for each in thumbnailer_entry().splitlines() if each.startswith("Exec="))
        given = {"%s": "128", "%i": str(tmp_path / "a.tcx"), "%o": str(tmp_path / "thumb")}
        (tmp_path / "thumb").touch()  # desktops name a file that they have made
        command = [
            given.get(word, word.replace("%%", "%")) for word in shlex.split(line.removeprefix("Exec="))
        ]
        done = subprocess.run(command, capture_output=True, env=environment())
        assert (done.returncode, done.stderr) == (0, b"")
        with Image.open(tmp_path / "thumb") as image:
            assert (image.format, image.size) == ("PNG", (128, 80))


class TestFitting:
    def test_proportions_are_kept_and_nothing_grows(self) -> None:
        picture = from_array(np.full((30, 90, 3), 7, np.uint8))
        assert fitted(picture, 90) is picture
        small = fitted(picture, 45)
        assert (small.width, small.height) == (45, 15)
        assert (small.pixels == 7).all()
        assert fitted(picture, 1).pixels.shape == (1, 1, 3)

    def test_hidden_colours_do_not_bleed(self) -> None:
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[:, ::2] = (200, 100, 50, 255)
        small = fitted(from_array(pixels), 2)
        assert small.alpha is not None and small.alpha.max() > 100
        assert np.abs(small.pixels.astype(int) - (200, 100, 50)).max() <= 2

    def test_decode_fits_a_picture_and_a_region(self, tmp_path: Path) -> None:
        save_photograph(tmp_path / "a.png", 192, 96)
        assert texcodec("encode", tmp_path / "a.png", "--models", SET) == 0

        def size(*options: object) -> tuple[int, int]:
            assert texcodec("decode", tmp_path / "a.tcx", "-o", tmp_path / "b.png", "-f", *options) == 0
            with Image.open(tmp_path / "b.png") as image:
                return image.size

        assert size("--fit", 1000) == (192, 96)
        assert size("--fit", 100) == (100, 50)
        assert size("--fit", 6) == (6, 3)  # by way of the preview
        assert size("--fit", 8, "--region", "0,0,16,32") == (4, 8)

    def test_a_small_picture_by_way_of_the_preview_is_that_of_the_whole(self, tmp_path: Path) -> None:
        save_photograph(tmp_path / "a.png", 256, 256)
        assert texcodec("encode", tmp_path / "a.png", "--models", SET) == 0
        assert texcodec("decode", tmp_path / "a.tcx", tmp_path / "whole.png") == 0
        assert texcodec("decode", tmp_path / "a.tcx", "-o", tmp_path / "small.png", "--fit", 16) == 0
        with Image.open(tmp_path / "whole.png") as whole, Image.open(tmp_path / "small.png") as small:
            wanted = np.asarray(whole.resize((16, 16), Image.Resampling.BOX), float)
            assert np.abs(np.asarray(small, float) - wanted).max() <= 1
