"""Sets that take arrays of the set beside them: what is stored, read, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import second_decoder
from pictures import photograph
from safetensors.numpy import load_file, save_file

import texcodec
from texcodec.errors import ModelDamagedError, ModelNotFoundError
from texcodec.registry import read_model_set
from texcodec.registry.identity import decoder_identity
from texcodec.registry.stored_arrays import pack_arrays, read_arrays
from texcodec.viewer.pack import pack_models

SMALL = Path(__file__).parent / "data" / "tiny-2"
DECODER, ENCODER = "decoder.safetensors", "encoder.safetensors"


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A set, and another one of the same bits and other pixels beside it, which stores what is its own alone."""
    base, derived = tmp_path / "base", tmp_path / "derived"
    shutil.copytree(SMALL, base)
    shutil.copytree(SMALL, derived)
    arrays = read_arrays(base / DECODER)
    arrays["linear.synthesis"] = (arrays["linear.synthesis"] * np.float16(0.5)).astype(np.float16)
    graphs = {
        file.stem: file.read_bytes()
        for file in (derived / "graphs").glob("*.onnx")
        if file.stem not in ("analysis", "hyper_analysis")
    }
    (derived / DECODER).write_bytes(pack_arrays(arrays, base / DECODER))
    (derived / ENCODER).write_bytes(pack_arrays(read_arrays(base / ENCODER), base / ENCODER))
    manifest = json.loads((derived / "manifest.json").read_text("utf-8"))
    manifest |= {"name": "derived", "identity": decoder_identity(graphs, arrays).hex()}
    (derived / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    return base, derived


def lie(derived: Path, **entry: Any) -> None:
    """Change what the derived set's decoder takes of another set."""
    file = derived / DECODER
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        known = json.loads(json.loads(opened.read(length))["__metadata__"]["of"])
    save_file(load_file(file), file, metadata={"of": json.dumps(known | entry)})


def test_only_what_is_its_own_is_stored_and_files_are_those_of_the_other_set(pair: tuple[Path, Path]) -> None:
    base, derived = pair
    assert list(load_file(derived / DECODER)) == ["linear.synthesis"]
    assert not load_file(derived / ENCODER)
    assert (derived / DECODER).read_bytes() == pack_arrays(read_arrays(derived / DECODER), base / DECODER)
    pixels = photograph(64, 48)
    data = texcodec.encode(pixels, models=derived, effort=1)
    with texcodec.open(data) as ours, texcodec.open(texcodec.encode(pixels, models=base, effort=1)) as theirs:
        assert ours.symbols_hash(models=derived) == theirs.symbols_hash(models=base)
    second = second_decoder.decode(data, second_decoder.ModelSet(derived))
    assert (
        np.abs(texcodec.decode(data, models=derived, output="numpy").astype(int) - second.pixels).max() <= 1
    )


def test_the_viewer_gets_all_arrays(pair: tuple[Path, Path]) -> None:
    base, derived = pair
    assert len(pack_models(derived)) > 0.9 * len(pack_models(base))


def test_a_set_alone_says_which_one_it_lacks(pair: tuple[Path, Path]) -> None:
    base, derived = pair
    shutil.rmtree(base)
    with pytest.raises(
        ModelNotFoundError, match="takes arrays of the set base, which is not beside it"
    ) as caught:
        read_model_set(derived)
    assert caught.value.advice == f"Put the folder base into {derived.parent}."


def test_another_set_in_the_place_of_the_one_that_is_meant_is_noticed(pair: tuple[Path, Path]) -> None:
    base, derived = pair
    arrays = read_arrays(base / DECODER)
    arrays["tables.steps"] = arrays["tables.steps"] + np.uint16(1)
    (base / DECODER).write_bytes(pack_arrays(arrays))
    with pytest.raises(ModelDamagedError, match="hash of its decoder"):
        read_model_set(derived)


@pytest.mark.parametrize(
    "entry",
    [
        {"set": "../base"},
        {"set": ".."},
        {"set": "base/../base"},
        {"set": ""},
        {"set": 3},
        {"arrays": ["linear.synthesis"]},  # is stored
        {"arrays": ["absent"]},
        {"arrays": 3},
    ],
)
def test_lies_about_arrays_of_other_sets_are_refused(pair: tuple[Path, Path], entry: dict[str, Any]) -> None:
    _, derived = pair
    lie(derived, **entry)
    with pytest.raises(ModelDamagedError, match="is damaged"):
        read_model_set(derived)


def test_the_other_set_must_have_its_own_arrays(pair: tuple[Path, Path]) -> None:
    _, derived = pair
    third = derived.parent / "third"
    shutil.copytree(derived, third)
    lie(third, set="derived")
    with pytest.raises(ModelDamagedError, match="cannot take arrays"):
        read_model_set(third)
    lie(derived, set="derived")  # nor is it the set itself
    with pytest.raises(ModelDamagedError, match="cannot take arrays"):
        read_model_set(derived)
