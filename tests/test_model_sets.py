"""Model sets that contradict themselves although their hashes hold: always a ModelError, never a crash."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import second_decoder
from cli_runs import texcodec as command
from pictures import photograph
from safetensors.numpy import load_file, save_file

import texcodec
from texcodec.errors import ModelDamagedError, ModelError, ModelNotFoundError
from texcodec.registry import (
    ENVIRONMENT_VARIABLE,
    ModelSet,
    decoder_identity,
    find_identity,
    find_set,
    list_sets,
    load_set,
)
from texcodec.registry.picture_manifest import read_manifest
from texcodec.registry.stored_arrays import pack_arrays, unpack_arrays

SET = "tiny-1"
Arrays = dict[str, np.ndarray]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    folder = tmp_path / "set"
    shutil.copytree(find_set(SET), folder)
    return folder


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def forge(folder: Path, file: str, change: Callable[[Arrays], object]) -> None:
    """Change arrays and make the manifest's hash that of the changed set, as a hostile author would."""
    arrays = load_file(folder / f"{file}.safetensors")
    change(arrays)
    save_file({k: np.ascontiguousarray(v) for k, v in arrays.items()}, folder / f"{file}.safetensors")
    encoder = ("analysis", "hyper_analysis")
    names = encoder if file == "encoder" else {p.stem for p in folder.glob("graphs/*.onnx")} - set(encoder)
    graphs = {name: (folder / "graphs" / f"{name}.onnx").read_bytes() for name in names}
    identity = decoder_identity(graphs, load_file(folder / f"{file}.safetensors")).hex()
    edit_manifest(folder, **{"encoder" if file == "encoder" else "identity": identity})


def use(folder: Path) -> None:
    """Everything that a set is used for."""
    models = ModelSet(folder)
    models.verify()
    data = texcodec.encode(photograph(280, 60), models=models)
    assert texcodec.open(data).decode(models=models).size == (280, 60)
    models.macs()


def test_forged_set_without_a_fault_is_accepted(copy: Path) -> None:
    forge(copy, "decoder", lambda a: a["tables.steps"].__iadd__(1))
    forge(copy, "encoder", lambda a: None)
    assert ModelSet(copy).identity != load_set(SET).identity
    use(copy)


def test_a_set_without_encoder_decodes_and_says_so(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = texcodec.encode(photograph(60, 40), models=copy)
    whole = texcodec.decode(data, models=copy, output="numpy")
    (copy / "encoder.safetensors").unlink()
    models = ModelSet(copy)
    models.verify()
    np.testing.assert_array_equal(texcodec.decode(data, models=models, output="numpy"), whole)
    with pytest.raises(ModelNotFoundError, match="only decodes"):
        texcodec.encode(photograph(60, 40), models=models)
    assert command("models", "show", copy) == 0
    assert "the set decodes only" in capsys.readouterr().out
    assert command("models", "verify", copy) == 0
    assert capsys.readouterr().out == "tiny-1: ok (decodes only)\n"


def test_the_list_of_sets_tells_which_only_decode(
    copy: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    edit_manifest(copy, name="halved")
    (copy / "encoder.safetensors").unlink()
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(copy.parent))
    assert {info.name: info.encodes for info in list_sets()}["halved"] is False
    assert command("models", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if " halved " in line][0].endswith("(decodes only)")
    assert not any(line.endswith("(decodes only)") for line in lines if " tiny-1 " in line)


SOUND = {("magnitudes", "short"), ("magnitudes", "wide"), ("magnitudes", "zero"), ("hyper", "short")}
"""Any row of bytes is a table of magnitudes, and any number of bands of rates is one."""
TABLES = ["steps", "base_steps", "magnitudes", "support", "symbols", "hyper"]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("how", ["missing", "empty", "short", "flat", "wide", "zero", "float"])
def test_table_of_another_size_type_or_content_is_refused(copy: Path, name: str, how: str) -> None:
    def change(arrays: Arrays) -> None:
        key = f"tables.{name}"
        table = arrays.pop(key)
        if how == "missing":
            return
        arrays[key] = {
            "empty": table[:0],
            "short": table[:-1],
            "flat": table.reshape(1, -1),
            "wide": np.concatenate([table, table], -1),
            "zero": np.zeros_like(table),
            "float": table.astype(np.float64),
        }[how]

    forge(copy, "decoder", change)
    if (name, how) in SOUND:
        use(copy)
        return
    with pytest.raises(ModelDamagedError):
        use(copy)


@pytest.mark.parametrize(
    "key", ["context_1.squeeze.bias", "hyper_synthesis.enter.weight", "context_2.leave.weight"]
)
@pytest.mark.parametrize("how", ["missing", "short", "flat", "int64", "huge"])
def test_integer_layer_of_another_shape_or_range_is_refused(copy: Path, key: str, how: str) -> None:
    def change(arrays: Arrays) -> None:
        array = arrays.pop(key)
        if how != "missing":
            arrays[key] = {
                "short": array[:1],
                "flat": array.reshape(-1, 1),
                "int64": array.astype(np.int64),
                "huge": np.full_like(array, np.iinfo(array.dtype).max),
            }[how]

    forge(copy, "decoder", change)
    with pytest.raises(ModelDamagedError):
        use(copy)


@pytest.mark.parametrize("file", ["decoder", "encoder"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weight_that_is_no_finite_number_is_refused(copy: Path, file: str, value: float) -> None:
    def change(arrays: Arrays) -> None:
        next(a for k, a in arrays.items() if k.endswith("1.leave.weight") and a.dtype == np.float16)[0] = (
            value
        )

    forge(copy, file, change)
    with pytest.raises(ModelDamagedError, match="out of range"):
        use(copy)


def test_encoder_whose_networks_overflow_is_refused_and_not_coded(copy: Path) -> None:
    forge(copy, "encoder", lambda a: [v.fill(60000) for k, v in a.items() if k.startswith("analysis.")])
    with pytest.raises(ModelDamagedError, match="not finite"):
        use(copy)


def test_decoder_whose_networks_overflow_gives_a_picture_and_no_warning(copy: Path) -> None:
    forge(copy, "decoder", lambda a: [v.fill(60000) for k, v in a.items() if k.startswith("synthesis.")])
    use(copy)


@pytest.mark.parametrize(
    ("one", "other"), [("synthesis", "fusion"), ("hyper_synthesis", "context_1"), ("context_0", "context_2")]
)
def test_graph_in_the_place_of_another_is_refused(copy: Path, one: str, other: str) -> None:
    shutil.copy(copy / "graphs" / f"{other}.onnx", copy / "graphs" / f"{one}.onnx")
    forge(copy, "decoder", lambda a: None)
    with pytest.raises(ModelDamagedError):
        use(copy)


@pytest.mark.parametrize(
    "changes",
    [
        {"slices": []},
        {"slices": [8, 24]},
        {"slices": [8, 24, 32, 8]},
        {"slices": [24, 8, 32]},
        {"slices": [10**12, 24, 32]},
        {"slices": None},
        {"hyper_channels": 0},
        {"hyper_channels": 6},
        {"hyper_channels": float("inf")},
        {"classes": ["one"], "thresholds": []} | {"halo": 16},
        {"classes": ["a", "b", "c", "d"], "thresholds": [1, 2, 3]},
        {"thresholds": [18, 8]},
        {"thresholds": [float("nan"), 8]},
        {"qualities": list(range(-50, 50))},
        {"qualities": list(range(200, 300))},
        {"identity": "x" * 32},
        {"identity": "A" * 32},
        {"encoder": ""},
        {"halo": float("inf")},
        {"macs": {}},
        {"macs": []},
        {"card": 7},
        {"manifest_version": 2},
        {"distortion_factor": 0},
        {"distortion_factor": "much"},
        {"entropy_profile": 2},
    ],
    ids=str,
)
def test_manifest_that_lies_is_refused(copy: Path, changes: dict[str, Any]) -> None:
    edit_manifest(copy, **changes)
    with pytest.raises(ModelError) as caught:
        use(copy)
    assert str(caught.value)[0].isupper() or str(copy) in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "[" * 100_000, '{"manifest_version": 1' + "0" * 5000 + "}"],
    ids=["empty", "array", "null", "deep", "long number"],
)
def test_manifest_that_is_no_object_is_refused(copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text, "utf-8")
    with pytest.raises(ModelDamagedError):
        read_manifest(copy)


@pytest.mark.parametrize("name", ["no such set", "a" * 5000, "nul\0l", "/nonexistent/set"])
def test_name_of_no_set_is_a_model_error(name: str) -> None:
    with pytest.raises(ModelNotFoundError) as caught:
        load_set(name)
    assert str(caught.value).endswith(".")


def test_a_set_of_the_other_kind_is_named_as_such() -> None:
    with pytest.raises(
        ModelNotFoundError, match="shapes-1 is a feature set, and no model set; texcodec features"
    ):
        load_set("shapes-1")
    with pytest.raises(ModelNotFoundError, match="tiny-1 is a set for pictures, and no feature set"):
        find_set("tiny-1", "features")


def test_folder_that_happens_to_have_the_default_name_is_not_taken(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy.rename(copy.parent / "std-1")
    monkeypatch.chdir(copy.parent)
    assert find_set().resolve() != (copy.parent / "std-1").resolve()
    assert find_set("std-1").resolve() == (copy.parent / "std-1").resolve()


def test_a_set_that_changes_on_disk_is_found_and_loaded_anew(
    copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(copy.parent))
    edit_manifest(copy, name="mine")
    first = load_set("mine")
    assert load_set("mine") is first and find_identity(first.identity) is first
    forge(copy, "decoder", lambda a: a["tables.steps"].__iadd__(1))
    second = load_set("mine")
    assert second.identity != first.identity and find_identity(second.identity) is second
    edit_manifest(copy, name="other")
    assert {info.name for info in list_sets()} >= {"other"}
    with pytest.raises(ModelNotFoundError, match="'mine'"):
        load_set("mine")
    shutil.rmtree(copy)
    with pytest.raises(ModelNotFoundError, match="not installed"):
        find_identity(second.identity)


def test_damage_is_told_with_advice_that_serves_every_set(copy: Path) -> None:
    (copy / "decoder.safetensors").write_bytes(b"none")
    with pytest.raises(ModelDamagedError, match=r"decoder\.safetensors is damaged \(.*\)\.$") as caught:
        ModelSet(copy)
    assert caught.value.advice.startswith("Put a sound copy of the set in its place")


def test_a_newer_entropy_profile_asks_for_a_newer_version(copy: Path) -> None:
    edit_manifest(copy, entropy_profile=250)
    with pytest.raises(ModelError, match=r"entropy profile 250, .* knows 1, 2 only\.$") as caught:
        ModelSet(copy)
    assert caught.value.advice == "Use a newer version of texcodec."
    assert not isinstance(caught.value, ModelDamagedError)


def test_arrays_that_are_alike_are_stored_once_and_their_networks_are_built_once(copy: Path) -> None:
    whole = ModelSet(copy)
    for half in ("decoder", "encoder"):
        file = copy / f"{half}.safetensors"
        arrays, size = load_file(file), file.stat().st_size
        for name in [name for name in arrays if name.split(".")[1] == "0"]:
            for k in (1, 2):
                arrays[name.replace(".0.", f".{k}.", 1)] = arrays[name].copy()
        save_file(arrays, file)
        repeated = file.stat().st_size
        assert load_file(file).keys() == unpack_arrays(pack_arrays(arrays)).keys()
        forge(copy, half, lambda a: None)  # with the identity of the arrays, stored or not
        file.write_bytes(pack_arrays(arrays))
        assert file.stat().st_size < min(size, repeated)
    use(copy)
    models = ModelSet(copy)
    assert models.identity != whole.identity
    assert models.synthesis(2) is models.synthesis(0) and whole.synthesis(2) is not whole.synthesis(0)
    assert models.hyper_analysis(1) is models.hyper_analysis(0)
    assert second_decoder.ModelSet(copy).identity == models.identity


@pytest.mark.parametrize(
    "same",
    [
        '{"synthesis.0.rate": "synthesis.1.rate"}',  # is stored
        '{"more": "absent"}',
        '{"more": 1}',
        '["more"]',
        '{"more": ["x"]}',
        "{",
        "[" * 100_000,
        json.dumps({f"more.{i}": "linear.synthesis" for i in range(20_000)}),  # gigabytes to hash
    ],
)
def test_lies_about_arrays_that_are_not_stored_are_refused(copy: Path, same: str) -> None:
    file = copy / "decoder.safetensors"
    save_file(load_file(file), file, metadata={"same": same})
    with pytest.raises(ModelDamagedError, match="is damaged"):
        ModelSet(copy)


def test_the_default_set_repeats_no_array() -> None:
    for file in ("decoder", "encoder"):
        data = (find_set("std-5") / f"{file}.safetensors").read_bytes()
        assert data == pack_arrays(unpack_arrays(data))
