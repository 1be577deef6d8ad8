"""Encoding and decoding from the command line, with a real codec."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SET, names, process, save_photograph, texcodec
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import texcodec as package
from texcodec.container import Reader, write

ICC = b"a profile of any content"


def loaded(path: Path) -> Image.Image:
    """A picture with its file closed again."""
    with Image.open(path) as image:
        image.load()
        return image


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photo.tcx, a picture of 300 x 140 pixels in six tiles."""
    folder = tmp_path_factory.mktemp("coded")
    save_photograph(folder / "photo.png", 300, 140, icc_profile=ICC)
    assert texcodec("encode", folder / "photo.png", "--tile", "128", "--models", SET) == 0
    return folder / "photo.tcx"


@pytest.fixture
def damaged(coded: Path, tmp_path: Path) -> Path:
    """The same with a flipped bit in tile 1."""
    data = bytearray(coded.read_bytes())
    data[Reader(bytes(data)).tile_offset(1) + 3] ^= 1
    path = tmp_path / "damaged.tcx"
    path.write_bytes(data)
    return path


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def test_the_files_are_those_of_the_python_interface(coded: Path, tmp_path: Path) -> None:
    with Image.open(coded.with_suffix(".png")) as image:
        assert coded.read_bytes() == package.encode(image, tile=128, models=SET)
    assert texcodec("decode", coded, tmp_path / "back.png") == 0
    np.testing.assert_array_equal(
        pixels(tmp_path / "back.png"), np.asarray(package.decode(coded.read_bytes()))
    )


def test_threads_do_not_change_a_byte(coded: Path, tmp_path: Path) -> None:
    source = coded.with_suffix(".png")
    for threads in (1, 2):
        out = tmp_path / f"{threads}.tcx"
        assert texcodec("encode", source, out, "--tile", 128, "--threads", threads, "--models", SET) == 0
        assert out.read_bytes() == coded.read_bytes()


@pytest.mark.parametrize("limit", [900, 2000])
def test_size_is_not_exceeded(coded: Path, tmp_path: Path, limit: int) -> None:
    out = tmp_path / "out.tcx"
    assert texcodec("encode", coded.with_suffix(".png"), out, "--size", limit, "--models", SET) == 0
    assert 0.7 * limit < out.stat().st_size <= limit


def test_a_size_out_of_reach_needs_nearest(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.tcx"
    arguments = ("encode", coded.with_suffix(".png"), out, "--size", 20, "--models", SET)
    assert texcodec(*arguments) == 1
    assert "--nearest" in capsys.readouterr().err
    assert not out.exists()
    assert texcodec(*arguments, "--nearest") == 0
    assert "20 bytes" in capsys.readouterr().err
    assert out.stat().st_size > 20


@pytest.mark.parametrize("region", [(0, 0, 30, 20), (100, 90, 60, 50), (299, 139, 1, 1)])
def test_a_region_is_a_crop_of_the_whole(
    coded: Path, tmp_path: Path, region: tuple[int, int, int, int]
) -> None:
    assert texcodec("decode", coded, tmp_path / "whole.png") == 0
    assert texcodec("decode", coded, tmp_path / "part.png", "--region", ",".join(map(str, region))) == 0
    x, y, width, height = region
    np.testing.assert_array_equal(
        pixels(tmp_path / "part.png"), pixels(tmp_path / "whole.png")[y : y + height, x : x + width]
    )


def test_a_region_outside_the_picture_is_the_callers_mistake(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert texcodec("decode", coded, tmp_path / "part.png", "--region", "290,0,20,20") == 2
    assert "300 x 140" in capsys.readouterr().err
    assert names(tmp_path) == []


def test_a_damaged_tile_fails_the_file_and_leaves_no_output(
    damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert texcodec("decode", damaged, tmp_path / "out.png") == 1
    assert capsys.readouterr().err.startswith(f"texcodec: {damaged}: Tile 1 is damaged")
    assert names(tmp_path) == ["damaged.tcx"]


def test_salvage_decodes_the_sound_tiles_and_names_the_others(
    coded: Path, damaged: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert texcodec("decode", damaged, tmp_path / "out.png", "--salvage") == 0
    message = capsys.readouterr().err
    assert "ile 1 is" in message
    assert "ile 0 is" not in message
    assert texcodec("decode", coded, tmp_path / "whole.png") == 0
    # The seam's repair reaches a little into the neighbouring tiles.
    same = (pixels(tmp_path / "out.png") == pixels(tmp_path / "whole.png")).all(axis=(0, 2))
    assert same[:64].all()
    assert not same[140:240].any()


def test_many_files_and_formats(coded: Path, damaged: Path, tmp_path: Path) -> None:
    assert texcodec("decode", damaged, coded, "--out-dir", tmp_path / "out", "--format", "JPG") == 1
    assert names(tmp_path / "out") == ["photo.jpg"]
    with Image.open(tmp_path / "out" / "photo.jpg") as image:
        assert (image.format, image.size, image.info["icc_profile"]) == ("JPEG", (300, 140), ICC)


def test_the_extension_chooses_the_format_and_format_overrides_it(coded: Path, tmp_path: Path) -> None:
    assert texcodec("decode", coded, tmp_path / "a.webp") == 0
    assert texcodec("decode", coded, tmp_path / "b.webp", "--format", "png") == 0
    assert [loaded(tmp_path / name).format for name in ("a.webp", "b.webp")] == ["WEBP", "PNG"]


def test_metadata_can_be_left_out_on_both_ways(coded: Path, tmp_path: Path) -> None:
    assert texcodec("decode", coded, tmp_path / "with.png") == 0
    assert texcodec("decode", coded, tmp_path / "without.png", "--no-metadata") == 0
    assert loaded(tmp_path / "with.png").info["icc_profile"] == ICC
    assert "icc_profile" not in loaded(tmp_path / "without.png").info
    assert (
        texcodec("encode", coded.with_suffix(".png"), tmp_path / "x.tcx", "--no-metadata", "--models", SET)
        == 0
    )
    assert ICC not in (tmp_path / "x.tcx").read_bytes()


def test_text_is_no_concern_where_metadata_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PngInfo()
    text.add_text("Title", "Leaves")
    Image.new("RGB", (40, 30), "green").save(tmp_path / "a.png", pnginfo=text)
    run = ("encode", tmp_path / "a.png", tmp_path / "a.tcx", "--models", SET, "--strict")
    assert texcodec(*run, "--no-metadata") == 0
    assert capsys.readouterr().err == ""
    assert texcodec(*run, "--force") != 0
    assert "holds text (Title)" in capsys.readouterr().err


def test_what_a_format_cannot_hold_is_a_notice(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert texcodec("decode", coded, tmp_path / "a.bmp") == 0
    assert (
        capsys.readouterr().err
        == f"texcodec: {coded}: BMP cannot hold a colour profile, which was left out.\n"
    )


def test_pipes_from_picture_to_picture(coded: Path, tmp_path: Path) -> None:
    source = coded.with_suffix(".png")
    encoded = process("encode", "-", "--tile", 128, "--models", SET, input=source.read_bytes())
    assert (encoded.returncode, encoded.stderr) == (0, b"")
    assert encoded.stdout == coded.read_bytes()
    decoded = process("decode", "-", "--format", "ppm", input=encoded.stdout)
    assert (decoded.returncode, decoded.stdout[:2]) == (0, b"P6")
    assert texcodec("decode", coded, tmp_path / "a.ppm", "--no-metadata") == 0
    assert decoded.stdout == (tmp_path / "a.ppm").read_bytes()


def test_a_picture_over_a_limit_is_refused(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = coded.with_suffix(".png")
    assert (
        texcodec("encode", source, tmp_path / "a.tcx", "--limit-pixels", 300 * 140 - 1, "--models", SET) == 4
    )
    assert texcodec("decode", coded, tmp_path / "a.png", "--limit-tiles", 5) == 4
    assert texcodec("decode", coded, tmp_path / "a.png", "--limit-pixels", 300 * 140, "--limit-tiles", 6) == 0
    assert capsys.readouterr().err.count("\n") == 2


def test_a_set_of_another_identity_is_not_used(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader = Reader(coded.read_bytes())
    header = dataclasses.replace(reader.header, identity=b"another decoder!")
    payloads = [reader.tile_bytes(index) for index in range(len(reader.tiles))]
    (tmp_path / "other.tcx").write_bytes(write(header, payloads, reader.tiles, reader.ancillary))
    for models in ([], ["--models", SET]):
        assert texcodec("decode", tmp_path / "other.tcx", tmp_path / "a.png", *models) == 3
        assert b"another decoder!".hex() in capsys.readouterr().err
    assert texcodec("decode", coded, tmp_path / "a.png", "--models", "no-such-set") == 3
    assert capsys.readouterr().err.startswith("texcodec: There is no model set named 'no-such-set'")
    assert names(tmp_path) == ["other.tcx"]


@pytest.mark.parametrize("name", ["photo.png", "photo.tcx"])
def test_a_file_of_the_wrong_kind_is_named_as_such(
    coded: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    command = "decode" if name == "photo.png" else "encode"
    models = ["--models", SET] if command == "encode" else []
    assert texcodec(command, coded.parent / name, "--out-dir", tmp_path, *models) == 1
    expected = "is not a .tcx file" if command == "decode" else "is a .tcx file already"
    assert expected in capsys.readouterr().err
    assert names(tmp_path) == []
