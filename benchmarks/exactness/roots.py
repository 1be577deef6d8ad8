"""Pythons with the lowest and the newest releases of the dependencies: here, and in a Debian root for aarch64.

Nothing of another processor runs while they are made: Debian's packages and the wheels are only unpacked.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from processors import Processor, cpuinfo

ROOT = Path(__file__).resolve().parents[2]
LOWEST, NEWEST = "lowest", "newest"
RELEASES = (LOWEST, NEWEST)
PACKAGES = "python3-minimal,libpython3-stdlib,libstdc++6"
SUITE, PYTHON = "bookworm", "3.11"
"""Of the root for aarch64."""
TAGS = [f"manylinux_2_{minor}_aarch64" for minor in (34, 31, 28, 27, 24, 17)] + ["manylinux2014_aarch64"]
OPTIONAL = "constriction"
"""What texcodec runs without; it has no wheel for aarch64 on Linux."""


@dataclass(frozen=True)
class Place:
    """Where a processor finds Python and packages.

    Attributes:
        python: path of the interpreter.
        root: of the libraries.
        path: for ``PYTHONPATH``, beside the repository.
    """

    python: Path
    root: str
    path: str = ""


def dependencies() -> list[str]:
    """What pyproject.toml requires, as pip takes it."""
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    found = re.search(r"^dependencies = \[\n(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return re.findall(r'^ +"([^"]+)"', found[1], re.MULTILINE)


def place(processor: Processor, release: str, build: Path) -> Place:
    """The Python of a processor with the releases of the dependencies, made if it is not there."""
    if processor.machine == "aarch64" and processor.emulated:
        root = build / f"arm64-root-{release}"
        site = build / f"arm64-{release}"
        if not (site / "done").exists():
            _unpack(release, root, site)
        (root / "proc").mkdir(exist_ok=True)
        (root / "proc" / "cpuinfo").write_text(cpuinfo(processor), "ascii")
        return Place(root / "usr" / "bin" / f"python{PYTHON}", str(root), str(site))
    folder = build / f"python-{release}"
    if not (folder / "done").exists():
        _venv(release, folder)
    return Place(folder / "bin" / "python", "/")


def _constraints(release: str) -> list[str]:
    return ["-c", str(ROOT / "constraints-lowest.txt")] if release == LOWEST else []


def _pip(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]


def _venv(release: str, folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    wanted = [*_constraints(release), *dependencies()]
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", *wanted], check=True)
    (folder / "done").touch()


def _unpack(release: str, root: Path, site: Path) -> None:
    if not (root / "usr" / "bin" / f"python{PYTHON}").exists():
        command = ["mmdebstrap", "--quiet", "--variant=extract", "--arch=arm64", f"--include={PACKAGES}"]
        command += [] if os.geteuid() == 0 else ["--mode=unshare"]
        root.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([*command, SUITE, str(root)], check=True)
    where = ["--python-version", PYTHON, "--implementation", "cp", "--only-binary=:all:", "--no-deps"]
    where += [f"--platform={tag}" for tag in TAGS] + ["--target", str(site), *_constraints(release)]
    needed = [name for name in dependencies() if not name.startswith(OPTIONAL)]
    subprocess.run(_pip("install", *where, *needed), check=True)
    optional = [name for name in dependencies() if name.startswith(OPTIONAL)]
    done = subprocess.run(_pip("install", *where, *optional), capture_output=True, check=False)
    if done.returncode:
        print(
            f"{OPTIONAL} has no wheel for aarch64: symbols are decoded by the coder in Python",
            file=sys.stderr,
        )
    (site / "done").touch()
