"""Synthesis weights of a byte each: rounding, loading, and sets whose bytes and scales do not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from pictures import photograph
from safetensors.numpy import load_file, save_file

import texcodec
from texcodec.cli.app import run
from texcodec.codec.rate_control import psnr
from texcodec.errors import ModelDamagedError, ModelNotFoundError, ParameterError
from texcodec.registry import ModelSet, decoder_identity, find_set, load_set
from texcodec.registry.scaled import scale, unscale
from texcodec.registry.stored_arrays import read_arrays
from texcodec.training.pictures.byte_weights import byte_arrays

Arrays = dict[str, np.ndarray]
SET = "tiny-1"


def write(folder: Path, arrays: Arrays) -> Path:
    """tiny-1 with other arrays, and the identity that they have."""
    shutil.copytree(find_set(SET), folder)
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / "decoder.safetensors")
    names = {p.stem for p in folder.glob("graphs/*.onnx")} - {"analysis", "hyper_analysis"}
    graphs = {name: (folder / "graphs" / f"{name}.onnx").read_bytes() for name in names}
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest |= {"identity": decoder_identity(graphs, arrays).hex(), "name": "bytes"}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return folder


def stored() -> Arrays:
    return load_file(find_set(SET) / "decoder.safetensors")


def test_rounding_is_within_half_a_scale_and_zeros_stay() -> None:
    random = np.random.default_rng(0)
    weights = (random.normal(size=(6, 5, 3, 3)) * 10.0 ** random.integers(-4, 3, (6, 1, 1, 1))).astype(
        np.float16
    )
    weights[2] = 0
    for axis in (0, 1):
        q, scales = scale(weights, axis)
        assert q.dtype == np.int8 and scales.dtype == np.float32 and scales.size == weights.shape[axis]
        assert q.min() >= -127 and (np.abs(q).max(tuple({0, 1, 2, 3} - {axis})) <= 127).all()
        back = unscale({"w": q, "w.scale": scales}, "x")["w"]
        assert back.dtype == np.float32 and back.shape == weights.shape
        assert (np.abs(back - weights.astype(np.float32)) <= scales * 0.5001).all()
        assert (back[2] == 0).all()


def test_bytes_are_at_most_27_percent_of_float32_in_networks_of_the_full_size() -> None:
    stored = read_arrays(find_set("std-2") / "decoder.safetensors")
    mine = ("synthesis.", "linear.synthesis")
    as_float = 4 * sum(v.size for k, v in stored.items() if k.startswith(mine))
    assert sum(v.nbytes for k, v in byte_arrays(stored).items() if k.startswith(mine)) <= 0.27 * as_float


def test_set_of_bytes_codes_the_same_symbols_and_nearly_the_same_pixels(tmp_path: Path) -> None:
    arrays = byte_arrays(stored())
    assert all(
        v.dtype == np.int8
        for k, v in arrays.items()
        if k == "linear.synthesis" or k.endswith("expand.weight")
    )
    for key, value in stored().items():
        if not key.startswith("synthesis.") and key != "linear.synthesis":
            assert np.array_equal(arrays[key], value)
    folder = write(tmp_path / "set", arrays)
    models, twin = ModelSet(folder), load_set(SET)
    models.verify()
    assert models.identity != twin.identity and run(["models", "verify", str(folder)]) == 0
    pixels = photograph(300, 200, seed=4)
    for quality in (20, 80):
        mine = texcodec.encode(pixels, quality=quality, models=models, metadata=False)
        theirs = texcodec.encode(pixels, quality=quality, models=twin, metadata=False)
        assert len(mine) == len(theirs)
        found, wanted = (
            psnr(pixels, np.asarray(texcodec.decode(d, models=m)))
            for d, m in ((mine, models), (theirs, twin))
        )
        assert abs(found - wanted) < 0.1


def test_second_decoder_reads_sets_of_bytes(tmp_path: Path) -> None:
    folder = write(tmp_path / "set", byte_arrays(stored()))
    second, models = second_decoder.ModelSet(folder), ModelSet(folder)
    assert second.identity == models.identity
    data = texcodec.encode(photograph(90, 70, seed=2), quality=60, models=models)
    found, wanted = second_decoder.decode(data, second).pixels, texcodec.decode(data, models=models)
    assert np.abs(found.astype(int) - np.asarray(wanted)).max() <= 1


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("linear.synthesis.scale"),
        lambda a: a.update({"linear.synthesis.scale": a["linear.synthesis.scale"][:, 1:]}),
        lambda a: a.update({"linear.synthesis.scale": a["linear.synthesis.scale"].astype(np.float64)}),
        lambda a: a.update({"linear.synthesis.scale": a["linear.synthesis.scale"][0]}),
        lambda a: a.update({"linear.synthesis.scale": a["linear.synthesis.scale"] * np.float32("nan")}),
        lambda a: a.update({"linear.synthesis.scale": a["linear.synthesis.scale"] * 0}),
        lambda a: a.update({"nothing.scale": np.ones(1, np.float32)}),
        lambda a: a.update({"tables.base_steps.scale": np.ones(1, np.float32)}),
        lambda a: a.update({"tables.magnitudes": a["tables.magnitudes"].astype(np.int8)}),
        lambda a: a.update({k: v.astype(np.int8) for k, v in a.items() if k == "hyper_synthesis.up1.weight"}),
        lambda a: a.update({"linear.synthesis": a["linear.synthesis"][:, 1:]}),
    ],
)
def test_bytes_without_fitting_scales_are_a_damaged_set(
    tmp_path: Path, change: Callable[[Arrays], object]
) -> None:
    arrays = byte_arrays(stored())
    change(arrays)
    folder = write(tmp_path / "set", arrays)
    with pytest.raises(ModelDamagedError):
        ModelSet(folder).verify()


@pytest.mark.train
def test_twin_is_made_of_a_set_and_training_goes_on_from_the_set(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from texcodec.training.pictures.byte_set import make_byte_set
    from texcodec.training.pictures.restore import restore_codec

    out = tmp_path / "twin"
    make_byte_set(find_set(SET), out, name="tiny-w8", card={"command": "mine"})
    models = load_set(out)
    models.verify()
    assert models.name == "tiny-w8" and models.manifest.card["command"] == "mine"
    assert load_set(SET).identity.hex() in models.manifest.card["made_from"]
    with pytest.raises(ModelNotFoundError, match="no master"):
        restore_codec(out)
    make_byte_set(find_set(SET), out, name="tiny-w8")  # over itself
    with pytest.raises(ParameterError, match="byte already"):
        make_byte_set(out, tmp_path / "again", name="x")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(ParameterError, match="no model set"):
        make_byte_set(find_set(SET), tmp_path / "full", name="x")
