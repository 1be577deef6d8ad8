"""The built wheel works on its own: installed outside the checkout, with its models, without torch."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from pictures import photograph
from PIL import Image

from texcodec.cli.manual import manual

ROOT = Path(__file__).resolve().parents[1]
ENCODERS = ("std-5", "std-5-ssim", "std-6", "tiny-1")
"""Sets that encode as they are installed."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(out.glob("*.whl"))


def test_wheel_carries_the_models_without_their_masters(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in (
        "std-1",
        "std-2",
        "std-2-w8",
        "std-3",
        "std-3-ssim",
        "std-4",
        "std-4-ssim",
        "std-5",
        "std-5-ssim",
        "std-6",
        "tiny-1",
    ):
        files = {n.rsplit("/", 1)[1] for n in names if f"texcodec/models/{name}/" in n}
        assert {"manifest.json", "decoder.safetensors", "synthesis.onnx"} <= files
        assert ("encoder.safetensors" in files) == (name in ENCODERS)
        assert "master.safetensors" not in files
    tasks = {n.rsplit("/", 1)[1] for n in names if "texcodec/models/shapes-1/tasks/" in n}
    assert len(tasks) >= 6 and any(n.endswith(".tail.onnx") for n in tasks)
    assert "texcodec/models/shapes-1/graphs/generator.onnx" in names
    assert "texcodec/models/RELEASED" in names
    assert "texcodec/py.typed" in names
    assert not [n for n in names if n.startswith(("tests/", "benchmarks/"))]


def test_wheel_carries_the_manual(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        pages = {n.rsplit("/", 1)[1]: n for n in archive.namelist() if ".data/data/share/man/man1/" in n}
        assert set(pages) == set(manual())
        assert all(archive.read(pages[name]).decode() == page for name, page in manual().items())


def test_installed_wheel_encodes_and_decodes_without_torch(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        str(site),
    ]
    subprocess.run([*install, str(wheel)], check=True)
    Image.fromarray(photograph(300, 200)).save(tmp_path / "in.png")
    blocked = tmp_path / "blocked" / "torch"
    blocked.mkdir(parents=True)
    (blocked / "__init__.py").write_text("raise ImportError('torch must not be needed')\n")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(blocked.parent)])}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "texcodec", *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = subprocess.run(
        [sys.executable, "-c", "import texcodec; print(texcodec.__file__)"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert where.stdout.startswith(str(site))
    run("encode", "in.png", "out.tcx")
    run("decode", "out.tcx", "back.png")
    with Image.open(tmp_path / "back.png") as image:
        assert image.size == (300, 200)
    run("features", "encode", "in.png", "features.tcx")
    answers = run("features", "infer", "features.tcx")
    assert answers.startswith("features.tcx") and "300 x 200" in answers
    listed = run("models", "list")
    assert "std-1" in listed and "std-2" in listed and "shapes-1" in listed
    run("models", "verify")
