"""What the package promises: public names, light imports, the direction of data, no vague module names."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.version import Version

import texcodec

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "texcodec"

ORDER = {
    "constants": 0,
    "errors": 0,
    "exif_entries": 0,
    "lazy": 0,
    "limits": 1,
    "notices": 1,
    "files": 2,
    "lossless": 2,
    "processes": 3,
    "similarity": 2,
    "texture": 2,
    "tiles": 2,
    "examples": 2,
    "fusion": 3,
    "images": 3,
    "container": 3,
    "networks": 3,
    "entropy": 3,
    "registry": 4,
    "crop": 4,
    "codec": 5,
    "batch": 5,
    "features": 5,
    "training.core": 5,
    "evaluation": 6,
    "viewer": 6,
    "quantisation": 6,
    "training": 7,
    "cli": 8,
    "pillow": 8,
}
"""A part may import parts of a lower number only (and itself)."""


def part_of(module: str) -> str:
    """The part that a module belongs to; its name without "texcodec."."""
    found = [part for part in ORDER if f"{module}.".startswith(f"{part}.")]
    return max(found, key=len, default=module.split(".")[0])


def name_of(path: Path) -> str:
    """The name of a module without "texcodec."."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def imported_parts(path: Path) -> set[str]:
    package = [PACKAGE.name, *path.relative_to(PACKAGE).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            names = [".".join([*base, node.module or ""]).rstrip(".")]
        found |= {part_of(name.removeprefix("texcodec.")) for name in names if name.startswith("texcodec.")}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_data_flows_one_way(path: Path) -> None:
    part = part_of(name_of(path))
    if part in ("__init__", "__main__"):
        return
    for other in imported_parts(path):
        assert other == part or ORDER[other] < ORDER[part], f"{path} imports {other}"


def test_every_part_has_a_place_in_the_order() -> None:
    parts = {part_of(name_of(p)) for p in modules()}
    assert parts - {"__init__", "__main__"} == set(ORDER)


def test_public_names_exist_and_are_documented() -> None:
    for name in texcodec.__all__:
        value = getattr(texcodec, name)
        assert name == "__version__" or value.__doc__, name


def test_version_is_in_the_changelog() -> None:
    version = texcodec.__version__.split(".dev")[0]
    assert f"\n## {version} " in (ROOT / "CHANGELOG.md").read_text("utf-8")


@pytest.mark.parametrize(
    "statement", ["import texcodec", "import texcodec.cli.app", "import texcodec.registry"]
)
def test_light_imports_stay_light(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint(*[m for m in ('torch', 'onnxruntime', 'numpy', 'PIL') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == ""


def test_codec_does_not_import_torch() -> None:
    code = "import texcodec.codec, texcodec.fusion, sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_no_module_has_a_vague_name() -> None:
    vague = {"utils", "util", "helpers", "misc", "common"}
    assert not [p for p in modules() if p.stem in vague or set(p.relative_to(PACKAGE).parts) & vague]


def test_links_between_documents_lead_somewhere() -> None:
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    assert documents
    for document in documents:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text("utf-8")):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_readme_is_short_and_starts_with_the_two_commands() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 80
    assert any("make demo" in line for line in lines) and any("make test" in line for line in lines)


def test_citation_is_of_the_last_release() -> None:
    released = re.findall(r"^## (\S+) - ([\d-]+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.M)
    version, date = released[0]
    cited = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {version}\n" in cited and date in cited
    assert texcodec.__version__ == version or texcodec.__version__.endswith(".dev0")


def test_lowest_constraints_are_the_lower_bounds() -> None:
    dependencies = (ROOT / "pyproject.toml").read_text("utf-8").split("\ndependencies = [")[1].split("\n]")[0]
    lowest = (ROOT / "constraints-lowest.txt").read_text("utf-8")
    bounds = {n: Version(v) for n, v in re.findall(r'"([\w-]+)[>~]=([\d.]+)', dependencies)}
    assert bounds
    assert {n: Version(v) for n, v in re.findall(r"^([\w-]+)==([\d.]+)$", lowest, re.MULTILINE)} == bounds


def test_every_result_names_commit_command_and_data() -> None:
    results = list((ROOT / "docs" / "results").glob("*.json"))
    assert results
    for path in results:
        whole = json.loads(path.read_text("utf-8"))
        parts = [part for part in (whole, *whole.values()) if isinstance(part, dict)]
        found = [part["provenance"] for part in parts if "provenance" in part]
        assert found, path.name
        for about in found:
            assert about["commit"] and about["command"], path.name
            assert all(len(entry["sha256"]) == 64 for entry in about["data"]), path.name


def test_released_sets_are_the_ones_listed() -> None:
    from texcodec.registry import list_sets

    listed = dict(
        line.split()
        for line in (ROOT / "models" / "RELEASED").read_text("utf-8").splitlines()
        if line[:1] not in ("#", "")
    )
    found = {s.name: s.identity for s in list_sets() if s.path.parent == ROOT / "models"}
    assert listed == {name: identity for name, identity in found.items() if name in listed}


def test_sets_are_small_enough_to_download() -> None:
    for folder in (ROOT / "models").iterdir():
        if (folder / "manifest.json").is_file():
            assert sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) <= 12_000_000


@pytest.mark.parametrize("name", ["next", "next-ssim"])
def test_checkpoints_of_open_trainings_are_small_enough_for_the_repository(name: str) -> None:
    assert sum(p.stat().st_size for p in (ROOT / "models" / name).iterdir()) <= 24_000_000


def test_only_training_imports_torch_with_its_modules() -> None:
    # the installed tool runs without torch; commands that train import it when they are called
    rooms = {"training", "quantisation"}
    for path in modules():
        if path.relative_to(PACKAGE).parts[0] not in rooms:
            top = ast.parse(path.read_text("utf-8")).body
            names = {a.name for node in top if isinstance(node, ast.Import) for a in node.names}
            names |= {node.module or "" for node in top if isinstance(node, ast.ImportFrom)}
            assert "torch" not in {name.split(".")[0] for name in names}, path
