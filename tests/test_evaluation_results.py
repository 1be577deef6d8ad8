"""benchmarks/results.py: every piece is a section, and a piece that is not there is none."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from cli_runs import SET, save_photograph, texcodec

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "results.py"
pytest.importorskip("bjontegaard")
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="the script is in the repository only")


@pytest.fixture(scope="module")
def two_sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of two sets on one picture."""
    folder = tmp_path_factory.mktemp("sets")
    picture = save_photograph(folder / "one.png", 176, 176)
    arguments = ["--models", SET, "--models", "std-1", "--against", "none", "--qualities", "10,40,70"]
    assert (
        texcodec("evaluate", picture, "--out", folder / "out", *arguments, "--range", "0.01-5", "--quiet")
        == 0
    )
    report: dict[str, Any] = json.loads((folder / "out" / "report.json").read_text("utf-8"))
    return report


QUANTISATION = {
    "protocol": {"seeds": [0, 1]},
    "complete": False,
    "kinds": [{"kind": "2 bits, plain", "psnr": 24.25}, {"kind": "2 bits, helped", "psnr": 24.5}],
    "comparisons": [
        {
            "kind": kind,
            "against": "2 bits, plain",
            "main": kind.startswith("2"),
            "mean": 0.25,
            "low": 0.1,
            "high": 0.4,
        }
        for kind in ("2 bits, helped", "3 bits, helped")
    ],
    "verdicts": [{"claim": "Better", "holds": False}],
}


def test_the_document_is_what_the_script_writes_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = SCRIPT.parents[1] / "docs"
    for part in ("results", "decisions"):
        shutil.copytree(docs / part, tmp_path / part)
    shutil.copy(docs / "performance.md", tmp_path)
    written = run(["--pieces", str(tmp_path / "results"), "--out", str(tmp_path / "results.md")], monkeypatch)
    assert written == (docs / "results.md").read_text("utf-8"), "run benchmarks/results.py"


def run(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The text that the script writes, to the file that the last argument names."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    spec = importlib.util.spec_from_file_location("results_script", SCRIPT)
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    monkeypatch.setattr(sys, "argv", ["results.py", *arguments])
    script.main()
    return Path(arguments[-1]).read_text("utf-8")


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, **pieces: object) -> str:
    """The text that the script writes from these pieces."""
    (folder / "results").mkdir()
    for name, piece in pieces.items():
        (folder / "results" / f"{name.replace('_', '-')}.json").write_text(json.dumps(piece), "utf-8")
    (folder / "results" / "notes.md").write_text(
        "What people should know: ![](a.png), [b](https://b).", "utf-8"
    )
    return run(["--pieces", str(folder / "results"), "--out", str(folder / "results.md")], monkeypatch)


EYES = {"texcodec (tiny-1)": {"psnr-rgb": 12.34, "ms-ssim-rgb": None}}


def drawn_row(name: str, first: float | None, second: float, tiles: int, whole: bool) -> dict[str, Any]:
    return {
        "name": name,
        "bd_rate": {
            "AVIF": {"texcodec": first, "in steps": -5.0, "networks alone": None},
            "WebP": {"texcodec": second, "in steps": 2.0, "networks alone": 90.0},
        },
        "tiles": [{"quality": 50, "tiles": 2, "drawn": tiles, "lossless": tiles - 1, "without a set": whole}],
    }


DRAWN = {
    "models": SET,
    "lowest": 32.0,
    "qualities": [50],
    "pictures": [drawn_row("a", None, -20.0, 1, False), drawn_row("b", -15.0, -40.0, 2, True)],
    "lossless": [{"folder": "s", "name": "a", "mode": "L", "bytes": 90, "cwebp": 100, "tile": 512}],
}


def test_every_piece_is_a_section_with_its_numbers(
    two_sets: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rate = two_sets["bd_rate"]["against"]["texcodec (std-1)"]["psnr-rgb"]
    text = write(
        tmp_path,
        monkeypatch,
        kodak=two_sets,
        eyes=two_sets | {"against": {"anchor": "texcodec (std-1)", "bd_rate": EYES}},
        multi_single=two_sets | {"training": {SET: {"steps": 12000}, "std-1": {"steps": 34567}}},
        fusion={"pictures": 3, "qualities": [50], "psnr": [[[30.0, 31.0], [30.25, 31.01]]]},
        training={
            "what": "BD-rate against WebP, %",
            "points": [{"minutes": 60, "bd": -3}, {"minutes": 5, "bd": 40}],
        },
        tuning=two_sets | {"tuning": {"domain": "streets", "minutes": 20}},
        quantisation=QUANTISATION,
        byte_weights=two_sets
        | {"bytes": {"synthesis": {SET: 26.5, "std-1": 50}, "decoder": {SET: 0.3, "std-1": 4.3}}},
        drawn=DRAWN,
        cost={"rows": [{"name": "x", "kMAC/pixel": 8.5}, {"name": "y", "encode, s": 1.25}]},
    )
    assert text.index("should know: ![](results/a.png), [b](https://b).") < text.index(
        "## On the Kodak pictures"
    )
    more = "more" if rate > 0 else "fewer"
    assert f"texcodec (tiny-1) needs {abs(rate):.1f} % {more} bits than texcodec (std-1)" in text
    assert "| 12,000 |" in text and "| 34,567 |" in text
    assert "| 50 | 30.000 | 30.250 | +0.250 | 31.000 | 31.010 | +0.010 |" in text
    assert "| texcodec (tiny-1) (model set tiny-1) | +12.3 % | – |" in text
    assert text.index("| 5 | +40.0 |") < text.index("| 60 | -3.0 |")
    assert "Pictures: streets; 20 minutes of fine-tuning." in text
    assert "| y | – | 1.25 |" in text
    assert "| mean | -15.0 % | -5.0 % | – | -30.0 % | +2.0 % | +90.0 % |" in text
    assert "| 50 | 75 % | 25 % | 1 |" in text and "| s | grey | 1 | -10.0 % | -10.0 % |" in text
    assert "| 2 bits, helped | 2 bits, plain | 24.500 | 24.250 | +0.250 | +0.100 to +0.400 |" in text
    assert "3 bits" not in text and "- Better: **not shown**." in text and "Some runs are missing" in text
    assert "| texcodec (tiny-1) | 26.5 | 0.3 |" in text and f"needs {abs(rate):.2f} % {more} bits" in text
    for plot in ("kodak", "eyes", "multi-single", "training"):
        assert f"(results/{plot}.png)" in text
        assert (tmp_path / "results" / f"{plot}.png").stat().st_size > 1000


def test_pieces_that_are_not_there_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = write(tmp_path, monkeypatch, training=[{"minutes": 1, "cost": 0.5}])
    assert [line for line in text.splitlines() if line.startswith("## ")] == ["## What short training costs"]
    assert "| 1 | 0.5000 |" in text


def test_a_piece_of_another_form_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="fusion.json is not what benchmarks/results.py expects"):
        write(tmp_path, monkeypatch, fusion={"psnr": []})
