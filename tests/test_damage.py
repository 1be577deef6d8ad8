"""Damaged and hostile files end in a clear error of the right kind, never in a wrong picture."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
from damaged_files import every_flipped_bit_is_found, rebuilt
from pictures import photograph

import texcodec
from texcodec.codec.decode import CANVAS_BYTES
from texcodec.container import Reader
from texcodec.registry import ModelSet, find_set

SET = "tiny-1"


@pytest.fixture(scope="module")
def file() -> bytes:
    return texcodec.encode(photograph(300, 270), quality=30, models=SET)


@pytest.mark.parametrize("position", [0, 1, 7, 40, -3, -1])
@pytest.mark.parametrize("bit", [0, 5, 7])
def test_payload_changed_with_checksums_recomputed_is_refused(file: bytes, position: int, bit: int) -> None:
    payload = bytearray(Reader(file).tile_bytes(1))
    payload[position] ^= 1 << bit
    with pytest.raises(texcodec.FormatError, match="(?i)tile 1"):
        texcodec.decode(rebuilt(file, {1: bytes(payload)}))


@pytest.mark.parametrize("keep", [0, 1, 8, 100])
def test_payload_that_ends_early_is_refused(file: bytes, keep: int) -> None:
    with pytest.raises(texcodec.FormatError, match="(?i)tile 0"):
        texcodec.decode(rebuilt(file, {0: Reader(file).tile_bytes(0)[:keep]}))


@pytest.mark.parametrize("more", [b"\0", b"\1", b"\0\0\0\0\7", bytes(range(1, 200))])
def test_payload_that_ends_late_is_refused(file: bytes, more: bytes) -> None:
    with pytest.raises(texcodec.FormatError, match="(?i)tile 0"):
        texcodec.decode(rebuilt(file, {0: Reader(file).tile_bytes(0) + more}))


def test_random_payloads_are_refused(file: bytes) -> None:
    random = np.random.default_rng(3)
    for length in (1, 5, 64, 3000):
        payload = random.bytes(length - 1) + b"\1"
        with pytest.raises(texcodec.FormatError, match="(?i)tile 3"):
            texcodec.decode(rebuilt(file, {3: payload}))


def test_tiles_of_another_picture_are_refused_by_their_symbols(file: bytes) -> None:
    other = Reader(texcodec.encode(photograph(300, 270, seed=9), quality=30, models=SET))
    with pytest.raises(texcodec.FormatError, match="(?i)tile 0"):
        texcodec.decode(rebuilt(file, {0: other.tile_bytes(0)}))


def test_every_truncation_is_refused(file: bytes) -> None:
    for end in [*range(0, 200), *range(200, len(file), 97)]:
        with pytest.raises(texcodec.FormatError):
            texcodec.open(file[:end]).verify()


def test_every_single_flipped_bit_of_a_thumbnail_is_refused() -> None:
    data = texcodec.encode(photograph(40, 30), quality=20, models=SET)
    every_flipped_bit_is_found(data)


@pytest.mark.parametrize("rate", [256, 60000])
def test_rate_index_beyond_the_step_table_is_refused(file: bytes, rate: int) -> None:
    with pytest.raises(texcodec.CorruptError, match="step table"):
        texcodec.decode(rebuilt(file, {}, rate_index=rate))


@pytest.mark.parametrize("changes", [{"halo": 2}, {"classes": 9}, {"latent_log2": 3}])
def test_header_that_contradicts_its_model_set_is_refused(file: bytes, changes: dict[str, int]) -> None:
    with pytest.raises(texcodec.CorruptError, match="model set"):
        texcodec.decode(rebuilt(file, {}, **changes))


def test_unknown_entropy_profile_is_unsupported(file: bytes) -> None:
    with pytest.raises(texcodec.UnsupportedError, match="profile"):
        texcodec.decode(rebuilt(file, {}, entropy_profile=250))


def test_entropy_profile_of_another_set_is_a_contradiction(file: bytes) -> None:
    with pytest.raises(texcodec.CorruptError, match="entropy profile is not that of its model set"):
        texcodec.decode(rebuilt(file, {}, entropy_profile=2, identity=Reader(file).header.identity[:8]))


def test_file_of_an_unknown_model_set_names_the_set(file: bytes) -> None:
    with pytest.raises(texcodec.ModelNotFoundError, match="11" * 16):
        texcodec.decode(rebuilt(file, {}, identity=b"\x11" * 16))


def test_huge_declared_size_is_refused_before_memory_is_taken(file: bytes) -> None:
    with pytest.raises(texcodec.LimitError):
        texcodec.decode(file, limits=texcodec.Limits(pixels=1000))
    with pytest.raises(texcodec.LimitError, match="memory|bytes"):
        texcodec.decode(file, limits=texcodec.Limits(memory=100_000))


def test_memory_is_that_of_the_picture_and_not_of_whole_tiles() -> None:
    drawn = np.zeros((3000, 20), np.uint8)
    drawn[::7, ::5] = 200
    data = texcodec.encode(drawn, lossless=True)
    needed = 3008 * 32 * CANVAS_BYTES
    assert needed < Reader(data).header.grid.side ** 2 * CANVAS_BYTES
    decoded = texcodec.decode(data, output="numpy", limits=texcodec.Limits(memory=needed))
    np.testing.assert_array_equal(decoded, drawn)
    with pytest.raises(texcodec.LimitError, match="decoding|Decoding"):
        texcodec.decode(data, limits=texcodec.Limits(memory=needed - 1))


def test_salvage_decodes_the_sound_tiles_and_names_the_others(file: bytes) -> None:
    whole = np.asarray(texcodec.decode(file))
    reader = Reader(file)
    damaged = bytearray(file)
    damaged[reader.tile_offset(3) + 2] ^= 1
    warned: list[str] = []
    salvaged = np.asarray(texcodec.decode(bytes(damaged), salvage=True, warn=warned.append))
    assert len(warned) == 1 and "3" in warned[0]
    np.testing.assert_array_equal(salvaged[:200, :200], whole[:200, :200])
    assert (salvaged[256:, 256:] == 128).all()


def test_salvage_of_a_truncated_file_keeps_the_first_tiles(file: bytes) -> None:
    whole = np.asarray(texcodec.decode(file))
    cut = file[: Reader(file).tile_offset(1) + 3]
    warned: list[str] = []
    salvaged = np.asarray(texcodec.decode(cut, salvage=True, warn=warned.append))
    np.testing.assert_array_equal(salvaged[:200, :200], whole[:200, :200])
    assert len(warned) >= 3


def test_model_set_with_one_weight_changed_is_refused(tmp_path: Path) -> None:
    copy = tmp_path / "set"
    shutil.copytree(find_set(SET), copy)
    for name in ("decoder.safetensors", "encoder.safetensors"):
        sound = (copy / name).read_bytes()
        header = struct.unpack("<Q", sound[:8])[0]
        for position in (8 + header, len(sound) - 2, (8 + header + len(sound)) // 2):
            damaged = bytearray(sound)
            damaged[position] ^= 1
            (copy / name).write_bytes(damaged)
            with pytest.raises(texcodec.ModelDamagedError, match="damaged"):
                ModelSet(copy).verify()
        (copy / name).write_bytes(sound)
    ModelSet(copy).verify()


@pytest.mark.parametrize(
    ("name", "how"),
    [
        (name, how)
        for name in ("manifest.json", "decoder.safetensors", "encoder.safetensors", "graphs/synthesis.onnx")
        for how in ("missing", "empty", "cut")
        if (name, how) != ("encoder.safetensors", "missing")  # that is a set that only decodes
    ],
)
def test_incomplete_model_set_is_refused(tmp_path: Path, name: str, how: str) -> None:
    copy = tmp_path / "set"
    shutil.copytree(find_set(SET), copy)
    path = copy / name
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(b"" if how == "empty" else data[: len(data) // 2])
    with pytest.raises(texcodec.ModelError):
        ModelSet(copy).verify()


def test_advice_does_not_name_salvage_where_there_is_nothing_to_salvage(file: bytes) -> None:
    reader, damaged = Reader(file), bytearray(file)
    for index in range(len(reader.tiles)):
        damaged[reader.tile_offset(index) + 2] ^= 1
    with pytest.raises(texcodec.CorruptError, match="nothing to salvage") as caught:
        texcodec.decode(bytes(damaged), salvage=True, warn=lambda sentence: None)
    assert caught.value.advice == "Get another copy of the file."
    with pytest.raises(texcodec.TruncatedError, match="is empty") as empty:
        texcodec.decode(b"")
    assert empty.value.advice == "Get a complete copy of the file."
