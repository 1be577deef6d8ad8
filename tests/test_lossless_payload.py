"""The payload of a drawn tile: what went in comes out, and what cannot be is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pictures import photograph, window

from texcodec.errors import CorruptError, LibraryError
from texcodec.lossless import FAST_EFFORT, PHOTO_EFFORT, pack_samples, unpack_samples
from texcodec.lossless.colours import MOST_DISTINCT, table_of, with_fewer_colours

SAMPLES = st.tuples(st.integers(1, 17), st.integers(1, 17), st.sampled_from([1, 3])).flatmap(
    lambda shape: arrays.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 7, 128, 254, 255]))
)


@settings(max_examples=60, deadline=None)
@given(SAMPLES)
def test_samples_come_back(samples: np.ndarray) -> None:
    payload = pack_samples(samples)
    assert len(payload) <= 1 + samples.size
    np.testing.assert_array_equal(unpack_samples(payload, *samples.shape), samples)


@pytest.mark.parametrize("effort", [FAST_EFFORT, PHOTO_EFFORT])
@pytest.mark.parametrize("channels", [1, 3])
def test_large_tiles_come_back(effort: tuple[int, int], channels: int) -> None:
    samples = photograph(90, 131)[:, :, :channels]
    payload = pack_samples(samples, effort)  # type: ignore[arg-type]
    np.testing.assert_array_equal(unpack_samples(payload, 131, 90, channels), samples)


@pytest.mark.parametrize("channels", [1, 3])
def test_one_colour_needs_one_pixel(channels: int) -> None:
    samples = np.full((200, 255, channels), 9, np.uint8)
    assert len(pack_samples(samples)) == 1 + channels


def test_random_samples_are_stored_as_they_are() -> None:
    samples = np.random.default_rng(1).integers(0, 256, (40, 50, 3)).astype(np.uint8)
    assert len(pack_samples(samples)) == 1 + samples.size


@pytest.mark.parametrize("kept", [0, 1, 2, 30, -200, -1])
def test_payload_that_ends_early_is_refused(kept: int) -> None:
    payload = pack_samples(window(120, 90))
    with pytest.raises(CorruptError):
        unpack_samples(payload[:kept], 90, 120, 3)


def test_payload_of_another_size_is_never_taken_for_the_tile() -> None:
    payload = pack_samples(window(120, 90))
    for height, width in ((90, 121), (91, 120), (2000, 2000)):
        try:
            samples = unpack_samples(payload, height, width, 3)
        except CorruptError:
            continue
        assert samples.shape == (height, width, 3)  # the symbol checksum finds this
    for payload in (b"\0\1\2\3", b"\1" + bytes(30)):
        with pytest.raises(CorruptError, match="do not fit|unknown"):
            unpack_samples(payload + b"\7", 5, 2, 3)


@pytest.mark.parametrize("payload", [b"", b"\3abc", b"\xff", b"\2"])
def test_unknown_method_and_empty_payload_are_refused(payload: bytes) -> None:
    with pytest.raises(CorruptError):
        unpack_samples(payload, 4, 4, 3)


def test_colours_in_a_grey_tile_are_refused() -> None:
    with pytest.raises(CorruptError, match="colours"):
        unpack_samples(pack_samples(window(60, 60)), 60, 60, 1)


def test_pillow_without_webp_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = pack_samples(window(60, 60))
    monkeypatch.setattr("texcodec.lossless.webp.features.check", lambda name: False)
    for call in (lambda: unpack_samples(payload, 60, 60, 3), lambda: pack_samples(window(60, 60))):
        with pytest.raises(LibraryError, match="Pillow"):
            call()
    flat = np.full((60, 60, 3), 4, np.uint8)
    np.testing.assert_array_equal(unpack_samples(pack_samples(flat), 60, 60, 3), flat)


def colours_of(pixels: np.ndarray) -> int:
    return len(np.unique(pixels.reshape(-1, pixels.shape[2]), axis=0))


def test_fewer_colours_are_as_many_as_asked_for_and_nearer_the_more_there_are() -> None:
    picture = photograph(160, 120)
    reduced = with_fewer_colours(table_of(picture), (4, 16, 64))
    errors = [float(np.square(reduced[n].astype(int) - picture).mean()) for n in (4, 16, 64)]
    assert all(colours_of(reduced[n]) <= n for n in reduced)
    assert errors[0] > 2 * errors[1] > 4 * errors[2] > 0
    assert all(out.dtype == np.uint8 and out.shape == picture.shape for out in reduced.values())


def test_flat_areas_keep_their_colours() -> None:
    picture = photograph(128, 128)
    picture[:64] = (250, 251, 249)
    reduced = with_fewer_colours(table_of(picture), (8,))[8]
    np.testing.assert_array_equal(reduced[:64], picture[:64])


def test_pictures_of_few_colours_are_left_alone() -> None:
    picture = (window(50, 60) // 128 * 255).astype(np.uint8)
    assert with_fewer_colours(table_of(picture), (colours_of(picture), 200)) == {}


def test_colours_beyond_those_told_apart_are_reduced_too() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (260, 260, 3)).astype(np.uint8)
    table = table_of(picture)
    assert len(table.colours) <= MOST_DISTINCT and table.weights.sum() == 260 * 260
    assert colours_of(with_fewer_colours(table, (16,))[16]) == 16
