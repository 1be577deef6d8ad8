"""``texcodec features``, and what info, verify, models and decode say of feature streams and sets."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_runs import environment, names, process, texcodec
from feature_samples import SET, TASKS, copied_set, picture, tensors, tiny
from golden.make import scene
from PIL import Image
from safetensors.numpy import load_file, save_file

import texcodec as package
from texcodec.container import Reader
from texcodec.features import decode_tensors, encode_picture, encode_tensors, infer
from texcodec.registry import ENVIRONMENT_VARIABLE

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a.png, b.png and their features; the set is found by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(SET))
    for name, size in (("a", (50, 70)), ("b", (30, 20))):
        Image.fromarray(picture(*size)).save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.tcx").write_bytes(encode_picture(picture(*size), SET))
    return tmp_path


class TestEncode:
    def test_pictures_become_files_beside_them(self, folder: Path, capsys: Captured) -> None:
        expected = {name: (folder / name).read_bytes() for name in ("a.tcx", "b.tcx")}
        for name in expected:
            (folder / name).unlink()
        assert texcodec("features", "encode", "a.png", "b.png", "-v") == 0
        assert {name: (folder / name).read_bytes() for name in expected} == expected
        lines = capsys.readouterr().err.splitlines()
        assert lines[0].startswith(f"a.png -> a.tcx: {len(expected['a.tcx'])} bytes, ")
        assert "bpp" in lines[1]

    def test_levels_and_outputs_are_chosen(self, folder: Path) -> None:
        assert texcodec("features", "encode", "a.png", "small.tcx", "--level", "0") == 0
        assert (folder / "small.tcx").read_bytes() == encode_picture(picture(), SET, level=0)
        assert texcodec("features", "encode", "a.png", "b.png", "--out-dir", "out") == 0
        assert names(folder / "out") == ["a.tcx", "b.tcx"]

    def test_existing_files_stay_without_force(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("features", "encode", "a.png", "--level", "2") == 1
        assert "a.tcx exists already. Replace it with --force" in capsys.readouterr().err
        assert (folder / "a.tcx").read_bytes() == encode_picture(picture(), SET)
        assert texcodec("features", "encode", "a.png", "--level", "2", "--force") == 0
        assert (folder / "a.tcx").read_bytes() == encode_picture(picture(), SET, level=2)

    def test_tensor_files_are_encoded_whatever_their_names(self, folder: Path) -> None:
        save_file(tensors(), folder / "t.safetensors")
        (folder / "t.bin").write_bytes((folder / "t.safetensors").read_bytes())
        for name in ("t.safetensors", "t.bin"):
            assert texcodec("features", "encode", name, "t.tcx", "--force") == 0
            assert (folder / "t.tcx").read_bytes() == encode_tensors(tensors(), SET)

    def test_a_npy_file_is_the_tensor_of_the_only_task(
        self, folder: Path, tmp_path_factory: pytest.TempPathFactory, capsys: Captured
    ) -> None:
        np.save(folder / "t.npy", tensors()["kind"])
        assert texcodec("features", "encode", "t.npy") == 2
        assert "Tensors of exactly the tasks kind, parts are needed" in capsys.readouterr().err

    def test_pixels_and_features_share_a_file(self, folder: Path) -> None:
        command = ["features", "encode", "a.png", "both.tcx", "--with-picture", "--quality", "20"]
        assert texcodec(*command, "--picture-models", "tiny-1") == 0
        data = (folder / "both.tcx").read_bytes()
        alone = package.encode(picture(), quality=20, models="tiny-1")
        np.testing.assert_array_equal(package.decode(data), package.decode(alone))
        assert Reader(data).features == Reader((folder / "a.tcx").read_bytes()).features
        assert texcodec("decode", "both.tcx", "both.png") == 0

    def test_standard_streams_are_files(self, folder: Path) -> None:
        done = process("features", "encode", "-", input=(folder / "a.png").read_bytes())
        assert (done.returncode, done.stderr) == (0, b"")
        assert done.stdout == (folder / "a.tcx").read_bytes()

    @pytest.mark.parametrize(
        ("options", "code", "sentence"),
        [
            (["--quality", "20"], 2, "they need --with-picture"),
            (["--picture-models", "tiny-1"], 2, "they need --with-picture"),
            (["--level", "3"], 2, "levels 0 (smallest) to 2, not 3"),
            (["--level", "-1"], 2, "--level"),
            (["--models", "no-such-set"], 3, "no feature set named 'no-such-set'"),
            (["--models", "tiny-1"], 3, "tiny-1 is a set for pictures, and no feature set"),
            (["--with-picture", "--picture-models", "no-such-set"], 3, "no-such-set"),
        ],
    )
    def test_impossible_options_are_one_error_for_all_files(
        self, folder: Path, capsys: Captured, options: list[str], code: int, sentence: str
    ) -> None:
        assert texcodec("features", "encode", "a.png", "b.png", "--force", *options) == code
        message = capsys.readouterr().err
        assert sentence in message and message.count("\n") == 1

    def test_bad_inputs_do_not_keep_the_others_from_being_done(self, folder: Path, capsys: Captured) -> None:
        (folder / "a.tcx").unlink()
        bad = tensors()
        bad["kind"][0, 0, 0] = np.nan
        save_file(bad, folder / "nan.safetensors")
        (folder / "junk.npy").write_bytes(b"\x93NUMPY\x01\0")
        arguments = ["nan.safetensors", "junk.npy", "missing.png", "a.png"]
        assert texcodec("features", "encode", *arguments) == 1
        lines = capsys.readouterr().err.splitlines()
        assert lines[0].startswith("texcodec: nan.safetensors: The tensor of the task kind holds NaN")
        assert lines[1].startswith("texcodec: junk.npy: The .npy file cannot be read")
        assert lines[2].startswith("texcodec: missing.png: The file cannot be read")
        assert len(lines) == 3 and (folder / "a.tcx").exists()

    def test_a_tensor_has_no_pixels_to_put_beside_it(self, folder: Path, capsys: Captured) -> None:
        save_file(tensors(), folder / "t.safetensors")
        command = ["features", "encode", "t.safetensors", "--with-picture", "--picture-models", "tiny-1"]
        assert texcodec(*command) == 2
        assert "a tensor file, which has no pixels" in capsys.readouterr().err


class TestDecode:
    def test_all_tasks_go_into_one_file(self, folder: Path) -> None:
        assert texcodec("features", "decode", "a.tcx", "b.tcx") == 0
        for name in ("a", "b"):
            expected = decode_tensors((folder / f"{name}.tcx").read_bytes(), SET)
            found = load_file(folder / f"{name}.safetensors")
            assert set(found) == set(TASKS)
            for task, tensor in expected.items():
                np.testing.assert_array_equal(found[task], tensor)

    def test_one_task_goes_into_a_npy_file(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("features", "decode", "a.tcx", "t.npy", "--task", "later") == 0
        expected = decode_tensors((folder / "a.tcx").read_bytes(), SET)["later"]
        np.testing.assert_array_equal(np.load(folder / "t.npy"), expected)
        assert texcodec("features", "decode", "a.tcx", "all.npy") == 2
        assert "there are 3; name one with --task, or write a .safetensors file" in capsys.readouterr().err
        assert not (folder / "all.npy").exists()

    def test_formats_follow_options_and_names(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("features", "decode", "a.tcx", "--format", "npy", "--task", "kind") == 0
        assert np.load(folder / "a.npy").shape == (6, 13, 18)
        assert texcodec("features", "decode", "a.tcx", "a.txt") == 2
        assert "Cannot tell the format of a.txt" in capsys.readouterr().err
        done = process("features", "decode", "-", "--format", "npy", "--task", "kind",
                       input=(folder / "a.tcx").read_bytes())  # fmt: skip
        assert np.load(io.BytesIO(done.stdout)).shape == (6, 13, 18)

    def test_errors_have_their_exit_codes(self, folder: Path, capsys: Captured) -> None:
        (folder / "p.tcx").write_bytes(package.encode(picture(9, 9), models="tiny-1"))
        (folder / "junk.tcx").write_bytes(b"junk")
        for arguments, code, sentence in (
            (["a.tcx", "--task", "depth"], 2, "no task 'depth'; its tasks are kind, parts, later"),
            (["p.tcx"], 2, "no feature streams; decode its picture with texcodec decode"),
            (["junk.tcx"], 1, "not a .tcx file"),
            (["a.tcx", "--models", "nowhere"], 3, "no feature set named 'nowhere'"),
            (["a.tcx", "--limit-memory", "5000"], 4, "needs"),
        ):
            assert texcodec("features", "decode", *arguments) == code
            assert sentence in capsys.readouterr().err

    def test_a_set_that_is_not_installed_is_named(
        self, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(ENVIRONMENT_VARIABLE)
        assert texcodec("features", "decode", "a.tcx") == 3
        assert f"identity {tiny().identity.hex()}, which is not installed" in capsys.readouterr().err
        assert texcodec("features", "decode", "a.tcx", "--models", SET) == 0

    def test_decode_says_which_command_decodes_features(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("decode", "a.tcx", "x.png") == 4
        message = capsys.readouterr().err
        assert "texcodec features infer" in message and "features decode" in message


class TestInfer:
    def test_answers_are_printed(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("features", "infer", "a.tcx", "b.tcx") == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["a.tcx", *TASKS, "b.tcx", *TASKS]
        answer = infer((folder / "a.tcx").read_bytes(), "kind", SET)["kind"]
        assert lines[1].split()[1] == "abc"[int(answer.argmax())]
        assert "70 x 50: " in lines[2]

    def test_answers_are_json(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("features", "infer", "a.tcx", "b.tcx", "--json", "--task", "kind") == 0
        first, second = map(json.loads, capsys.readouterr().out.splitlines())
        assert (first["file"], first["models"], second["file"]) == ("a.tcx", "tiny-features", "b.tcx")
        (entry,) = first["answers"]
        assert entry["task"] == "kind" and sum(entry["probabilities"].values()) == pytest.approx(1, abs=1e-5)

    def test_one_answer_is_written(self, folder: Path, capsys: Captured) -> None:
        answers = infer((folder / "a.tcx").read_bytes(), features=SET)
        assert texcodec("features", "infer", "a.tcx", "--task", "parts", "--out", "p.png") == 0
        with Image.open(folder / "p.png") as image:
            np.testing.assert_array_equal(np.asarray(image), answers["parts"].argmax(0))
        assert texcodec("features", "infer", "a.tcx", "--task", "later", "-o", "l.npy") == 0
        np.testing.assert_array_equal(np.load(folder / "l.npy"), answers["later"])
        assert texcodec("features", "infer", "a.tcx", "--task", "kind", "--out", "k.json") == 0
        assert json.loads((folder / "k.json").read_text())["class"] in "abc"
        assert capsys.readouterr().out == ""
        assert texcodec("features", "infer", "a.tcx", "--task", "kind", "--out", "k.json") == 1
        assert "k.json exists already" in capsys.readouterr().err
        done = process("features", "infer", "a.tcx", "--task", "kind", "--out", "-", "--format", "npy")
        np.testing.assert_array_equal(np.load(io.BytesIO(done.stdout)), answers["kind"])

    def test_many_answers_are_written_into_a_folder(self, folder: Path) -> None:
        assert texcodec("features", "infer", "a.tcx", "b.tcx", "--out-dir", "answers") == 0
        expected = [f"{name}.{end}" for name in "ab" for end in ("kind.json", "later.png", "parts.png")]
        assert names(folder / "answers") == expected

    @pytest.mark.parametrize(
        ("arguments", "code", "sentence"),
        [
            (["a.tcx", "--out", "x.png"], 2, "answers of kind, parts, later; choose one with --task"),
            (["a.tcx", "b.tcx", "--out", "x.png"], 2, "--out is for one file"),
            (["a.tcx", "--out", "x.png", "--out-dir", "d"], 2, "--out is for one file"),
            (["a.tcx", "--format", "png"], 2, "--format needs"),
            (["a.tcx", "--task", "kind", "--out", "x.png"], 2, "is no picture; write it as .json or .npy"),
            (["a.tcx", "--task", "kind", "--out", "x.gif"], 2, "Cannot tell the format of x.gif"),
            (["a.tcx", "--task", "depth"], 2, "no task 'depth'"),
        ],
    )
    def test_impossible_wishes_are_refused(
        self, folder: Path, capsys: Captured, arguments: list[str], code: int, sentence: str
    ) -> None:
        before = names(folder)
        assert texcodec("features", "infer", *arguments) == code
        assert sentence in capsys.readouterr().err
        assert names(folder) == before


class TestEvaluate:
    def test_a_table_and_json_say_the_same(self, folder: Path, capsys: Captured) -> None:
        arguments = ["features", "evaluate", "shapes", "--count", "3", "--size", "32", "--levels", "0,2"]
        assert texcodec(*arguments, "--json") == 0
        facts: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert facts["pictures"] == 3 and [point["level"] for point in facts["points"]] == [0, 2, None]
        assert texcodec(*arguments) == 0
        title, head, *rows = capsys.readouterr().out.splitlines()
        assert title == "tiny-features on 3 pictures of shapes"
        assert "kind (accuracy)" in head and "later (mean absolute error, less is better)" in head
        assert [row.split()[0] for row in rows] == ["0", "2", "uncoded"]
        for row, point in zip(rows, facts["points"], strict=True):
            assert row.split()[1] == f"{point['bytes']:.1f}"
            assert row.split()[3:] == [f"{point['quality'][name]:.4f}" for name in TASKS]

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["nowhere"], "nowhere is not a folder"),
            (["."], "holds no"),
            (["shapes", "--levels", "9"], "not 9"),
            (["shapes", "--levels", "a"], "not a list of levels"),
            (["shapes", "--task", "taste"], "no task 'taste'"),
        ],
    )
    def test_impossible_wishes_are_refused(
        self, folder: Path, capsys: Captured, arguments: list[str], sentence: str
    ) -> None:
        assert texcodec("features", "evaluate", *arguments) == 2
        assert sentence in capsys.readouterr().err


class TestInfo:
    def test_streams_are_described(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("info", "a.tcx", "--json") == 0
        facts = json.loads(capsys.readouterr().out)
        (stream,) = facts["features"]
        assert (stream["models"], stream["level"], stream["levels"]) == ("tiny-features", 1, 3)
        assert stream["identity"] == tiny().identity.hex() == facts["identity"]
        assert [(t["name"], t["width"], t["height"]) for t in stream["tasks"]] == [
            ("kind", 18, 13),
            ("parts", 35, 25),
        ]
        assert stream["later_tasks"] == ["later"] and not facts["pixels"] and facts["lean"]
        assert stream["payload_bytes"] < stream["bytes"] < facts["bytes"]
        assert texcodec("info", "a.tcx") == 0
        text = capsys.readouterr().out
        assert "70 x 50, without pixels" in text and "version 1.2, lean" in text
        assert (
            "kind 18 x 13, parts 35 x 25; " in text and "level 1 of 0 to 2; tiny-features, identity " in text
        )

    def test_tasks_of_sets_that_are_not_installed_have_identifiers(
        self, folder: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(ENVIRONMENT_VARIABLE)
        assert texcodec("info", "a.tcx") == 0
        text = capsys.readouterr().out
        assert f"task {tiny().task('kind').identifier:04x} 18 x 13" in text and "set not installed" in text
        assert texcodec("info", "a.tcx", "--models", SET) == 0
        assert "kind 18 x 13" in capsys.readouterr().out

    def test_streams_beside_pixels_are_described_with_them(self, folder: Path, capsys: Captured) -> None:
        command = ["features", "encode", "a.png", "both.tcx", "--with-picture", "--picture-models", "tiny-1"]
        assert texcodec(*command) == 0
        assert texcodec("info", "both.tcx") == 0
        text = capsys.readouterr().out
        assert "70 x 50, RGB" in text and "kind 18 x 13" in text and "tiny-1, identity" in text
        assert "feat " not in text

    def test_nothing_heavy_is_loaded(self, folder: Path) -> None:
        heavy = ("numpy", "PIL", "onnxruntime", "constriction", "safetensors", "tqdm")
        code = (
            "import sys; from texcodec.cli.app import run; import texcodec.cli.features\n"
            f"assert run(['info', 'a.tcx']) == 0; print(*(m for m in {heavy} if m in sys.modules))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment())
        assert done.stderr == "" and "tiny-features" in done.stdout
        assert done.stdout.splitlines()[-1] == ""


class TestOtherCommands:
    def test_verify_checks_and_hashes_streams(self, folder: Path, capsys: Captured) -> None:
        assert texcodec("verify", "a.tcx") == 0
        assert capsys.readouterr().out == "a.tcx: ok\n"
        assert texcodec("verify", "--symbols", "a.tcx", "b.tcx") == 0
        lines = [line.split() for line in capsys.readouterr().out.splitlines()]
        assert [line[1] for line in lines] == ["a.tcx", "b.tcx"]
        assert len({line[0] for line in lines}) == 2 and all(len(line[0]) == 64 for line in lines)
        damaged = bytearray((folder / "a.tcx").read_bytes())
        damaged[-9] ^= 1
        (folder / "a.tcx").write_bytes(damaged)
        assert texcodec("verify", "a.tcx") == 1

    def test_models_lists_shows_and_verifies_feature_sets(
        self, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        copied_set(tmp_path / "mine")
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path))
        assert texcodec("models", "list", "--json") == 0
        kinds = {entry["name"]: entry["kind"] for entry in json.loads(capsys.readouterr().out)}
        assert (kinds["tiny-features"], kinds["tiny-1"]) == ("features", "pictures")
        assert texcodec("models", "list") == 0
        assert "tiny-features  features  unreleased" in capsys.readouterr().out
        assert texcodec("models", "show", "tiny-features") == 0
        text = capsys.readouterr().out
        for words in (
            "5 maps of 5 x 4, 6 combinations",
            "0 (smallest files) to 2, 1 by default",
            "added later",
        ):
            assert words in text
        assert texcodec("models", "show", "tiny-features", "--json") == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["kind"] == "features" and [task["name"] for task in facts["tasks"]] == list(TASKS)
        assert texcodec("models", "verify", "tiny-features", "tiny-1", SET) == 0
        assert capsys.readouterr().out == "tiny-features: ok\ntiny-1: ok\ntiny-features: ok\n"
        graph = tmp_path / "mine" / "graphs" / "predictor.onnx"
        graph.write_bytes(graph.read_bytes()[:-1] + b"x")
        (tmp_path / "mine" / "manifest.json").touch()
        assert texcodec("models", "verify", tmp_path / "mine") == 3

    @pytest.mark.parametrize("command", ["", "encode", "decode", "infer", "evaluate"])
    def test_every_help_text_is_made_of_sentences(self, capsys: Captured, command: str) -> None:
        assert texcodec("features", *command.split(), "--help") == 0
        usage, description, *_ = capsys.readouterr().out.split("\n\n")
        assert usage.startswith(f"Usage: texcodec features {command}".rstrip())
        assert description.strip().endswith(".")


def test_a_picture_that_is_not_from_the_disk_is_the_same(folder: Path) -> None:
    assert encode_picture(np.asarray(Image.open(folder / "a.png")), SET) == encode_picture(scene(50, 70), SET)
