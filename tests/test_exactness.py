"""The same symbols everywhere: threads, optimisation levels, batch sizes, engines, and weights at the edge of
the bound.
"""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import photograph

import texcodec
from texcodec.container import Reader, write
from texcodec.errors import ModelDamagedError
from texcodec.networks import check_bound
from texcodec.registry import FEATURES, PICTURES, ModelSet, list_sets, load_feature_set, load_set

SET = "tiny-1"
RELEASED = [info.name for info in list_sets(PICTURES) if info.released]
RELEASED_FEATURES = [info.name for info in list_sets(FEATURES) if info.released]

RUN = """
import hashlib, io, sys, numpy as np
from texcodec.networks import sessions
sessions.optimisation_level = sys.argv[2]
import texcodec
threads = int(sys.argv[1])
pixels = np.load(io.BytesIO(sys.stdin.buffer.read()))
for models in sys.argv[3:]:
    data = texcodec.encode(pixels, quality=40, models=models, threads=threads)
    file = texcodec.open(data)
    decoded = np.asarray(file.decode(threads=threads))
    print(models, hashlib.sha256(data).hexdigest(), file.symbols_hash(threads=threads),
    hashlib.sha256(decoded).hexdigest())
"""


def run_in_process(pixels: np.ndarray, threads: int, level: str) -> list[str]:
    buffer = io.BytesIO()
    np.save(buffer, pixels)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(threads), level, *RELEASED],
        input=buffer.getvalue(),
        capture_output=True,
        check=True,
    )
    return done.stdout.decode().splitlines()


def test_threads_do_not_change_bytes_symbols_or_pixels() -> None:
    pixels = photograph(520, 300)
    lines = run_in_process(pixels, 1, "all")
    assert [line.split()[0] for line in lines] == RELEASED
    assert lines == run_in_process(pixels, 2, "all")


@pytest.mark.parametrize("level", ["none", "basic", "extended"])
def test_optimisation_levels_do_not_change_symbols_of_a_file(level: str, tmp_path: Path) -> None:
    pixels = photograph(300, 270)
    files = [texcodec.encode(pixels, quality=40, models=name) for name in RELEASED]
    paths = [tmp_path / f"{name}.tcx" for name in RELEASED]
    for path, data in zip(paths, files, strict=True):
        path.write_bytes(data)
    code = (
        "import sys; from texcodec.networks import sessions; sessions.optimisation_level = sys.argv[1]\n"
        "import texcodec; print(*(texcodec.open(path).symbols_hash() for path in sys.argv[2:]))"
    )
    done = subprocess.run([sys.executable, "-c", code, level, *paths], capture_output=True, check=True)
    assert done.stdout.decode().split() == [texcodec.open(data).symbols_hash() for data in files]


def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The oracle: an integer convolution in int64, C x h x w."""
    k = weight.shape[2]
    padded = np.pad(x.astype(np.int64), [(0, 0), (k // 2, k // 2), (k // 2, k // 2)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (k, k), axis=(1, 2))
    return (
        np.einsum("cyxij,ocij->oyx", windows, weight.astype(np.int64)) + bias.astype(np.int64)[:, None, None]
    )


def context_oracle(
    arrays: dict[str, np.ndarray], shifts: dict[str, int], features: np.ndarray, context: np.ndarray
) -> np.ndarray:
    def layer(x: np.ndarray, name: str) -> np.ndarray:
        return convolve(x, arrays[f"{name}.weight"], arrays[f"{name}.bias"]) >> shifts[name]

    c = np.clip(layer(np.clip(layer(context, "squeeze"), 0, 255), "spread"), 0, 255)
    return layer(np.clip(layer(np.concatenate([features, c]), "joint"), 0, 255), "leave")


def shifts_of(models: ModelSet, name: str, layers: list[str]) -> dict[str, int]:
    """Shifts as the graph states them: the constants 2^-shift, in the order of its layers."""
    graph = (models.folder / "graphs" / f"{name}.onnx").read_bytes()
    powers = {np.float32(2.0**-n).tobytes(): n for n in range(1, 24)}
    found = sorted((graph.index(b), n) for b, n in powers.items() if b in graph)
    places = [(i, n) for b, n in powers.items() for i in range(len(graph) - 3) if graph[i : i + 4] == b]
    assert found
    constants = [
        n
        for i, n in sorted(places)
        if graph[i - 2 : i] in (b"\x22\x04", b"\x4a\x04") or graph[i - 1 : i] == b"\x04"
    ]
    assert len(constants) == len(layers), "the graph's constants could not be told apart"
    return dict(zip(layers, constants, strict=True))


@pytest.mark.parametrize("name", RELEASED)
def test_context_network_equals_an_integer_oracle_on_adversarial_inputs(name: str) -> None:
    models = load_set(name)
    arrays = {
        k.removeprefix("context_2."): v for k, v in models._arrays.items() if k.startswith("context_2.")
    }
    layers = ["squeeze", "spread", "joint", "leave"]
    shifts = shifts_of(models, "context_2", layers)
    squeeze = arrays["squeeze.weight"].astype(np.int64)
    features = np.full((arrays["joint.weight"].shape[1] - squeeze.shape[0], 6, 5), 255)
    random = np.random.default_rng(0)
    worst = [
        np.where(row[:, 0, 0] > 0, 255, -255)[:, None, None] * np.ones((1, 6, 5), int) for row in squeeze[:4]
    ]
    inputs = [*worst, random.integers(-255, 256, (squeeze.shape[1], 6, 5))]
    for context in inputs:
        ours = models.context(2)(
            features=features[None].astype(np.float32),
            context=np.ascontiguousarray(context[None], np.float32),
        )[0]
        np.testing.assert_array_equal(ours, context_oracle(arrays, shifts, features, context))


@pytest.mark.parametrize("name", RELEASED)
def test_batches_equal_single_runs(name: str) -> None:
    models = load_set(name)
    random = np.random.default_rng(1)
    count = models.manifest.hyper_channels + 1 + models.classes
    planes = random.integers(-124, 256, (5, count, 4, 4)).astype(np.float32)
    together = models.hyper_synthesis()(hyper=planes)
    single = np.concatenate([models.hyper_synthesis()(hyper=p[None]) for p in planes])
    np.testing.assert_array_equal(together, single)


def test_layer_that_could_pass_the_exact_range_is_refused() -> None:
    # random inputs would not show it: the bound is about the worst input
    weight = np.full((1, 192, 3, 3), 127, np.int16)
    with pytest.raises(ModelDamagedError, match="2\\^24"):
        check_bound(weight, np.zeros(1, np.int32), 255, "wide")
    check_bound(weight[:, :32], np.zeros(1, np.int32), 255, "narrow")


@pytest.mark.parametrize("name", [*RELEASED, *RELEASED_FEATURES])
def test_every_integer_layer_of_the_released_sets_meets_the_bound(name: str) -> None:
    models = load_set(name) if name in RELEASED else load_feature_set(name)
    layers = [k for k in models._arrays if k.endswith(".weight") and models._arrays[k].dtype == np.int16]
    assert layers
    for layer in layers:
        check_bound(models._arrays[layer], models._arrays[layer.replace(".weight", ".bias")], 255, layer)


def test_the_released_sets_are_those_of_the_list() -> None:
    # an empty list would leave the tests above without cases
    assert {SET, "std-1", "std-2", "std-2-w8"} <= set(RELEASED) and "shapes-1" in RELEASED_FEATURES


def test_symbols_hash_depends_on_every_tile() -> None:
    pixels = photograph(300, 270)
    one, other = (Reader(texcodec.encode(p, quality=40, models=SET)) for p in (pixels, pixels[::-1]))
    tiles = [list(zip(map(r.tile_bytes, range(4)), r.tiles, strict=True)) for r in (one, other)]
    hashes = set()
    for changed in (None, *range(4)):
        mixed = [tiles[i == changed][i] for i in range(4)]
        file = texcodec.open(write(one.header, [data for data, _ in mixed], [entry for _, entry in mixed]))
        hashes.add(file.symbols_hash())
    assert len(hashes) == 5
