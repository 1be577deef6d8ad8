"""Files of entropy profile 2: any size, tiles, regions, crops, gains, slices left out, and what damage ends in."""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import photograph
from PIL import Image

import texcodec
from texcodec.codec.drawn_tiles import DrawnTiles
from texcodec.codec.layout import lay_out
from texcodec.codec.pyramid_coder import START_BITS, PyramidCoder, checksum
from texcodec.codec.rate_control import psnr
from texcodec.codec.tile import AnalysedTile
from texcodec.codec.workers import Workers
from texcodec.container import Reader, write
from texcodec.entropy import SymbolWriter
from texcodec.errors import ParameterError
from texcodec.registry import PyramidSet
from texcodec.tiles import Grid

SET = Path(__file__).parent / "data" / "tiny-2"


@pytest.fixture(scope="module")
def models() -> PyramidSet:
    return PyramidSet(SET)


@pytest.fixture(scope="module")
def coder(models: PyramidSet) -> PyramidCoder:
    return PyramidCoder(models)


def latents(models: PyramidSet, h: int, w: int, *, seed: int = 0, spread: float = 60.0) -> AnalysedTile:
    random = np.random.default_rng(seed)
    falling = spread / (1 + np.arange(models.manifest.latent_channels)) ** 0.5
    values = random.normal(0, 1, (len(falling), h, w)) * falling[:, None, None]
    return AnalysedTile(seed % models.classes, values.astype(np.float32))


def grid(h: int, w: int) -> Grid:
    return Grid(16 * w, 16 * h, 8)


@pytest.mark.parametrize("shape", [(1, 1), (1, 16), (16, 1), (2, 3), (16, 16)], ids=str)
def test_bits_are_those_of_the_payload(
    shape: tuple[int, int], models: PyramidSet, coder: PyramidCoder
) -> None:
    for rate in (20, 120, 240):
        tile = coder.quantise(latents(models, *shape), rate)
        assert coder.bits(tile) == pytest.approx(8 * len(coder.write(tile, 5)), abs=12)


def test_the_first_symbol_costs_what_its_table_says(models: PyramidSet, coder: PyramidCoder) -> None:
    """Beside what the tables make of its symbols, a stream has a number of 24 bits and half a byte, on average."""
    wasted = []
    for seed in range(60):
        tile = coder.quantise(latents(models, 3, 3, seed=seed), 100)
        symbols = coder.bits(tile) - START_BITS
        wasted.append(8 * len(coder.write(tile, seed)) - symbols)
    assert START_BITS < 27
    assert np.mean(wasted) == pytest.approx(START_BITS, abs=1)


@pytest.mark.parametrize("claimed", ["none", "negative"])
def test_number_of_slices_out_of_range_is_refused(
    claimed: str, models: PyramidSet, coder: PyramidCoder
) -> None:
    tile = coder.quantise(latents(models, 4, 4), 100)
    wrong = dataclasses.replace(tile, slices={"none": 0, "negative": -2}[claimed])
    writer = SymbolWriter()
    writer.rows(np.full((1, 1), wrong.slices), models.slice_tables, models.slice_row(100))
    coder._write(writer, tile)
    with pytest.raises(texcodec.CorruptError, match=f"{wrong.slices} slices"):
        coder.read(writer.finish(checksum(tile, 0)), tile.class_index, 100, grid(4, 4), 0)


@pytest.mark.parametrize("start", ["other", "none"])
def test_stream_that_starts_from_another_checksum_is_refused(
    start: str, models: PyramidSet, coder: PyramidCoder
) -> None:
    tile = coder.quantise(latents(models, 4, 4), 100)
    writer = SymbolWriter()
    writer.rows(np.full((1, 1), tile.slices), models.slice_tables, models.slice_row(100))
    coder._write(writer, tile)
    wrong = writer.finish(checksum(tile, 0) ^ 1 if start == "other" else 0)
    with pytest.raises(texcodec.CorruptError, match="end"):
        coder.read(wrong, tile.class_index, 100, grid(4, 4), 0)


def test_symbols_whose_checksum_is_zero_are_coded_too(
    models: PyramidSet, coder: PyramidCoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from texcodec.codec import pyramid_coder

    tile = coder.quantise(latents(models, 4, 4), 100)
    for value in (0, 1, (1 << 24) - 1):
        monkeypatch.setattr(pyramid_coder, "checksum", lambda *_, value=value: value)
        back = coder.read(coder.write(tile, 0), tile.class_index, 100, grid(4, 4), 0)
        np.testing.assert_array_equal(back.symbols, tile.symbols)


def test_random_payloads_are_refused(coder: PyramidCoder) -> None:
    random = np.random.default_rng(3)
    for length in (0, 1, 5, 64, 3000):
        payload = random.bytes(length - 1) + b"\1" if length else b""
        with pytest.raises(texcodec.CorruptError):
            coder.read(payload, 0, 255, grid(16, 16), 0)


@given(
    h=st.integers(1, 40),
    w=st.integers(1, 40),
    quality=st.integers(1, 100),
    channels=st.sampled_from([1, 3, 4]),
)
@settings(max_examples=30, deadline=None, derandomize=True)
def test_pictures_of_any_small_size_come_back(h: int, w: int, quality: int, channels: int) -> None:
    pixels = np.dstack([photograph(w, h), np.full((h, w), 99, np.uint8)])[..., :channels]
    data = texcodec.encode(pixels, models=SET, quality=quality, threads=1)
    decoded = np.atleast_3d(np.asarray(texcodec.decode(data, models=SET, threads=1)))
    assert decoded.shape == pixels.shape
    assert psnr(pixels[..., :3], decoded[..., :3]) > 12


@pytest.fixture(scope="module")
def whole() -> tuple[bytes, np.ndarray]:
    data = texcodec.encode(photograph(300, 280), quality=60, models=SET, tile=128)
    return data, np.asarray(texcodec.decode(data, models=SET))


@pytest.mark.parametrize(("tile", "count"), [(256, 4), (512, 1), (None, 1)])
def test_tiles_of_128_are_as_good_as_larger_ones(
    whole: tuple[bytes, np.ndarray], tile: int | None, count: int
) -> None:
    pixels = photograph(300, 280)
    data = texcodec.encode(pixels, quality=60, models=SET, tile=tile)
    assert (len(texcodec.open(data).tiles), len(texcodec.open(whole[0]).tiles)) == (count, 9)
    large = np.asarray(texcodec.decode(data, models=SET))
    assert psnr(pixels, whole[1]) == pytest.approx(psnr(pixels, large), abs=0.5)


def test_tiles_of_512_decode_by_region_and_as_the_second_decoder_says() -> None:
    pixels = photograph(560, 530)
    data = texcodec.encode(pixels, quality=30, models=SET)
    found = np.asarray(texcodec.decode(data, models=SET))
    second = second_decoder.decode(data, second_decoder.ModelSet(SET))
    assert len(texcodec.open(data).tiles) == 4
    assert np.abs(found.astype(int) - second.pixels).max() <= 1
    region = (500, 490, 40, 33)
    part = np.asarray(texcodec.decode(data, models=SET, region=region))
    np.testing.assert_array_equal(part, found[490:523, 500:540])


def test_tiles_of_512_need_a_set_of_entropy_profile_2() -> None:
    with pytest.raises(ParameterError, match="tiny-1 codes tiles of 128 or 256 pixels, not of 512"):
        texcodec.encode(photograph(30, 20), models="tiny-1", tile=512)
    with pytest.raises(ParameterError, match="must be 128, 256 or 512 pixels, not 1024"):
        texcodec.encode(photograph(30, 20), models=SET, tile=1024)
    pixels = photograph(530, 20)
    data = texcodec.encode(pixels, lossless=True, tile=512)
    assert len(texcodec.open(data).tiles) == 2
    np.testing.assert_array_equal(np.asarray(texcodec.decode(data)), pixels)


def test_whether_a_picture_is_drawn_does_not_depend_on_its_tiles(models: PyramidSet) -> None:
    half = np.full((300, 560, 3), 255, np.uint8)
    half[::7, ::5] = 0
    half[:, 280:] = photograph(280, 300)
    shares = []
    for tile in (256, 512):
        layout = lay_out(560, 300, tile)
        with Workers(1) as workers:
            shares.append(DrawnTiles(half, layout, workers, single=False).share)
    assert 0 < shares[0] == shares[1] < 1


@given(x=st.integers(0, 299), y=st.integers(0, 279), w=st.integers(1, 90), h=st.integers(1, 90))
@settings(max_examples=12, deadline=None, derandomize=True)
def test_any_region_equals_the_crop(whole: tuple[bytes, np.ndarray], x: int, y: int, w: int, h: int) -> None:
    data, picture = whole
    w, h = min(w, 300 - x), min(h, 280 - y)
    part = np.asarray(texcodec.decode(data, models=SET, region=(x, y, w, h)))
    np.testing.assert_array_equal(part, picture[y : y + h, x : x + w])


@pytest.mark.parametrize("outside", ["drop", "coarse"])
def test_cropped_files_show_their_region(outside: str) -> None:
    pixels = photograph(300, 280)
    data = texcodec.encode(pixels, quality=80, models=SET, tile=128, crop=(37, 21, 150, 90), outside=outside)
    header = texcodec.open(data).header
    assert (header.origin_x, header.origin_y) == (37, 21)
    part = np.asarray(texcodec.decode(data, models=SET, crop_only=True))
    assert part.shape == (90, 150, 3)
    assert psnr(pixels[21:111, 37:187], part) > 25


def test_metadata_alpha_and_grey_stand_in_compact_files_too() -> None:
    alpha = np.full((90, 80), 77, np.uint8)
    picture = texcodec.Picture(photograph(80, 90)[..., :1], alpha, icc=b"a profile", xmp=b"<x/>")
    data = texcodec.encode(picture, quality=40, models=SET)
    with texcodec.open(data) as file:
        assert (file.mode, file.metadata) == ("LA", {"icc": b"a profile", "xmp": b"<x/>"})
        back = file.decode_picture(models=SET)
    assert back.pixels.shape == (90, 80, 1) and back.alpha is not None
    np.testing.assert_array_equal(back.alpha, alpha)
    second = second_decoder.decode(data, second_decoder.ModelSet(SET))
    assert second.file.ancillary == {b"iccp": b"a profile", b"xmpd": b"<x/>"}
    assert second.alpha is not None and np.array_equal(second.alpha, alpha)
    assert np.abs(back.pixels.astype(int) - second.pixels).max() <= 1


def test_pillow_opens_compact_files() -> None:
    import texcodec.pillow as plugin

    data = texcodec.encode(photograph(80, 90), quality=40, models=SET)
    plugin.register(models=SET)
    try:
        with Image.open(io.BytesIO(data)) as image:
            assert (image.format, image.size, image.mode) == ("TCX", (80, 90), "RGB")
            np.testing.assert_array_equal(np.asarray(image), np.asarray(texcodec.decode(data, models=SET)))
    finally:
        plugin.register()


def test_info_tells_of_compact_files(monkeypatch: pytest.MonkeyPatch) -> None:
    from texcodec.cli.info import describe

    data = texcodec.encode(photograph(300, 280), quality=40, models=SET, tile=256)
    monkeypatch.setenv("TEXCODEC_MODELS", str(SET))
    facts = describe(Reader(data))
    assert (facts["format_version"], facts["entropy_profile"], facts["models"]) == ("1.3", 2, "tiny-2")
    assert (facts["tiles"], facts["halo"], facts["lean"]) == (4, 1, False)
    assert facts["container_bytes"] <= 37 and len(facts["identity"]) == 16


def test_finer_tiles_of_a_file_of_given_size_are_the_last_ones() -> None:
    size = 2000
    data = texcodec.encode(photograph(380, 250), size=size, models=SET, tile=128)
    offsets = [entry.offset for entry in texcodec.open(data).tiles]
    assert offsets == sorted(offsets) and set(offsets) <= {0, 1}
    assert len(data) <= size


def test_rate_of_a_crop_may_be_any_distance_above_that_of_the_rest() -> None:
    options = {"quality": 100, "crop": (140, 130, 128, 100), "outside": "coarse"}
    data = texcodec.encode(photograph(300, 280), models=SET, tile=128, threads=1, **options)  # type: ignore[arg-type]
    with texcodec.open(data) as file:
        offsets = {entry.offset for entry in file.tiles}
        assert offsets == {0, -file.header.rate_index} and min(offsets) < -128
        assert file.header.fusion
        pixels = file.decode_picture(models=SET).pixels
    second = second_decoder.decode(data, second_decoder.ModelSet(SET))
    assert np.abs(pixels.astype(int) - second.pixels).max() <= 1


def test_seams_between_tiles_are_no_steps(models: PyramidSet) -> None:
    """The lapped transform reaches across tiles: a smooth picture has no seam even without fusion."""
    y, x = np.mgrid[:250, :250]
    grain = np.random.default_rng(0).integers(0, 5, (250, 250, 3))
    smooth = (grain + ((x + y) // 4 + 40)[..., None]).astype(np.uint8)
    reader = Reader(texcodec.encode(smooth, quality=60, models=SET, tile=128))
    data = write(
        dataclasses.replace(reader.header, fusion=False),
        [reader.tile_bytes(i) for i in range(4)],
        reader.tiles,
    )
    decoded = np.asarray(texcodec.decode(data, models=SET)).astype(int)
    steps = np.abs(np.diff(decoded[..., 1], axis=1)).mean(0)
    assert steps[127] < 2 * steps.mean() + 0.5


def test_release_0_3_0_refuses_the_compact_form(tmp_path: Path) -> None:
    """Its own code, where the history is at hand."""
    root = Path(__file__).resolve().parents[1]
    try:
        command = ["git", "-C", str(root), "archive", "98ebe0a", "texcodec"]
        archive = subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the history of the repository is not here")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path)
    code = (
        "import sys, texcodec\n"
        "try: texcodec.decode(sys.stdin.buffer.read())\n"
        "except texcodec.FormatError as error: print(texcodec.__version__, error)"
    )
    data = texcodec.encode(photograph(60, 50), models=SET)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, input=data, capture_output=True, env=environment, cwd=tmp_path, check=True)
    assert done.stdout.decode().startswith("0.3.0 The file is not a .tcx file")


def test_files_of_profile_2_are_compact_and_of_version_1_3() -> None:
    for options in ({}, {"tile": 128, "crop": (37, 21, 150, 90)}):
        data = texcodec.encode(photograph(300, 280), models=SET, **options)  # type: ignore[arg-type]
        header = texcodec.open(data).header
        assert data[:5] == b"\x89TCX\2" and header.compact
        assert (header.major, header.minor) == (1, 3)
