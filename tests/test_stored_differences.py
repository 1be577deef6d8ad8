"""Arrays that are stored as differences to those of the set beside theirs: what is stored, read, and refused."""

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
from safetensors.numpy import load, load_file, save, save_file
from second_decoder.model_set import added
from second_decoder.model_set import read_arrays as read_stored

from texcodec.errors import ModelDamagedError, ModelNotFoundError
from texcodec.registry import find_set, read_model_set
from texcodec.registry.differences import TYPES, fits, from_difference, to_difference
from texcodec.registry.identity import decoder_identity
from texcodec.registry.stored_arrays import origins, pack_arrays, read_arrays, unpack_arrays

SMALL = Path(__file__).parent / "data" / "tiny-2"
DECODER = "decoder.safetensors"
FILE = "a.safetensors"


@pytest.fixture
def chain(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Three sets of one folder. What the second has changed is stored as differences to the first; the third has the
    second's arrays but for one, a difference to the second.
    """
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    for folder in (first, second, third):
        shutil.copytree(SMALL, folder)
    arrays = read_arrays(first / DECODER)
    for name in ("linear.synthesis", "tables.base_steps"):
        arrays[name] = nudged(arrays[name])
    write(second, arrays, first)
    arrays["linear.synthesis"] = nudged(arrays["linear.synthesis"])
    write(third, arrays, second)
    return first, second, third


def nudged(array: np.ndarray) -> np.ndarray:
    """The array with every third bit pattern one higher."""
    bits = array.view(f"u{array.dtype.itemsize}").copy()
    bits.reshape(-1)[::3] += 1
    return bits.view(array.dtype)


def write(folder: Path, arrays: dict[str, np.ndarray], like: Path) -> None:
    graphs = {file.stem: file.read_bytes() for file in (folder / "graphs").glob("*.onnx")}
    del graphs["analysis"], graphs["hyper_analysis"]
    (folder / DECODER).write_bytes(pack_arrays(arrays, like / DECODER, differences=True))
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    manifest |= {"name": folder.name, "identity": decoder_identity(graphs, arrays).hex()}
    (folder / "manifest.json").write_text(json.dumps(manifest), "utf-8")


def metadata(file: Path) -> dict[str, str]:
    data = file.read_bytes()
    entries: dict[str, str] = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]
    return entries


def equal(array: np.ndarray, other: np.ndarray) -> bool:
    return (array.dtype, array.shape, array.tobytes()) == (other.dtype, other.shape, other.tobytes())


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of one type and shape, of any bit patterns."""
    kind = np.dtype(draw(st.sampled_from(TYPES)))
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
    bits = hnp.arrays(f"u{kind.itemsize}", shape)
    return draw(bits).view(kind), draw(bits).view(kind)


@given(pairs())
def test_arrays_come_back_from_differences_and_decoders_agree(pair: tuple[np.ndarray, np.ndarray]) -> None:
    array, reference = pair
    stored = to_difference(array, reference)
    assert (stored.dtype, stored.shape) == (array.dtype, array.shape)
    assert equal(from_difference(stored, reference), array)
    assert equal(added(stored, reference), array)


def test_differences_0_minus_1_and_1_are_stored_as_0_1_and_2_and_wrap() -> None:
    array = np.array([5, 4, 6, 0, 0xFFFF], np.uint16)
    stored = to_difference(array, np.array([5, 5, 5, 0xFFFF, 0], np.uint16))
    assert stored.tolist() == [0, 1, 2, 2, 1]
    half = np.array([1.0, -1.0], np.float16)
    assert to_difference(half, half).view(np.uint16).tolist() == [0, 0]


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("size", [700, 5000])  # as they are, and as planes
def test_what_is_near_is_stored_as_difference_and_equal_arrays_once(
    tmp_path: Path, kind: str, size: int
) -> None:
    random = np.random.default_rng(1)
    reference = random.integers(1000, 20000, size).astype(f"u{np.dtype(kind).itemsize}").view(kind)
    array = nudged(reference)
    unlike = random.integers(1000, 20000, size).astype(f"u{np.dtype(kind).itemsize}").view(kind)
    arrays = {"equal": reference, "near": array, "same": array, "own": reference[:50], "unlike": unlike}
    known = {"equal": reference, "near": reference, "own": reference[:60], "unlike": reference}
    for folder in ("base", "derived"):
        (tmp_path / folder).mkdir()
    (tmp_path / "base" / FILE).write_bytes(pack_arrays(known))
    data = pack_arrays(arrays, tmp_path / "base" / FILE, differences=True)
    file = tmp_path / "derived" / FILE
    file.write_bytes(data)
    assert json.loads(metadata(file)["difference"]) == {"set": "base", "arrays": ["near"]}
    assert json.loads(metadata(file)["of"]) == {"set": "base", "arrays": ["equal"]}
    assert json.loads(metadata(file)["same"]) == {"same": "near"}
    assert load(data).keys() == {"near", "own", "unlike"}
    for back in (read_arrays(file), read_stored(file)):
        assert back.keys() == arrays.keys()
        assert all(equal(back[name], arrays[name]) for name in arrays)
    assert pack_arrays(read_arrays(file), tmp_path / "base" / FILE, differences=True) == data
    with pytest.raises(ValueError, match="cannot take arrays of the set 'base'"):
        unpack_arrays(data)


def test_differences_are_written_only_if_asked_for(chain: tuple[Path, Path, Path]) -> None:
    first, second, _ = chain
    assert b'"difference"' not in pack_arrays(read_arrays(second / DECODER), first / DECODER)
    with pytest.raises(ValueError, match="takes arrays of second, and that of first"):
        pack_arrays({}, chain[2] / DECODER, differences=True)


def test_a_difference_to_an_array_that_is_one_itself(chain: tuple[Path, Path, Path]) -> None:
    first, second, third = chain
    assert load_file(second / DECODER).keys() == {"linear.synthesis", "tables.base_steps"}
    assert load_file(third / DECODER).keys() == {"linear.synthesis"}
    assert origins(third / DECODER) == ["second", "first"]
    for folder in (second, third):
        assert read_model_set(folder).identity == second_decoder.ModelSet(folder).identity
    shutil.rmtree(first)
    with pytest.raises(ModelNotFoundError, match="third.* needs arrays of the set first, which") as caught:
        read_model_set(third)
    assert caught.value.advice == f"Put the folder first into {first.parent}."


def files(folder: Path, known: np.ndarray, stored: np.ndarray, difference: str) -> Path:
    """A file of the array a = ``stored`` with this entry, beside that of a set ``base`` with a and b = ``known``."""
    for name in ("base", "derived"):
        (folder / name).mkdir()
    (folder / "base" / FILE).write_bytes(save({"a": known, "b": known}))
    (folder / "derived" / FILE).write_bytes(save({"a": stored}, {"difference": difference}))
    return folder / "derived" / FILE


@pytest.mark.parametrize(
    "entry",
    [
        {"set": "../base"},
        {"set": ""},
        {"set": 3},
        {"set": ["base"]},
        {"set": "derived"},  # a circle
        {"arrays": ["absent"]},
        {"arrays": ["b"]},  # is not stored
        {"arrays": ["a", "a"]},
        {"arrays": "a"},
        {"arrays": {"a": 1}},
        {"arrays": [["a"]]},
        {"arrays": [None]},
        {"arrays": 3},
        {"arrays": None},
    ],
)
def test_lies_about_differences_are_refused(tmp_path: Path, entry: dict[str, Any]) -> None:
    array = np.arange(4, dtype=np.int16)
    file = files(tmp_path, array, array, json.dumps({"set": "base", "arrays": ["a"]} | entry))
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read_arrays(file)
    with pytest.raises(second_decoder.Refused):
        read_stored(file)


@pytest.mark.parametrize("text", ["[", "[" * 100_000, "[]", "3", "null", '"base"', "{}", '{"set": "base"}'])
def test_what_is_no_entry_for_differences_is_refused(tmp_path: Path, text: str) -> None:
    array = np.arange(4, dtype=np.int16)
    with pytest.raises((ValueError, KeyError, TypeError, AttributeError)):
        read_arrays(files(tmp_path, array, array, text))


def test_both_entries_name_one_set(chain: tuple[Path, Path, Path]) -> None:
    file = chain[2] / DECODER
    known = metadata(file)
    lie = json.dumps(json.loads(known["difference"]) | {"set": "first"})
    save_file(load_file(file), file, metadata=known | {"difference": lie})
    refused(chain[2], "cannot take arrays of 'second' and 'first'")


def refused(folder: Path, text: str) -> None:
    with pytest.raises(ModelDamagedError, match=text):
        read_model_set(folder)
    with pytest.raises(second_decoder.Refused):
        second_decoder.ModelSet(folder)


def test_a_circle_of_differences_is_refused(chain: tuple[Path, Path, Path]) -> None:
    first, second, third = chain
    shutil.copy(third / DECODER, first / DECODER)
    for folder in (first, second, third):
        refused(folder, "come from more than 3 files")


@pytest.mark.parametrize(
    ("stored", "reference"),
    [
        (np.zeros(4, np.int16), np.zeros(4, np.uint16)),
        (np.zeros(4, np.int16), np.zeros(4, np.float16)),
        (np.zeros(4, np.int16), np.zeros(4, np.int32)),
        (np.zeros(4, np.int16), np.zeros(2, np.int16)),
        (np.zeros(4, np.int16), np.zeros((2, 2), np.int16)),
        (np.zeros(1, np.int16), np.zeros((), np.int16)),
        (np.zeros(4, np.uint8), np.zeros(4, np.uint8)),
        (np.zeros(4, np.int64), np.zeros(4, np.int64)),
        (np.zeros(4, np.float64), np.zeros(4, np.float64)),
        (np.zeros(4, bool), np.zeros(4, bool)),
    ],
)
def test_differences_of_other_types_or_shapes_are_refused(
    tmp_path: Path, stored: np.ndarray, reference: np.ndarray
) -> None:
    assert not fits(stored, reference)
    file = files(tmp_path, reference, stored, json.dumps({"set": "base", "arrays": ["a"]}))
    with pytest.raises(ValueError, match="is no difference"):
        read_arrays(file)
    with pytest.raises(second_decoder.Refused):
        read_stored(file)


@pytest.mark.parametrize(
    ("name", "others"),
    [("std-3-ssim", ["std-3"]), ("std-4", ["std-3"]), ("std-4-ssim", ["std-3-ssim", "std-3"])],
)
def test_superseded_sets_are_stored_as_differences_and_are_as_released(name: str, others: list[str]) -> None:
    folder = find_set(name)
    assert json.loads(metadata(folder / DECODER)["difference"])["set"] == others[0]
    assert origins(folder / DECODER) == others
    lines = (folder.parent / "RELEASED").read_text("utf-8").splitlines()
    assert f"{name} {read_model_set(folder).identity.hex()}" in lines
    assert f"{name} {second_decoder.ModelSet(folder).identity.hex()}" in lines
