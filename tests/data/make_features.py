"""Makes the feature set of the tests, tiny-features: small networks with drawn weights that learned nothing.

    cd tests && PYTHONPATH=.. python -m data.make_features

It needs the extra "train" for its graphs. Two tasks share a stream, with features of different sizes; a third was
added to the set later. The set is part of the tests' golden files, so it is made once and kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import save_file

from texcodec.entropy import quantise_probabilities
from texcodec.registry.identity import feature_identity
from texcodec.training.core.graph_builder import GraphBuilder

HERE = Path(__file__).resolve().parent
M, V, GROUPS, ELEMENTS, GRID, LEVELS, WIDTH = 8, 4, 6, 5, (4, 5), 3, 12
LARGEST_SUPPORT = 9
"""Small, so that files have escapes."""

Arrays = dict[str, np.ndarray]


class Builder:
    """Draws weights, and collects them by file."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(7)
        self.decoder: Arrays = {}
        self.encoder: Arrays = {}

    def integer(
        self, g: GraphBuilder, x: str, name: str, i: int, o: int, k: int, shift: int, size: int = 40
    ) -> str:
        weight = np.rint(self.random.normal(0, size, (o, i, k, k))).astype(np.int16)
        bias = np.rint(self.random.normal(0, 3000, o)) + 2 ** (shift - 1)
        self.decoder[f"{g.name}.{name}.weight"] = weight
        self.decoder[f"{g.name}.{name}.bias"] = bias.astype(np.int32)
        return g.integer_conv(x, name, i, o, k, shift)

    def float(
        self, g: GraphBuilder, x: str, to: Arrays, name: str, i: int, o: int, k: int, stride: int = 1
    ) -> str:
        weight = self.random.normal(0, (i * k * k) ** -0.5, (o, i, k, k))
        to[f"{g.name}.{name}.weight"] = weight.astype(np.float16)
        to[f"{g.name}.{name}.bias"] = np.zeros(o, np.float16)
        return g.conv(x, name, i, o, k, stride=stride)


def signed(g: GraphBuilder, x: str) -> str:
    return g.add("Clip", x, g.constant(-255.0), g.constant(255.0))


def generator(b: Builder) -> bytes:
    g = GraphBuilder("generator")
    x = g.input("v", [1, V + LEVELS, 1, 1])
    x = g.activation(b.integer(g, x, "enter", V + LEVELS, WIDTH, 1, 8))
    x = g.activation(b.integer(g, x, "middle", WIDTH, WIDTH, 1, 8))
    x = g.reshape(
        signed(g, b.integer(g, x, "leave", WIDTH, GROUPS * ELEMENTS, 1, 6)), [1, ELEMENTS, GROUPS, 1]
    )
    x = signed(g, b.integer(g, x, "codebook", ELEMENTS, GRID[0] * GRID[1], 1, 7))
    b.decoder["generator.codebook.bias"][:] = 64
    x = g.reshape(g.add("Transpose", x, perm=[0, 2, 1, 3]), [1, GROUPS, *GRID])
    return g.build(x, [1, GROUPS, *GRID])


def predictor(b: Builder) -> bytes:
    g = GraphBuilder("predictor")
    x = g.input("u", [1, GROUPS, "h", "w"])
    x = g.activation(b.integer(g, x, "enter", GROUPS, WIDTH, 1, 7))
    x = g.activation(b.integer(g, x, "spread", WIDTH, WIDTH, 3, 9))
    x = b.integer(g, x, "leave", WIDTH, 2 * M, 1, 9, 20)
    b.decoder["predictor.leave.bias"][M:] += 18 << 9
    return g.build(x, [1, 2 * M, "h", "w"])


def tables(b: Builder) -> None:
    rows, support = [], []
    for i in range(64):
        sigma = 0.11 * (128 / 0.11) ** (i / 63)
        largest = min(LARGEST_SUPPORT, int(5 * sigma) + 2)
        p = np.exp(-0.5 * (np.arange(-largest, largest + 1) / sigma) ** 2) + 1e-6
        rows.append(quantise_probabilities(np.append(p, 0.01)))
        support.append(largest)
    b.decoder["tables.symbols"], b.decoder["tables.support"] = (
        np.concatenate(rows),
        np.array(support, np.uint16),
    )
    v = np.arange(-31, 32)
    row = [quantise_probabilities(np.exp(-np.abs(v - c) / 3) + 1e-5) for c in range(V)]
    b.decoder["tables.hyper"] = np.stack([row] * LEVELS)
    gains = np.linspace(0.5, 1, M) * 2.0 ** np.arange(LEVELS)[:, None]
    b.encoder["gains"] = gains.astype(np.float32)
    b.decoder["inverse_gains"] = (1 / gains).astype(np.float32)


TASKS: list[dict[str, Any]] = [
    {"name": "kind", "kind": "classification", "channels": 6, "factor": 2, "pixel_stride": 4, "stream": True},
    {"name": "parts", "kind": "segmentation", "channels": 5, "factor": 4, "pixel_stride": 2, "stream": True},
    {"name": "later", "kind": "depth", "channels": 3, "factor": 1, "pixel_stride": 8, "stream": False},
]
CLASSES = {"kind": ["a", "b", "c"], "parts": ["ground", "thing"], "later": None}


def transform(b: Builder) -> bytes:
    g, parts = GraphBuilder("transform"), []
    for k, task in enumerate(task for task in TASKS if task["stream"]):
        x = g.input(f"h{k}", [1, task["channels"], f"H{k}", f"W{k}"])
        fused = b.float(g, x, b.encoder, f"fusion{k}", task["channels"], 8, task["factor"], task["factor"])
        parts.append(g.add("Relu", fused))
    z = b.float(g, g.add("Concat", *parts, axis=1), b.encoder, "leave", 16, M, 3)
    return g.build(z, [1, M, "h", "w"])


def hyper_extractor(b: Builder) -> bytes:
    g = GraphBuilder("hyper_extractor")
    x = b.float(g, g.input("y", [1, M, "h", "w"]), b.encoder, "enter", M, 8, 3)
    x = b.float(g, g.add("GlobalAveragePool", g.add("Relu", x)), b.encoder, "leave", 8, V, 1)
    return g.build(x, [1, V, 1, 1])


def with_weights(graph: bytes, arrays: Arrays) -> bytes:
    model = onnx.load_from_string(graph)
    for tensor in model.graph.initializer:
        del tensor.external_data[:]
        tensor.data_location = onnx.TensorProto.DEFAULT
        tensor.raw_data = arrays[f"{model.graph.name}.{tensor.name}"].astype("<f4").tobytes()
    return model.SerializeToString(deterministic=True)


def front(b: Builder, channels: int, stride: int) -> bytes:
    g, arrays = GraphBuilder("front"), {}
    x = g.add("Mul", g.input("picture", [1, 3, "H", "W"]), g.constant(1 / 128))
    x = g.add("Relu", b.float(g, x, arrays, "leave", 3, channels, stride, stride))
    return with_weights(g.build(x, [1, channels, "h", "w"]), arrays)


def tail(b: Builder, kind: str, channels: int, stride: int) -> bytes:
    g, arrays = GraphBuilder("tail"), {}
    x = g.input("h", [1, channels, "H", "W"])
    if kind == "classification":
        x = b.float(g, g.add("GlobalAveragePool", x), arrays, "leave", channels, 3, 1)
        return with_weights(g.build(g.reshape(x, [1, 3]), [1, 3]), arrays)
    outputs = 2 if kind == "segmentation" else 1
    x = g.shuffle(b.float(g, x, arrays, "leave", channels, outputs * stride * stride, 1), stride)
    return with_weights(g.build(x, [1, outputs, "Y", "X"]), arrays)


def main(folder: Path) -> None:
    """Write the set to a folder that does not exist yet."""
    (folder / "graphs").mkdir(parents=True)
    (folder / "tasks").mkdir()
    b = Builder()
    tables(b)
    decoder = {"generator": generator(b), "predictor": predictor(b)}
    encoder = {"transform": transform(b), "hyper_extractor": hyper_extractor(b)}
    for name, graph in (decoder | encoder).items():
        (folder / "graphs" / f"{name}.onnx").write_bytes(graph)
    save_file(b.decoder, folder / "decoder.safetensors")
    save_file(b.encoder, folder / "encoder.safetensors")
    g, shared = GraphBuilder("reconstruction"), {}
    x = g.add("Relu", b.float(g, g.input("z", [1, M, "h", "w"]), shared, "enter", M, 10, 3))
    (folder / "graphs" / "reconstruction.onnx").write_bytes(g.build(x, [1, 10, "h", "w"]))
    save_file(shared, folder / "tasks" / "shared.safetensors")
    tasks = []
    for task in TASKS:
        name, channels, stride, factor = (task[k] for k in ("name", "channels", "pixel_stride", "factor"))
        chain = ["reconstruction", f"separation_{name}"] if task["stream"] else [f"reconstruction_{name}"]
        g, own, inputs = GraphBuilder(chain[-1]), {}, 10 if task["stream"] else M
        x = b.float(
            g, g.input("z", [1, inputs, "h", "w"]), own, "leave", inputs, channels * factor * factor, 3
        )
        x = g.shuffle(x, factor) if factor > 1 else x
        (folder / "graphs" / f"{chain[-1]}.onnx").write_bytes(g.build(x, [1, channels, "H", "W"]))
        save_file(own, folder / "tasks" / f"{name}.safetensors")
        (folder / "tasks" / f"{name}.front.onnx").write_bytes(front(b, channels, stride))
        (folder / "tasks" / f"{name}.tail.onnx").write_bytes(tail(b, task["kind"], channels, stride))
        used = [f"graphs/{graph}.onnx" for graph in chain] + [
            f"tasks/{name}.{end}.onnx" for end in ("front", "tail")
        ]
        used += ["tasks/shared.safetensors"] * task["stream"] + [f"tasks/{name}.safetensors"]
        hashes = {path: hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in used}
        ends = {"front": True, "tail": True, "classes": CLASSES[name]}
        tasks.append({**task, "chain": chain, **ends, "sha256": hashes})
    manifest = {
        "manifest_version": 1,
        "kind": "features",
        "name": "tiny-features",
        "entropy_profile": 1,
        "latent_channels": M,
        "hyper_channels": V,
        "groups": GROUPS,
        "codebook": ELEMENTS,
        "grid": GRID,
        "levels": LEVELS,
        "default_level": 1,
        "tasks": tasks,
        "identity": feature_identity(decoder, b.decoder).hex(),
        "encoder": feature_identity(encoder, b.encoder).hex(),
        "card": {"data": "none: the weights are drawn", "licence": "Apache-2.0"},
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "tiny-features")
