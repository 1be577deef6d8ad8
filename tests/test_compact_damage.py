"""Damage to compact files, with their model set: every damaged tile is found and named, and no wrong picture shown."""

from __future__ import annotations

import dataclasses
import random
import shutil
import struct
import zlib
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import second_decoder
from container_samples import flipped
from damaged_files import rebuilt
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import photograph
from second_decoder.container import read_file
from second_decoder.fields import Refused

import texcodec
from texcodec.container import ABSENT_ENTRY, Reader, write
from texcodec.container.compact_index import pack_entries
from texcodec.container.fields import varint
from texcodec.container.flags import FORM

SET = Path(__file__).parent / "data" / "tiny-2"
HEIGHT, WIDTH = 150, 270


@pytest.fixture(scope="module")
def file() -> bytes:
    """Six tiles of 128 x 128 or less."""
    return texcodec.encode(photograph(WIDTH, HEIGHT), quality=30, models=SET, tile=128, threads=1)


@pytest.fixture(scope="module")
def with_metadata(file: bytes) -> bytes:
    reader = Reader(file)
    return write(reader.header, payloads_of(file), reader.tiles, [(b"text", b"{}")])


@pytest.fixture(scope="module")
def whole(file: bytes) -> np.ndarray:
    return np.asarray(texcodec.decode(file, models=SET, threads=1))


def payloads_of(data: bytes) -> list[bytes]:
    reader = Reader(data)
    return [reader.tile_bytes(i) for i in range(len(reader.tiles))]


def decoded(data: bytes, **options: object) -> np.ndarray:
    return np.asarray(texcodec.decode(data, models=SET, threads=1, **options))  # type: ignore[call-overload]


def tile_at(data: bytes, position: int) -> int | None:
    """The tile that a byte of the file belongs to."""
    reader = Reader(data)
    for index, entry in enumerate(reader.tiles):
        if reader.tile_offset(index) <= position < reader.tile_offset(index) + entry.length:
            return index
    return None


@pytest.mark.parametrize("kind", ["file", "with_metadata"])
def test_damage_to_any_tile_is_found_and_named(kind: str, request: pytest.FixtureRequest) -> None:
    data = request.getfixturevalue(kind)
    random_source = random.Random(5)
    for index, entry in enumerate(Reader(data).tiles):
        for _ in range(4):
            position = Reader(data).tile_offset(index) + random_source.randrange(entry.length)
            assert tile_at(data, position) == index
            damaged = flipped(data, 8 * position + random_source.randrange(8))
            with pytest.raises(texcodec.FormatError, match=f"ile {index} "):
                decoded(damaged)
            with pytest.raises(Refused):
                read_file(damaged)


@pytest.mark.parametrize("position", [0, 1, 7, 20, -3, -1])
@pytest.mark.parametrize("bit", [0, 5, 7])
def test_payload_changed_with_checksums_recomputed_is_refused(file: bytes, position: int, bit: int) -> None:
    payload = bytearray(payloads_of(file)[1])
    payload[position] ^= 1 << bit
    data = rebuilt(file, {1: bytes(payload)})
    Reader(data).verify()
    with pytest.raises(texcodec.CorruptError, match="Tile 1 is damaged"):
        decoded(data)
    with pytest.raises(Refused):
        second_decoder.decode(data, second_decoder.ModelSet(SET))


@pytest.mark.parametrize("keep", [0, 1, 8])
@pytest.mark.parametrize("more", [b"", b"\0", b"\1", bytes(range(1, 60))])
def test_payload_that_ends_early_or_late_is_refused(file: bytes, keep: int, more: bytes) -> None:
    start = payloads_of(file)[0]
    for payload in (start[:keep] + more, start + (more or b"\7")):
        with pytest.raises(texcodec.CorruptError, match="Tile 0 is damaged"):
            decoded(rebuilt(file, {0: payload}))


def test_tiles_that_changed_places_with_all_checksums_right_are_refused() -> None:
    """Two tiles of one shape, class and rate; each payload is a sound stream, of the other one."""
    half = photograph(128, 128)
    data = texcodec.encode(np.hstack([half, half[::-1, ::-1]]), quality=30, models=SET, tile=128, threads=1)
    reader = Reader(data)
    first, second = reader.tiles
    assert (first.class_index, first.offset) == (second.class_index, second.offset)
    swapped = rebuilt(data, dict(zip((0, 1), reversed(payloads_of(data)), strict=True)))
    for left in (40, 168):  # either needs the symbols of both
        with pytest.raises(texcodec.CorruptError, match="Tile [01] is damaged"):
            decoded(swapped, region=(left, 40, 8, 8))


def test_tile_of_another_picture_at_another_place_is_refused(file: bytes) -> None:
    other = texcodec.encode(photograph(WIDTH, HEIGHT, seed=9), quality=30, models=SET, tile=128, threads=1)
    with pytest.raises(texcodec.CorruptError, match="Tile 1 is damaged"):
        decoded(rebuilt(file, {1: payloads_of(other)[0]}))


def test_region_needs_its_own_tiles_only(file: bytes, whole: np.ndarray) -> None:
    """Tile 5, at the lower right, is damaged; the upper left does not read it."""
    damaged = flipped(file, 8 * (Reader(file).tile_offset(5) + 2))
    np.testing.assert_array_equal(decoded(damaged, region=(0, 0, 60, 60)), whole[:60, :60])
    with pytest.raises(texcodec.FormatError, match="ile 5 "):
        decoded(damaged, region=(260, 140, 5, 5))


def test_verify_finds_damage_without_a_set_and_names_the_tile_with_it(
    file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = flipped(file, 8 * (Reader(file).tile_offset(3) + 1))
    with pytest.raises(texcodec.ChecksumError, match="The tiles are damaged"):
        texcodec.open(damaged).verify()
    monkeypatch.setenv("TEXCODEC_MODELS", str(SET))
    with pytest.raises(texcodec.CorruptError, match="Tile 3 is damaged"):
        texcodec.open(damaged).verify()
    texcodec.open(file).verify()


def test_data_that_pass_all_tiles_and_not_the_checksum_are_refused(
    file: bytes, whole: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As damage might that one tile in sixteen million does not show."""
    from texcodec.entropy import SymbolReader

    damaged = flipped(file, 8 * (Reader(file).tile_offset(3) + Reader(file).tiles[3].length - 1))
    monkeypatch.setattr(SymbolReader, "finish", lambda self, start=0: None)
    with pytest.raises(texcodec.ChecksumError, match="The tiles are damaged"):
        decoded(damaged)
    warned: list[str] = []
    decoded(damaged, salvage=True, warn=warned.append)
    assert warned == ["The tiles are damaged: their bytes do not match the file's checksum."]


@pytest.mark.parametrize("tile", range(6))
def test_salvage_decodes_the_sound_tiles_and_names_the_other(
    file: bytes, whole: np.ndarray, tile: int
) -> None:
    damaged = flipped(file, 8 * (Reader(file).tile_offset(tile) + 2) + 1)
    warned: list[str] = []
    salvaged = decoded(damaged, salvage=True, warn=warned.append)
    assert len(warned) == 1 and warned[0].startswith(f"Tile {tile} is left grey")
    box = Reader(file).header.grid.box(tile)
    inner = salvaged[box.top + 16 : box.bottom - 16, box.left + 16 : box.right - 16]
    assert not inner.size or (inner == 128).all()
    far = Reader(file).header.grid.box(5 - tile)
    y, x = (far.top + far.bottom) // 2, (far.left + far.right) // 2
    if tile not in (1, 4):
        np.testing.assert_array_equal(salvaged[y, x], whole[y, x])


@pytest.mark.parametrize("kind", ["file", "with_metadata"])
def test_salvage_of_a_truncated_file_keeps_the_first_tiles(
    kind: str, whole: np.ndarray, request: pytest.FixtureRequest
) -> None:
    data = request.getfixturevalue(kind)
    cut = data[: Reader(data).tile_offset(3) + 3]
    with pytest.raises(texcodec.TruncatedError):
        decoded(cut)
    warned: list[str] = []
    salvaged = decoded(cut, salvage=True, warn=warned.append)
    np.testing.assert_array_equal(salvaged[:100], whole[:100])
    assert [sentence.split(":")[0] for sentence in warned[:3]] == [
        f"Tile {i} is left grey" for i in (3, 4, 5)
    ]


def test_preview_of_a_damaged_file(file: bytes) -> None:
    sound = np.asarray(texcodec.open(file).preview(models=SET))
    damaged = flipped(file, 8 * (Reader(file).tile_offset(4) + 2))
    with pytest.raises(texcodec.CorruptError, match="Tile 4 is damaged"):
        texcodec.open(damaged).preview(models=SET)
    warned: list[str] = []
    with texcodec.open(damaged, salvage=True) as opened:
        seen = np.asarray(opened.preview(models=SET, warn=warned.append))
        assert opened.damaged == [4] and len(warned) == 1
    np.testing.assert_array_equal(seen[:8], sound[:8])
    assert (seen[8:, 8:16] == 128).all()


def test_damaged_tiles_are_not_given_a_new_checksum(file: bytes) -> None:
    from texcodec.container import FeatureStream, StreamTask, attach

    stream = FeatureStream(bytes(16), 0, (StreamTask(1, 1, 1),), 0, b"abc")
    assert Reader(attach(file, stream)).features
    with pytest.raises(texcodec.ChecksumError, match="The tiles are damaged"):
        attach(flipped(file, 8 * (Reader(file).tile_offset(0) + 1)), stream)


def test_file_names_its_set_by_eight_bytes(file: bytes, tmp_path: Path) -> None:
    from texcodec.registry import PyramidSet

    models = PyramidSet(SET)
    assert Reader(file).header.identity == models.identity[:8]
    with pytest.raises(texcodec.ModelNotFoundError, match=models.identity[:8].hex()):
        texcodec.decode(file)
    with pytest.raises(texcodec.ModelNotFoundError, match="needs the model set with identity"):
        texcodec.decode(file, models="tiny-1")
    shutil.copytree(SET, tmp_path / "here")
    np.testing.assert_array_equal(
        np.asarray(texcodec.decode(file, models=tmp_path / "here")),
        np.asarray(texcodec.decode(file, models=models)),
    )


def test_set_of_another_identity_with_the_same_eight_bytes_gives_no_picture(file: bytes) -> None:
    """Its networks differ, so the tiles' streams do not end in their checksums."""
    from texcodec.registry import PyramidSet

    other = PyramidSet(SET)
    other.identity = other.identity[:8] + bytes(8)
    other.symbol_tables.frequencies = other.symbol_tables.frequencies.copy()
    rows = [slice(*other.symbol_tables.offsets[i : i + 2]) for i in range(1, 64)]
    for row in rows:
        other.symbol_tables.frequencies[row] = other.symbol_tables.frequencies[row][::-1]
    with pytest.raises(texcodec.CorruptError, match="Tile 0 is damaged"):
        decoded_with(file, other)


def decoded_with(data: bytes, models: texcodec.ModelSet) -> np.ndarray:
    return np.asarray(texcodec.decode(data, models=models, threads=1))


def test_crop_leaves_tiles_out_by_the_run() -> None:
    data = texcodec.encode(
        photograph(1100, 300), quality=30, models=SET, tile=128, crop=(900, 130, 60, 60), threads=1
    )
    reader = Reader(data)
    absent = [entry.absent for entry in reader.tiles]
    assert absent.count(True) > 20
    runs = sum(now and not before for before, now in pairwise([False, *absent]))
    # three bytes for a tile and two for a run are more than enough
    assert len(pack_entries(reader.header, reader.tiles)) <= 3 * absent.count(False) + 2 * runs < len(absent)


@given(st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_no_mutation_shows_a_wrong_picture(
    file: bytes, with_metadata: bytes, whole: np.ndarray, data: st.DataObject
) -> None:
    """Bytes overwritten, left out, put in, or moved, wherever; nothing but an error or the same picture comes out."""
    sound = data.draw(st.sampled_from([file, with_metadata]))
    changed = bytearray(sound)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(changed) - 1))
        end = min(len(changed), start + data.draw(st.integers(0, 40)))
        action = data.draw(st.sampled_from(["overwrite", "leave out", "put in", "move"]))
        part = bytes(changed[start:end])
        if action == "overwrite":
            changed[start:end] = data.draw(st.binary(min_size=end - start, max_size=end - start))
        elif action == "put in":
            changed[start:start] = data.draw(st.binary(min_size=1, max_size=9))
        else:
            del changed[start:end]
            if action == "move":
                place = data.draw(st.integers(0, len(changed)))
                changed[place:place] = part
    try:
        pixels = decoded(bytes(changed))
    except (texcodec.FormatError, texcodec.LimitError):
        assert changed != sound
    else:
        np.testing.assert_array_equal(pixels, whole)
        assert changed == sound


# The same files are refused by both decoders


def _texcodec_reads(data: bytes) -> bool:
    try:
        Reader(data).verify()
    except texcodec.TexcodecError:
        return False
    return True


def _changed_at_random(head: bytes, source: random.Random) -> bytes:
    content = bytearray(head)
    for _ in range(source.choice([1, 1, 2])):
        place, action = source.randrange(len(content)), source.randrange(4)
        if action == 0:
            content[place] = source.randrange(256)
        elif action == 1:
            content[place] ^= 1 << source.randrange(8)
        elif action == 2:
            content.insert(place, source.randrange(256))
        else:
            del content[place]
    return bytes(content)


def test_both_readers_refuse_the_same_heads(file: bytes) -> None:
    """Heads changed at random, with the checksum of the frame right."""
    source = random.Random(2)
    reader = Reader(file)
    payloads, entries = payloads_of(file), list(reader.tiles)
    payloads[1] = payloads[2] = b""
    entries[1] = entries[2] = ABSENT_ENTRY
    entries[4] = dataclasses.replace(entries[4], offset=-3)
    header = reader.header
    samples = [
        write(header, payloads, entries),
        write(dataclasses.replace(header, alpha_mode=1), payloads, entries, [(b"iccp", b"x")], b"\0\x80"),
        write(
            dataclasses.replace(header, origin_x=3, width=100, height=9),
            [b"ab", b"c"],
            [dataclasses.replace(entries[0], length=2), dataclasses.replace(entries[0], length=1)],
        ),
        write(header, [b""] * 6, [ABSENT_ENTRY] * 6),
    ]
    sound = 0
    for _ in range(4000):
        data = source.choice(samples)
        size = data[5]
        assert size < 128
        head = _changed_at_random(data[6 : 6 + size], source)
        body = b"\x89TCX" + bytes([FORM]) + varint(len(head)) + head
        changed = body + struct.pack("<I", zlib.crc32(body)) + data[6 + size + 4 :]
        try:
            read_file(changed)
            accepted = True
        except Refused:
            accepted = False
        assert accepted == _texcodec_reads(changed), changed.hex()
        sound += accepted
    assert 400 < sound < 3600
