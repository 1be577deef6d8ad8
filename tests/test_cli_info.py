"""What info, verify and models print."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cli_runs import SET, environment, save_photograph, texcodec
from container_samples import ANCILLARY, IDENTITY, changed, flipped, full_file, lean_file, payload_of

import texcodec as package
from texcodec import registry
from texcodec.container import Header, Reader, write

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """A file of six tiles that no installed set can decode."""
    path = tmp_path / "full.tcx"
    path.write_bytes(full_file())
    return path


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = save_photograph(tmp_path_factory.mktemp("photo") / "photo.png", 300, 140)
    assert texcodec("encode", path, "--tile", "128", "--quality", "30", "--models", SET) == 0
    return path.with_suffix(".tcx")


class TestInfo:
    def test_json_of_a_file_without_its_set(self, full: Path, capsys: Captured) -> None:
        assert texcodec("info", "--json", full) == 0
        facts = json.loads(capsys.readouterr().out)
        expected = {
            "file": str(full),
            "bytes": full.stat().st_size,
            "container_bytes": full.stat().st_size - 30,
            "format_version": "1.0",
            "lean": False,
            "width": 600,
            "height": 400,
            "mode": "RGBA",
            "tile": 256,
            "columns": 3,
            "rows": 2,
            "tiles": 6,
            "absent_tiles": 0,
            "rate_index": 300,
            "rate_offsets": [-3, 2],
            "quality": None,
            "fusion": True,
            "identity": IDENTITY.hex(),
            "models": None,
            "alpha_bytes": 2,
            "metadata": {"icc": 7, "pixel checksum": 5},
        }
        assert facts.items() >= expected.items()
        assert facts["bits_per_pixel"] == pytest.approx(8 * full.stat().st_size / 240_000, abs=1e-6)
        assert [(entry["tiles"], entry["bytes"]) for entry in facts["classes"]] == [
            (2, 10),
            (2, 10),
            (1, 5),
            (1, 5),
        ]
        assert {entry["name"] for entry in facts["classes"]} == {None}
        assert facts["chunks"] == [{"type": kind.decode(), "bytes": len(data)} for kind, data in ANCILLARY]

    def test_text_of_the_same_file(self, full: Path, capsys: Captured) -> None:
        assert texcodec("info", full) == 0
        text = capsys.readouterr().out
        assert text.startswith(f"{full}\n")
        for words in (
            "600 x 400, RGBA",
            "6 of 256 x 256 pixels in 3 x 2: 2 of class 0, 2 of class 1, 1 of class 2, 1 of class 3",
            "index 300, tiles -3 to +2\n",
            f"not installed, identity {IDENTITY.hex()}",
            "icc 7 bytes, pixel checksum 5 bytes, zzzz 13 bytes",
            "2 bytes, lossless",
        ):
            assert words in text

    def test_the_installed_set_names_classes_and_quality(self, photo: Path, capsys: Captured) -> None:
        assert texcodec("info", "--json", photo) == 0
        facts = json.loads(capsys.readouterr().out)
        models = registry.load_set(SET)
        assert (facts["models"], facts["identity"], facts["quality"]) == (SET, models.identity.hex(), 30)
        assert [entry["name"] for entry in facts["classes"]] == list(models.manifest.classes)
        assert sum(entry["tiles"] for entry in facts["classes"]) == facts["tiles"] == 6
        assert texcodec("info", photo) == 0
        text = capsys.readouterr().out
        assert f"{SET}, identity" in text
        assert "(quality 30)" in text
        assert "of class" not in text

    def test_a_set_in_a_folder_of_ones_own_is_found_by_option(
        self, photo: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copytree(registry.find_set(SET), tmp_path / "mine")
        monkeypatch.setattr(registry, "list_sets", list)
        for options, found in (([], None), (["--models", tmp_path / "mine"], SET)):
            assert texcodec("info", "--json", photo, *options) == 0
            assert json.loads(capsys.readouterr().out)["models"] == found

    def test_several_files_are_one_line_each_and_failures_do_not_stop_them(
        self, full: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        (tmp_path / "lean.tcx").write_bytes(lean_file())
        assert texcodec("info", "--json", full, tmp_path / "missing.tcx", tmp_path / "lean.tcx") == 1
        printed = capsys.readouterr()
        assert [json.loads(line)["lean"] for line in printed.out.splitlines()] == [False, True]
        assert printed.err.startswith(f"texcodec: {tmp_path / 'missing.tcx'}: The file cannot be read")

    def test_a_file_of_features_has_no_tiles_to_describe(self, tmp_path: Path, capsys: Captured) -> None:
        header = Header(
            width=8, height=8, channels=3, identity=bytes(16), rate_index=0, classes=1, has_pixels=False
        )
        (tmp_path / "f.tcx").write_bytes(write(header, [], [], [(b"FEAT", b"stream")]))
        assert texcodec("info", tmp_path / "f.tcx") == 0
        text = capsys.readouterr().out
        assert "FEAT 6 bytes" in text
        assert "identity" not in text

    def test_text_chunks_cannot_write_to_the_terminal(self, tmp_path: Path, capsys: Captured) -> None:
        for number, payload in enumerate((b'{"a": "\x1b[2J\xc2\x9b"}', b"\x1b not JSON", b"[" * 100_000)):
            reader = Reader(full_file())
            payloads = [reader.tile_bytes(index) for index in range(6)]
            path = tmp_path / f"{number}.tcx"
            path.write_bytes(write(reader.header, payloads, reader.tiles, [(b"text", payload)], reader.alpha))
            for options in ([], ["--json"]):
                assert texcodec("info", path, *options) == 0
                shown = capsys.readouterr().out
                assert "text" in shown
                assert all(c.isprintable() or c == "\n" for c in shown)

    def test_a_future_version_has_its_own_exit_code(self, tmp_path: Path, capsys: Captured) -> None:
        data = full_file()
        (tmp_path / "new.tcx").write_bytes(changed(data, b"THDR", b"\x02" + payload_of(data, b"THDR")[1:]))
        assert texcodec("info", tmp_path / "new.tcx") == 4
        assert "format version 2" in capsys.readouterr().err

    def test_no_library_that_runs_networks_is_loaded(self, photo: Path) -> None:
        heavy = ("numpy", "PIL", "onnxruntime", "constriction", "safetensors", "tqdm")
        code = (
            "import sys; from texcodec.cli.app import run; "
            f"assert run(['info', {str(photo)!r}]) == 0; print(*(m for m in {heavy} if m in sys.modules))"
        )
        child = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment()
        )
        assert child.stderr == ""
        assert SET in child.stdout
        assert child.stdout.splitlines()[-1] == ""


class TestVerify:
    def test_sound_and_damaged_files_are_told_apart_without_models(
        self, full: Path, tmp_path: Path, capsys: Captured
    ) -> None:
        damaged = tmp_path / "damaged.tcx"
        damaged.write_bytes(flipped(full.read_bytes(), 8 * Reader(full.read_bytes()).tile_offset(4) + 2))
        assert texcodec("verify", damaged, full) == 1
        printed = capsys.readouterr()
        assert printed.out == f"{full}: ok\n"
        assert printed.err.startswith(f"texcodec: {damaged}: Tile 4 is damaged")
        assert texcodec("verify", "--quiet", full) == 0
        assert capsys.readouterr() == ("", "")

    def test_symbols_have_one_hash_for_any_number_of_threads(self, photo: Path, capsys: Captured) -> None:
        with package.open(photo) as file:
            expected = f"{file.symbols_hash()}  {photo}\n"
        assert len(expected.split()[0]) == 64
        for threads in (1, 2):
            assert texcodec("verify", "--symbols", photo, "--threads", threads) == 0
            assert capsys.readouterr().out == expected

    def test_symbols_need_the_set_and_bytes_do_not(self, full: Path, capsys: Captured) -> None:
        assert texcodec("verify", "--symbols", full) == 3
        printed = capsys.readouterr()
        assert printed.out == ""
        assert IDENTITY.hex() in printed.err


class TestModels:
    def test_list_stars_the_default(self, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(registry.ENVIRONMENT_VARIABLE, str(registry.find_set(SET)))
        assert texcodec("models", "list", "--json") == 0
        sets = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
        starred = [name for name, entry in sets.items() if entry["default"]]
        assert sorted(starred) == sorted([registry.DEFAULT_FEATURE_SET, SET])
        assert sets[SET]["identity"] == registry.load_set(SET).identity.hex()
        assert texcodec("models", "list") == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("*")]
        assert {tuple(line[1:3]) for line in lines} == {
            (registry.DEFAULT_FEATURE_SET, "features"),
            (SET, "pictures"),
        }

    def test_show_prints_the_card_and_the_cost_of_every_part(self, capsys: Captured) -> None:
        models = registry.load_set(SET)
        assert texcodec("models", "show", "--json", SET) == 0
        facts = json.loads(capsys.readouterr().out)
        assert (facts["name"], facts["card"]) == (SET, models.manifest.card)
        assert facts["kmac_per_pixel"] == models.macs()
        assert texcodec("models", "show", SET) == 0
        text = capsys.readouterr().out
        costs = models.macs()
        for part in ("decode", "encode", "synthesis", "entropy", "analysis", "fusion"):
            assert f"{costs[part]:.2f}" in text
        assert "kMAC/pixel" in text
        card = text.split("\ncard\n")[1]
        for key in models.manifest.card:
            assert f"\n  {key.replace('_', ' ')} " in f"\n{card}"

    def test_show_wraps_the_card_and_leaves_nested_entries_to_json(self, capsys: Captured) -> None:
        assert texcodec("models", "show", "std-5") == 0
        card = capsys.readouterr().out.split("\ncard\n")[1].splitlines()
        assert max(map(len, card)) <= 100
        assert card[-1].split(maxsplit=1) == ["also", "settings (--json prints them)"]
        assert not any("{" in line for line in card)
        assert texcodec("models", "show", "std-5", "--json") == 0
        assert json.loads(capsys.readouterr().out)["card"]["settings"]["architecture"]["profile"] == 2

    def test_verify_finds_a_changed_weight(self, tmp_path: Path, capsys: Captured) -> None:
        copy = tmp_path / "copy"
        shutil.copytree(registry.find_set(SET), copy)
        assert texcodec("models", "verify", SET, copy) == 0
        assert capsys.readouterr().out == f"{SET}: ok\n" * 2
        weights = bytearray((copy / "encoder.safetensors").read_bytes())
        weights[-1] ^= 1
        (copy / "encoder.safetensors").write_bytes(weights)
        (copy / "manifest.json").touch()
        assert texcodec("models", "verify", copy, SET) == 3
        printed = capsys.readouterr()
        assert printed.out == f"{SET}: ok\n"
        assert printed.err.startswith(f"texcodec: {copy}: ")
        assert "damaged" in printed.err

    def test_verify_without_names_checks_all(self, capsys: Captured) -> None:
        assert texcodec("models", "verify") == 0
        assert capsys.readouterr().out.splitlines() == [f"{info.name}: ok" for info in registry.list_sets()]

    def test_a_set_that_is_not_there(self, capsys: Captured) -> None:
        assert texcodec("models", "show", "no-such-set") == 3
        assert capsys.readouterr().err.startswith("texcodec: There is no model set named 'no-such-set'")
        assert texcodec("models", "verify", "no-such-set") == 3
