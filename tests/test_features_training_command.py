"""``texcodec features train`` and ``add-task``: from a spec to a set, and one more task for streams that exist."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import texcodec
from PIL import Image

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from feature_training_samples import SMALLEST, codec, exported  # noqa: E402

from texcodec.errors import ParameterError  # noqa: E402
from texcodec.examples.shapes import render  # noqa: E402
from texcodec.features import decode_tensors, encode_picture, infer, load_feature_set  # noqa: E402
from texcodec.training.core.settings_json import to_json  # noqa: E402
from texcodec.training.features.half_precision import with_half_weights  # noqa: E402
from texcodec.training.features.onnx_parts import export_onnx  # noqa: E402
from texcodec.training.features.parts import pixel_stride  # noqa: E402
from texcodec.training.features.samples import Samples, load_samples, split_samples  # noqa: E402
from texcodec.training.features.spec import SHAPES_NETWORK, shapes_new_task, shapes_spec, spec_of  # noqa: E402
from texcodec.training.features.task_networks import shapes_network  # noqa: E402

SIZES = {k: v for k, v in to_json(SMALLEST).items() if k != "grid"}
DATA = {"count": 10, "seed": 5, "width": 40, "height": 32, "held_out": 0.2}


def task(kind: str, **changes: Any) -> dict[str, Any]:
    arguments = {"kind": kind, "width": 8}
    network = {"network": SHAPES_NETWORK, "arguments": arguments, "layer": "front", "train_minutes": 0.003}
    return {"name": kind, "kind": kind, **network, **changes}


def spec(**changes: Any) -> dict[str, Any]:
    tasks = [task("segmentation"), task("classification", name="class", classes=list("abcde"))]
    training = {"minutes": 0.01, "batch": 3}
    return {"data": DATA, "tasks": tasks, "sizes": SIZES, "training": training, **changes}


def write(file: Path, raw: Any) -> Path:
    file.write_text(json.dumps(raw))
    return file


def pictures() -> np.ndarray:
    return render(6, 2, width=40, height=32).pictures


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    out = folder / "small"
    assert (
        texcodec("features", "train", write(folder / "spec.json", spec()), "--out", out, "--threads", 1) == 0
    )
    return out


@pytest.fixture
def copied(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "copied"))


class TestTrain:
    def test_a_spec_becomes_a_set_that_serves_its_tasks(self, trained: Path) -> None:
        found = load_feature_set(str(trained))
        found.verify()
        assert found.name == "small" and found.manifest.grid == (4, 5) and found.manifest.levels == 3
        assert found.task("segmentation").pixel_stride == 8
        answers = infer(encode_picture(pictures()[0], found), features=found)
        assert answers["segmentation"].shape == (6, 32, 40) and answers["class"].shape == (5,)
        card = found.manifest.card
        assert card["steps"] > 0 and abs(card["self_check"]["over_tables"]) < 0.05
        assert len(card["self_check"]["quality"]["class"]["levels"]) == 3

    def test_the_same_command_again_goes_on_from_what_is_done(
        self, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        work = shutil.copytree(trained.with_name("small.work"), tmp_path / "work")
        file = write(tmp_path / "spec.json", spec())
        assert texcodec("features", "train", file, "--out", tmp_path / "again", "--work", work) == 0
        again, first = load_feature_set(str(tmp_path / "again")), load_feature_set(str(trained))
        assert again.identity == first.identity and again.manifest.encoder == first.manifest.encoder
        assert "holds the feature set" in capsys.readouterr().err

    def test_pairs_of_onnx_files_are_trained_on_their_features(self, tmp_path: Path) -> None:
        network = shapes_network("depth", 8).eval()
        picture = torch.zeros(1, 3, 32, 40)
        with torch.no_grad():
            h = network.front(picture)
        front = export_onnx(network.front, picture, input_name="picture", output_name="h")
        tail = export_onnx(network.tail, h, input_name="h", output_name="answer")
        (tmp_path / "front.onnx").write_bytes(front)
        (tmp_path / "tail.onnx").write_bytes(tail)
        pair = {"front": str(tmp_path / "front.onnx"), "tail": str(tmp_path / "tail.onnx")}
        raw = spec(tasks=[{"name": "depth", "kind": "depth", **pair}])
        out = tmp_path / "set"
        assert texcodec("features", "train", write(tmp_path / "s.json", raw), "--out", out) == 0
        found = load_feature_set(str(out))
        answer = infer(encode_picture(pictures()[0], found, level=2), features=found)["depth"]
        with torch.no_grad():
            uncoded = network(torch.from_numpy(pictures()[0].transpose(2, 0, 1)[None].copy()).float())[
                0
            ].numpy()
        assert np.abs(answer - uncoded).mean() < 0.5 * uncoded.std() + 0.05

    def test_networks_can_learn_along(self, trained: Path, tmp_path: Path) -> None:
        work = Path(shutil.copytree(trained.with_name("small.work"), tmp_path / "work"))
        (work / "codec.pt").unlink()
        tasks = [task("segmentation"), task("classification", name="class", along=True)]
        file = write(tmp_path / "s.json", spec(tasks=tasks))
        assert texcodec("features", "train", file, "--out", tmp_path / "set", "--work", work) == 0
        for name, same in (("segmentation", True), ("class", False)):
            for end in ("front", "tail"):
                one, two = (f / "tasks" / f"{name}.{end}.onnx" for f in (trained, tmp_path / "set"))
                assert (one.read_bytes() == two.read_bytes()) is same, (name, end)
        found = load_feature_set(str(tmp_path / "set"))
        assert infer(encode_picture(pictures()[0], found), features=found)["class"].shape == (5,)

    @pytest.mark.parametrize(("layer", "channels"), [("picture", 3), ("answer", 5)])
    def test_picture_and_answer_can_be_what_is_coded(self, tmp_path: Path, layer: str, channels: int) -> None:
        one = task("classification", layer=layer, factor=8 if layer == "picture" else 1)
        file = write(tmp_path / "s.json", spec(tasks=[one]))
        assert texcodec("features", "train", file, "--out", tmp_path / "set") == 0
        found = load_feature_set(str(tmp_path / "set"))
        data = encode_picture(pictures()[0], found)
        size = (32, 40) if layer == "picture" else (1, 1)
        assert decode_tensors(data, found)["classification"].shape == (channels, *size)
        assert infer(data, features=found)["classification"].size == 5


class TestSamples:
    def folder(self, path: Path, count: int = 3, width: int = 40) -> Path:
        scenes = render(7, count, width=40, height=32)
        for name in ("images", "labels"):
            (path / name).mkdir(parents=True)
        for i, picture in enumerate(scenes.pictures):
            Image.fromarray(picture[:, : width if i else 40]).save(path / "images" / f"{i}.png")
            np.save(path / "labels" / f"{i}.npy", scenes.depth[i])
            Image.fromarray(scenes.segmentation[i]).save(path / "labels" / f"{i}.png")
        return path

    def load(self, *folders: Path, **data: Any) -> Samples:
        tasks = [task(kind, folder=str(f)) for kind, f in zip(("depth", "segmentation"), folders)]
        wanted = spec_of(spec(tasks=tasks, data=data))
        return load_samples(wanted.data, wanted.tasks)

    def test_pictures_and_labels_come_from_folders(self, tmp_path: Path) -> None:
        folder = self.folder(tmp_path)
        found = self.load(folder, folder)
        scenes = render(7, 3, width=40, height=32)
        assert np.array_equal(found.pictures.permute(0, 2, 3, 1).numpy(), scenes.pictures)
        assert np.array_equal(found.labels["depth"].numpy(), scenes.depth)
        assert np.array_equal(found.labels["segmentation"].numpy(), scenes.segmentation)
        assert len(self.load(folder, count=2)) == 2
        first, last = split_samples(found, 0.1)
        assert (len(first), len(last)) == (2, 1)

    def test_tasks_with_other_pictures_are_refused(self, tmp_path: Path) -> None:
        one, two = self.folder(tmp_path / "one"), self.folder(tmp_path / "two", 2)
        with pytest.raises(ParameterError, match="pictures of the task segmentation are not those of depth"):
            self.load(one, two)

    def test_pictures_of_several_sizes_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="task depth have different sizes"):
            self.load(self.folder(tmp_path, width=24))

    def test_one_picture_is_not_enough(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="at least two pictures"):
            split_samples(self.load(self.folder(tmp_path), count=1), 0.1)


class TestErrors:
    """What can be known before training is said before training, in a sentence."""

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"tasks": []}, "needs a list of tasks"),
            ({"extra": 1}, "'extra' is not a part of a spec"),
            ({"sizes": {"widht": 3}}, "'widht' is not a setting of sizes"),
            ({"sizes": {"preset": "huge"}}, "small, document"),
            ({"training": {"minutes": "long"}}, "training.minutes must be a number"),
            ({"tasks": [{"kind": "depth"}]}, r"tasks\[0\] needs a name"),
            ({"tasks": [{**task("depth"), "kind": "colour"}]}, "kind must be one of"),
            ({"tasks": [task("depth", layer="")]}, "after which layer"),
            ({"tasks": [task("depth"), task("depth")]}, "a name of its own"),
            ({"tasks": [task("depth", front="f.onnx")]}, "either network and layer, or front and tail"),
            (
                {"tasks": [{"name": "a", "kind": "depth", "front": "f", "train_minutes": 1}]},
                "cannot be trained",
            ),
        ],
    )
    def test_wrong_specs(self, change: dict[str, Any], message: str) -> None:
        with pytest.raises(ParameterError, match=message):
            spec_of(spec(**change))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"layer": "middle"}, "has no layer 'middle'"),
            ({"network": "no.such:thing"}, "cannot be imported"),
            ({"train_minutes": 0.0}, "neither weights nor train_minutes"),
            ({"weights": "none.pt"}, "none.pt of the task depth does not exist"),
            ({"folder": "nowhere"}, "nowhere does not exist"),
            ({"factor": 4, "name": "other"}, "different numbers of latents"),
        ],
    )
    def test_wrong_networks(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], message: str
    ) -> None:
        tasks = [task("depth", **changes)] + ([task("normals")] if "factor" in changes else [])
        file = write(tmp_path / "s.json", spec(tasks=tasks))
        assert texcodec("features", "train", file, "--out", tmp_path / "set") == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "set").exists()

    def test_spec_or_preset(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert texcodec("features", "train", "--out", tmp_path / "set") == 2
        assert texcodec("features", "add-task", tmp_path / "set") == 2
        assert texcodec("features", "train", tmp_path / "none.json", "--out", tmp_path / "set") == 2
        err = capsys.readouterr().err
        assert err.count("Give either") == 2 and "none.json cannot be read" in err

    def test_a_set_for_pictures_is_not_overwritten(self, tmp_path: Path) -> None:
        write(tmp_path / "manifest.json", {"manifest_version": 1, "entropy_profile": 1, "name": "pictures"})
        with pytest.raises(ParameterError, match="model set for pictures"):
            exported(tmp_path, codec())

    def test_features_must_divide_the_picture(self) -> None:
        assert pixel_stride(torch.zeros(1, 3, 50, 70), torch.zeros(1, 2, 7, 9), "a") == 8
        with pytest.raises(ParameterError, match="divided by a whole number"):
            pixel_stride(torch.zeros(1, 3, 64, 64), torch.zeros(1, 2, 8, 9), "a")

    def test_presets_are_sound_specs(self) -> None:
        assert [t.name for t in spec_of(shapes_spec()).tasks] == ["segmentation", "class"]
        assert shapes_new_task("depth")["task"]["kind"] == "depth"


class TestNewTask:
    def raw(self, **changes: Any) -> dict[str, Any]:
        return {"data": DATA, "task": task("depth", **changes), "training": {"minutes": 0.005, "batch": 3}}

    def test_old_streams_serve_a_new_task_and_keep_their_bytes(self, copied: Path, tmp_path: Path) -> None:
        old = load_feature_set(str(copied))
        streams = [encode_picture(p, old, level=level) for p in pictures() for level in range(3)]
        answers = [infer(data, features=old) for data in streams]
        files = {p: p.read_bytes() for p in copied.rglob("*") if p.is_file() and p.name != "manifest.json"}
        assert texcodec("features", "add-task", copied, write(tmp_path / "t.json", self.raw())) == 0
        new = load_feature_set(str(copied))
        new.verify()
        assert new.identity == old.identity and new.manifest.encoder == old.manifest.encoder
        assert all(path.read_bytes() == data for path, data in files.items())
        assert streams == [encode_picture(p, new, level=level) for p in pictures() for level in range(3)]
        for data, before in zip(streams, answers):
            after = infer(data, features=new)
            assert set(after) == {*before, "depth"}
            assert after["depth"].shape == (1, 32, 40)
            assert all(np.array_equal(after[name], before[name]) for name in before)
            assert decode_tensors(data, new, tasks=["depth"])["depth"].shape == (8, 4, 5)
        assert not new.task("depth").stream
        assert len(new.manifest.card["tasks"]["depth"]["quality"]["levels"]) == 3

    def test_reconstruction_starts_from_what_latents_tell(self) -> None:
        from texcodec.training.features.networks import Reconstruction, start_from_regression
        from texcodec.training.features.settings import TaskShape

        torch.manual_seed(0)
        z, mixing = torch.randn(30, 6, 4, 5), torch.randn(3, 6)
        x = torch.einsum("km,nmhw->nkhw", mixing, z)
        found = Reconstruction(SMALLEST, TaskShape("a", 3))
        start_from_regression(found.separation, z, x)
        with torch.no_grad():
            assert float((found(z) - x).abs().max()) < 0.05

    def test_tasks_that_do_not_fit_are_refused(
        self, copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        before = (copied / "manifest.json").read_bytes()
        for changes, message in (
            ({"name": "class"}, "has a task 'class' already"),
            ({"factor": 2}, "need 2 x 3 latents, but streams of small have 4 x 5"),
        ):
            assert (
                texcodec("features", "add-task", copied, write(tmp_path / "t.json", self.raw(**changes))) == 2
            )
            assert message in capsys.readouterr().err
        assert texcodec("features", "add-task", tmp_path, "--preset", "depth") == 3
        assert (copied / "manifest.json").read_bytes() == before


def test_half_weights_change_little_and_take_half_the_room() -> None:
    import onnxruntime

    torch.manual_seed(0)
    network = shapes_network("depth", 16).eval()
    picture = 255 * torch.rand(1, 3, 32, 40)
    data = export_onnx(network, picture, input_name="picture", output_name="answer")
    half = with_half_weights(data)
    assert len(half) < 0.6 * len(data)
    one, two = (
        onnxruntime.InferenceSession(d).run(None, {"picture": picture.numpy()})[0] for d in (data, half)
    )
    assert 0 < np.abs(one - two).max() < 0.01 * np.abs(one).max()
