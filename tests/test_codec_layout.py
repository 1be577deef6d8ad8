"""What is settled before a picture is coded, and which coder reads which file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from damaged_files import rebuilt
from hypothesis import given
from hypothesis import strategies as st
from pictures import photograph

import texcodec
from texcodec.codec import coders
from texcodec.codec.latent_coder import LatentCoder
from texcodec.codec.layout import TileLayout, lay_out
from texcodec.codec.padding import padded_planes
from texcodec.container import COARSE, DROP, Crop
from texcodec.errors import ParameterError, UnsupportedError

SET = Path(__file__).parents[1] / "models" / "tiny-1"


@st.composite
def layouts(draw: st.DrawFn) -> tuple[TileLayout, Crop | None]:
    width, height = draw(st.integers(1, 700)), draw(st.integers(1, 700))
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    size = draw(st.integers(1, width - x)), draw(st.integers(1, height - y))
    crop = Crop(x, y, *size, draw(st.sampled_from([DROP, COARSE]))) if draw(st.booleans()) else None
    sides = [None, 128, 256] if crop else [None, 128, 256, 512]
    return lay_out(width, height, draw(st.sampled_from(sides)), crop, large=draw(st.booleans())), crop


@given(layouts())
def test_coded_tiles_cover_the_region_and_nothing_that_is_dropped(
    drawn: tuple[TileLayout, Crop | None],
) -> None:
    layout, crop = drawn
    covered = np.zeros((layout.grid.height, layout.grid.width), int)
    for index in layout.coded:
        layout.grid.box(index).cut(covered)[...] += 1
    assert (layout.area.cut(covered) == 1).all() and covered.sum() == layout.area.width * layout.area.height
    assert layout.region.clip(layout.area) == layout.region
    assert set(layout.region_tiles) <= set(layout.coded)
    assert layout.shown == (layout.region if crop and crop.outside == DROP else layout.grid.picture)
    if crop:
        assert (
            layout.region.left,
            layout.region.top,
            layout.region.width,
            layout.region.height,
        ) == crop.region
        assert (layout.region.left - layout.grid.origin_x) % layout.grid.side == 0


def test_large_tiles_are_for_whole_pictures_above_256_pixels() -> None:
    crop = Crop(40, 50, 300, 290, DROP)
    assert lay_out(600, 20, large=True).grid.side == 512
    assert lay_out(256, 256, large=True).grid.side == lay_out(600, 20).grid.side == 256
    assert lay_out(600, 400, None, crop, large=True).grid.side <= 256
    with pytest.raises(ParameterError, match="With a crop, tiles are of 128 or 256 pixels, not of 512"):
        lay_out(600, 400, 512, crop)


@given(layouts(), st.sampled_from([1, 3]))
def test_analysis_sees_whole_latents_that_begin_with_the_shown_pixels(
    drawn: tuple[TileLayout, Crop | None], channels: int
) -> None:
    layout, _ = drawn
    size = layout.grid.height, layout.grid.width, channels
    pixels = np.random.default_rng(0).integers(0, 256, size, dtype=np.uint8)
    planes, bounds = padded_planes(pixels, layout)
    assert planes.shape == (3, bounds.height, bounds.width) and not (bounds.width % 16 or bounds.height % 16)
    shown = layout.shown.cut(pixels.transpose(2, 0, 1))
    np.testing.assert_array_equal(
        layout.shown.cut(planes, bounds), np.broadcast_to(shown, (3, *shown.shape[1:]))
    )


def test_files_are_read_by_the_coder_of_their_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    class Negated(LatentCoder):
        """A coder whose payloads are those of profile 1 with every bit inverted."""

        def read(self, payload: bytes, *place: object) -> object:  # type: ignore[override]
            return super().read(bytes(255 - b for b in payload), *place)  # type: ignore[arg-type]

    data = texcodec.encode(photograph(140, 40), models=SET, tile=128)
    with texcodec.open(data) as file:
        turned = {i: bytes(255 - b for b in file._reader.tile_bytes(i)) for i in range(len(file.tiles))}
    with pytest.raises(UnsupportedError, match="entropy profile 9"):
        texcodec.decode(rebuilt(data, {}, entropy_profile=9), models=SET)
    monkeypatch.setattr(coders, "PROFILES", {1: Negated})
    decoded = texcodec.decode(rebuilt(data, turned), models=SET)
    monkeypatch.undo()
    np.testing.assert_array_equal(decoded, texcodec.decode(data, models=SET))
