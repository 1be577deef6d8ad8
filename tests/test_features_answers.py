"""Answers in words, as JSON and as pictures; and the evaluation of a set by its answers."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from feature_samples import TASKS, picture, tiny
from PIL import Image

from texcodec.errors import ParameterError
from texcodec.features import encode_picture, infer
from texcodec.features.answers import default_suffix, describe, in_words, writer_of
from texcodec.features.encode import picture_features
from texcodec.features.evaluation import Labelled, evaluate, labelled_data
from texcodec.features.metrics import Meter
from texcodec.registry.feature_manifest import TaskInfo


def task(kind: str, classes: tuple[str, ...] | None = None) -> TaskInfo:
    return replace(tiny().task("kind"), name="it", kind=kind, classes=classes)


LOGITS = np.log(np.array([1, 5, 2], np.float32))
MAP = np.zeros((3, 4, 6), np.float32)
MAP[1, :2] = 1
MAP[2, 3, :3] = 2
NORMALS = np.stack([np.full((2, 2), 3.0), np.zeros((2, 2)), np.full((2, 2), -4.0)]).astype(np.float32)
DEPTH = np.arange(6, dtype=np.float32).reshape(1, 2, 3) / 10


def written(info: TaskInfo, answer: np.ndarray, suffix: str) -> bytes:
    buffer = io.BytesIO()
    writer_of(info, answer, suffix)(buffer)
    return buffer.getvalue()


class TestDescription:
    def test_a_class_has_a_name_and_a_probability(self) -> None:
        facts = describe(task("classification", ("cat", "dog", "fox")), LOGITS)
        assert facts["class"] == "dog"
        assert facts["probabilities"] == pytest.approx({"cat": 0.125, "dog": 0.625, "fox": 0.25})
        assert in_words(facts) == "dog (62.5%)"

    def test_classes_without_names_have_numbers(self) -> None:
        assert in_words(describe(task("classification"), LOGITS)) == "1 (62.5%)"

    def test_a_segmentation_has_shares(self) -> None:
        facts = describe(task("segmentation", ("sky", "sea", "sand")), MAP)
        assert facts["share"] == {"sea": 0.5, "sky": 0.375, "sand": 0.125}
        assert in_words(facts) == "6 x 4: sea 50.0%, sky 37.5%, sand 12.5%"

    def test_other_answers_have_numbers(self) -> None:
        assert in_words(describe(task("normals"), NORMALS)) == "2 x 2, mean direction (0.600, 0.000, -0.800)"
        assert in_words(describe(task("depth"), DEPTH)) == "3 x 2 x 1, from 0 to 0.5, mean 0.25"
        assert in_words(describe(task("values"), np.array([1.5, -2]))) == "1.5, -2"
        assert "from 0 to 2, mean" in in_words(describe(task("tensor"), MAP))

    @pytest.mark.parametrize(
        ("kind", "answer"),
        [("classification", LOGITS), ("segmentation", MAP), ("normals", NORMALS), ("depth", DEPTH)],
    )
    def test_descriptions_are_json(self, kind: str, answer: np.ndarray) -> None:
        assert json.loads(written(task(kind), answer, ".json")) == describe(task(kind), answer)


class TestFiles:
    def test_arrays_are_written_as_they_are(self) -> None:
        np.testing.assert_array_equal(np.load(io.BytesIO(written(task("depth"), DEPTH, ".npy"))), DEPTH)

    def test_a_segmentation_is_a_picture_of_class_numbers(self) -> None:
        with Image.open(io.BytesIO(written(task("segmentation"), MAP, ".png"))) as image:
            assert image.mode == "P"
            np.testing.assert_array_equal(np.asarray(image), MAP.argmax(0))
            colours = {image.getpalette()[3 * k] * 65536 + image.getpalette()[3 * k + 1] for k in range(3)}
        assert len(colours) == 3

    def test_normals_are_colours(self) -> None:
        with Image.open(io.BytesIO(written(task("normals"), NORMALS, ".png"))) as image:
            assert image.mode == "RGB"
            assert np.asarray(image)[0, 0].tolist() == pytest.approx([204, 128, 25.5], abs=0.5)

    def test_depth_is_sixteen_bit_grey(self) -> None:
        with Image.open(io.BytesIO(written(task("depth"), DEPTH, ".png"))) as image:
            grey = np.asarray(image)
        assert grey.shape == (2, 3) and (grey.min(), grey.max()) == (0, 65535)
        np.testing.assert_allclose(grey / 65535 * 0.5, DEPTH[0], atol=1e-5)
        flat = written(task("depth"), np.ones((1, 2, 2), np.float32), ".png")
        with Image.open(io.BytesIO(flat)) as image:
            assert not np.asarray(image).any()

    @pytest.mark.parametrize(
        ("kind", "answer"), [("classification", LOGITS), ("values", LOGITS), ("tensor", MAP)]
    )
    def test_answers_without_rows_and_columns_are_no_pictures(self, kind: str, answer: np.ndarray) -> None:
        with pytest.raises(ParameterError, match="is no picture; write it as .json or .npy"):
            writer_of(task(kind), answer, ".png")
        assert default_suffix(task(kind), answer) == ".json"

    def test_other_formats_are_refused(self) -> None:
        with pytest.raises(ParameterError, match="not as .tif"):
            writer_of(task("depth"), DEPTH, ".tif")
        assert default_suffix(task("depth"), DEPTH) == ".png"


class TestEvaluation:
    def data(self, count: int = 3) -> list[Labelled]:
        random = np.random.default_rng(2)
        return [
            Labelled(
                picture(40 + 8 * k, 56),
                {
                    "classification": np.array(k % 3),
                    "segmentation": random.integers(0, 2, (40 + 8 * k, 56)),
                    "depth": random.random((1, 40 + 8 * k, 56)),
                },
            )
            for k in range(count)
        ]

    def test_points_are_what_files_and_answers_say(self) -> None:
        data = self.data()
        facts = evaluate(tiny(), data, levels=[2, 0]).as_json()
        assert [point["level"] for point in facts["points"]] == [2, 0, None]
        assert [entry["name"] for entry in facts["tasks"]] == list(TASKS)
        assert facts["pictures"] == 3 and facts["pixels"] == sum(one.picture.shape[0] * 56 for one in data)
        for point in facts["points"][:2]:
            meters = {name: Meter(tiny().task(name).kind) for name in TASKS}
            size = 0
            for one in data:
                file = encode_picture(one.picture, tiny(), level=point["level"])
                size += len(file)
                for name, answer in infer(file, features=tiny()).items():
                    meters[name].add(answer[None], one.labels[tiny().task(name).kind][None])
            assert point["bytes"] == round(size / 3, 3)
            assert point["bits_per_pixel"] == round(8 * size / facts["pixels"], 6)
            assert point["quality"] == {name: round(meter.value(), 6) for name, meter in meters.items()}

    def test_uncoded_features_are_the_last_point(self) -> None:
        data = self.data(1)
        facts = evaluate(tiny(), data, levels=[0]).as_json()
        found = picture_features(data[0].picture, tiny(), TASKS)
        assert facts["points"][-1]["bytes"] == sum(tensor.nbytes for tensor in found.values())

    def test_tasks_can_be_chosen(self) -> None:
        facts = evaluate(tiny(), self.data(1), tasks=["later"], levels=[1]).as_json()
        assert [set(point["quality"]) for point in facts["points"]] == [{"later"}] * 2

    def test_labels_must_fit_the_tasks(self) -> None:
        one = Labelled(picture(), {"normals": np.zeros((3, 50, 70))})
        with pytest.raises(ParameterError, match="labels of normals, which no task .* answers: kind .class"):
            evaluate(tiny(), [one])
        with pytest.raises(ParameterError, match="labels of normals, so not of parts"):
            evaluate(tiny(), [one], tasks=["parts"])
        with pytest.raises(ParameterError, match="no pictures to evaluate"):
            evaluate(tiny(), [])
        with pytest.raises(ParameterError, match="not 7"):
            evaluate(tiny(), self.data(1), levels=[7])

    def test_folders_and_drawings_are_data(self, tmp_path: Path) -> None:
        for k, name in enumerate("abc"):
            (tmp_path / "classes" / name).mkdir(parents=True)
            Image.fromarray(picture(16 + 8 * k, 24)).save(tmp_path / "classes" / name / "1.png")
        for folder in ("images", "labels"):
            (tmp_path / "maps" / folder).mkdir(parents=True)
        Image.fromarray(picture(16, 24)).save(tmp_path / "maps" / "images" / "1.png")
        Image.fromarray(np.ones((16, 24), np.uint8)).save(tmp_path / "maps" / "labels" / "1.png")
        by_class = list(labelled_data(str(tmp_path / "classes")))
        assert [int(one.labels["classification"]) for one in by_class] == [0, 1, 2]
        assert len(list(labelled_data(str(tmp_path / "classes"), count=2))) == 2
        (mapped,) = labelled_data(str(tmp_path / "maps"))
        assert mapped.labels["segmentation"].shape == mapped.picture.shape[:2] == (16, 24)
        drawn = list(labelled_data("shapes", count=2, size=24))
        assert drawn[0].picture.shape == (24, 24, 3) and set(drawn[0].labels) >= {"classification", "depth"}
        with pytest.raises(ParameterError, match="is not a folder"):
            list(labelled_data(str(tmp_path / "nothing")))
