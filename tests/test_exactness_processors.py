"""The check of other processors (benchmarks/exactness): it sees what differs, and knows what it asks for."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import environment
from golden.make import HERE
from test_golden import listed

import texcodec

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "benchmarks" / "exactness"
NAMES = "pixel", "lean", "lossless-pixel", "grey"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(FOLDER))
    import processors
    import roots

    yield processors, roots
    del sys.modules["processors"], sys.modules["roots"]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    entries = []
    for golden in (golden for golden in listed() if golden.folder == HERE and golden.name in NAMES):
        data = (ROOT / "tests" / "golden" / f"{golden.name}.tcx").read_bytes()
        (tmp_path / f"{golden.name}.tcx").write_bytes(data)
        with texcodec.open(data) as file:
            np.save(tmp_path / f"{golden.name}.npy", file.decode_picture(models="tiny-1").pixels)
        entries.append(
            {
                "name": golden.name,
                "file": f"{golden.name}.tcx",
                "set": "models/tiny-1",
                "symbols": golden.symbols,
                "pixels": f"{golden.name}.npy",
            }
        )
    (tmp_path / "files.json").write_text(json.dumps(entries), "ascii")
    return tmp_path


def decoded(folder: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(FOLDER / "decode.py"), str(folder), *options],
        env=environment(),
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_each_file_is_decoded_once_a_level_and_once_a_number_of_threads(files: Path) -> None:
    found = decoded(files)
    assert (found["cells"], found["hashes"], found["wrong"]) == (16, 4 * len(NAMES), [])
    assert found["largest"] == 0 and found["samples"] > 1000
    assert len(found["floats"]) == 4


def test_other_symbols_and_other_pixels_are_seen(files: Path) -> None:
    entries = json.loads((files / "files.json").read_text("ascii"))
    entries[1]["symbols"] = "0" * 64
    (files / "files.json").write_text(json.dumps(entries), "ascii")
    pixels = np.load(files / entries[0]["pixels"])
    np.save(files / entries[0]["pixels"], np.where(pixels > 128, pixels - 3, pixels + 3))
    found = decoded(files, "--all")
    assert [(w["file"], w["threads"]) for w in found["wrong"]] == [
        (entries[1]["name"], threads) for _ in range(4) for threads in (1, 2, 3, 4)
    ]
    assert found["largest"] == 3 and found["changed"] == 4 * pixels.size


def test_dependencies_are_those_of_the_package(modules: Any) -> None:
    _, roots = modules
    names = [dependency.split(">")[0].split("~")[0] for dependency in roots.dependencies()]
    assert {"numpy", "onnxruntime", "Pillow", "safetensors", roots.OPTIONAL} <= set(names)


def test_results_of_earlier_runs_stay(modules: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # by its path: other benchmarks have a module of that name
    spec = importlib.util.spec_from_file_location("exactness_run", FOLDER / "run.py")
    assert spec and spec.loader
    run = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(run)

    def row(name: str, release: str, hashes: int) -> dict[str, Any]:
        return {"machine": "x86_64", "processor": name, "release": release, "hashes": hashes}

    path = tmp_path / "exactness.json"
    earlier = [row("Nehalem", "lowest", 1), row("Nehalem", "newest", 2), row("Haswell", "lowest", 3)]
    path.write_text(json.dumps({"provenance": {"commit": "old"}, "results": earlier}), "utf-8")
    monkeypatch.setattr(run, "RESULT", path)
    found = run.with_earlier([row("max", "newest", 4), row("Nehalem", "newest", 5)], {"commit": "new"})
    assert [(r["hashes"], r["provenance"]["commit"]) for r in found] == [
        (1, "old"),
        (5, "new"),
        (3, "old"),
        (4, "new"),
    ]


def test_models_of_arm_have_a_list_of_features(modules: Any) -> None:
    processors, _ = modules
    arm = [p for p in processors.PROCESSORS if p.emulated and p.machine == "aarch64"]
    assert len(arm) > 3
    for processor in arm:
        assert processors.cpuinfo(processor, 2).count("asimd") >= 2
    assert len({(p.machine, p.name) for p in processors.PROCESSORS}) == len(processors.PROCESSORS)
