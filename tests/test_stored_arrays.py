"""Sets that take arrays of the set beside them: what is stored, read, and refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import second_decoder
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pictures import photograph
from safetensors.numpy import load, load_file, save, save_file
from second_decoder.model_set import read_arrays as read_stored

import texcodec
from texcodec.errors import ModelDamagedError, ModelNotFoundError
from texcodec.registry import ENVIRONMENT_VARIABLE, discover, find_identity, list_sets, read_model_set
from texcodec.registry.identity import decoder_identity
from texcodec.registry.stored_arrays import PLANE_TYPES, origins, pack_arrays, read_arrays, unpack_arrays
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


def metadata(file: Path) -> dict[str, str]:
    data = file.read_bytes()
    entries: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return entries


def manifest_of(folder: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text("utf-8"))
    return manifest


def lie(derived: Path, **entry: Any) -> None:
    """Change what the derived set's decoder takes of another set."""
    file = derived / DECODER
    known = metadata(file)
    save_file(load_file(file), file, metadata=known | {"of": json.dumps(json.loads(known["of"]) | entry)})


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
        ModelNotFoundError, match="needs arrays of the set base, which is not beside it"
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


def test_a_complete_copy_serves_where_another_lacks_its_set(
    pair: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, derived = pair
    alone = tmp_path / "alone"
    shutil.copytree(derived, alone / "derived")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(alone))
    identity = bytes.fromhex(manifest_of(derived)["identity"])
    with pytest.raises(ModelNotFoundError, match="needs arrays of the set base"):
        find_identity(identity)
    monkeypatch.setattr(discover, "_roots", lambda: [tmp_path])
    assert find_identity(identity).folder == derived
    assert [info.path for info in list_sets() if info.name == "derived"] == [alone / "derived"]


def test_arrays_come_from_at_most_three_files(pair: tuple[Path, Path]) -> None:
    base, derived = pair
    arrays, third = read_arrays(derived / DECODER), derived.parent / "third"
    shutil.copytree(derived, third)
    (third / DECODER).write_bytes(pack_arrays(arrays, derived / DECODER))
    assert not load_file(third / DECODER)
    assert origins(base / DECODER) == []
    assert origins(third / DECODER) == ["derived", "base"]
    assert read_model_set(third).identity == second_decoder.ModelSet(third).identity
    with pytest.raises(ValueError, match="takes arrays of derived, and that of base"):
        pack_arrays(arrays, third / DECODER)


def test_the_set_that_is_missing_is_named_and_no_other(pair: tuple[Path, Path]) -> None:
    base, derived = pair
    third = derived.parent / "third"
    shutil.copytree(derived, third)
    lie(
        third,
        set="derived",
        arrays=[name for name in read_arrays(base / DECODER) if name != "linear.synthesis"],
    )
    assert read_model_set(third).identity == read_model_set(derived).identity
    shutil.rmtree(base)
    with pytest.raises(ModelNotFoundError, match="third.* needs arrays of the set base, which") as caught:
        read_model_set(third)
    assert caught.value.advice == f"Put the folder base into {derived.parent}."


@pytest.mark.parametrize(
    "entry",
    [
        {"set": "../base"},
        {"set": ".."},
        {"set": "base/../base"},
        {"set": ""},
        {"set": 3},
        {"set": ["base"]},
        {"arrays": ["linear.synthesis"]},  # is stored
        {"arrays": ["absent"]},
        {"arrays": ["tables.steps", "tables.steps"]},
        {"arrays": "tables.steps"},
        {"arrays": {"tables.steps": 1}},
        {"arrays": [["tables.steps"]]},
        {"arrays": 3},
    ],
)
def test_lies_about_arrays_of_other_sets_are_refused(pair: tuple[Path, Path], entry: dict[str, Any]) -> None:
    _, derived = pair
    lie(derived, **entry)
    with pytest.raises(ModelDamagedError, match="is damaged"):
        read_model_set(derived)


def test_chains_of_more_files_are_refused(pair: tuple[Path, Path]) -> None:
    _, derived = pair
    third, fourth = derived.parent / "third", derived.parent / "fourth"
    for folder, other in ((third, "derived"), (fourth, "third")):
        shutil.copytree(derived, folder)
        lie(folder, set=other)
    refused_as_too_long(fourth)
    lie(derived, set="third")  # a circle
    refused_as_too_long(third)
    lie(derived, set="derived")
    refused_as_too_long(derived)
    assert len(origins(derived / DECODER)) == 3


def refused_as_too_long(folder: Path) -> None:
    with pytest.raises(ModelDamagedError, match="come from more than 3 files"):
        read_model_set(folder)
    with pytest.raises(second_decoder.Refused, match="three files"):
        second_decoder.ModelSet(folder)


@given(
    hnp.arrays(
        st.sampled_from((*PLANE_TYPES, "uint8", "int8")),
        st.one_of(
            hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
            st.just((2, 2100)),
            st.just((2048,)),
        ),
    )
)
def test_arrays_come_back_as_they_were(array: np.ndarray) -> None:
    data = pack_arrays({"a": array, "b": array.copy()})
    for back in unpack_arrays(data).values():
        assert (back.dtype, back.shape, back.tobytes()) == (array.dtype, array.shape, array.tobytes())
    assert len(load(data)) == 1
    assert pack_arrays(unpack_arrays(data)) == data


def test_bytes_of_one_kind_lie_together_lowest_first(tmp_path: Path) -> None:
    array = np.array([[0x0201, 0x0403]] * 1024, np.uint16)
    data = pack_arrays({"a": array, "small": array[:1023]})
    assert load(data)["a"].tolist() == [[[1, 3]] * 1024, [[2, 4]] * 1024]
    assert (load(data)["small"] == array[:1023]).all()
    (tmp_path / "a.safetensors").write_bytes(data)
    assert (read_stored(tmp_path / "a.safetensors")["a"] == array).all()


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        (np.zeros((2, 3), np.uint8), "float32"),  # two planes, not four
        (np.zeros((2, 3), np.uint16), "uint16"),
        (np.zeros((), np.uint8), "uint16"),
        (np.zeros((0, 3), np.uint8), "uint16"),
        (np.zeros((1, 3), np.uint8), "uint8"),
        (np.zeros((16, 3), np.uint8), "complex128"),
        (np.zeros((8, 3), np.uint8), "object"),
        (np.zeros((2, 3), np.uint8), 2),
    ],
)
def test_what_is_no_planes_of_its_type_is_refused(tmp_path: Path, stored: np.ndarray, kind: Any) -> None:
    data = save({"a": stored}, {"planes": json.dumps({"a": kind})})
    with pytest.raises(ValueError, match="no planes"):
        unpack_arrays(data)
    (tmp_path / "a.safetensors").write_bytes(data)
    with pytest.raises(second_decoder.Refused):
        read_stored(tmp_path / "a.safetensors")


def test_planes_of_an_array_that_is_not_stored_are_refused() -> None:
    with pytest.raises(KeyError):
        unpack_arrays(save({"a": np.zeros(3, np.uint8)}, {"planes": json.dumps({"b": "uint16"})}))
