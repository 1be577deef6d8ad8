"""The codecs that the evaluation compares, and what it does with one that fails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_runs import SET, save_photograph
from pictures import photograph

import texcodec
from texcodec.codec.rate_control import psnr
from texcodec.errors import ParameterError
from texcodec.evaluation import adapters
from texcodec.evaluation.adapters import CODECS, USUAL, Codec, find_codecs, our_codecs
from texcodec.evaluation.journal import Journal
from texcodec.evaluation.measure import Bench
from texcodec.evaluation.metrics import PSNR
from texcodec.evaluation.pictures import Source, find_files, read_rgb, survey

PICTURE = photograph(96, 64)


@pytest.mark.parametrize("name", CODECS)
def test_larger_files_decode_to_pictures_that_are_nearer(name: str) -> None:
    found = find_codecs([name], lambda sentence: None)
    if not found:
        pytest.skip(f"{name} is not installed")
    (codec,) = found
    assert list(codec.qualities) == sorted(set(codec.qualities))
    files = [codec.encode(PICTURE, codec.qualities[i]) for i in (0, -1)]
    decoded = [codec.decode(data) for data in files]
    assert len(files[0]) < len(files[1])
    assert all(d.shape == PICTURE.shape and d.dtype == np.uint8 for d in decoded)
    assert psnr(PICTURE, decoded[0]) < psnr(PICTURE, decoded[1])


def test_an_unknown_codec_is_named_with_those_that_there_are() -> None:
    with pytest.raises(
        ParameterError, match="no codec named 'gif'; there are jpeg, webp, avif, avif-psnr, jxl, heic"
    ):
        find_codecs(["jpeg", "gif"], print)


def test_avif_tuned_for_psnr_is_another_codec_that_has_to_be_named() -> None:
    assert "avif-psnr" not in USUAL and set(USUAL) == set(CODECS) - {"avif-psnr"}
    found = find_codecs(["avif", "avif-psnr"], lambda sentence: None)
    if not found:
        pytest.skip("AVIF is not installed")
    plain, tuned = found
    assert plain.identity != tuned.identity
    assert plain.encode(PICTURE, 40) != tuned.encode(PICTURE, 40)


def test_one_that_cannot_run_is_left_out_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> str:
        raise ImportError

    monkeypatch.setitem(adapters.CODECS, "jxl", replace(CODECS["jxl"], find=missing))
    warned: list[str] = []
    assert [codec.key for codec in find_codecs(["jxl", "jpeg"], warned.append)] == ["jpeg"]
    assert warned == [
        "JPEG XL cannot be written here and is left out; to have it: pip install pillow-jxl-plugin"
    ]


def test_texcodec_is_measured_by_the_bytes_that_users_get() -> None:
    (codec,) = our_codecs([SET], [30, 60])
    data = codec.encode(PICTURE, 60)
    assert data == texcodec.encode(PICTURE, quality=60, models=SET, metadata=False)
    assert np.array_equal(codec.decode(data), np.asarray(texcodec.decode(data)))
    assert (codec.name, codec.qualities, codec.ours) == ("texcodec (tiny-1)", (30, 60), True)
    assert codec.about and codec.about["kmac_per_pixel"]["decode"] > 0


def test_a_set_that_is_given_twice_is_refused() -> None:
    with pytest.raises(ParameterError, match="tiny-1 is given twice"):
        our_codecs([SET, SET])


class TestPictures:
    def test_folders_are_searched_and_no_file_comes_twice(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        (tmp_path / "out").mkdir()
        for name in ("b.png", "sub/a.jpg", "out/plot.png"):
            save_photograph(tmp_path / name)
        (tmp_path / "notes.txt").write_text("no picture")
        arguments = [str(tmp_path / "b.png"), str(tmp_path)]
        found = find_files(arguments, apart_from=tmp_path / "out")
        assert [str(p.relative_to(tmp_path)) for p in found] == ["b.png", "sub/a.jpg"]

    def test_nothing_to_measure_is_an_error(self, tmp_path: Path) -> None:
        with pytest.raises(ParameterError, match="There are no pictures in"):
            find_files([str(tmp_path)])
        with pytest.raises(ParameterError, match="missing does not exist"):
            find_files([str(tmp_path / "missing")])

    def test_grey_and_alpha_become_rgb_and_it_is_said(self, tmp_path: Path) -> None:
        from PIL import Image

        Image.fromarray(PICTURE).convert("LA").save(tmp_path / "a.png")
        warned: list[str] = []
        pixels = read_rgb(tmp_path / "a.png", warned.append)
        assert pixels.shape == PICTURE.shape
        assert len(warned) == 2 and "alpha" in warned[0] and "grey" in warned[1]

    def test_digests_are_of_the_samples_and_names_are_unique(self, tmp_path: Path) -> None:
        (tmp_path / "sub").mkdir()
        for name in ("a.png", "sub/a.png", "b.bmp"):
            save_photograph(tmp_path / name)
        save_photograph(tmp_path / "c.png", seed=1)
        (tmp_path / "d.png").write_bytes(b"damaged")
        failed: dict[str, str] = {}
        found = survey(find_files([str(tmp_path)]), warn=print, failed=failed.__setitem__)
        assert len({s.name for s in found}) == 4
        assert len({s.digest for s in found}) == 2
        assert list(failed) == ["d.png"] and failed["d.png"].startswith("The picture ")


class TestBench:
    def codec(self, name: str = "x", **changes: object) -> Codec:
        self.coded: list[float] = []

        def encode(pixels: np.ndarray, quality: float) -> bytes:
            self.coded.append(quality)
            return bytes([int(quality)]) * int(quality)

        def decode(data: bytes) -> np.ndarray:
            return np.full((48, 64, 3), len(data), np.uint8)

        codec = Codec(name, name, "", "", (10.0, 20.0), encode, decode, identity=name)
        return replace(codec, **changes)  # type: ignore[arg-type]

    def sources(self, folder: Path, count: int = 1) -> list[Source]:
        for seed in range(count):
            save_photograph(folder / f"{seed}.png", seed=seed)
        return survey(find_files([str(folder)]), warn=print, failed=print)

    @pytest.mark.parametrize("jobs", [1, 3])
    def test_every_point_is_measured_once_and_progress_counts_all(self, tmp_path: Path, jobs: int) -> None:
        sources, steps = self.sources(tmp_path, 3), []
        bench = Bench(Journal(), [PSNR], jobs)
        bench.run([self.codec()], sources, lambda done, total: steps.append((done, total)))
        assert steps == [(i, 6) for i in range(1, 7)]
        point = bench.journal.get(sources[0].digest, "x", 20, ["psnr-rgb"])
        assert point is not None and (point.bytes, point.jobs) == (20, jobs)
        expected = psnr(read_rgb(sources[0].path), np.full((48, 64, 3), 20, np.uint8))
        assert point.metrics["psnr-rgb"] == pytest.approx(expected)
        self.coded.clear()
        Bench(bench.journal, [PSNR], jobs).run([self.codec()], sources)
        assert self.coded == []

    def test_a_stopped_run_goes_on_behind_the_last_point(self, tmp_path: Path) -> None:
        sources, path = self.sources(tmp_path, 2), tmp_path / "points.jsonl"

        def stop(*_: object) -> None:
            if len(Journal(path)) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Bench(Journal(path), [PSNR], measured=stop).run([self.codec()], sources)
        new: list[tuple[str, float]] = []
        again = Bench(
            Journal(path), [PSNR], measured=lambda c, source, p: new.append((source.name, p.quality))
        )
        again.run([self.codec()], sources)
        assert new == [("1.png", 20.0)]

    @pytest.mark.parametrize("jobs", [1, 2])
    def test_what_a_codec_cannot_code_is_told_and_the_others_go_on(self, tmp_path: Path, jobs: int) -> None:
        def broken(pixels: np.ndarray, quality: float) -> bytes:
            raise OSError("encoder error -2")

        sources = self.sources(tmp_path)
        failures: list[tuple[str, str, str]] = []
        bench = Bench(
            Journal(), [PSNR], jobs, lambda c, s, sentence: failures.append((c.name, s.name, sentence))
        )
        steps: list[int] = []
        codecs = [self.codec("bad", encode=broken), self.codec("good")]
        bench.run(codecs, sources, lambda done, total: steps.append(done))
        assert failures == [("bad", "0.png", "encoder error -2")]
        assert bench.journal.get(sources[0].digest, "good", 20, []) is not None
        assert steps[-1] == 4

    def test_a_picture_of_another_size_is_a_failure(self, tmp_path: Path) -> None:
        failures: list[str] = []
        bench = Bench(Journal(), [PSNR], 1, lambda c, s, sentence: failures.append(sentence))
        small = self.codec(decode=lambda data: np.zeros((2, 3, 3), np.uint8))
        bench.run([small], self.sources(tmp_path))
        assert failures == ["it decodes to 3 x 2 pixels"]
