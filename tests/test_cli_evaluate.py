"""``texcodec evaluate`` on small pictures with the smallest model set."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_runs import SET, names, save_photograph, texcodec
from PIL import Image

pytest.importorskip("bjontegaard")
QUICK = ("--models", SET, "--against", "jpeg", "--qualities", "20,50,80", "--qualities", "jpeg=10,20,40")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    save_photograph(folder / "one.png", 208, 176, seed=1)
    save_photograph(folder / "two | <b>.png", 176, 192, seed=2)
    return folder


@pytest.fixture(scope="module")
def out(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of both pictures."""
    folder = tmp_path_factory.mktemp("report") / "deep" / "report"
    curve = folder.parent.parent / "vtm.json"
    curve.write_text(json.dumps({"results": {"bpp": [0.2, 0.6, 1.2, 2.0], "psnr-rgb": [28, 33, 37, 40]}}))
    arguments = [*QUICK, "--curve", f"VTM={curve}", "--range", "0.05-5", "--quiet"]
    assert texcodec("evaluate", pictures, "--out", folder, *arguments) == 0
    return folder


def report_of(out: Path) -> dict[str, Any]:
    return json.loads((out / "report.json").read_text("utf-8"))


class TestReport:
    def test_numbers_are_there_for_every_picture_and_curve(self, out: Path, pictures: Path) -> None:
        report = report_of(out)
        assert [p["name"] for p in report["pictures"]] == names(pictures)
        ours, jpeg, vtm = report["curves"]
        assert (ours["name"], jpeg["settings"]) == ("texcodec (tiny-1)", "4:2:0, optimised, progressive")
        assert (ours["kind"], jpeg["kind"], vtm["kind"]) == ("texcodec", "measured", "given")
        assert "libjpeg" in jpeg["version"]
        one = ours["per_picture"]["one.png"]
        assert {len(numbers) for numbers in one.values()} == {3}
        other = ours["per_picture"]["two | <b>.png"]
        expected = [
            (8 * a / (208 * 176) + 8 * b / (176 * 192)) / 2 for a, b in zip(one["bytes"], other["bytes"])
        ]
        assert ours["results"]["bpp"] == pytest.approx(expected, abs=1e-6)
        for key in ("psnr-rgb", "ms-ssim-rgb"):
            means = [(a + b) / 2 for a, b in zip(one[key], other[key])]
            assert ours["results"][key] == pytest.approx(means, abs=1e-5)

    def test_bytes_and_psnr_are_those_of_the_commands(
        self, out: Path, pictures: Path, tmp_path: Path
    ) -> None:
        from texcodec.codec.rate_control import psnr
        from texcodec.evaluation.pictures import read_rgb

        source, coded, back = pictures / "one.png", tmp_path / "a.tcx", tmp_path / "a.png"
        assert texcodec("encode", source, coded, "--quality", 50, "--models", SET) == 0
        assert texcodec("decode", coded, back) == 0
        one = report_of(out)["curves"][0]["per_picture"]["one.png"]
        assert one["bytes"][1] == coded.stat().st_size
        assert one["psnr-rgb"][1] == pytest.approx(psnr(read_rgb(source), read_rgb(back)), abs=1e-5)

    def test_bd_rates_are_of_texcodec_against_each_other_curve(self, out: Path) -> None:
        rates = report_of(out)["bd_rate"]
        assert rates["of"] == "texcodec (tiny-1)"
        assert set(rates["against"]) == {"JPEG", "VTM"}
        assert all(isinstance(rates["against"][name]["psnr-rgb"], float) for name in ("JPEG", "VTM"))
        assert rates["against"]["VTM"]["ms-ssim-rgb"] is None
        assert set(rates["per_picture"]) == {"one.png", "two | <b>.png"}

    def test_texts_hold_the_numbers_and_names_are_escaped(self, out: Path) -> None:
        percent = f"{report_of(out)['bd_rate']['against']['JPEG']['psnr-rgb']:+.1f} %"
        markdown, html = ((out / f"report.{kind}").read_text("utf-8") for kind in ("md", "html"))
        assert f"| JPEG (4:2:0, optimised, progressive) | {percent} |" in markdown
        assert f"<td>{percent}</td>" in html
        assert r"two \| \<b\>.png" in markdown and "<b>" not in re.sub(r"\\<b\\>", "", markdown)
        assert "two | &lt;b&gt;.png" in html and "<b>" not in html
        assert "VTM †" in markdown and "not measured in this run" in html

    def test_html_needs_no_other_file_and_markdown_only_files_that_exist(self, out: Path) -> None:
        html = (out / "report.html").read_text("utf-8")
        assert all(
            link.startswith("data:image/png;base64,") for link in re.findall(r'src(?:set)?="([^"]*)"', html)
        )
        assert "prefers-color-scheme: dark" in html
        links = re.findall(r"!\[[^]]*\]\(([^)]+)\)", (out / "report.md").read_text("utf-8"))
        assert "rd.png" in links
        for link in links:
            with Image.open(out / link) as image:
                image.load()

    def test_crops_show_the_same_region_at_about_equal_bytes(self, out: Path) -> None:
        regions = report_of(out)["crops"]
        assert {r["picture"] for r in regions} == {"one.png", "two | <b>.png"}
        for region in regions:
            original, ours, jpeg = region["views"]
            assert original["codec"] is None
            assert 0.8 < jpeg["bpp"] / ours["bpp"] < 1.25
            for view in region["views"]:
                with Image.open(out / view["file"]) as image:
                    assert list(image.size) == region["region"][2:]

    def test_its_curves_can_be_given_to_the_next_report(
        self, out: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        curve = f"before={out / 'curves' / 'texcodec.json'}"
        assert texcodec("evaluate", pictures, "--json", *QUICK, "--curve", curve, "--range", "0.05-5") == 0
        rates = json.loads(capsys.readouterr().out)["bd_rate"]["against"]["before"]
        assert rates == {"psnr-rgb": pytest.approx(0, abs=1e-3), "ms-ssim-rgb": pytest.approx(0, abs=1e-3)}

    def test_nothing_is_measured_twice(
        self, out: Path, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        again = shutil.copytree(out, tmp_path / "again")
        assert texcodec("evaluate", pictures, "--out", again, *QUICK, "-v") == 0
        message = capsys.readouterr().err
        assert "not measured again" in message and " bpp" not in message
        assert (again / "points.jsonl").read_bytes() == (out / "points.jsonl").read_bytes()

    def test_two_sets_are_compared_with_each_other(
        self, pictures: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        arguments = ["--models", SET, "--models", "std-1", "--against", "none", "--qualities", "10,40,70"]
        one = pictures / "one.png"
        assert texcodec("evaluate", one, "--json", *arguments, "--range", "0.01-5", "--metrics", "psnr") == 0
        report = json.loads(capsys.readouterr().out)
        assert [c["name"] for c in report["curves"]] == ["texcodec (tiny-1)", "texcodec (std-1)"]
        pair = {row["of"]: row["psnr-rgb"] for row in report["between_sets"]}
        # two BD-rates of one pair of curves are each other's inverse
        assert (1 + pair["texcodec (tiny-1)"] / 100) * (1 + pair["texcodec (std-1)"] / 100) == pytest.approx(
            1, 1e-4
        )
        assert report["bd_rate"]["against"]["texcodec (std-1)"]["psnr-rgb"] == pair["texcodec (tiny-1)"]


def test_help_is_made_of_sentences_and_names_the_codecs_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from texcodec.evaluation.adapters import CODECS

    assert texcodec("evaluate", "--help") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert ", ".join(CODECS) in shown
    assert "Measure texcodec and other codecs on pictures, and write a report." in shown


class TestBadInput:
    @pytest.mark.parametrize(
        ("arguments", "code", "sentence"),
        [
            (["--json", "--against", "gif"], 2, "no codec named 'gif'; there are jpeg, webp"),
            (["--json", "--metrics", "vmaf"], 2, "no metric named 'vmaf'"),
            (["--json", "--qualities", "0,5"], 2, "not from 1 to 100"),
            (["--json", "--qualities", "a"], 2, "is not a list of qualities"),
            (["--json", "--qualities", "webp=1.5"], 2, "only texcodec takes those"),
            (["--json", "--qualities", "5", "--qualities", "6"], 2, "twice for one codec"),
            (["--json", "--qualities", "webp=5", "--against", "jpeg"], 2, "webp, which is not measured"),
            (["--json", "--range", "1.4-0.1"], 2, "must begin above 0"),
            (["--json", "--range", "wide"], 2, "is not two rates"),
            (["--json", "--curve", "JPEG=missing.json"], 2, "The curve JPEG cannot be read"),
            (["--json", "--models", "no-such-set"], 3, "no-such-set"),
            ([], 2, "--out, or --json"),
        ],
    )
    def test_what_makes_no_sense_is_a_sentence_before_anything_is_measured(
        self,
        pictures: Path,
        capsys: pytest.CaptureFixture[str],
        arguments: list[str],
        code: int,
        sentence: str,
    ) -> None:
        models = [] if "--models" in arguments else ["--models", SET]
        assert texcodec("evaluate", pictures, *models, *arguments) == code
        printed = capsys.readouterr()
        assert sentence in printed.err
        assert printed.out == ""
        assert printed.err.splitlines()[-1].startswith("texcodec: ")

    def test_missing_libraries_are_a_sentence(
        self, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "bjontegaard", None)
        assert texcodec("evaluate", pictures, "--json") == 2
        assert 'pip install "texcodec[evaluate]"' in capsys.readouterr().err

    def test_two_curves_of_one_name_are_refused(self, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
        curve = f"JPEG={out / 'curves' / 'jpeg.json'}"
        assert texcodec("evaluate", out.parent, "--json", *QUICK, "--curve", curve) == 2
        assert "Two curves are named JPEG" in capsys.readouterr().err

    def test_none_of_the_codecs_that_were_asked_for_is_an_error(
        self, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setitem(sys.modules, "pillow_jxl", None)
        assert texcodec("evaluate", pictures, "--json", "--against", "jxl") == 2
        assert "None of jxl can be written here" in capsys.readouterr().err

    def test_a_folder_with_other_things_is_left_alone_unless_forced(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        picture = save_photograph(tmp_path / "a.png", 48, 48)
        folder = tmp_path / "out"
        folder.mkdir()
        (folder / "diary.txt").write_text("mine")
        assert texcodec("evaluate", picture, "--out", folder, *QUICK) == 1
        assert f"The folder {folder} holds other things" in capsys.readouterr().err
        assert names(folder) == ["diary.txt"]
        assert texcodec("evaluate", picture, "--out", folder, *QUICK, "--force") == 0
        assert {"diary.txt", "report.html"} < set(names(folder))
        capsys.readouterr()
        assert texcodec("evaluate", picture, "--out", folder, *QUICK, "--force", "-v") == 0
        assert "a.png -> JPEG 40" in capsys.readouterr().err

    def test_an_output_that_is_a_file_is_an_error(
        self, pictures: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert texcodec("evaluate", pictures, "--out", pictures / "one.png", *QUICK) == 1
        assert "is a file; name a folder" in capsys.readouterr().err

    def test_unreadable_and_odd_pictures(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (tmp_path / "bad.png").write_bytes(b"no picture")
        small = save_photograph(tmp_path / "small.png", 40, 30)
        with Image.open(small) as image:
            image.convert("L").save(tmp_path / "grey.png")
        assert texcodec("evaluate", tmp_path, "--json", *QUICK) == 1
        printed = capsys.readouterr()
        report = json.loads(printed.out)
        assert [p["name"] for p in report["pictures"]] == ["grey.png", "small.png"]
        assert [p["name"] for p in report["skipped"]] == ["bad.png"]
        assert "texcodec: bad.png: The picture is in no format" in printed.err
        assert "texcodec: grey.png: It is grey and is measured as RGB" in printed.err
        assert (
            "MS-SSIM is left out: it needs 161 pixels per side, and 2 of the pictures are smaller"
            in printed.err
        )
        assert [m["key"] for m in report["metrics"]] == ["psnr-rgb"]
        assert report["curves"][0]["per_picture"]["small.png"]["ms-ssim-rgb"] == [None] * 3

    def test_no_readable_picture_at_all_is_an_error(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "bad.png").write_bytes(b"no picture")
        assert texcodec("evaluate", tmp_path, "--json", *QUICK) == 1
        assert "None of the pictures can be read" in capsys.readouterr().err

    def test_a_picture_that_one_codec_cannot_code_is_in_no_mean(
        self, pictures: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        from texcodec.evaluation import adapters

        original = adapters._of_pillow

        def limited(*arguments: Any) -> Any:
            codec = original(*arguments)

            def encode(pixels: Any, quality: float) -> bytes:
                if pixels.shape[1] == 208:
                    raise ValueError("too wide")
                return codec.encode(pixels, quality)

            return replace(codec, encode=encode)

        monkeypatch.setattr(adapters, "_of_pillow", limited)
        assert texcodec("evaluate", pictures, "--json", *QUICK) == 1
        printed = capsys.readouterr()
        report = json.loads(printed.out)
        assert "one.png: JPEG cannot code it: too wide" in printed.err
        assert [p["name"] for p in report["pictures"]] == ["two | <b>.png"]
        assert report["left_out"] == [{"picture": "one.png", "codec": "JPEG", "reason": "too wide"}]
