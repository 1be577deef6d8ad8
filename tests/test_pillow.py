"""Pillow opens and saves .tcx files as it does its own formats."""

from __future__ import annotations

import io
import pickle
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pictures import photograph
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

import texcodec
import texcodec.pillow
from texcodec.container import read_header

ROOT = Path(__file__).resolve().parents[1]
GOLDEN = ROOT / "tests" / "golden"
SET = "tiny-1"
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """The plugin with its default settings, during these tests only."""
    texcodec.pillow.register()
    yield
    texcodec.pillow.register()
    for register in (Image.OPEN, Image.SAVE, Image.MIME):
        register.pop("TCX")
    Image.EXTENSION.pop(".tcx")
    Image.ID[:] = [name for name in Image.ID if name != "TCX"]


@pytest.fixture(scope="module")
def coded() -> bytes:
    """Four tiles and all kinds of metadata."""
    image = Image.fromarray(photograph(300, 270))
    exif = Image.Exif()
    exif[0x010E] = "A scene"
    image.info.update(icc_profile=b"profile bytes", exif=exif.tobytes(), xmp=XMP, dpi=(300, 150))
    return texcodec.encode(image, models=SET, quality=40, tile=256)


def saved(image: Image.Image, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "TCX", **{"models": SET, **options})
    return buffer.getvalue()


def damaged(data: bytes) -> bytes:
    """With a wrong bit in the last tile."""
    wrong = bytearray(data)
    wrong[-40] ^= 16
    return bytes(wrong)


def test_opening_gives_size_mode_and_metadata_before_pixels(coded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tcx"
    path.write_bytes(coded)
    with Image.open(path) as image:
        assert (image.format, image.size, image.mode) == ("TCX", (300, 270), "RGB")
        assert image.get_format_mimetype() == "image/x-tcx"
        assert image.info["icc_profile"] == b"profile bytes" and image.info["xmp"] == XMP
        assert image.info["dpi"] == (300, 150)
        assert image.getexif()[0x010E] == "A scene"
        assert image.tile  # nothing is loaded
        np.testing.assert_array_equal(np.asarray(image), np.asarray(texcodec.decode(coded)))
        decoded = texcodec.decode(coded)
        assert decoded.info == image.info


@pytest.mark.parametrize("name", ["grey", "grey-alpha", "alpha", "crop", "lossless", "lean"])
def test_every_kind_of_file_loads_as_decode_has_it(name: str) -> None:
    path = GOLDEN / f"{name}.tcx"
    with Image.open(path) as image:
        mode = image.mode
        image.load()
        assert image.mode == mode
        np.testing.assert_array_equal(np.asarray(image), texcodec.decode(path, output="numpy"))


def test_opening_imports_neither_onnxruntime_nor_numpy() -> None:
    code = (
        "import sys\nfrom PIL import Image\nimport texcodec.pillow\n"
        f"image = Image.open({str(GOLDEN / 'alpha.tcx')!r})\n"
        "print(image.size, *[m for m in ('onnxruntime', 'numpy', 'texcodec.codec') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "(60, 48)"


def test_own_file_is_closed_after_loading_and_a_given_one_is_not(coded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tcx"
    path.write_bytes(coded)
    image = Image.open(path)
    own = image.fp
    assert own is not None and not own.closed
    image.load()
    assert own.closed
    buffer = io.BytesIO(coded)
    with Image.open(buffer) as image:
        image.load()
    assert not buffer.closed
    with Image.open(path) as image:
        unread = image.fp
    assert unread is not None and unread.closed


def test_pixels_of_a_closed_image_are_refused(coded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tcx"
    path.write_bytes(coded)
    with Image.open(path) as image:
        pass
    with pytest.raises(ValueError, match="closed"):
        image.load()


def test_pillows_operations_load_the_picture(coded: bytes) -> None:
    with Image.open(io.BytesIO(coded)) as image:
        image.thumbnail((100, 100))
        assert image.size == (100, 90)
    with Image.open(io.BytesIO(coded)) as image:
        assert ImageOps.exif_transpose(image).size == (300, 270)
    with Image.open(io.BytesIO(coded)) as image:
        again = pickle.loads(pickle.dumps(image))
        np.testing.assert_array_equal(np.asarray(again), np.asarray(image))
        image.putpixel((0, 0), (1, 2, 3))
        assert image.getpixel((0, 0)) == (1, 2, 3)


def test_saving_by_extension_gives_the_bytes_of_encode(tmp_path: Path) -> None:
    image = Image.fromarray(photograph(60, 50))
    image.save(tmp_path / "a.tcx", quality=70, models=SET)
    assert (tmp_path / "a.tcx").read_bytes() == texcodec.encode(image, quality=70, models=SET)


@pytest.mark.parametrize(
    "options", [{"bpp": 0.5}, {"size": 1500}, {"psnr": 30.0}, {"lossless": True}, {}], ids=str
)
def test_targets_of_save_are_those_of_encode(options: dict[str, object]) -> None:
    image = Image.fromarray(photograph(150, 130))
    assert saved(image, **options) == texcodec.encode(image, models=SET, **options)  # type: ignore[arg-type]


def test_options_of_other_formats_are_ignored() -> None:
    image = Image.fromarray(photograph(40, 30))
    assert saved(image, optimize=True, progressive=True) == saved(image)


def test_settings_of_register_hold_for_opening_and_saving(coded: bytes) -> None:
    texcodec.pillow.register(models=SET, threads=1)
    buffer = io.BytesIO()
    Image.fromarray(photograph(40, 30)).save(buffer, "TCX")
    assert buffer.getvalue() == texcodec.encode(photograph(40, 30), models=SET)
    texcodec.pillow.register(models="std-1")
    with Image.open(io.BytesIO(coded)) as image, pytest.raises(OSError, match="identity"):
        image.load()


def test_metadata_is_kept_replaced_or_left_out(coded: bytes) -> None:
    with Image.open(io.BytesIO(coded)) as image:
        image.load()
    kept = texcodec.open(saved(image)).metadata
    assert set(kept) == {"icc", "exif", "xmp"}
    assert not texcodec.open(saved(image, icc_profile=None, exif=b"", xmp=None)).metadata
    assert image.info["xmp"] == XMP
    exif = Image.Exif()
    exif[0x013B] = "Somebody"
    other = Image.open(io.BytesIO(saved(image, exif=exif, xmp="<x/>", icc_profile=b"other", dpi=(72, 72))))
    assert other.getexif()[0x013B] == "Somebody" and 0x010E not in other.getexif()
    assert other.info["xmp"] == b"<x/>" and other.info["icc_profile"] == b"other"
    assert other.info["dpi"] == (72, 72)


def test_orientation_is_applied_when_saving() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(photograph(50, 30))
    for way in ({}, {"exif": exif}):
        turned = image.copy()
        if not way:
            turned.info["exif"] = exif.tobytes()
        with Image.open(io.BytesIO(saved(turned, **way))) as back:
            assert back.size == (30, 50) and back.getexif().get(0x0112, 1) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"quality": 0},
        {"quality": "web_high"},
        {"dpi": 72},
        {"dpi": (0, 0)},
        {"exif": 5},
        {"quality": 5, "bpp": 1},
    ],
    ids=str,
)
def test_wrong_options_are_value_errors_and_leave_no_file(wrong: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        Image.new("RGB", (9, 9)).save(tmp_path / "a.tcx", models=SET, **wrong)
    assert not list(tmp_path.iterdir())


def test_pictures_and_sets_that_cannot_be_used_are_os_errors(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="floating"):
        Image.new("F", (9, 9)).save(tmp_path / "a.tcx")
    with pytest.raises(OSError, match="no model set"):
        Image.new("RGB", (9, 9)).save(tmp_path / "a.tcx", models="none-such")
    assert not list(tmp_path.iterdir())


def test_conversions_are_warnings() -> None:
    with pytest.warns(texcodec.TexcodecWarning, match="16 bits") as caught:
        saved(Image.fromarray(np.zeros((20, 20), np.uint16)))
    assert caught[0].filename == __file__


def test_verify_finds_damage_that_opening_does_not(coded: bytes) -> None:
    with Image.open(io.BytesIO(coded)) as image:
        image.verify()
    with Image.open(io.BytesIO(damaged(coded))) as image, pytest.raises(OSError, match="damaged"):
        image.verify()
    with Image.open(io.BytesIO(coded[:-50])) as image, pytest.raises(OSError, match="ends"):
        image.verify()


@pytest.mark.parametrize("harm", [damaged, lambda data: data[:-50]], ids=["bit", "cut"])
def test_damage_is_an_os_error_or_salvaged(
    harm: object, coded: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = harm(coded)  # type: ignore[operator]
    with Image.open(io.BytesIO(data)) as image, pytest.raises(OSError):
        image.load()
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with Image.open(io.BytesIO(data)) as image, pytest.warns(texcodec.TexcodecWarning) as caught:
        found = np.asarray(image)
    assert any("grey" in str(warning.message) for warning in caught)
    whole = texcodec.decode(coded, output="numpy")
    np.testing.assert_array_equal(found[:200, :200], whole[:200, :200])


def test_every_cut_and_every_damaged_byte_of_the_beginning_is_an_os_error(coded: bytes) -> None:
    for end in range(0, 300, 7):
        with pytest.raises(OSError), Image.open(io.BytesIO(coded[:end])) as image:
            image.load()
    for at in range(0, 300, 7):
        wrong = bytearray(coded)
        wrong[at] ^= 0x81
        with pytest.raises(OSError), Image.open(io.BytesIO(bytes(wrong))) as image:
            image.verify()


def test_damaged_header_is_a_syntax_error_inside_the_plugin(coded: bytes) -> None:
    with pytest.raises(SyntaxError):
        texcodec.pillow.TcxImageFile(io.BytesIO(coded[:20]))


def test_file_without_pixels_says_so() -> None:
    path = next(p for p in (GOLDEN / "features").glob("*.tcx") if not read_header(p.read_bytes()).has_pixels)
    with pytest.raises(UnidentifiedImageError, match="feature streams"):
        Image.open(path)


def test_pillows_limit_on_pixels_stays_in_force(coded: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = 300 * 270
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels - 1)
    with pytest.warns(Image.DecompressionBombWarning):
        Image.open(io.BytesIO(coded))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", pixels // 2 - 1)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(coded))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    Image.open(io.BytesIO(coded)).load()


def test_no_warning_for_ordinary_files(coded: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Image.open(io.BytesIO(coded)) as image:
            saved(image)
