"""Feature streams in the container: fields, forms of files, damage, limits."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from container_samples import IDENTITY, chunk, flipped, full_file, join, lean_file, split
from feature_samples import SET, picture, tiny

import texcodec
from texcodec.container import (
    FEAT,
    FEAT_ANCILLARY,
    FeatureStream,
    Reader,
    StreamTask,
    attach,
    feature_header,
    pack_stream,
    task_identifier,
    unpack_stream,
    write,
)
from texcodec.container.header import pack_header
from texcodec.errors import ChecksumError, CorruptError, LimitError, ParameterError
from texcodec.features import decode_tensors, encode_picture
from texcodec.features.encode import picture_stream


def stream(**changes: object) -> FeatureStream:
    fields: dict[str, object] = dict(
        identity=IDENTITY,
        level=3,
        tasks=(StreamTask(0x1234, 5, 300), StreamTask(7, 1, 1)),
        symbols_crc=0xBEEF,
        payload=b"payload",
    )
    return FeatureStream(**(fields | changes))  # type: ignore[arg-type]


def feature_file(*streams: FeatureStream) -> bytes:
    return write(feature_header(300, 40), [], [], [(FEAT, pack_stream(each)) for each in streams])


class TestFields:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"level": 255, "symbols_crc": 0, "payload": b""},
            {"tasks": (StreamTask(0xFFFF, 2**32 - 1, 1),)},
            {"tasks": tuple(StreamTask(k, k + 1, 1) for k in range(255))},
        ],
    )
    def test_fields_survive_packing(self, changes: dict[str, object]) -> None:
        assert unpack_stream(pack_stream(stream(**changes))) == stream(**changes)

    @pytest.mark.parametrize(
        ("changes", "sentence"),
        [
            ({"identity": b"short"}, "16 bytes, not 5"),
            ({"level": 256}, "from 0 to 255, not 256"),
            ({"tasks": ()}, "1 to 255 tasks, not 0"),
            ({"tasks": (StreamTask(5, 1, 1), StreamTask(5, 2, 2))}, "not name a task twice"),
            ({"tasks": (StreamTask(5, 0, 1),)}, "sides from 1 to .*, not 0 x 1"),
        ],
    )
    def test_impossible_fields_are_not_written(self, changes: dict[str, object], sentence: str) -> None:
        with pytest.raises(ParameterError, match=sentence):
            stream(**changes)

    def test_impossible_fields_are_not_read(self) -> None:
        sound = pack_stream(stream())
        for payload, sentence in (
            (sound[:15], "ends within its field 'identity'"),
            (sound[:20], "ends within its field"),
            (sound[:17] + b"\0" + sound[18:], "1 to 255 tasks, not 0"),
            (sound[:17] + b"\x80\x02" + sound[18:], "256 tasks, more than 255"),
            (sound[:20] + b"\0" + sound[21:], "sides from 1"),
            (sound[:23] + b"\x34\x12" + sound[25:], "twice"),
            (sound[:20] + b"\x85\0" + sound[21:], "invalid form"),
        ):
            with pytest.raises(CorruptError, match=sentence):
                unpack_stream(payload)

    def test_identifiers_are_checksums_of_names(self) -> None:
        assert task_identifier("123456789") == 0x3926  # the low half of the check value of CRC-32
        assert task_identifier("tiefe-ü") == task_identifier("tiefe-ü") != task_identifier("tiefe-u")


class TestForms:
    def test_one_stream_alone_is_lean(self) -> None:
        data = feature_file(stream())
        reader = Reader(data)
        assert reader.header.lean and not reader.header.has_pixels and reader.header.identity == IDENTITY
        assert reader.header.minor == 2 and (reader.header.width, reader.header.height) == (300, 40)
        assert len(data) == 8 + 12 + 28 + len(pack_stream(stream())) - 16
        assert list(map(unpack_stream, reader.features)) == [stream()]
        reader.verify()

    def test_several_streams_have_chunks_of_their_own(self) -> None:
        other = stream(identity=bytes(16), level=0)
        reader = Reader(feature_file(stream(), other))
        assert not reader.header.lean and not any(reader.header.identity)
        assert list(map(unpack_stream, reader.features)) == [stream(), other]

    def test_a_stream_with_metadata_has_a_chunk_of_its_own(self) -> None:
        chunks = [(FEAT, pack_stream(stream())), (b"text", b"{}")]
        reader = Reader(write(feature_header(3, 4), [], [], chunks))
        assert not reader.header.lean and reader.ancillary == chunks

    def test_a_stream_beside_pixels_leaves_them_as_they_are(self) -> None:
        before = texcodec.encode(picture(), models="tiny-1", quality=30)
        data = attach(before, stream())
        after = attach(data, stream(level=1))
        assert list(map(unpack_stream, Reader(after).features)) == [stream(), stream(level=1)]
        reader, old = Reader(data), Reader(before)
        assert old.header.lean and not reader.header.lean and reader.header.minor == 2
        assert reader.tile_bytes(0) == old.tile_bytes(0)
        assert reader.tiles == old.tiles
        np.testing.assert_array_equal(texcodec.decode(data), texcodec.decode(before))

    def test_the_entropy_profile_of_pixels_does_not_matter_to_a_stream_beside_them(self) -> None:
        data = attach(
            texcodec.encode(picture(), models="tiny-1", quality=30), picture_stream(picture(), tiny())
        )
        reader = Reader(data)
        header = dataclasses.replace(
            reader.header, entropy_profile=2, identity=reader.header.identity[:8], halo=1, lean=False
        )
        other = write(header, [reader.tile_bytes(0)], reader.tiles, reader.ancillary)
        expected, found = decode_tensors(data, SET), decode_tensors(other, SET)
        assert expected.keys() == found.keys() and expected
        for task, tensor in expected.items():
            np.testing.assert_array_equal(found[task], tensor)

    def test_what_stood_in_the_file_stays_when_a_stream_joins_it(self) -> None:
        reader, old = Reader(attach(full_file(), stream())), Reader(full_file())
        assert reader.ancillary[:-1] == old.ancillary and reader.ancillary[-1][0] == FEAT_ANCILLARY
        assert (reader.alpha, reader.tiles) == (old.alpha, old.tiles)
        assert [reader.tile_bytes(i) for i in range(6)] == [old.tile_bytes(i) for i in range(6)]

    def test_features_join_pixels_only(self) -> None:
        with pytest.raises(ParameterError, match="with pixels only"):
            attach(feature_file(stream()), stream())

    def test_damaged_fields_beside_pixels_do_not_hinder_the_picture(self) -> None:
        before = texcodec.encode(picture(), models="tiny-1", quality=30)
        chunks = split(attach(before, stream()))
        for kind_and_payload in chunks:
            if kind_and_payload[0] == FEAT_ANCILLARY:
                kind_and_payload[1] = b"nonsense"
        np.testing.assert_array_equal(texcodec.decode(join(chunks)), texcodec.decode(before))
        with pytest.raises(CorruptError, match="FEAT or feat ends within its field 'identity'"):
            decode_tensors(join(chunks), SET)

    def test_a_file_without_pixels_or_features_is_refused(self) -> None:
        with pytest.raises(ParameterError, match="needs a chunk FEAT"):
            write(feature_header(3, 4), [], [], [])
        header = dataclasses.replace(feature_header(3, 4))
        empty = b"\x89TCX\r\n\x1a\n" + chunk(b"THDR", pack_header(header)) + chunk(b"TEND", b"")
        with pytest.raises(CorruptError, match="no chunk FEAT"):
            Reader(empty)

    def test_only_lean_headers_without_pixels_have_an_identity(self) -> None:
        with pytest.raises(ParameterError, match="an identity in the lean form only"):
            dataclasses.replace(feature_header(3, 4), identity=IDENTITY)
        assert dataclasses.replace(feature_header(3, 4), identity=IDENTITY, lean=True).tile_count == 0

    def test_a_picture_decoder_says_which_commands_to_use(self) -> None:
        with pytest.raises(texcodec.UnsupportedError, match="no picture") as caught:
            texcodec.decode(feature_file(stream()))
        assert re.search("texcodec features infer .* features decode", caught.value.advice)


class TestDamage:
    def test_every_flipped_bit_every_truncation_and_every_tail_is_found(self) -> None:
        lean = encode_picture(picture(9, 11), SET, level=0)
        full = feature_file(stream(), stream(level=1))
        beside = attach(lean_file(), stream())
        for data in (lean, full, beside):
            for bit in range(8 * len(data)):
                with pytest.raises(texcodec.TexcodecError):
                    Reader(flipped(data, bit)).verify()
            for end in range(len(data)):
                with pytest.raises(texcodec.FormatError):
                    Reader(data[:end]).verify()
            with pytest.raises(CorruptError):
                Reader(data + b"\0")

    @pytest.mark.parametrize("position", [0, 1, 5, 17, -6, -1])
    @pytest.mark.parametrize("bit", [0, 4, 7])
    def test_a_changed_payload_with_its_checksum_recomputed_is_refused(self, position: int, bit: int) -> None:
        coded = picture_stream(picture(), tiny(), level=2)
        payload = bytearray(coded.payload)
        payload[position] ^= 1 << bit
        changed = feature_file(dataclasses.replace(coded, payload=bytes(payload)))
        with pytest.raises((ChecksumError, CorruptError), match="(?i)feature stream"):
            decode_tensors(changed, SET)

    @pytest.mark.parametrize(
        "change",
        [
            {"level": 0},
            {"symbols_crc": 1},
            {"payload": b""},
            {"payload": b"\1"},
            {"payload": bytes(range(1, 256)) * 9},
            {
                "tasks": tuple(
                    StreamTask(task_identifier(n), 8, 8 // f * f) for n, f in (("kind", 1), ("parts", 2))
                )
            },
        ],
    )
    def test_fields_that_do_not_belong_to_the_payload_are_refused(self, change: dict[str, object]) -> None:
        coded = picture_stream(picture(), tiny(), level=1)
        with pytest.raises((ChecksumError, CorruptError), match="(?i)feature"):
            decode_tensors(feature_file(dataclasses.replace(coded, **change)), SET)  # type: ignore[arg-type]

    def test_random_payloads_are_refused(self) -> None:
        coded, random = picture_stream(picture(), tiny()), np.random.default_rng(5)
        for length in (1, 7, 60, 500):
            payload = random.bytes(length - 1) + b"\1"
            with pytest.raises((ChecksumError, CorruptError), match="(?i)feature stream"):
                decode_tensors(feature_file(dataclasses.replace(coded, payload=payload)), SET)

    def test_a_level_that_the_set_does_not_have_is_refused(self) -> None:
        coded = dataclasses.replace(picture_stream(picture(), tiny()), level=3)
        with pytest.raises(CorruptError, match="level 3, but its set has 3"):
            decode_tensors(feature_file(coded), SET)

    def test_sizes_that_contradict_each_other_are_refused(self) -> None:
        coded = picture_stream(picture(), tiny())
        first, second = coded.tasks
        tasks = first, dataclasses.replace(second, height=second.height + 4)
        with pytest.raises(CorruptError, match="kind 13 x 18 .factor 2., parts 29 x 35 .factor 4."):
            decode_tensors(feature_file(dataclasses.replace(coded, tasks=tasks)), SET)

    def test_a_stream_of_other_tasks_than_its_set_is_refused(self) -> None:
        coded = picture_stream(picture(), tiny())
        kind, parts = coded.tasks
        for tasks in (
            (kind,),
            (parts, kind),
            (kind, parts, StreamTask(1, 1, 1)),
            (kind, StreamTask(1, 25, 35)),
        ):
            with pytest.raises(
                CorruptError, match="not of the tasks kind, parts, which its set tiny-features"
            ):
                decode_tensors(feature_file(dataclasses.replace(coded, tasks=tasks)), SET)

    def test_huge_sizes_are_refused_before_memory_is_taken(self) -> None:
        coded = picture_stream(picture(), tiny())
        for height, width in ((2**30, 2**30), (300_000, 1), (13_000, 13_000)):
            tasks = tuple(
                StreamTask(t.identifier, height * f, width * f)
                for t, f in zip(coded.tasks, (1, 2), strict=True)
            )
            with pytest.raises(LimitError, match="positions, but at most|feature stream needs"):
                decode_tensors(
                    feature_file(dataclasses.replace(coded, tasks=tasks)),
                    SET,
                    limits=texcodec.Limits(memory=10**9),
                )
