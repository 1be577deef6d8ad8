"""What the command line makes of its arguments, with a codec that only writes down what it is asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from cli_runs import names, save_photograph, texcodec

import texcodec as package
from texcodec import errors, registry
from texcodec.cli.console import escaped
from texcodec.images import Picture


class Codec:
    """Stands in for texcodec.encode; ``failures`` holds the error to raise for a picture of that width."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.failures: dict[int, BaseException] = {}

    def encode(self, picture: Picture, **options: Any) -> bytes:
        self.calls.append(options)
        if picture.width in self.failures:
            raise self.failures[picture.width]
        return b"coded %d" % picture.width


@pytest.fixture
def codec(monkeypatch: pytest.MonkeyPatch) -> Codec:
    fake = Codec()
    monkeypatch.setattr(package, "encode", fake.encode)
    monkeypatch.setattr(registry, "load_set", lambda name=None: None)
    return fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a.png, b.png and c.png, which are 1, 2 and 3 pixels wide."""
    monkeypatch.chdir(tmp_path)
    for width, name in enumerate("abc", start=1):
        save_photograph(tmp_path / f"{name}.png", width, 1)
    return tmp_path


class TestOutputs:
    @pytest.mark.parametrize(
        ("arguments", "written"),
        [
            (["a.png", "out.tcx"], {"out.tcx": 1}),
            (["a.png", "OUT.TCX"], {"OUT.TCX": 1}),
            (["a.png"], {"a.tcx": 1}),
            (["a.png", "b.png"], {"a.tcx": 1, "b.tcx": 2}),
            (["a.png", "b.png", "c.png"], {"a.tcx": 1, "b.tcx": 2, "c.tcx": 3}),
            (["a.png", "-o", "out.bin"], {"out.bin": 1}),
            (["a.png", "c.png", "--out-dir", "made/deep"], {"made/deep/a.tcx": 1, "made/deep/c.tcx": 3}),
            (["--out-dir", ".", "--", "a.png"], {"a.tcx": 1}),
        ],
    )
    def test_goes_where_the_arguments_say(
        self, codec: Codec, folder: Path, arguments: list[str], written: dict[str, int]
    ) -> None:
        assert texcodec("encode", *arguments) == 0
        found = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".png"]
        assert {str(path.relative_to(folder)): int(path.read_bytes()[6:]) for path in found} == written

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["a.png", "b.png", "-o", "out.tcx"], "2 inputs for the one output out.tcx; use --out-dir"),
            (["a.png", "-o", "x.tcx", "--out-dir", "d"], "--output and --out-dir exclude each other"),
            (["a.png", "-", "b.png"], "must be the only input"),
            (["-", "--out-dir", "d"], "must be the only input"),
            (
                ["a.png", "missing.bin"],
                "missing.bin does not exist; if it is the output, end its name in .tcx",
            ),
            (["a.png", "out.jpg"], "out.jpg does not exist; if it is the output, end its name in .tcx"),
            ([".", "coded"], "if the outputs of . shall go there, name it with --out-dir"),
            (["a.png", "-o", "./a.png", "--force"], "a.png is both input and output"),
        ],
    )
    def test_contradictions_are_usage_errors(
        self,
        codec: Codec,
        folder: Path,
        capsys: pytest.CaptureFixture[str],
        arguments: list[str],
        sentence: str,
    ) -> None:
        assert texcodec("encode", *arguments) == 2
        assert sentence in capsys.readouterr().err
        assert not codec.calls
        assert names(folder) == ["a.png", "b.png", "c.png"]

    def test_the_second_of_two_inputs_of_one_name_is_left_out(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "sub").mkdir()
        save_photograph(folder / "sub" / "a.png")
        assert texcodec("encode", "a.png", "sub/a.png", "b.png", "--out-dir", "out") == 1
        printed = capsys.readouterr().err
        assert printed.startswith("texcodec: sub/a.png: Its output out/a.tcx is that of a.png too")
        assert names(folder / "out") == ["a.tcx", "b.tcx"]

    def test_an_existing_output_is_kept_without_force_and_nothing_is_coded_for_it(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "a.tcx").write_bytes(b"old")
        assert texcodec("encode", "a.png", "b.png") == 1
        assert capsys.readouterr().err.startswith(
            "texcodec: a.png: a.tcx exists already. Replace it with --force"
        )
        assert (folder / "a.tcx").read_bytes() == b"old"
        assert len(codec.calls) == 1
        assert texcodec("encode", "a.png", "--force") == 0
        assert (folder / "a.tcx").read_bytes() == b"coded 1"

    def test_an_output_folder_that_is_a_file_is_an_error(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec("encode", "a.png", "--out-dir", "b.png") == 1
        assert "Cannot make the folder b.png" in capsys.readouterr().err

    @pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
    def test_a_folder_without_an_input_is_an_error_beside_the_others(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (folder / "texts").mkdir()
        (folder / "texts" / "notes.txt").write_text("no picture")
        assert texcodec("encode", "texts", "--out-dir", "out") == 1
        assert "texts: The folder holds no file for this command" in capsys.readouterr().err
        assert texcodec("encode", "a.png", "texts", "--out-dir", "out") == 1
        assert (folder / "out" / "a.tcx").exists()

    def test_a_device_as_second_argument_is_the_output(self, codec: Codec, folder: Path) -> None:
        assert texcodec("encode", "a.png", "/dev/null") == 0
        assert names(folder) == ["a.png", "b.png", "c.png"]


class TestOptions:
    def test_defaults_leave_everything_to_the_codec(self, codec: Codec, folder: Path) -> None:
        assert texcodec("encode", "a.png") == 0
        (call,) = codec.calls
        assert call.pop("metadata") is True
        assert call.pop("lossless") is False
        assert call.pop("nearest") is False
        assert call.pop("preview") is False
        assert call.pop("limits") == package.Limits()
        assert callable(call.pop("warn"))
        targets, crop = {"quality", "bpp", "size", "psnr"}, {"crop", "outside"}
        assert set(call) == targets | crop | {"models", "effort", "threads", "tile", "progress"}
        assert set(call.values()) == {None}

    @pytest.mark.parametrize(
        ("option", "value"),
        [("quality", 12.5), ("bpp", 0.25), ("size", 4000), ("psnr", 31.5), ("threads", 3)],
    )
    def test_numbers_reach_the_codec(self, codec: Codec, folder: Path, option: str, value: float) -> None:
        assert texcodec("encode", "a.png", f"--{option}", value) == 0
        assert codec.calls[0][option] == value

    def test_lossless_reaches_the_codec_and_needs_no_set(
        self, codec: Codec, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEXCODEC_MODELS", str(folder / "none"))
        assert texcodec("encode", "a.png", "--lossless") == 0
        assert codec.calls[0]["lossless"] is True

    @pytest.mark.parametrize(
        "other", [("--quality", 5), ("--size", 500), ("--crop", "c.json", "--outside", "coarse")]
    )
    def test_lossless_excludes_targets_and_coarse_tiles(
        self, codec: Codec, folder: Path, other: tuple[object, ...]
    ) -> None:
        assert texcodec("encode", "a.png", "--lossless", *other) == 2
        assert not codec.calls

    def test_the_others_reach_the_codec(self, codec: Codec, folder: Path) -> None:
        options = [
            "--tile",
            "128",
            "--no-metadata",
            "--models",
            "mine",
            "--limit-pixels",
            "99",
            "--limit-side",
            "7",
        ]
        assert texcodec("encode", "a.png", *options) == 0
        call = codec.calls[0]
        assert (call["tile"], call["metadata"], call["models"]) == (128, False, "mine")
        assert call["limits"] == package.Limits(pixels=99, side=7)

    @pytest.mark.parametrize(
        "options",
        [
            ["--quality", "0.9"],
            ["--quality", "101"],
            ["--quality", "nan"],
            ["--bpp", "0"],
            ["--bpp", "inf"],
            ["--psnr", "nan"],
            ["--size", "0"],
            ["--size", "1.5"],
            ["--threads", "0"],
            ["--tile", "64"],
            ["--limit-memory", "0"],
            ["--quiet", "--verbose"],
            ["--quality", "50", "--bpp", "1"],
            ["--size", "500", "--psnr", "30"],
            ["--region", "0,0,1,1"],
            ["--nonsense"],
        ],
    )
    def test_impossible_ones_are_usage_errors(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str], options: list[str]
    ) -> None:
        assert texcodec("encode", "a.png", *options) == 2
        message = capsys.readouterr().err
        assert message.startswith("texcodec: ")
        assert message.count("\n") == 1
        assert options[0] in message
        assert not codec.calls

    @pytest.mark.parametrize(
        "region", ["1,2,3", "1,2,3,4,5", "a,0,1,1", "-1,0,5,5", "0,0,0,5", "0,0,5,-1", ""]
    )
    def test_a_region_is_four_sensible_integers(
        self, capsys: pytest.CaptureFixture[str], region: str
    ) -> None:
        assert texcodec("decode", "a.tcx", "--region", region) == 2
        assert "Invalid value for '--region'" in capsys.readouterr().err

    def test_decode_refuses_formats_that_cannot_be_written(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec("decode", "a.tcx", "a.nonsense") == 2
        assert texcodec("decode", "a.tcx", "--format", "nonsense") == 2
        message = capsys.readouterr().err
        assert "Cannot tell the format of a.nonsense" in message
        assert "'nonsense' is not the extension of a format" in message


class TestFailures:
    @pytest.mark.parametrize(
        ("error", "code"),
        [
            (errors.StreamError("It failed."), 1),
            (errors.ImageError("It failed."), 1),
            (errors.ChecksumError("It failed."), 1),
            (errors.ParameterError("It failed."), 2),
            (errors.ModelNotFoundError("It failed."), 3),
            (errors.ModelDamagedError("It failed."), 3),
            (errors.LimitError("It failed."), 4),
            (errors.UnsupportedError("It failed."), 4),
            (OSError(28, "It failed"), 1),
        ],
    )
    def test_each_kind_of_error_has_its_exit_code_and_one_sentence(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str], error: Exception, code: int
    ) -> None:
        codec.failures[1] = error
        assert texcodec("encode", "a.png") == code
        advice = getattr(error, "advice", "")
        assert capsys.readouterr() == ("", f"texcodec: a.png: It failed. {advice}".rstrip() + "\n")
        assert names(folder) == ["a.png", "b.png", "c.png"]

    def test_lack_of_memory_is_a_sentence(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        codec.failures[1] = MemoryError()
        assert texcodec("encode", "a.png") == 1
        assert "texcodec: a.png: There is not enough memory" in capsys.readouterr().err

    def test_a_bug_is_a_sentence_and_a_traceback_only_when_asked_for(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        codec.failures[1] = KeyError("surprise")
        assert texcodec("encode", "a.png") == 1
        message = capsys.readouterr().err
        assert "Internal error, please report it (KeyError: 'surprise')" in message
        assert "Traceback" not in message
        assert texcodec("encode", "a.png", "-v") == 1
        assert "Traceback" in capsys.readouterr().err

    def test_the_other_files_are_still_done(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        codec.failures[1] = errors.ImageError("It failed.")
        assert texcodec("encode", "a.png", "missing.png", "c.png") == 1
        lines = capsys.readouterr().err.splitlines()
        assert [line.split(": ")[:2] for line in lines] == [
            ["texcodec", "a.png"],
            ["texcodec", "missing.png"],
        ]
        assert names(folder) == ["a.png", "b.png", "c.png", "c.tcx"]

    @pytest.mark.parametrize(
        ("failures", "code"),
        [
            ({2: errors.LimitError("x")}, 4),
            ({1: errors.LimitError("x"), 2: errors.ModelNotFoundError("x")}, 4),
            ({1: errors.ModelNotFoundError("x"), 3: errors.LimitError("x")}, 3),
            ({1: errors.LimitError("x"), 3: errors.ImageError("x")}, 1),
        ],
    )
    def test_one_exit_code_sums_up_the_failures(
        self, codec: Codec, folder: Path, failures: dict[int, BaseException], code: int
    ) -> None:
        codec.failures = failures
        assert texcodec("encode", "a.png", "b.png", "c.png") == code

    def test_an_interrupt_ends_the_whole_run(self, codec: Codec, folder: Path) -> None:
        codec.failures[2] = KeyboardInterrupt()
        with pytest.raises(KeyboardInterrupt):
            texcodec("encode", "a.png", "b.png", "c.png")
        assert len(codec.calls) == 2
        assert names(folder) == ["a.png", "a.tcx", "b.png", "c.png"]

    def test_a_missing_set_is_reported_once_and_before_the_files(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec("encode", "a.png", "b.png", "missing.png", "--models", "no-such-set") == 3
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        assert "no-such-set" in message

    def test_control_characters_of_names_do_not_reach_the_terminal(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec("encode", "evil\x1b[2J\n.png") == 1
        assert capsys.readouterr().err.startswith("texcodec: evil\\x1b[2J .png: The file cannot be read")

    def test_bytes_of_names_that_are_not_utf_8_are_shown_as_they_are(self) -> None:
        assert escaped("n\udce4\udcff\x1b\u200b.png") == "n\\xe4\\xff\\x1b\\u200b.png"


class TestMessages:
    def test_success_is_silent_and_verbose_is_a_line(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec("encode", "a.png") == 0
        assert capsys.readouterr() == ("", "")
        assert texcodec("encode", "b.png", "-v") == 0
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("b.png -> b.tcx: 7 bytes, 28.000 bpp, 0.")

    def test_a_notice_is_printed_once_unless_quiet(
        self, codec: Codec, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def encode(picture: Picture, *, warn: Any, **options: Any) -> bytes:
            warn("It is blue.")
            warn("It is blue.")
            return b""

        monkeypatch.setattr(package, "encode", encode)
        assert texcodec("encode", "a.png") == 0
        assert capsys.readouterr().err == "texcodec: a.png: It is blue.\n"
        assert texcodec("encode", "a.png", "--force", "--quiet") == 0
        assert capsys.readouterr().err == ""

    def test_no_command_and_unknown_commands_are_usage_errors(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec() == 2
        assert "Usage: texcodec" in capsys.readouterr().err
        assert texcodec("transcode") == 2
        assert capsys.readouterr().err == "texcodec: No such command 'transcode'. Try 'texcodec --help'.\n"

    def test_version_and_help(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert texcodec("--version") == 0
        assert capsys.readouterr().out == f"texcodec {package.__version__}\n"
        assert texcodec("--help") == 0
        shown = capsys.readouterr().out
        for word in ("encode", "decode", "info", "verify", "models", "130  interrupted"):
            assert word in shown

    @pytest.mark.parametrize(
        "command",
        ["encode", "decode", "info", "verify", "models", "models list", "models show", "models verify"],
    )
    def test_every_help_text_is_made_of_sentences(
        self, capsys: pytest.CaptureFixture[str], command: str
    ) -> None:
        assert texcodec(*command.split(), "--help") == 0
        usage, description, *_ = capsys.readouterr().out.split("\n\n")
        assert usage.startswith(f"Usage: texcodec {command} ")
        assert description.strip()[0].isupper()
        assert description.strip().endswith(".")
