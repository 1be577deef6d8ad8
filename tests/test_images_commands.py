"""Foreign pictures on the command line: notices, `--strict`, and limits of metadata."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli_runs import SET, names, process, save_photograph, texcodec
from PIL import Image, PngImagePlugin

OK = 0


def encoded(tmp_path: Path, **options: object) -> Path:
    source = save_photograph(tmp_path / "a.png", **options)
    assert texcodec("encode", source, "--models", SET) == OK
    return tmp_path / "a.tcx"


def test_encode_strict_refuses_16_bits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "deep.png"
    Image.fromarray(np.full((32, 32), 40_000, np.uint16)).save(source)
    assert texcodec("encode", source, "--models", SET, "--strict") != OK
    assert "16 bits per channel" in capsys.readouterr().err
    assert names(tmp_path) == ["deep.png"]
    assert texcodec("encode", source, "--models", SET) == OK
    assert "reduced to 8" in capsys.readouterr().err


def test_decode_strict_writes_nothing_that_would_lose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tcx = encoded(tmp_path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x0f\0\x02\0\0\0\x02m\0\0\0\0\0\0\0")
    assert texcodec("decode", tcx, tmp_path / "b.bmp", "--strict") != OK
    assert "EXIF" in capsys.readouterr().err
    assert not (tmp_path / "b.bmp").exists()
    assert texcodec("decode", tcx, tmp_path / "b.bmp") == OK
    assert texcodec("decode", tcx, tmp_path / "b.png", "--strict", "--force") == OK


@pytest.mark.parametrize("extension", ["png", "jpg"])
def test_the_resolution_survives(tmp_path: Path, extension: str) -> None:
    source = save_photograph(tmp_path / f"a.{extension}", dpi=(300, 300))
    assert texcodec("encode", source, "--models", SET) == OK
    assert texcodec("decode", tmp_path / "a.tcx", tmp_path / f"b.{extension}") == OK
    with Image.open(tmp_path / f"b.{extension}") as image:
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.02)


def test_metadata_over_a_megabyte_follows_the_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", "x" * (2 << 20), zip=True)
    source = save_photograph(tmp_path / "a.png", pnginfo=text)
    code = texcodec("encode", source, "--models", SET, "--limit-metadata", 1 << 20)
    too_many_pixels = texcodec("encode", source, "--models", SET, "--limit-pixels", 1)
    assert code == too_many_pixels != OK
    assert "metadata" in capsys.readouterr().err
    assert texcodec("encode", source, "--models", SET) == OK


def test_lines_of_libraries_stay_out_of_standard_error(tmp_path: Path) -> None:
    source = save_photograph(tmp_path / "a.tif", 400, 300, compression="tiff_lzw")
    data = source.read_bytes()
    source.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    lines = process("encode", source, "--models", SET).stderr.decode().splitlines()
    assert lines and all(line.startswith("texcodec: ") for line in lines)
