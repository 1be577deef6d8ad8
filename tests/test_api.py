"""What the functions take and give: sources, outputs, warnings, types, names."""

from __future__ import annotations

import gc
import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pictures import photograph
from PIL import Image

import texcodec

SET = "tiny-1"
PIXELS = photograph(60, 40)


@pytest.fixture(scope="module")
def coded() -> bytes:
    return texcodec.encode(PIXELS, models=SET)


@pytest.fixture
def png(tmp_path: Path) -> Path:
    Image.fromarray(PIXELS).save(tmp_path / "a.png")
    return tmp_path / "a.png"


class OtherArray:
    """An array of another library, as tensors are."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return PIXELS


def test_encode_takes_paths_bytes_files_images_and_arrays(png: Path, coded: bytes) -> None:
    content = png.read_bytes()
    sources = [png, str(png), content, bytearray(content), memoryview(content), io.BytesIO(content)]
    sources += [Image.open(png), PIXELS, OtherArray(), texcodec.Picture(PIXELS)]
    for source in sources:
        assert texcodec.encode(source, models=SET) == coded, type(source)
    with open(png, "rb") as file:
        assert texcodec.encode(file, models=SET) == coded
        assert not file.closed


def test_encode_takes_an_open_tcx_file(coded: bytes) -> None:
    image = texcodec.decode(coded)
    image.info["icc_profile"] = b"profile bytes"
    with texcodec.open(texcodec.encode(image, models=SET)) as file:
        again = texcodec.open(texcodec.encode(file, models=SET, quality=10))
    assert again.size == (60, 40) and again.metadata == {"icc": b"profile bytes"}


@pytest.mark.parametrize("source", [None, 5, 1.5, {"a": 1}, object()], ids=repr)
def test_other_sources_are_type_errors_that_name_what_is_accepted(source: Any) -> None:
    with pytest.raises(TypeError, match="path.*bytes.*Pillow image.*array.*not " + type(source).__name__):
        texcodec.encode(source, models=SET)
    for function in (texcodec.decode, texcodec.open, texcodec.imread):
        with pytest.raises(TypeError, match="path.*bytes.*binary file.*not " + type(source).__name__):
            function(source)


def test_other_arguments_of_wrong_types_are_type_errors(png: Path, coded: bytes) -> None:
    with pytest.raises(TypeError, match="uint8"):
        texcodec.encode(PIXELS.astype(np.float32), models=SET)
    with pytest.raises(TypeError, match="name, its folder"):
        texcodec.encode(PIXELS, models=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"texcodec\.Limits"):
        texcodec.encode(PIXELS, limits=1000)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"texcodec\.Limits"):
        texcodec.decode(coded, limits=1000)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="quality"):
        texcodec.encode(PIXELS, quality="best")  # type: ignore[arg-type]
    with open(png, encoding="latin-1") as file:
        with pytest.raises(TypeError, match="text mode"):
            texcodec.encode(file)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="binary file"):
            texcodec.decode(file)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="path or a binary file"):
        texcodec.imwrite(5, PIXELS)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="text mode"):
        texcodec.imwrite(io.StringIO(), PIXELS, models=SET)  # type: ignore[arg-type]


def test_type_errors_are_parameter_errors() -> None:
    with pytest.raises(texcodec.ParameterError) as caught:
        texcodec.encode(None)  # type: ignore[arg-type]
    assert isinstance(caught.value, texcodec.ParameterTypeError)
    assert isinstance(caught.value, ValueError) and caught.value.exit_code == 2


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_outputs_agree(channels: int) -> None:
    samples = np.dstack([PIXELS, PIXELS[:, :, :1]])[:, :, :channels]
    data = texcodec.encode(samples, models=SET)
    array = texcodec.decode(data, output="numpy")
    image = texcodec.decode(data, output="pillow")
    assert isinstance(image, Image.Image) and array.dtype == np.uint8
    np.testing.assert_array_equal(array, np.asarray(image))
    np.testing.assert_array_equal(array, texcodec.imread(data))
    np.testing.assert_array_equal(array, np.asarray(texcodec.open(data)))
    np.testing.assert_array_equal(array, texcodec.open(data).decode(output="numpy"))
    array[0, 0] = 7  # writeable
    part = texcodec.decode(data, output="numpy", region=(5, 6, 20, 10))
    np.testing.assert_array_equal(part, np.asarray(texcodec.decode(data, region=(5, 6, 20, 10))))


def test_unknown_output_is_refused_before_the_file_is_opened() -> None:
    with pytest.raises(ValueError, match="'pillow' or 'numpy', not 'torch'"):
        texcodec.decode("no-such-file.tcx", output="torch")  # type: ignore[call-overload]


def test_open_file_converts_to_an_array_of_another_type(coded: bytes) -> None:
    with texcodec.open(coded) as file:
        assert np.asarray(file, np.float32).dtype == np.float32
        with pytest.raises(ValueError, match="new array"):
            np.array(file, copy=False)


def test_imwrite_replaces_files_and_returns_their_size(tmp_path: Path, coded: bytes) -> None:
    path = tmp_path / "a.tcx"
    path.write_bytes(b"before")
    assert texcodec.imwrite(path, PIXELS, models=SET) == len(coded)
    assert path.read_bytes() == coded
    buffer = io.BytesIO()
    texcodec.imwrite(buffer, PIXELS, models=SET)
    assert buffer.getvalue() == coded
    with pytest.raises(texcodec.StreamError, match="no directory"):
        texcodec.imwrite(tmp_path / "none" / "a.tcx", PIXELS, models=SET)
    with pytest.raises(texcodec.ParameterError):
        texcodec.imwrite(path, PIXELS, quality=0)
    assert path.read_bytes() == coded and list(tmp_path.iterdir()) == [path]


def test_missed_target_is_an_error() -> None:
    with pytest.raises(
        texcodec.TargetError, match=r"out of reach .* the nearest has \d+ bytes and \d\d\.\d\d dB"
    ):
        texcodec.encode(PIXELS, psnr=90, models=SET)
    with pytest.raises(texcodec.TargetError, match=r"the nearest has \d+ bytes, [\d.]+ bits per pixel"):
        texcodec.encode(PIXELS, bpp=0.01, models=SET)
    with pytest.raises(ValueError, match="10 bytes"):
        texcodec.encode(PIXELS, size=10, models=SET)


def test_nearest_target_is_a_warning_at_the_callers_line() -> None:
    with pytest.warns(texcodec.TexcodecWarning, match="out of reach") as caught:
        texcodec.encode(PIXELS, psnr=90, nearest=True, models=SET)
    assert caught[0].filename == __file__


def test_conversion_is_a_warning(tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 30), 40000, np.uint16)).save(tmp_path / "deep.png")
    for source in (tmp_path / "deep.png", np.full((20, 30), 40000, np.uint16)):
        with pytest.warns(texcodec.TexcodecWarning, match="16 bits"):
            texcodec.encode(source, models=SET)


def test_salvage_is_a_warning_for_every_way_of_decoding() -> None:
    data = bytearray(texcodec.encode(photograph(300, 100), models=SET, tile=128))
    data[-40] ^= 16
    with texcodec.open(bytes(data), salvage=True) as file:
        for decode in (
            lambda: texcodec.decode(bytes(data), salvage=True),
            lambda: texcodec.imread(bytes(data), salvage=True),
            file.decode,
            file.decode_picture,
            lambda: np.asarray(file),
        ):
            with pytest.warns(texcodec.TexcodecWarning, match="Tile 2 is left grey"):
                decode()


def test_callback_gets_the_sentences_in_place_of_warnings() -> None:
    warned: list[str] = []
    texcodec.encode(PIXELS, psnr=90, nearest=True, models=SET, warn=warned.append)
    assert len(warned) == 1


def test_reprs_say_what_things_are(coded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tcx"
    path.write_bytes(coded)
    with texcodec.open(path) as file:
        assert repr(file) == f"<texcodec.TcxFile {str(path)!r} 60 x 40 RGB, {len(coded)} bytes>"
    assert repr(texcodec.open(coded)) == f"<texcodec.TcxFile 60 x 40 RGB, {len(coded)} bytes>"
    assert "tiny-1" in repr(texcodec.load_models(SET))


def test_loaded_models_serve_encoding_and_decoding(coded: bytes) -> None:
    models = texcodec.load_models(SET)
    assert isinstance(models, texcodec.ModelSet)
    assert texcodec.load_models(SET) is models
    assert texcodec.encode(PIXELS, models=models) == coded
    np.testing.assert_array_equal(
        texcodec.decode(coded, models=models, output="numpy"), texcodec.decode(coded, output="numpy")
    )
    assert SET in [found.name for found in texcodec.list_models()]


def test_all_public_names_are_listed() -> None:
    assert set(texcodec.__all__) <= set(dir(texcodec))


def test_an_open_file_that_nobody_keeps_is_closed(coded: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.tcx"
    path.write_bytes(coded)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        assert np.asarray(texcodec.open(path)).ndim == 3
        gc.collect()
