"""Features to bytes and back: shapes, levels, tasks that come later, exact symbols, errors."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import second_decoder
from cli_runs import environment
from feature_samples import (
    SET,
    STREAM_TASKS,
    TASKS,
    change_decoder,
    change_manifest,
    copied_set,
    picture,
    tensors,
    tiny,
)
from safetensors.numpy import load_file
from second_decoder.container import read_file
from second_decoder.fields import Refused

import texcodec
from texcodec.container import Reader, unpack_stream
from texcodec.errors import (
    ChecksumError,
    CorruptError,
    LimitError,
    ModelNotFoundError,
    ParameterError,
    TensorError,
)
from texcodec.features import decode_tensors, encode_picture, encode_tensors, infer, load_feature_set
from texcodec.features.coder import FeatureCoder
from texcodec.features.decode import decode, streams_hash
from texcodec.features.encode import picture_features, quantise, tensor_stream
from texcodec.registry import ENVIRONMENT_VARIABLE


def hash_of(data: bytes) -> str:
    reader = Reader(data)
    return streams_hash(reader.header, reader.ancillary, SET)


class TestPictures:
    @pytest.mark.parametrize("size", [(50, 70), (1, 1), (8, 8), (97, 3), (2, 130)])
    def test_tensors_and_answers_have_the_sizes_of_the_picture(self, size: tuple[int, int]) -> None:
        data = encode_picture(picture(*size), SET)
        found = decode_tensors(data, SET)
        assert list(found) == list(TASKS)
        for name, (channels, stride) in {"kind": (6, 4), "parts": (5, 2), "later": (3, 8)}.items():
            assert found[name].shape == (channels, -(-size[0] // stride), -(-size[1] // stride))
            assert found[name].dtype == np.float32
        answers = infer(data, features=SET)
        shapes = {name: answer.shape for name, answer in answers.items()}
        assert shapes == {"kind": (3,), "parts": (2, *size), "later": (1, *size)}
        assert all(answer.dtype == np.float32 for answer in answers.values())

    def test_higher_levels_cost_more_and_are_closer_to_the_features(self) -> None:
        # decoded latents against the transform's: the set's reconstruction learned nothing
        sizes, errors = [], []
        exact = tiny().transform().ordered(None, *_padded_features())[0]
        for level in range(3):
            coded, _ = quantise(picture_features(picture(), tiny()), tiny(), level)
            steps = (
                np.abs(FeatureCoder(tiny()).latents(coded, level) - exact)
                * tiny().gains[level][:, None, None]
            )
            assert steps[coded.scales > 0].max() <= 0.5001
            errors.append(float(np.mean(steps / tiny().gains[level][:, None, None])))
            sizes.append(len(encode_picture(picture(), SET, level=level)))
        assert sizes == sorted(set(sizes)) and errors == sorted(errors, reverse=True)

    def test_the_default_level_is_that_of_the_set(self) -> None:
        assert encode_picture(picture(), SET) == encode_picture(picture(), SET, level=1)

    def test_grey_pictures_are_pictures_with_three_equal_channels(self) -> None:
        grey = picture()[..., :1]
        assert encode_picture(grey, SET) == encode_picture(np.repeat(grey, 3, axis=2), SET)
        assert encode_picture(grey[..., 0], SET) == encode_picture(grey, SET)

    def test_alpha_plays_no_part(self) -> None:
        transparent = np.concatenate([picture(), np.zeros((50, 70, 1), np.uint8)], axis=2)
        assert encode_picture(transparent, SET) == encode_picture(picture(), SET)

    def test_a_file_object_will_do(self) -> None:
        data = encode_picture(picture(), SET)
        found = decode_tensors(io.BytesIO(data), SET, ["kind"])
        np.testing.assert_array_equal(found["kind"], decode_tensors(data, SET)["kind"])

    def test_features_are_those_of_a_picture_extended_by_its_edges(self) -> None:
        whole = np.pad(picture(), [(0, 6), (0, 2), (0, 0)], mode="edge")  # 56 x 72, multiples of 8
        small, large = picture_features(picture(), tiny(), TASKS), picture_features(whole, tiny(), TASKS)
        for name in TASKS:
            _, h, w = small[name].shape
            np.testing.assert_allclose(small[name], large[name][:, :h, :w], atol=1e-5)


def _padded_features() -> list[np.ndarray]:
    found = picture_features(picture(), tiny())
    out = []
    for task in tiny().stream_tasks:
        sides = [(0, -side % task.factor) for side in found[task.name].shape[1:]]
        out.append(np.pad(found[task.name], [(0, 0), *sides], mode="edge")[None])
    return out


class TestTensors:
    def test_tensors_come_back_with_their_sizes(self) -> None:
        given = tensors()
        given["kind"] = given["kind"][:, :13, :17]  # not a multiple of the factor, but as many latents
        data = encode_tensors(given, SET)
        assert {name: found.shape for name, found in decode_tensors(data, SET, STREAM_TASKS).items()} == {
            name: tensor.shape for name, tensor in given.items()
        }
        header = Reader(data).header
        assert (header.width, header.height) == (17, 13)

    def test_tensors_of_a_picture_give_its_stream(self) -> None:
        found = picture_features(picture(), tiny())
        from_tensors = Reader(encode_tensors(found, SET)).features
        assert from_tensors == Reader(encode_picture(picture(), SET)).features

    def test_answers_to_tensors_have_the_size_that_the_network_gives(self) -> None:
        answers = infer(encode_tensors(tensors(), SET), features=SET)
        assert {n: a.shape for n, a in answers.items()} == {
            "kind": (3,),
            "parts": (2, 56, 72),
            "later": (1, 56, 72),
        }

    @pytest.mark.parametrize("kind", [np.float16, np.float64, np.int16])
    def test_other_numbers_are_taken_as_float32(self, kind: type[Any]) -> None:
        given = {name: tensor.astype(kind) for name, tensor in tensors().items()}
        exact = {name: tensor.astype(np.float32) for name, tensor in given.items()}
        assert encode_tensors(given, SET) == encode_tensors(exact, SET)

    def test_a_batch_of_one_is_a_tensor(self) -> None:
        given = {name: tensor[None] for name, tensor in tensors().items()}
        assert encode_tensors(given, SET) == encode_tensors(tensors(), SET)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
    def test_tensors_with_numbers_that_are_none_are_refused(self, bad: float) -> None:
        given = tensors()
        given["parts"][3, 2, 1] = bad
        with pytest.raises(TensorError, match="task parts holds NaN, infinities"):
            encode_tensors(given, SET)

    def test_numbers_beyond_float32_are_refused(self) -> None:
        given: dict[str, np.ndarray] = {**tensors(), "kind": np.full((6, 14, 18), 1e300)}
        with pytest.raises(TensorError, match="beyond float32"):
            encode_tensors(given, SET)

    @pytest.mark.parametrize(
        "shape", [(5, 14, 18), (6, 14), (6, 14, 18, 1), (2, 6, 14, 18), (6, 0, 18), (), (7,), (6, 14, 0)]
    )
    def test_shapes_that_do_not_fit_are_refused(self, shape: tuple[int, ...]) -> None:
        given = {**tensors(), "kind": np.zeros(shape, np.float32)}
        with pytest.raises(TensorError, match="task kind has the shape .*but it must be 6 x height x width"):
            encode_tensors(given, SET)

    def test_tensors_of_different_pictures_are_refused(self) -> None:
        given = {**tensors(), "kind": np.zeros((6, 16, 18), np.float32)}
        with pytest.raises(TensorError, match="kind 16 x 18 .factor 2., parts 28 x 36 .factor 4."):
            encode_tensors(given, SET)

    def test_texts_and_objects_are_refused(self) -> None:
        given: dict[str, np.ndarray] = {**tensors(), "kind": np.full((6, 14, 18), "x")}
        with pytest.raises(TensorError, match="holds <U1"):
            encode_tensors(given, SET)

    @pytest.mark.parametrize(
        "names", [("kind",), ("kind", "parts", "later"), ("kind", "Parts"), (), ("kind", "parts", "")]
    )
    def test_exactly_the_tasks_of_the_stream_are_needed(self, names: tuple[str, ...]) -> None:
        given = {name: tensors().get(name, np.zeros((3, 2, 2), np.float32)) for name in names}
        with pytest.raises(ParameterError, match="Tensors of exactly the tasks kind, parts are needed"):
            encode_tensors(given, SET)

    def test_a_single_array_needs_a_single_task(self) -> None:
        with pytest.raises(ParameterError, match="but one without a name came"):
            encode_tensors(tensors()["kind"], SET)

    def test_vectors_are_tensors_of_one_position(self, tmp_path: Path) -> None:
        folder = copied_set(tmp_path / "vectors")
        change_manifest(folder, lambda m: [task.update(factor=1) for task in m["tasks"]])
        # the set's networks shrink by their factors, so a vector is repeated for them
        with pytest.raises(texcodec.ModelDamagedError, match="do not fit each other"):
            encode_tensors({"kind": np.ones(6), "parts": np.ones(5)}, folder)
        data = encode_tensors({"kind": np.ones(6), "parts": np.ones(5)}, SET)
        assert {n: t.shape for n, t in decode_tensors(data, SET, STREAM_TASKS).items()} == {
            "kind": (6, 1, 1),
            "parts": (5, 1, 1),
        }


class TestLaterTasks:
    def without_later(self, folder: Path) -> Path:
        change_manifest(copied_set(folder), lambda m: m["tasks"].pop())
        for path in folder.rglob("*later*"):
            path.unlink()
        return folder

    def test_streams_from_before_a_task_came_serve_it_and_are_the_same_bytes(self, tmp_path: Path) -> None:
        before = load_feature_set(self.without_later(tmp_path / "before"))
        before.verify()
        old = encode_picture(picture(), before)
        with pytest.raises(ParameterError, match="no task 'later'; its tasks are kind, parts"):
            decode_tensors(old, before, ["later"])
        assert before.identity == tiny().identity
        assert encode_picture(picture(), SET) == old
        assert infer(old, "later", SET)["later"].shape == (1, 50, 70)


class TestSets:
    def test_the_set_that_a_file_names_is_found_by_itself(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = encode_picture(picture(), SET)
        with pytest.raises(
            ModelNotFoundError, match=f"identity {tiny().identity.hex()}, which is not installed"
        ):
            infer(data)
        copied_set(tmp_path / "sets" / "mine")
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "sets"))
        assert list(infer(data)) == list(TASKS)

    def test_another_set_is_refused_and_both_are_named(self, tmp_path: Path) -> None:
        folder = copied_set(tmp_path / "other")
        change_decoder(folder, lambda arrays: arrays["predictor.leave.bias"].__iadd__(1 << 9))
        other = load_feature_set(folder)
        with pytest.raises(ModelNotFoundError) as caught:
            decode_tensors(encode_picture(picture(), SET), folder)
        assert tiny().identity.hex() in str(caught.value) and other.identity.hex() in str(caught.value)

    def test_of_several_streams_the_one_of_the_set_is_decoded(self, tmp_path: Path) -> None:
        from texcodec.container import FEAT, feature_header, pack_stream, write

        folder = copied_set(tmp_path / "other")
        change_decoder(folder, lambda arrays: arrays["predictor.leave.bias"].__iadd__(1 << 9))
        other = load_feature_set(folder)
        found = picture_features(picture(), tiny())
        streams = [tensor_stream(found, features) for features in (tiny(), other)]
        data = write(feature_header(70, 50), [], [], [(FEAT, pack_stream(stream)) for stream in streams])
        for features, stream in zip((tiny(), other), streams, strict=True):
            assert decode(data, features).stream == stream

    def test_a_picture_has_no_features(self) -> None:
        data = texcodec.encode(picture(), models="tiny-1", quality=10)
        with pytest.raises(
            ParameterError, match="no feature streams; decode its picture with texcodec decode"
        ):
            infer(data, features=SET)

    def test_levels_tasks_and_networks_that_are_not_there(self, tmp_path: Path) -> None:
        data = encode_picture(picture(), SET)
        for level in (-1, 3):
            with pytest.raises(ParameterError, match=f"levels 0 .smallest. to 2, not {level}"):
                encode_picture(picture(), SET, level=level)
        with pytest.raises(ParameterError, match="no task 'depth'; its tasks are kind, parts, later"):
            infer(data, "depth", SET)
        folder = copied_set(tmp_path / "bare")
        change_manifest(folder, lambda m: [task.update(front=False, tail=False) for task in m["tasks"]])
        with pytest.raises(ParameterError, match="no network before the features of the task kind; encode"):
            encode_picture(picture(), folder)
        with pytest.raises(ParameterError, match="no network after the features of the task parts; decode"):
            infer(data, "parts", folder)
        with pytest.raises(ParameterError, match="no network behind the features of any task"):
            infer(data, features=folder)
        assert decode_tensors(data, folder).keys() == set(TASKS)

    def test_pictures_over_the_limit_are_refused(self) -> None:
        with pytest.raises(LimitError, match="70 x 50 pixels"):
            encode_picture(picture(), SET, limits=texcodec.Limits(pixels=3000))
        with pytest.raises(LimitError, match="feature stream needs"):
            encode_tensors(tensors(), SET, limits=texcodec.Limits(memory=5000))

    def test_other_arithmetic_is_unsupported(self) -> None:
        from dataclasses import replace

        from texcodec.container import FEAT, write

        reader = Reader(encode_picture(picture(), SET))
        header = replace(reader.header, entropy_profile=2, lean=False, identity=bytes(16))
        with pytest.raises(texcodec.UnsupportedError, match="entropy profile 2"):
            decode_tensors(write(header, [], [], [(FEAT, reader.features[0])]), SET)


class TestExactness:
    @pytest.mark.parametrize("size", [(50, 70), (1, 1), (33, 16), (120, 9)])
    @pytest.mark.parametrize("level", [0, 2])
    def test_the_second_decoder_decodes_the_same_symbols(self, size: tuple[int, int], level: int) -> None:
        data = encode_picture(picture(*size), SET, level=level)
        models, file = second_decoder.FeatureSet(SET), read_file(data)
        second = second_decoder.decode_features(models, file.streams[0])
        first = decode(data, SET)
        np.testing.assert_array_equal(first.symbols.hyper, second.side)
        np.testing.assert_array_equal(first.symbols.symbols, second.latents)
        np.testing.assert_array_equal(first.latents, second.z)
        assert hash_of(data) == second_decoder.streams_hash(models, file)

    def test_the_samples_have_escapes_and_latents_that_are_not_coded(self) -> None:
        data = encode_picture(picture(), SET, level=2)
        second = second_decoder.decode_features(second_decoder.FeatureSet(SET), read_file(data).streams[0])
        assert second.escapes > 10
        assert (decode(data, SET).symbols.scales == 0).any()

    @pytest.mark.parametrize("level", ["none", "basic", "extended"])
    def test_optimisation_levels_do_not_change_symbols(self, level: str) -> None:
        data = encode_picture(picture(), SET, level=2)
        code = (
            "import sys; from texcodec.networks import sessions; sessions.optimisation_level = sys.argv[1]\n"
            "from texcodec.container import Reader; from texcodec.features.decode import streams_hash\n"
            "reader = Reader(sys.stdin.buffer.read())\n"
            "print(streams_hash(reader.header, reader.ancillary, sys.argv[2]))"
        )
        command = [sys.executable, "-c", code, level, str(SET)]
        done = subprocess.run(command, input=data, capture_output=True, check=True, env=environment())
        assert done.stdout.decode().strip() == hash_of(data)

    def test_the_coder_estimates_the_length(self) -> None:
        random = np.random.default_rng(3)
        given = {
            "kind": random.normal(0, 3, (6, 80, 80)).astype(np.float32),
            "parts": random.normal(0, 3, (5, 160, 160)).astype(np.float32),
        }
        for level in range(3):
            coded, _ = quantise(given, tiny(), level)
            coder = FeatureCoder(tiny())
            assert abs(8 * len(coder.write(coded, level)) - coder.bits(coded, level)) < 0.01 * coder.bits(
                coded, level
            )

    @pytest.mark.parametrize(
        "array", ["generator.leave.bias", "predictor.spread.bias", "generator.codebook.bias"]
    )
    def test_a_network_that_computes_differently_ends_in_an_error(self, tmp_path: Path, array: str) -> None:
        folder = copied_set(tmp_path / "perturbed")
        change_decoder(folder, lambda arrays: arrays[array].__iadd__(1 << 9))
        perturbed = load_feature_set(folder)
        perturbed.identity = tiny().identity
        with pytest.raises((ChecksumError, CorruptError), match="feature stream"):
            decode_tensors(encode_picture(picture(), SET), perturbed)
        models = second_decoder.FeatureSet(SET)
        models.arrays[array] += 1 << 9
        with pytest.raises(Refused):
            second_decoder.decode_features(models, read_file(encode_picture(picture(), SET)).streams[0])

    def test_latents_are_predicted_from_the_nearest_map(self) -> None:
        """A latent's map is that at floor(i * rows / h): a second way to the same prediction."""
        coder, manifest = FeatureCoder(tiny()), tiny().manifest
        side = np.array([3, -2, 0, 5], np.int32)
        big, _ = coder._predict(side, 1, (8, 10))
        small, _ = coder._predict(side, 1, manifest.grid)
        assert big.shape == (8, 8, 10)
        # 3x3 layers see other neighbours, so compare what does not depend on them: the predictor without them
        planes = np.zeros((1, 7, 1, 1), np.float32)
        planes[0, :4, 0, 0], planes[0, 5] = 8 * side, 32
        maps = tiny().generator().ordered(None, planes)
        assert maps.shape == (1, manifest.groups, *manifest.grid)
        doubled = maps.repeat(2, axis=2).repeat(2, axis=3)
        expected = tiny().predictor().ordered(None, doubled)[0, : manifest.latent_channels]
        np.testing.assert_array_equal(big, np.clip(expected, -(1 << 18), 1 << 18))
        assert not np.array_equal(big[:, ::2, ::2], small)


def test_the_set_of_the_tests_is_the_one_that_its_golden_files_need() -> None:
    assert tiny().identity.hex() == "a5c995e567f67a42181f86dc491dd11d"
    assert set(load_file(SET / "decoder.safetensors")) >= {"generator.codebook.weight", "inverse_gains"}


def test_nothing_of_features_needs_torch(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('torch must not be needed')\n")
    code = (
        "import sys, numpy as np, texcodec.features as f\n"
        "import texcodec.features.evaluation, texcodec.cli.features_evaluate\n"
        "data = f.encode_picture(np.zeros((20, 30, 3), np.uint8), sys.argv[1])\n"
        "print(*f.infer(data, features=sys.argv[1]))"
    )
    env = environment()
    env["PYTHONPATH"] = f"{tmp_path}:{env['PYTHONPATH']}"
    done = subprocess.run([sys.executable, "-c", code, str(SET)], capture_output=True, text=True, env=env)
    assert (done.stdout.split(), done.stderr) == (list(TASKS), "")


def test_unpacked_streams_name_the_tasks_of_the_set() -> None:
    (payload,) = Reader(encode_picture(picture(), SET)).features
    stream = unpack_stream(payload)
    assert [task.identifier for task in stream.tasks] == [task.identifier for task in tiny().stream_tasks]
