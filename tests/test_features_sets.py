"""Feature sets on disk: manifests, hashes, tables, bounds, and finding them beside sets for pictures."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from feature_samples import SET, change_decoder, change_manifest, copied_set, picture, tiny
from safetensors.numpy import load_file, save_file

import texcodec
from texcodec import registry
from texcodec.errors import ModelDamagedError, ModelNotFoundError
from texcodec.features import encode_picture, infer
from texcodec.features.decode import answer
from texcodec.registry import (
    FEATURES,
    PICTURES,
    FeatureSet,
    find_set,
    kind_of_set,
    list_sets,
    load_feature_set,
)
from texcodec.registry.feature_manifest import read_feature_manifest
from texcodec.registry.picture_manifest import read_manifest
from texcodec.registry.stored_arrays import pack_arrays, unpack_arrays


def test_a_sound_set_is_verified() -> None:
    tiny().verify()


def test_every_file_of_the_folder_counts_for_its_size(tmp_path: Path) -> None:
    folder = shutil.copytree(SET, tmp_path / "set")
    before = load_feature_set(folder).file_bytes
    (folder / "tasks" / "notes.txt").write_bytes(bytes(1000))
    assert before > (SET / "decoder.safetensors").stat().st_size
    assert load_feature_set(folder).file_bytes == before + 1000


def test_arrays_that_are_alike_are_stored_once(tmp_path: Path) -> None:
    folder = shutil.copytree(SET, tmp_path / "set")
    for half in ("decoder", "encoder"):
        file = folder / f"{half}.safetensors"
        file.write_bytes(pack_arrays(unpack_arrays(file.read_bytes())))
    assert (folder / "encoder.safetensors").stat().st_size < (SET / "encoder.safetensors").stat().st_size
    models = load_feature_set(folder)
    models.verify()
    assert encode_picture(picture(), models) == encode_picture(picture(), tiny())


def test_the_released_set_repeats_no_array() -> None:
    for file in find_set("shapes-1", FEATURES).rglob("*.safetensors"):
        stored = [(a.dtype.name, a.shape, a.tobytes()) for a in load_file(file).values()]
        assert len(set(stored)) == len(stored)


def first_task(**changes: Any) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["tasks"][0].update(changes)


@pytest.mark.parametrize(
    "change",
    [
        lambda m: m.pop("levels"),
        lambda m: m.update(grid=[4]),
        lambda m: m.update(grid=[0, 5]),
        lambda m: m.update(grid=[1 << 20, 1 << 20]),
        lambda m: m.update(latent_channels=0),
        lambda m: m.update(levels=300),
        lambda m: m.update(default_level=3),
        lambda m: m.update(identity="xyz"),
        lambda m: m.update(tasks=[]),
        lambda m: m.update(tasks="none"),
        lambda m: m["tasks"].append(m["tasks"][0]),
        lambda m: [task.update(stream=False) for task in m["tasks"]],
        lambda m: m["tasks"][1].pop("sha256"),
        lambda m: m["tasks"][1]["sha256"].pop("tasks/parts.safetensors"),
        lambda m: m["tasks"][1]["sha256"].update({"tasks/parts.safetensors": "0"}),
        first_task(name="../kind"),
        first_task(name=""),
        first_task(kind="telepathy"),
        first_task(channels=0),
        first_task(factor=3),
        first_task(factor=0),
        first_task(pixel_stride=0),
        first_task(pixel_stride=None),
        first_task(chain=[]),
        first_task(chain=["../../graphs/reconstruction"]),
        first_task(chain=["separation_kind", "reconstruction"]),
    ],
)
def test_manifests_that_contradict_themselves_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    folder = copied_set(tmp_path / "set")
    change_manifest(folder, change)
    with pytest.raises(ModelDamagedError, match=r"manifest\.json (lacks a field|contradicts itself)"):
        read_feature_manifest(folder)


def test_every_file_is_covered_by_a_hash(tmp_path: Path) -> None:
    folder = copied_set(tmp_path / "set")
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.name != "manifest.json"):
        sound = path.read_bytes()
        for position in (len(sound) // 2, len(sound) - 1):
            damaged = bytearray(sound)
            damaged[position] ^= 1
            path.write_bytes(damaged)
            with pytest.raises(ModelDamagedError, match="damaged"):
                FeatureSet(folder).verify()
        path.unlink()
        if path.name == "encoder.safetensors":
            FeatureSet(folder).verify()  # it only decodes
            with pytest.raises(ModelNotFoundError, match="only decodes"):
                FeatureSet(folder).transform()
        else:
            with pytest.raises(ModelNotFoundError, match=f"lacks {path.relative_to(folder)}"):
                FeatureSet(folder).verify()
        path.write_bytes(sound)
    FeatureSet(folder).verify()


@pytest.mark.parametrize(
    ("array", "value"),
    [
        ("tables.hyper", np.zeros((3, 4, 62), np.uint32)),
        ("tables.support", np.full(64, 40_000, np.uint16)),
        ("tables.support", np.zeros(63, np.uint16)),
        ("inverse_gains", np.full((3, 8), np.nan, np.float32)),
        ("inverse_gains", np.full((3, 8), -1, np.float32)),
        ("inverse_gains", np.ones((2, 8), np.float32)),
        ("generator.leave.weight", np.zeros((29, 12, 1, 1), np.int16)),
        ("generator.codebook.weight", np.zeros((20, 4, 1, 1), np.int16)),
        ("predictor.leave.weight", np.zeros((15, 12, 1, 1), np.int16)),
        ("predictor.leave.weight", np.zeros((16, 12, 1, 1), np.int32)),
    ],
)
def test_arrays_that_do_not_fit_are_refused_even_with_an_honest_identity(
    tmp_path: Path, array: str, value: np.ndarray
) -> None:
    folder = copied_set(tmp_path / "set")
    change_decoder(folder, lambda arrays: arrays.update({array: value}))
    with pytest.raises(ModelDamagedError, match=array):
        FeatureSet(folder)


def test_tables_that_are_none_are_refused(tmp_path: Path) -> None:
    folder = copied_set(tmp_path / "set")
    change_decoder(folder, lambda arrays: arrays["tables.hyper"].__iadd__(np.uint32(1)))
    with pytest.raises(ModelDamagedError, match=r"does not sum to 2\^24"):
        FeatureSet(folder).verify()


@pytest.mark.parametrize("layer", ["generator.leave", "generator.codebook", "predictor.spread"])
def test_layers_at_the_bound_are_taken_and_beyond_it_refused(tmp_path: Path, layer: str) -> None:
    def widest(arrays: dict[str, np.ndarray], more: int) -> None:
        weight, bias = arrays[f"{layer}.weight"], arrays[f"{layer}.bias"]
        weight[0] = 0
        weight[0].reshape(-1)[:2] = 32767, -32767
        bias[0] = (1 << 24) - 1 - 2 * 32767 * 255 + more

    for more in (0, 1):
        folder = copied_set(tmp_path / f"set{more}")
        change_decoder(folder, lambda arrays, more=more: widest(arrays, more))  # type: ignore[misc]
        if not more:
            FeatureSet(folder).verify()
            continue
        with pytest.raises(ModelDamagedError, match=rf"{layer} could reach 16777216"):
            FeatureSet(folder).verify()


def test_gains_that_are_not_positive_are_refused(tmp_path: Path) -> None:
    from texcodec.registry import feature_identity

    folder = copied_set(tmp_path / "set")
    arrays = load_file(folder / "encoder.safetensors")
    arrays["gains"][1, 2] = 0
    save_file(arrays, folder / "encoder.safetensors")
    graphs = {n: (folder / "graphs" / f"{n}.onnx").read_bytes() for n in ("transform", "hyper_extractor")}
    change_manifest(folder, lambda m: m.update(encoder=feature_identity(graphs, arrays).hex()))
    with pytest.raises(ModelDamagedError, match="gains of the set tiny-features holds values out of range"):
        load_feature_set(folder).verify()


class TestFinding:
    def test_sets_of_both_kinds_lie_side_by_side(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copied_set(tmp_path / "mine")
        monkeypatch.setenv(registry.ENVIRONMENT_VARIABLE, str(tmp_path))
        kinds = {info.name: info.kind for info in list_sets()}
        assert kinds["tiny-features"] == FEATURES and kinds["std-2"] == PICTURES
        assert {info.name for info in list_sets(PICTURES)} | {
            info.name for info in list_sets(FEATURES)
        } == set(kinds)
        assert "tiny-features" not in {info.name for info in list_sets(PICTURES)}
        assert find_set("tiny-features", FEATURES) == tmp_path / "mine"
        assert find_set().name == registry.DEFAULT_SET

    def test_the_variable_may_name_a_set_of_either_kind(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(registry.ENVIRONMENT_VARIABLE, str(SET))
        assert find_set(kind=FEATURES) == SET
        assert find_set().name == registry.DEFAULT_SET
        texcodec.encode(picture(8, 8))
        monkeypatch.setenv(registry.ENVIRONMENT_VARIABLE, "tiny-1")
        assert find_set().name == "tiny-1"
        assert find_set(kind=FEATURES).name == registry.DEFAULT_FEATURE_SET

    @pytest.mark.parametrize(
        ("name", "kind"), [("tiny-1", PICTURES), ("no-such-set", PICTURES), (SET, FEATURES), (None, PICTURES)]
    )
    def test_the_kind_of_a_set_is_told(self, name: str | Path | None, kind: str) -> None:
        assert kind_of_set(name) == kind

    def test_a_set_of_the_other_kind_is_no_set(self) -> None:
        with pytest.raises(ModelNotFoundError, match="a set for features; name a set for pictures"):
            read_manifest(SET)
        with pytest.raises(ModelNotFoundError, match="for pictures; name a set for features"):
            read_feature_manifest(find_set("tiny-1"))
        with pytest.raises(ModelNotFoundError, match="tiny-1 is a set for pictures, and no feature set"):
            load_feature_set("tiny-1")
        with pytest.raises(ModelNotFoundError, match="a set for features"):
            texcodec.encode(picture(8, 8), models=SET)

    def test_a_set_written_anew_is_read_anew(self, tmp_path: Path) -> None:
        folder = copied_set(tmp_path / "set")
        first = load_feature_set(folder)
        assert load_feature_set(folder) is first
        change_manifest(folder, lambda m: m["tasks"].pop())
        assert list(load_feature_set(folder).tasks) == ["kind", "parts"]


def test_networks_are_built_once_and_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    features = FeatureSet(SET)
    data = texcodec.features.encode_picture(picture(), features)
    infer(data, features=features)
    monkeypatch.setattr(registry.feature_set, "FloatNetwork", None)
    infer(data, features=features)
    assert features.chain(features.task("kind"))[0] is features.chain(features.task("parts"))[0]


def test_networks_that_do_not_take_a_picture_are_named(tmp_path: Path) -> None:
    folder = copied_set(tmp_path / "set")
    change_manifest(folder, first_task(pixel_stride=8))
    with pytest.raises(
        ModelDamagedError, match="before the features of the task kind fails on a picture of 70 x 50"
    ):
        encode_picture(picture(), folder)
    change_manifest(folder, first_task(pixel_stride=4, channels=7, tail=True))
    with pytest.raises(ModelDamagedError, match="after the features of the task kind fails on 7 x 2 x 2"):
        answer(load_feature_set(folder), "kind", np.zeros((7, 2, 2), np.float32))
