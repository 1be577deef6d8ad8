"""The files that every processor decodes: the golden ones, pictures of entropy profile 2, and ten photographs.

Ten crops of 150 x 140 pixels of the pictures that scikit-image ships are encoded here with tiles of 128 pixels, so four
tiles each, for threads to share; the pictures of the golden files are encoded with the small set of profile 2 as well.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import texcodec
from texcodec.container import Reader
from texcodec.features import load_feature_set
from texcodec.features.decode import streams_hash
from texcodec.registry import load_set

ROOT = Path(__file__).resolve().parents[2]
TESTS = ROOT / "tests"
sys.path.insert(0, str(TESTS))

import second_decoder  # noqa: E402
from golden.make import FOLDERS, page, scene, with_alpha  # noqa: E402
from golden.make_features import SETS as FEATURE_SETS  # noqa: E402

TINY_2 = TESTS / "data" / "tiny-2"
TINY_1, STD_1, STD_2, STD_2_W8 = (ROOT / "models" / name for name in ("tiny-1", "std-1", "std-2", "std-2-w8"))
CROPS = {
    "astronaut.png": (170, 30),
    "camera.png": (200, 80),
    "chelsea.png": (150, 60),
    "coffee.png": (250, 120),
    "grass.png": (100, 100),
    "hubble_deep_field.jpg": (400, 300),
    "ihc.png": (180, 200),
    "motorcycle_left.png": (300, 200),
    "retina.jpg": (600, 500),
    "rocket.jpg": (280, 120),
}
"""Left upper corners, in pixels."""
SIZE = 150, 140
QUALITIES = 8, 20, 35, 50, 65, 80, 92, 97, 30, 60
SETS = STD_2, TINY_2, STD_1, STD_2, STD_2_W8, TINY_2, STD_2, TINY_1, TINY_2, STD_2
"""The set of each picture; this machine itself decodes each picture with each set."""


def crops() -> Iterator[tuple[str, np.ndarray]]:
    """Name and uint8 pixels of the ten crops, height x width x 3, the grey ones height x width."""
    found = find_spec("skimage")
    if found is None or not found.submodule_search_locations:
        sys.exit("scikit-image, whose pictures are taken, is not installed; run make test-exact")
    folder = Path(found.submodule_search_locations[0]) / "data"
    for name, (x, y) in CROPS.items():
        with Image.open(folder / name) as image:
            part = image.crop((x, y, x + SIZE[0], y + SIZE[1]))
            yield Path(name).stem, np.asarray(part.convert("L" if part.mode == "L" else "RGB"))


def golden_pictures() -> dict[str, tuple[np.ndarray, dict[str, Any]]]:
    """Pictures of the golden files with their settings, those that say something about a transform."""
    return {
        "pixel": (np.array([[[200, 30, 90]]], np.uint8), {"quality": 50}),
        "lean": (scene(33, 17), {"quality": 70}),
        "lowest": (scene(70, 90), {"quality": 1}),
        "highest": (page(35, 48), {"quality": 100}),
        "grey": (scene(140, 40)[..., :1], {"quality": 40, "tile": 128}),
        "alpha": (with_alpha(scene(48, 60)), {"quality": 50}),
        "wide": (scene(40, 275), {"quality": 30}),
        "rates": (scene(140, 150), {"bpp": 0.6, "tile": 128}),
        "crop": (scene(150, 300), {"quality": 50, "tile": 128, "crop": (37, 21, 150, 90)}),
        "coarse": (
            scene(140, 290),
            {"quality": 45, "tile": 128, "crop": (5, 3, 100, 120), "outside": "coarse"},
        ),
    }


def make(folder: Path) -> list[dict[str, str]]:
    """Write all files into a folder, with what they must decode to, as ``decode.py`` reads it.

    Each has the hash of its symbols by the second decoder of the tests, which shares nothing with texcodec and computes
    in integers, and the pixels that texcodec decodes here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    entries = [*_golden(folder), *_golden_features(folder), *_profile_2(folder), *_pictures(folder)]
    (folder / "files.json").write_text(json.dumps(entries, indent=1), "ascii")
    return entries


def _golden(folder: Path) -> Iterator[dict[str, str]]:
    for name, (models, _) in FOLDERS.items():
        for path in sorted((TESTS / "golden" / name).glob("*.tcx")):
            stem = "-".join(["golden", *Path(name).parts, path.stem])
            yield _picture(folder, stem, path.read_bytes(), models)


def _golden_features(folder: Path) -> Iterator[dict[str, str]]:
    table = (TESTS / "golden" / "features" / "golden.txt").read_text("ascii")
    for line in table.splitlines():
        if line.startswith("#"):
            continue
        name, models, _, symbols = line.split()
        data = (TESTS / "golden" / "features" / f"{name}.tcx").read_bytes()
        reader = Reader(data)
        if streams_hash(reader.header, reader.ancillary, load_feature_set(FEATURE_SETS[models])) != symbols:
            sys.exit(f"{name} has other symbols here than it was made with")
        path = folder / f"features-{name}.tcx"
        path.write_bytes(data)
        yield {
            "name": path.stem,
            "file": path.name,
            "set": _relative(FEATURE_SETS[models]),
            "symbols": symbols,
        }


def _profile_2(folder: Path) -> Iterator[dict[str, str]]:
    for name, (pixels, settings) in golden_pictures().items():
        data = texcodec.encode(pixels, models=TINY_2, threads=1, **settings)
        yield _picture(folder, f"profile-2-{name}", data, TINY_2)


def _pictures(folder: Path) -> Iterator[dict[str, str]]:
    for number, (name, pixels) in enumerate(crops()):
        for models in (STD_2, TINY_2, TINY_1, STD_1, STD_2_W8):
            data = texcodec.encode(pixels, models=models, quality=QUALITIES[number], tile=128, threads=1)
            entry = _picture(folder, f"{name}-{models.name}", data, models)
            yield entry if models == SETS[number] else entry | {"more": "yes"}


def _picture(folder: Path, name: str, data: bytes, models: Path) -> dict[str, str]:
    (folder / f"{name}.tcx").write_bytes(data)
    second = second_decoder.decode(data, second_decoder.ModelSet(models)).symbols_hash()
    with texcodec.open(data) as file:
        if file.symbols_hash(models=load_set(models)) != second:
            sys.exit(f"texcodec and the second decoder disagree on {name} here")
        pixels = file.decode_picture(models=load_set(models)).pixels
    np.save(folder / f"{name}.npy", pixels)
    return {
        "name": name,
        "file": f"{name}.tcx",
        "set": _relative(models),
        "symbols": second,
        "pixels": f"{name}.npy",
    }


def _relative(folder: Path) -> str:
    return folder.relative_to(ROOT).as_posix()


def digest(folder: Path) -> str:
    """SHA-256 of all files, in the order of their names: which files a table is about."""
    sha = hashlib.sha256()
    for path in sorted(folder.glob("*.tcx")):
        sha.update(path.read_bytes())
    return sha.hexdigest()
