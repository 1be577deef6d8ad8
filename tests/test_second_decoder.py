"""texcodec against a second decoder that was written from docs/format.md alone and shares nothing with it."""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from container_samples import full_file, join, lean_file, split
from golden.make import encode, noise, scene, with_alpha
from safetensors.numpy import load_file, save_file
from second_decoder.container import read_file
from second_decoder.fields import Refused
from second_decoder.model_set import decoder_identity

import texcodec
from texcodec.container import (
    ABSENT,
    FEAT,
    FeatureStream,
    Header,
    Reader,
    StreamTask,
    TileEntry,
    feature_header,
    pack_stream,
    tile_entry,
    write,
)
from texcodec.images import compress_alpha, decompress_alpha

TESTS = Path(__file__).parent
SET = TESTS.parent / "models" / "tiny-1"
FORMAT = TESTS.parent / "docs" / "format.md"


@pytest.fixture(scope="module")
def models() -> second_decoder.ModelSet:
    return second_decoder.ModelSet(SET)


def assert_decoders_agree(
    data: bytes, models: second_decoder.ModelSet, folder: Path = SET
) -> second_decoder.Decoded:
    """Same symbols, same alpha, pixels within one level; returns what the second decoder made of the file."""
    second = second_decoder.decode(data, models)
    with texcodec.open(data) as file:
        assert file.symbols_hash(models=folder) == second.symbols_hash()
        picture = file.decode_picture(models=folder)
    assert picture.pixels.shape == second.pixels.shape
    assert np.abs(picture.pixels.astype(int) - second.pixels).max() <= 1
    assert (picture.alpha is None) == (second.alpha is None)
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha, second.alpha)
    return second


def test_second_decoder_needs_neither_texcodec_nor_an_engine() -> None:
    forbidden = ["texcodec", "onnx", "onnxruntime", "constriction", "torch", "PIL"]
    code = f"import sys, second_decoder; assert not set({forbidden}) & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=TESTS, capture_output=True, text=True, check=False
    )
    assert (done.stderr, done.returncode) == ("", 0)


def test_identity_is_that_of_the_manifest(models: second_decoder.ModelSet) -> None:
    assert models.identity.hex() == json.loads((SET / "manifest.json").read_text())["identity"]


@pytest.mark.parametrize(
    ("height", "width", "tile", "quality"),
    [
        (1, 1, None, 50),
        (33, 17, None, 1),
        (33, 17, None, 100),
        (16, 65, None, 72.5),
        (280, 300, None, 8),
        (280, 300, None, 60),
        (280, 300, 128, 92),
        (257, 3, 128, 40),
        (129, 145, 128, 30),
    ],
)
def test_symbols_are_equal_and_pixels_within_one_level(
    height: int, width: int, tile: int | None, quality: float, models: second_decoder.ModelSet
) -> None:
    second = assert_decoders_agree(encode(scene(height, width), quality=quality, tile=tile), models)
    side = tile or 256
    assert len(second.symbols) == -(-height // side) * -(-width // side)


def test_decoders_agree_on_escaped_symbols(models: second_decoder.ModelSet) -> None:
    second = assert_decoders_agree(encode(noise(40, 48), quality=100), models)
    assert sum(tile.escapes for tile in second.symbols if tile) > 0


@pytest.mark.parametrize(("tile", "quality"), [(None, 30), (128, 80)])
def test_decoders_agree_on_grey_pictures(
    tile: int | None, quality: float, models: second_decoder.ModelSet
) -> None:
    second = assert_decoders_agree(encode(scene(140, 60)[..., :1], quality=quality, tile=tile), models)
    assert second.pixels.shape == (140, 60, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_decoders_agree_on_alpha(channels: int, models: second_decoder.ModelSet) -> None:
    picture = with_alpha(scene(50, 70)[..., :channels])
    second = assert_decoders_agree(encode(picture, quality=50), models)
    assert second.alpha is not None
    assert np.array_equal(second.alpha, picture[..., -1])


def test_decoders_agree_on_tiles_of_different_rates_and_classes(models: second_decoder.ModelSet) -> None:
    data = encode(scene(140, 270), quality=70, tile=128)
    reader = Reader(data)
    payloads = [reader.tile_bytes(i) for i in range(len(reader.tiles))]
    # one tile from an encoding at a far rate, so that the halo's rescaling shows
    far = Reader(encode(scene(140, 270), quality=25, tile=128))
    offset = far.header.rate_index - reader.header.rate_index
    payloads[1] = far.tile_bytes(1)
    entries = list(reader.tiles)
    entries[1] = replace(far.tiles[1], offset=offset)
    second = assert_decoders_agree(write(reader.header, payloads, entries), models)
    assert second.file.header.fusion
    assert max(tile.rate for tile in second.file.tiles) - second.file.tiles[1].rate > 30
    assert len({tile.texture for tile in second.file.tiles}) > 1


def test_decoders_agree_on_absent_tiles(models: second_decoder.ModelSet) -> None:
    reader = Reader(encode(scene(140, 270), quality=50, tile=128))
    payloads = [b"" if i in (1, 3) else reader.tile_bytes(i) for i in range(6)]
    entries = [TileEntry(0, ABSENT) if i in (1, 3) else entry for i, entry in enumerate(reader.tiles)]
    second = assert_decoders_agree(write(reader.header, payloads, entries), models)
    assert (second.pixels[16:112, 144:240] == 128).all()


def test_decoders_agree_on_a_strong_fusion_network(tmp_path: Path) -> None:
    folder = tmp_path / "strong"
    shutil.copytree(SET, folder)
    arrays = load_file(folder / "decoder.safetensors")
    arrays |= {
        name: array * np.float16(16) for name, array in arrays.items() if name.startswith("fusion.leave")
    }
    save_file(arrays, folder / "decoder.safetensors")
    models = second_decoder.ModelSet(folder)
    assert decoder_identity(models.graphs, arrays) == models.identity
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["identity"] = models.identity.hex()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    data = texcodec.encode(scene(270, 140), models=folder, quality=20, tile=128)
    second = assert_decoders_agree(data, models, folder)
    reader = Reader(data)
    unfused = write(
        replace(reader.header, fusion=False),
        [reader.tile_bytes(i) for i in range(len(reader.tiles))],
        reader.tiles,
    )
    difference = np.abs(second.pixels.astype(int) - assert_decoders_agree(unfused, models, folder).pixels)
    assert difference.max() > 20


def test_wrong_network_ends_in_a_checksum_error_not_in_a_picture() -> None:
    models = second_decoder.ModelSet(SET)
    data = encode(scene(60, 80), quality=50)
    second_decoder.decode(data, models)
    models.arrays["context_0.joint.bias"][::3] += 1 << models.shifts["context_0.joint"]
    with pytest.raises(Refused):
        second_decoder.decode(data, models)


def test_set_that_breaks_the_bound_of_integer_layers_is_refused(tmp_path: Path) -> None:
    shutil.copytree(SET, tmp_path / "set")
    arrays = load_file(tmp_path / "set" / "decoder.safetensors")
    weight = arrays["context_1.spread.weight"]
    weight[0] = 0
    weight.reshape(len(weight), -1)[0, :2] = 32767
    arrays["context_1.spread.bias"][0] = (1 << 24) - 1 - 2 * 32767 * 255
    save_file(arrays, tmp_path / "set" / "decoder.safetensors")
    second_decoder.ModelSet(tmp_path / "set")
    arrays["context_1.spread.bias"][0] += 1
    save_file(arrays, tmp_path / "set" / "decoder.safetensors")
    with pytest.raises(Refused, match=r"context_1\.spread stay below 2\^24"):
        second_decoder.ModelSet(tmp_path / "set")


@pytest.mark.parametrize("kind", ["lean", "full", "features"])
def test_examples_of_the_document_are_sound(kind: str) -> None:
    (listing,) = re.findall(rf"```hex {kind}\n(.*?)```", FORMAT.read_text("utf-8"), re.DOTALL)
    data = bytes.fromhex(
        "".join(line[:50] for line in listing.splitlines())
    )  # explanations start in column 51
    file = read_file(data)
    assert file.header.lean == (kind != "full")
    payload = file.streams[0] if kind == "features" else file.tiles[0].payload
    assert payload.endswith(b"\x01\x02\x03\x04")


def test_second_decoder_notices_every_flipped_bit_and_every_truncation(
    models: second_decoder.ModelSet,
) -> None:
    reader = Reader(encode(scene(20, 130), quality=20, tile=128))
    full = write(reader.header, [reader.tile_bytes(i) for i in range(2)], reader.tiles, [(b"psum", bytes(5))])
    for data in (encode(scene(9, 9), quality=50), full):
        second_decoder.decode(data, models)
        for bit in range(8 * len(data)):
            damaged = bytearray(data)
            damaged[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Refused):
                read_file(bytes(damaged))
        for length in range(len(data)):
            with pytest.raises(Refused):
                read_file(data[:length])
        with pytest.raises(Refused):
            read_file(data + b"\0")


def _changed_at_random(chunks: list[list[bytes]], random_source: random.Random) -> bytes:
    """A file with a few changes and with correct checksums of its chunks."""
    kinds = [
        b"iccp",
        b"ALPH",
        b"FEAT",
        b"feat",
        b"ABCD",
        b"abcd",
        b"ab1d",
        b"TEND",
        b"THDR",
        b"TDAT",
        b"TIDX",
        b"aBCD",
    ]
    for _ in range(random_source.choice([1, 1, 2])):
        chosen = random_source.choice(chunks)
        action = random_source.randrange(8)
        if action == 0:
            random_source.shuffle(chunks)
        elif action == 1:
            content = random_source.randbytes(random_source.choice([0, 1, 20]))
            chunks.insert(random_source.randrange(len(chunks) + 1), [random_source.choice(kinds), content])
        elif action == 2 and len(chunks) > 1:
            chunks.remove(chosen)
        elif action == 3:
            chosen[0] = random_source.choice(kinds)
        elif action > 3 and (chosen := chunks[0] if action < 6 else chosen)[1]:
            content, place = bytearray(chosen[1]), random_source.randrange(len(chosen[1]))
            change = random_source.randrange(4)
            if change == 0:
                content[place] = random_source.randrange(256)
            elif change == 1:
                content[place] ^= 1 << random_source.randrange(8)
            elif change == 2:
                content.insert(place, random_source.randrange(256))
            else:
                del content[place]
            chosen[1] = bytes(content)
    return join(chunks)


def _texcodec_reads(data: bytes) -> bool:
    try:
        reader = Reader(data)
        for index, entry in enumerate(reader.tiles):
            if not entry.absent:
                reader.tile_bytes(index)
        if reader.header.alpha_mode:
            assert reader.alpha is not None
            decompress_alpha(reader.alpha, reader.header.height, reader.header.width)
    except texcodec.TexcodecError:
        return False
    # the codec refuses other profiles, not the container
    return reader.header.entropy_profile == 1


def test_both_readers_refuse_the_same_files() -> None:
    header = Header(width=7, height=9, channels=3, identity=bytes(16), classes=2, rate_index=3, alpha_mode=1)
    plane = compress_alpha(np.add.outer(np.arange(9), np.arange(7)).astype(np.uint8))
    small = write(header, [b"abc"], [tile_entry(0, b"abc", class_index=0, symbols_crc=1)], [], plane)
    random_source = random.Random(1)
    stream = FeatureStream(bytes(range(1, 17)), 0, (StreamTask(5, 2, 3),), 0, b"abc")
    chunk = FEAT, pack_stream(stream)
    lean_features, features = (write(feature_header(7, 9), [], [], [chunk] * count) for count in (1, 2))
    samples = [full_file(), lean_file(), small, lean_features, features]
    sound = 0
    for _ in range(4000):
        data = _changed_at_random(split(random_source.choice(samples)), random_source)
        try:
            read_file(data)
            accepted = True
        except Refused:
            accepted = False
        assert accepted == _texcodec_reads(data), data.hex()
        sound += accepted
    assert 400 < sound < 3600
