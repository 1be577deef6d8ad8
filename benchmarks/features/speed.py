"""How long the features of one road scene take, in the runtime without torch."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import feature_codecs
import numpy as np
import setups
import torch

from texcodec.features import decode_tensors, encode_picture, encode_tensors, infer
from texcodec.registry import load_feature_set
from texcodec.training.features.export import TaskExport, export_feature_set
from texcodec.training.features.onnx_parts import export_onnx

STEPS = 60
"""Of training: speed does not depend on how good the codec is, and its streams are longer than good ones."""
REPEATED = 30
STRIDE = 8


def measure(setup: setups.Setup, plan: dict[str, Any]) -> dict[str, Any]:
    """Milliseconds of each step (median and least of REPEATED frames, the models loaded), and bytes of a stream."""
    codec, _ = feature_codecs.train([setup], "codebook", {**plan, "steps": min(STEPS, plan["steps"])}, 0)
    pictures = setup.data.pictures[:4].permute(0, 2, 3, 1).numpy()
    example = setup.data.pictures[:1].float()
    with torch.no_grad():
        h = setup.front(example)
    task = TaskExport(
        codec.shapes[0],
        setup.kind,
        pixel_stride=STRIDE,
        front=export_onnx(setup.front, example, input_name="picture", output_name="h"),
        tail=export_onnx(setup.tail, h, input_name="h", output_name="answer"),
    )
    with TemporaryDirectory() as folder:
        export_feature_set(
            codec, [task], Path(folder) / "set", name="speed", card={"note": "to measure time"}
        )
        features = load_feature_set(Path(folder) / "set")
        files = [encode_picture(picture, features) for picture in pictures]
        tensor = decode_tensors(files[0], features)
        found = {
            "encode features": timed(lambda i: encode_tensors(tensor, features)),
            "decode features": timed(lambda i: decode_tensors(files[i % 4], features)),
            "encode picture (front included)": timed(lambda i: encode_picture(pictures[i % 4], features)),
            "answer (tail included)": timed(lambda i: infer(files[i % 4], features=features)),
        }
    size = f"{pictures.shape[2]} x {pictures.shape[1]}"
    return {"size": size, "bytes": float(np.mean([len(f) for f in files])), "milliseconds": found}


def timed(step: Callable[[int], Any]) -> dict[str, float]:
    """Median and least milliseconds."""
    for i in range(4):
        step(i)
    seconds = []
    for i in range(REPEATED):
        start = time.perf_counter()
        step(i)
        seconds.append(time.perf_counter() - start)
    return {"median": round(1e3 * float(np.median(seconds)), 2), "least": round(1e3 * min(seconds), 2)}
