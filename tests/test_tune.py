"""Which model set ``tune`` takes, in Python, on the command line and in Pillow."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import pytest
from cli_runs import SET, save_photograph
from cli_runs import texcodec as command
from pictures import photograph
from PIL import Image

import texcodec
import texcodec.pillow
from texcodec.container import Reader
from texcodec.errors import ModelNotFoundError, ParameterError
from texcodec.registry import (
    DEFAULT_SET,
    ENVIRONMENT_VARIABLE,
    find_set,
    list_sets,
    read_model_set,
    set_for,
    tunes,
)
from texcodec.registry.tunes import TUNED_SETS

SMALL = Path(__file__).parent / "data" / "tiny-2"
PICTURE = photograph(48, 32)
NAME = TUNED_SETS["ssim"]


def for_eyes(folder: Path, name: str, distortion: str = "ms-ssim") -> Path:
    """A copy of the small set that says it was trained for another distortion."""
    shutil.copytree(SMALL, folder / name)
    manifest = folder / name / "manifest.json"
    changed = json.loads(manifest.read_text("utf-8")) | {"name": name, "distortion": distortion}
    manifest.write_text(json.dumps(changed), "utf-8")
    return folder / name


@pytest.fixture
def eyes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A set for eyes that is installed beside the others, before the released one of that name."""
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(tmp_path / "sets"))
    return for_eyes(tmp_path / "sets", NAME)


def identity(data: bytes) -> bytes:
    return Reader(io.BytesIO(data)).header.identity


def test_sets_say_what_they_are_tuned_for_and_older_ones_are_for_squared_error(eyes: Path) -> None:
    tunes = {info.name: info.tune for info in list_sets()}
    assert (tunes[NAME], tunes["std-1"], tunes["std-2"], tunes["shapes-1"]) == ("ssim", "psnr", "psnr", "")
    assert read_model_set(eyes).manifest.distortion == "ms-ssim"


def test_without_a_tune_the_set_is_what_it_was(eyes: Path) -> None:
    assert set_for(None, None) is None
    assert set_for("std-1", None) == "std-1"


def test_the_tune_takes_an_installed_set_and_the_file_names_it(eyes: Path) -> None:
    data = texcodec.encode(PICTURE, tune="ssim")
    assert data == texcodec.encode(PICTURE, models=eyes)
    assert read_model_set(eyes).identity.startswith(identity(data))
    assert texcodec.decode(data).size == (48, 32)
    assert set_for(None, "psnr") == find_set(DEFAULT_SET)


def test_a_tune_takes_the_newest_released_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    released = [info.name for info in list_sets() if info.released]
    for tune, name in TUNED_SETS.items():
        assert set_for(None, tune) == find_set(name)
        assert name == max(
            info.name for info in list_sets() if info.tune == tune and info.name.startswith("std-")
        )
        assert name in released


def test_the_newest_set_comes_before_others(eyes: Path) -> None:
    for_eyes(eyes.parent, "another", "mixed")
    assert list_sets()[0].name == "another"
    assert set_for(None, "ssim") == eyes


def test_a_set_for_eyes_that_is_the_default_serves_its_tune_and_psnr_takes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = for_eyes(tmp_path, "own")
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(own))
    assert set_for(None, "ssim") == own
    assert set_for(None, "psnr") == find_set(DEFAULT_SET)


def test_a_named_set_must_be_tuned_so(eyes: Path) -> None:
    assert set_for(eyes, "ssim") == eyes
    assert set_for("std-1", "psnr") == find_set("std-1")
    with pytest.raises(ParameterError, match="std-1 is tuned for psnr, not for ssim; leave tune out, or"):
        texcodec.encode(PICTURE, models="std-1", tune="ssim")
    with pytest.raises(ParameterError, match=f"{NAME} is tuned for ssim, not for psnr"):
        texcodec.encode(PICTURE, models=read_model_set(eyes), tune="psnr")


def test_an_unknown_tune_and_a_wrong_type_are_refused() -> None:
    with pytest.raises(ParameterError, match="must be one of psnr, ssim, not 'vmaf'"):
        texcodec.encode(PICTURE, tune="vmaf")
    with pytest.raises(TypeError, match="not int"):
        texcodec.encode(PICTURE, models=3, tune="psnr")  # type: ignore[arg-type]


def test_it_is_said_plainly_that_no_set_for_eyes_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    others = [info for info in list_sets() if info.tune != "ssim"]
    monkeypatch.setattr(tunes, "list_sets", lambda kind: others)
    with pytest.raises(
        ModelNotFoundError, match=r"tuned for eyes \(ssim\) is installed \(there are: .*std-2"
    ):
        texcodec.encode(PICTURE, tune="ssim")
    picture = save_photograph(tmp_path / "a.png")
    assert command("encode", picture, "--tune", "ssim") != 0
    assert "No model set that is tuned for eyes" in capsys.readouterr().err
    assert not (tmp_path / "a.tcx").exists()


def test_without_loss_no_set_is_looked_for() -> None:
    data = texcodec.encode(PICTURE, lossless=True, tune="ssim")
    assert data == texcodec.encode(PICTURE, lossless=True)


def test_the_command_takes_the_set_too(eyes: Path, tmp_path: Path) -> None:
    picture, out = save_photograph(tmp_path / "a.png"), tmp_path / "a.tcx"
    assert command("encode", picture, out, "--tune", "ssim", "--quiet") == 0
    assert out.read_bytes() == texcodec.encode(picture, models=eyes)
    assert command("encode", picture, out, "--models", SET, "--tune", "ssim", "-f") != 0


def test_models_show_says_what_a_set_is_tuned_for(eyes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("models", "show", eyes, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["tune"], facts["distortion"]) == ("ssim", "ms-ssim")


def test_pillow_saves_with_a_tune_whatever_set_was_registered(eyes: Path) -> None:
    texcodec.pillow.register(models=SET)
    try:
        buffer = io.BytesIO()
        Image.fromarray(PICTURE).save(buffer, "TCX", tune="ssim")
        with pytest.raises(ParameterError, match="tiny-1 is tuned for psnr"):
            Image.fromarray(PICTURE).save(io.BytesIO(), "TCX", tune="ssim", models=SET)
    finally:
        texcodec.pillow.register()
    assert read_model_set(eyes).identity.startswith(identity(buffer.getvalue()))
