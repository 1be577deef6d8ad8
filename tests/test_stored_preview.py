"""The small picture that a file may hold beside its own: made, found, used for thumbnails, and never trusted."""

from __future__ import annotations

import dataclasses
import io
import json
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from cli_runs import save_photograph
from cli_runs import texcodec as command
from container_samples import flipped
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import photograph
from PIL import Image

import texcodec
import texcodec.pillow
from texcodec.codec import stored_preview as stored_preview_module
from texcodec.codec.decode import Decoder
from texcodec.container import PREV, FeatureStream, Reader, StreamTask, attach
from texcodec.container.rewriting import with_chunk
from texcodec.images import PreviewError, pack_preview, preview_size, unpack_preview
from texcodec.images import preview as preview_module

SET = "tiny-1"
PROFILE_2 = Path(__file__).parent / "data" / "tiny-2"
SHARE = 0.02
steady = settings(deadline=None, derandomize=True, max_examples=60)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Busy, so that 2 % of its files are enough."""
    noise = np.random.default_rng(3).normal(0, 14, (480, 640, 3))
    return np.clip(photograph(640, 480, seed=2) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def coded(scene: np.ndarray) -> bytes:
    """A file with a preview and metadata."""
    image = Image.fromarray(scene)
    exif = Image.Exif()
    exif[0x010E] = "A scene"
    image.info.update(icc_profile=b"profile bytes", exif=exif.tobytes())
    return texcodec.encode(image, models=SET, quality=90, preview=True)


@pytest.fixture
def plugin() -> Iterator[None]:
    texcodec.pillow.register(models=SET)
    yield
    texcodec.pillow.register()
    for register in (Image.OPEN, Image.SAVE, Image.MIME):
        register.pop("TCX")
    Image.EXTENSION.pop(".tcx")
    Image.ID[:] = [name for name in Image.ID if name != "TCX"]


@pytest.fixture
def no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Decoding fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the preview makes decoding needless")

    monkeypatch.setattr(Decoder, "__init__", refuse)


def preview_of(data: bytes) -> bytes:
    return Reader(data).chunks[PREV]


def webp(width: int, height: int, mode: str = "RGB", **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, (width, height), 90).save(buffer, "WEBP", **options)
    return buffer.getvalue()


def other(coded: bytes, payload: bytes) -> bytes:
    return with_chunk(coded, PREV, payload)


# What is stored


def test_without_the_option_there_is_none(scene: np.ndarray) -> None:
    assert PREV not in Reader(texcodec.encode(scene, models=SET, quality=30)).chunks


def test_it_shows_the_picture_in_its_proportions(scene: np.ndarray, coded: bytes) -> None:
    name, width, height = preview_size(preview_of(coded), 640, 480)
    assert name == "WEBP" and max(width, height) <= 256 and abs(width * 480 - height * 640) <= 640
    small = np.asarray(Image.fromarray(scene).resize((width, height), Image.Resampling.LANCZOS)).astype(float)
    assert np.abs(unpack_preview(preview_of(coded), 640, 480, "RGB").pixels - small).mean() < 8


@pytest.mark.parametrize(
    "target", [{"quality": 70}, {"psnr": 25.2}, {"size": 25_000}, {"bpp": 0.7}, {"lossless": True}], ids=str
)
def test_it_takes_no_more_than_its_share_of_any_file(scene: np.ndarray, target: dict[str, float]) -> None:
    if "lossless" in target:
        scene = scene[:240, :320]
    data = texcodec.encode(scene, models=SET, preview=True, **target)  # type: ignore[arg-type]
    bare = with_chunk(data, PREV, None)
    assert 0 < len(data) - len(bare) <= SHARE * len(data)
    if "size" in target:
        assert len(data) <= target["size"]
    if "bpp" in target:
        assert abs(8 * len(data) / (640 * 480) / target["bpp"] - 1) <= 0.02
    decoded = texcodec.decode(data, output="numpy", models=SET)
    np.testing.assert_array_equal(decoded, texcodec.decode(bare, output="numpy", models=SET))


def test_files_of_profile_2_take_one(scene: np.ndarray) -> None:
    data = texcodec.encode(scene, models=PROFILE_2, quality=95, preview=True)
    assert Reader(data).header.compact
    assert len(data) - len(with_chunk(data, PREV, None)) <= SHARE * len(data)
    with texcodec.open(data) as file:
        assert file.preview().size == preview_size(preview_of(data), 640, 480)[1:]


def test_a_file_too_small_for_one_says_so() -> None:
    warned: list[str] = []
    data = texcodec.encode(photograph(200, 100), models=SET, quality=20, preview=True, warn=warned.append)
    assert PREV not in Reader(data).chunks and warned == [
        "No preview was stored: even the smallest would have more than 2 % of the file, or make it larger than asked."
    ]


def test_a_size_is_not_exceeded_for_a_preview_that_comes_too_late(
    scene: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = 25_000
    # before the tiles are coded there is none, afterwards there is one that would have its share
    found = iter([None, b"x" * 450])

    def packed(picture: object, most_bytes: int) -> bytes | None:
        preview = next(found)
        return preview if preview is not None and len(preview) <= most_bytes else None

    monkeypatch.setattr(stored_preview_module, "pack_preview", packed)
    warned: list[str] = []
    data = texcodec.encode(scene, models=SET, size=size, preview=True, warn=warned.append)
    assert 0.98 * size < len(data) <= size and len(warned) == 1


def test_grey_and_transparent_pictures_have_them(scene: np.ndarray) -> None:
    scene, alpha = scene[:240, :320], np.zeros((240, 320), np.uint8)
    alpha[:, 160:] = 255
    data = texcodec.encode(np.dstack([scene, alpha]), lossless=True, preview=True)
    with texcodec.open(data) as file:
        small = np.asarray(file.preview())
    opaque = small[..., 3] == 255
    assert small.shape[2] == 4 and opaque[:, -60:].all() and not small[:, :60, 3].any()
    with texcodec.open(texcodec.encode(scene[..., 0], lossless=True, preview=True)) as file:
        assert file.preview().mode == "L"


def test_what_a_crop_leaves_out_is_not_shown(scene: np.ndarray) -> None:
    secret = scene[:240, :320].copy()
    secret[:, 250:] = (255, 0, 0)
    for alpha in (None, np.full((240, 320), 200, np.uint8)):
        picture = texcodec.Picture(secret, alpha)
        data = texcodec.encode(picture, lossless=True, crop=(0, 0, 200, 240), preview=True)
        with texcodec.open(data) as file:
            small = np.asarray(file.preview())
        beyond = small[:, small.shape[1] * 7 // 10 :]
        assert beyond[..., 0].max() < 140  # not red
        assert alpha is None or not beyond[..., 3].any()


def test_without_webp_it_is_a_jpeg(scene: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module.features, "check", lambda name: False)
    picture = texcodec.Picture(scene)
    packed = pack_preview(picture, 20_000)
    assert packed is not None and preview_size(packed, 640, 480)[0] == "JPEG"
    assert pack_preview(dataclasses.replace(picture, alpha=scene[..., 0]), 20_000) is None


@pytest.mark.parametrize("size", [(1000, 1), (1, 3000), (257, 256), (1023, 400)], ids=str)
def test_pictures_of_any_shape_have_previews_that_are_taken(size: tuple[int, int]) -> None:
    packed = pack_preview(texcodec.Picture(photograph(*size)), 50_000)
    assert packed is not None and max(preview_size(packed, *size)[1:]) == 256


# What it is used for


def test_thumbnails_need_no_decoding(coded: bytes, no_pixels: None, plugin: None) -> None:
    width = preview_size(preview_of(coded), 640, 480)[1]
    with Image.open(io.BytesIO(coded)) as image:
        image.thumbnail((width // 2, width // 2))
        assert image.size == (width // 2, round(width // 2 * 480 / 640)) and image.mode == "RGB"
        assert image.info["icc_profile"] == b"profile bytes"
    with texcodec.open(coded) as file:
        small = file.preview(at_least=width)
        assert small.width == width and small.info["icc_profile"] == b"profile bytes"


def test_larger_thumbnails_and_the_picture_itself_are_decoded(coded: bytes, plugin: None) -> None:
    with Image.open(io.BytesIO(coded)) as image:
        image.thumbnail((400, 400))
        assert image.size == (400, 300)
    with Image.open(io.BytesIO(coded)) as image:
        assert image.draft(None, (600, 600)) is None and image.draft("L", None) is None
        np.testing.assert_array_equal(np.asarray(image), texcodec.decode(coded, output="numpy"))
        assert image.draft(None, (20, 20)) is None  # it is there already
    with texcodec.open(coded) as file:
        assert file.preview(at_least=500).size == (640, 480)


def test_a_draft_is_loaded_at_its_size(coded: bytes, no_pixels: None, plugin: None) -> None:
    size = preview_size(preview_of(coded), 640, 480)[1:]
    with Image.open(io.BytesIO(coded)) as image:
        assert image.draft("RGB", (30, 30)) == ("RGB", (0, 0, *size))
        assert image.size == size and np.asarray(image).shape == (size[1], size[0], 3)


def test_pillow_saves_one(scene: np.ndarray, plugin: None) -> None:
    buffer = io.BytesIO()
    Image.fromarray(scene).save(buffer, "TCX", quality=90, preview=True)
    assert preview_of(buffer.getvalue())


def test_commands_store_name_and_use_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], no_pixels: None
) -> None:
    source = save_photograph(tmp_path / "a.png", 320, 240, seed=2)
    assert command("encode", source, "--lossless", "--preview") == 0
    size = preview_size(preview_of((tmp_path / "a.tcx").read_bytes()), 320, 240)[1:]
    for number, options in enumerate((["--preview"], ["--fit", 100], ["--preview", "--fit", 100])):
        out = tmp_path / f"{number}.png"
        assert command("decode", tmp_path / "a.tcx", out, *options) == 0
        with Image.open(out) as image:
            assert image.size == (size if number == 0 else (100, 75))
    capsys.readouterr()
    assert command("info", tmp_path / "a.tcx") == 0
    assert f"preview   {size[0]} x {size[1]}, WEBP, " in capsys.readouterr().out
    assert command("info", tmp_path / "a.tcx", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["preview"]["width"] == size[0] and facts["metadata"]["preview"] == facts["preview"]["bytes"]


def test_it_stays_when_features_are_added(coded: bytes) -> None:
    stream = FeatureStream(bytes(16), 3, (StreamTask(1, 8, 8),), 0x1234, b"\1\2")
    assert preview_of(attach(coded, stream)) == preview_of(coded)


def test_other_chunks_and_tiles_stay_when_it_is_changed(coded: bytes) -> None:
    before, after = Reader(coded), Reader(other(coded, b"new"))
    assert after.chunks == {**before.chunks, PREV: b"new"} and after.tiles == before.tiles
    assert with_chunk(other(coded, b"new"), PREV, before.chunks[PREV]) == coded
    with pytest.raises(texcodec.ParameterError):
        with_chunk(coded, b"feat", b"")


# What is wrong with it


BAD = {
    "nothing": b"",
    "noise": bytes(range(200)),
    "of another format": b"GIF89a" + bytes(60),
    "too large a side": webp(640, 480),
    "other proportions": webp(100, 100),
    "too many bytes": webp(64, 48) + bytes(1 << 18),
    "cut short": webp(64, 48)[:-9],
}


@pytest.mark.parametrize("payload", BAD.values(), ids=list(BAD))
def test_a_preview_that_cannot_be_used_is_a_notice_and_the_picture_is_taken(
    coded: bytes, payload: bytes, plugin: None, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = other(coded, payload)
    sound = texcodec.decode(with_chunk(coded, PREV, None), output="numpy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(texcodec.decode(data, output="numpy"), sound)
    warned: list[str] = []
    with texcodec.open(data) as file:
        file.verify()
        assert file.preview(warn=warned.append).size == (40, 30)
    assert len(warned) == 1 and warned[0].startswith("The preview ")
    with Image.open(io.BytesIO(data)) as image:
        image.thumbnail((16, 16))
        assert image.size == (16, 12)
    (tmp_path / "a.tcx").write_bytes(data)
    assert command("info", tmp_path / "a.tcx", "--json") == 0
    assert json.loads(capsys.readouterr().out)["preview"] is None


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims so many pixels."""

    def part(kind: bytes, payload: bytes) -> bytes:
        return (
            struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = part(b"IDAT", zlib.compress(bytes(1 << 20)))
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", head) + data + part(b"IEND", b"")


def test_a_bomb_is_refused_before_it_is_unpacked(coded: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("it was unpacked")

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", refuse)
    with pytest.raises(PreviewError, match="64000 x 48000 pixels, and at most 512"):
        unpack_preview(bomb(64_000, 48_000), 64_000, 48_000, "RGB")


@steady
@given(st.data())
def test_damage_to_it_never_harms_the_picture(coded: bytes, data: st.DataObject) -> None:
    payload = preview_of(coded)
    start = coded.index(payload)
    damaged = flipped(coded, 8 * start + data.draw(st.integers(0, 8 * (len(payload) + 4) - 1)))
    with texcodec.open(damaged) as file:
        assert file.mode == "RGB" and "icc" in file.metadata
        with pytest.raises(texcodec.ChecksumError, match="prev"):
            file.verify()
    for salvage in (False, True):
        reader = Reader(damaged, salvage=salvage)
        assert len(reader.problems) == 1 and PREV not in reader.chunks
        assert [reader.tile_bytes(i) for i in range(len(reader.tiles))]
    with pytest.raises(texcodec.ChecksumError):
        with_chunk(damaged, b"iccp", b"x")
    assert Reader(with_chunk(damaged, PREV, payload)).chunks == Reader(coded).chunks


def test_decoding_says_that_it_is_damaged(coded: bytes) -> None:
    damaged = flipped(coded, 8 * coded.index(preview_of(coded)))
    warned: list[str] = []
    pixels = texcodec.decode(damaged, output="numpy", warn=warned.append)
    np.testing.assert_array_equal(pixels, texcodec.decode(coded, output="numpy"))
    assert len(warned) == 1 and "Chunk prev" in warned[0]


@steady
@given(st.binary(max_size=300), st.booleans())
def test_any_payload_leaves_the_rest_of_the_file_alone(coded: bytes, payload: bytes, twice: bool) -> None:
    data = other(coded, payload)
    reader = Reader(data)
    reader.verify()
    assert reader.chunks[PREV] == payload and reader.tiles == Reader(coded).tiles
    with pytest.raises(PreviewError):
        unpack_preview(payload, 640, 480, "RGB")


def test_two_of_them_are_refused(coded: bytes) -> None:
    payload = preview_of(coded)
    body = PREV + struct.pack("<I", len(payload)) + payload
    whole = body + struct.pack("<I", zlib.crc32(body))
    with pytest.raises(texcodec.CorruptError, match="stands twice"):
        Reader(coded.replace(whole, whole + whole))
