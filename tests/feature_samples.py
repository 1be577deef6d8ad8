"""A feature set for tests, and pictures and tensors for it. The set learned nothing (tests/data/make_features.py)."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from golden.make import scene
from safetensors.numpy import load_file, save_file

from texcodec.registry import FeatureSet, load_feature_set
from texcodec.registry.identity import feature_identity

SET = Path(__file__).parent / "data" / "tiny-features"
STREAM_TASKS = ("kind", "parts")
TASKS = (*STREAM_TASKS, "later")
INTEGER_GRAPHS = ("generator", "predictor")


def tiny() -> FeatureSet:
    """The set: tasks kind (6 channels, stride 4), parts (5, stride 2), both in a stream; later (3, stride 8)."""
    return load_feature_set(SET)


def picture(height: int = 50, width: int = 70) -> np.ndarray:
    """uint8 height x width x 3."""
    return scene(height, width)


def tensors(h: int = 7, w: int = 9, seed: int = 1) -> dict[str, np.ndarray]:
    """Tensors of both stream tasks for h x w latents."""
    random = np.random.default_rng(seed)
    return {
        "kind": random.normal(0, 2, (6, 2 * h, 2 * w)).astype(np.float32),
        "parts": random.normal(0, 2, (5, 4 * h, 4 * w)).astype(np.float32),
    }


def copied_set(folder: Path) -> Path:
    """A copy of the set that a test may change."""
    shutil.copytree(SET, folder)
    return folder


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change the manifest of a copy."""
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    change(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def change_decoder(
    folder: Path, change: Callable[[dict[str, np.ndarray]], object], *, honest: bool = True
) -> None:
    """Change the entropy decoder's arrays of a copy, and, to be honest, its identity."""
    arrays = load_file(folder / "decoder.safetensors")
    change(arrays)
    save_file(arrays, folder / "decoder.safetensors")
    if honest:
        graphs = {name: (folder / "graphs" / f"{name}.onnx").read_bytes() for name in INTEGER_GRAPHS}
        identity = feature_identity(graphs, arrays).hex()
        change_manifest(folder, lambda manifest: manifest.update(identity=identity))
