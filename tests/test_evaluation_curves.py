"""Curves, BD-rates, crops and what was kept: the parts of the evaluation that need no codec to run."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from pictures import photograph

from texcodec.errors import ParameterError, StreamError
from texcodec.evaluation.bdrate import bd_rate
from texcodec.evaluation.crops import choose_regions, match_quality, spread
from texcodec.evaluation.curves import Curve, mean_curve, read_curve
from texcodec.evaluation.journal import Journal, Point
from texcodec.evaluation.metrics import MS_SSIM, PSNR
from texcodec.evaluation.pictures import Source
from texcodec.texture import complexity

RATES = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2]
DECIBELS = [26.0, 29.0, 32.0, 35.0, 38.0, 41.0]


def point(quality: float = 50, **changes: object) -> Point:
    fields = {"picture": "p", "codec": "c", "bytes": 99, "encode_s": 0.1, "decode_s": 0.2, "jobs": 1}
    return Point(**fields | {"quality": quality, "metrics": {"psnr-rgb": 30.0}} | changes)  # type: ignore[arg-type]


class TestBdRate:
    @pytest.fixture(autouse=True)
    def library(self) -> None:
        pytest.importorskip("bjontegaard")

    def curve(self, factor: float, decibels: list[float] = DECIBELS) -> Curve:
        return Curve("x", [factor * rate for rate in RATES], {"psnr-rgb": list(decibels)})

    @pytest.mark.parametrize("factor", [0.5, 1.0, 1.3])
    def test_the_same_quality_for_a_constant_share_of_the_bits_is_that_share(self, factor: float) -> None:
        found = bd_rate(self.curve(1), self.curve(factor), PSNR, (0.05, 4))
        assert found == pytest.approx(100 * (factor - 1), abs=1e-6)

    def test_points_outside_of_the_range_but_for_one_neighbour_do_not_matter(self) -> None:
        spoiled = [10.0, *DECIBELS[1:-1], 80.0]
        found = bd_rate(self.curve(1, spoiled), self.curve(0.9), PSNR, (0.35, 0.9))
        assert found == pytest.approx(-10, abs=1e-6)

    def test_similarities_are_compared_in_decibels(self) -> None:
        similarity = {"ms-ssim-rgb": [1 - 10 ** (-d / 20) for d in DECIBELS]}
        anchor, test = (
            Curve("a", RATES, dict(similarity)),
            Curve("t", [0.8 * r for r in RATES], dict(similarity)),
        )
        assert bd_rate(anchor, test, MS_SSIM, (0.05, 4)) == pytest.approx(-20, abs=1e-6)

    def test_curves_that_share_no_quality_have_none(self) -> None:
        assert bd_rate(self.curve(1), self.curve(1, [d + 50 for d in DECIBELS]), PSNR, (0.05, 4)) is None
        assert bd_rate(self.curve(1), self.curve(1), MS_SSIM, (0.05, 4)) is None
        assert bd_rate(self.curve(1), self.curve(1), PSNR, (9, 10)) is None

    def test_lossless_and_falling_points_are_passed_over(self) -> None:
        bent = Curve("x", [*RATES, 5, 6], {"psnr-rgb": [*DECIBELS, 40.0, float("inf")]})
        assert bd_rate(self.curve(1), bent, PSNR, (0.05, 9)) == pytest.approx(0, abs=1e-9)


class TestCurveFiles:
    def file(self, folder: Path, content: object) -> str:
        path = folder / "curve.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
        return f"VTM={path}"

    def test_rates_are_sorted_and_keys_may_vary(self, tmp_path: Path) -> None:
        results = {"psnr-rgb": [35, 30], "ms-ssim-db-rgb": [20, 10], "bpp": [0.8, 0.2], "more": "x"}
        curve = read_curve(self.file(tmp_path, {"results": results}))
        assert (curve.name, curve.rates, curve.values["psnr-rgb"]) == ("VTM", [0.2, 0.8], [30, 35])
        assert curve.values["ms-ssim-rgb"] == pytest.approx([0.9, 0.99])
        other = read_curve(self.file(tmp_path, {"results": {"bpp": [1, 2], "psnr": [30, 31]}}))
        assert other.values == {"psnr-rgb": [30, 31]}

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("{", "not valid JSON"),
            ([], 'lacks the field "results"'),
            ({"results": {"psnr-rgb": [1, 2]}}, "at least 2 finite numbers under 'bpp'"),
            ({"results": {"bpp": [1, 2]}}, 'neither "psnr-rgb" nor "ms-ssim-rgb"'),
            ({"results": {"bpp": [1, 2], "psnr-rgb": [30]}}, "2 finite numbers under 'psnr-rgb'"),
            ({"results": {"bpp": [1, 2], "psnr-rgb": [1, 2, 3]}}, "2 rates but 3 values"),
            ({"results": {"bpp": [1, "2"], "psnr-rgb": [1, 2]}}, "finite numbers under 'bpp'"),
            ({"results": {"bpp": [0, 2], "psnr-rgb": [1, 2]}}, "a rate that is not positive"),
        ],
    )
    def test_bad_files_are_named(self, tmp_path: Path, content: object, sentence: str) -> None:
        with pytest.raises(ParameterError, match="The curve VTM .*curve.json") as caught:
            read_curve(self.file(tmp_path, content))
        assert sentence in str(caught.value)

    def test_so_are_missing_files_and_missing_names(self, tmp_path: Path) -> None:
        with pytest.raises(
            ParameterError, match="The curve VTM cannot be read: .*missing.json: No such file"
        ):
            read_curve(f"VTM={tmp_path / 'missing.json'}")
        for text in ("vtm.json", "=vtm.json", "VTM="):
            with pytest.raises(ParameterError, match="is not NAME=FILE"):
                read_curve(text)


def test_a_picture_without_loss_counts_as_its_ceiling_in_means() -> None:
    journal = Journal()
    for name, decibels in (("a", float("inf")), ("b", 40.0), ("c", 90.0)):
        journal.add(point(50, picture=name, metrics={"psnr-rgb": decibels}))
    codec = SimpleNamespace(name="x", identity="c", qualities=(50,))
    sources = [SimpleNamespace(digest=name, pixels=100) for name in "abc"]
    curve = mean_curve(codec, sources, journal, [PSNR])  # type: ignore[arg-type]
    assert curve.values["psnr-rgb"] == [pytest.approx((68 + 40 + 68) / 3)]


class TestJournal:
    def test_points_are_there_when_it_is_opened_again(self, tmp_path: Path) -> None:
        journal = Journal(tmp_path / "points.jsonl")
        journal.add(point(10))
        journal.add(point(20, metrics={"psnr-rgb": float("inf"), "ms-ssim-rgb": None}))
        again = Journal(tmp_path / "points.jsonl")
        assert again.get("p", "c", 10, ["psnr-rgb"]) == point(10)
        assert again.get("p", "c", 20, ["ms-ssim-rgb"]) == journal.get("p", "c", 20, [])

    def test_another_picture_codec_quality_or_metric_is_not_known(self, tmp_path: Path) -> None:
        journal = Journal()
        journal.add(point(10))
        for wanted in (("q", "c", 10), ("p", "d", 10), ("p", "c", 11)):
            assert journal.get(*wanted, []) is None
        assert journal.get("p", "c", 10, ["psnr-rgb", "ms-ssim-rgb"]) is None

    def test_a_line_that_a_stop_cut_off_costs_that_line(self, tmp_path: Path) -> None:
        path = tmp_path / "points.jsonl"
        journal = Journal(path)
        journal.add(point(10))
        journal.add(point(20))
        path.write_text(path.read_text("utf-8")[:-30], "utf-8")
        again = Journal(path)
        assert len(again) == 1
        again.add(point(30))
        assert {q for q in (10, 20, 30) if Journal(path).get("p", "c", q, [])} == {10, 30}

    def test_a_place_that_cannot_be_written_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(StreamError, match="give the same command again"):
            Journal(tmp_path / "missing" / "points.jsonl").add(point())


class TestCrops:
    def test_the_detailed_region_is_busier_than_the_flat_one(self) -> None:
        picture = photograph(512, 256)
        regions = choose_regions(picture)
        busy = {k: complexity(picture[y : y + h, x : x + w]) for k, (x, y, w, h) in regions.items()}
        assert busy["detailed"] > 2 * busy["flat"]
        assert all(x >= 0 and x + w <= 512 and y + h <= 256 for x, y, w, h in regions.values())

    def test_a_small_picture_is_its_own_region(self) -> None:
        assert choose_regions(photograph(40, 30)) == {"detailed": (0, 0, 40, 30)}

    @pytest.mark.parametrize("target", [1, 5_000, 12_345, 10**9])
    def test_the_quality_of_the_nearest_size_is_found_with_few_files(self, target: int) -> None:
        asked = set()

        def size(quality: float) -> int:
            asked.add(quality)
            return int(1000 + 3 * quality**2)

        qualities = [5, 20, 40, 60, 80]
        found = match_quality(size, qualities, target)
        assert len(asked) <= len(qualities) + 6
        best = min(range(5, 81), key=lambda q: abs(np.log(size(q) / target)))
        assert found == best

    def test_pictures_are_spread_from_the_first_to_the_last(self) -> None:
        sources = [Source(str(i), Path(), 1, 1, str(i)) for i in range(10)]
        assert [s.name for s in spread(sources, 4)] == ["0", "3", "6", "9"]
        assert [s.name for s in spread(sources[:2], 4)] == ["0", "1"]
        assert [s.name for s in spread(sources, 1)] == ["0"]
