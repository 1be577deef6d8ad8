"""Names of outputs, and whether one may be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from texcodec.errors import StreamError
from texcodec.files import check_output, decoded_name, encoded_name, full_decoded_name, full_encoded_name


@pytest.mark.parametrize(
    ("source", "target"),
    [("a.png", "a.tcx"), ("b.c.jpg", "b.c.tcx"), ("plain", "plain.tcx"), (".png", ".png.tcx")],
)
def test_encoding(source: str, target: str) -> None:
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
def test_decoding(source: str, suffix: str, target: str) -> None:
    assert decoded_name(source, suffix) == target


@pytest.mark.parametrize("name", ["a.png", "a.b.png"])
def test_full_names_lead_back_to_the_picture(name: str) -> None:
    assert full_decoded_name(full_encoded_name(name), ".png") == name


def test_full_names_keep_two_formats_apart() -> None:
    assert full_encoded_name("a.jpg") != full_encoded_name("a.png")
    assert full_decoded_name("a.jpg.tcx", ".png") == "a.jpg.png"


def test_check_output_tells_early(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    check_output("-")
    check_output(tmp_path / "new")
    check_output(tmp_path / "a", force=True)
    with pytest.raises(StreamError, match="exists"):
        check_output(tmp_path / "a")
