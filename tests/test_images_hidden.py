"""Colours under alpha 0: they neither bleed into visible ones nor cost bits."""

from __future__ import annotations

import numpy as np
import pytest

import texcodec
from texcodec.images import Picture, with_hidden_filled


def photo(height: int = 128, width: int = 128, channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    waves = [128 + 60 * np.sin(x / (9 + c)) + 50 * np.cos(y / (13 - c)) for c in range(channels)]
    return np.dstack(waves).clip(0, 255).astype(np.uint8)


def disc(height: int = 128, width: int = 128) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.where((x - width / 2) ** 2 + (y - height / 2) ** 2 < (width / 3) ** 2, 255, 0).astype(np.uint8)


def noise(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [(128, 128), (37, 61), (1, 9)])
def test_visible_pixels_stay_and_hidden_ones_do_not_matter(side: tuple[int, int], channels: int) -> None:
    alpha = disc(*side)
    visible = alpha > 0
    if not visible.any():
        alpha[0, 4] = 255
        visible = alpha > 0
    pictures = []
    for hidden in (np.zeros((*side, channels), np.uint8), noise((*side, channels))):
        pixels = np.where(visible[:, :, np.newaxis], photo(*side, channels), hidden)
        filled = with_hidden_filled(Picture(pixels, alpha))
        assert np.array_equal(filled.pixels[visible], pixels[visible])
        assert filled.alpha is alpha
        pictures.append(filled.pixels)
    assert np.array_equal(*pictures)


def test_hidden_pixels_continue_their_visible_neighbours() -> None:
    alpha = disc()
    filled = with_hidden_filled(
        Picture(np.where(alpha[:, :, np.newaxis] > 0, photo(), noise((128, 128, 3))), alpha)
    )
    jumps = np.abs(np.diff(filled.pixels.astype(int), axis=1)).max(axis=2)
    edges = (alpha[:, 1:] > 0) != (alpha[:, :-1] > 0)
    assert jumps[edges].mean() < 12
    inside = (alpha[:, 1:] == 0) & (alpha[:, :-1] == 0)
    assert jumps[inside].mean() < 2


def test_a_drawn_picture_gets_no_new_colours() -> None:
    alpha = disc()
    pixels = np.where(photo() > 128, np.uint8(200), np.uint8(40))
    filled = with_hidden_filled(Picture(np.where(alpha[:, :, np.newaxis] > 0, pixels, np.uint8(7)), alpha))
    colours = {tuple(colour) for colour in pixels[alpha > 0].tolist()}
    assert {tuple(colour) for colour in filled.pixels.reshape(-1, 3).tolist()} == colours


@pytest.mark.parametrize("alpha", [None, 0, 1, 255])
def test_nothing_is_filled_where_all_or_nothing_can_be_seen(alpha: int | None) -> None:
    plane = None if alpha is None else np.full((128, 128), alpha, np.uint8)
    picture = Picture(photo(), plane)
    assert with_hidden_filled(picture) is picture


def test_hidden_noise_costs_nothing_and_visible_pixels_keep_their_error() -> None:
    alpha = disc()
    visible = alpha > 0
    options = {"models": "tiny-1", "quality": 60, "threads": 1}

    def coded(pixels: np.ndarray, plane: np.ndarray | None) -> tuple[int, float]:
        data = texcodec.encode(Picture(pixels, plane), **options)
        decoded = np.asarray(texcodec.decode(data, threads=1))[:, :, :3].astype(float)
        return len(data), float(((decoded - photo())[visible] ** 2).mean())

    opaque = coded(photo(), None)
    hidden = coded(np.where(visible[:, :, np.newaxis], photo(), noise((128, 128, 3))), alpha)
    assert hidden[0] < opaque[0] + 200  # the plane of alpha
    assert hidden[1] < 1.3 * opaque[1]
