"""Files of entropy profile 2 for the viewer's tests: ``python profile_2_samples.py FOLDER``.

They are made anew each time, with the tests' own small set: cases that the golden files lack. For each file NAME.tcx
there are NAME.png, what Python decodes it to, and NAME.preview.png; facts.json has the hash of its symbols, its numbers
of coded slices and of escapes, and where its tiles begin. The packed set is beside them. std-3.tcx is of this set, in
parts too.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import texcodec
from texcodec.codec.pyramid_coder import PyramidCoder
from texcodec.codec.tile import AnalysedTile
from texcodec.container import ABSENT_ENTRY, DRAWN, Reader, TileEntry, tile_entry, write
from texcodec.registry import read_model_set
from texcodec.tiles import Grid
from texcodec.viewer.pack import pack_models, pack_name

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import second_decoder  # noqa: E402
from golden.make import noise, scene, with_alpha  # noqa: E402

SET = ROOT / "tests" / "data" / "tiny-2"
SECOND = second_decoder.ModelSet(SET)


def encode(picture: np.ndarray | texcodec.Picture, **settings: Any) -> bytes:
    return texcodec.encode(picture, models=SET, threads=1, **settings)


def without(data: bytes, missing: set[int], **changes: object) -> bytes:
    """The file with tiles absent, and with changes of its header."""
    reader = Reader(data)
    count = len(reader.tiles)
    payloads = [b"" if i in missing else reader.tile_bytes(i) for i in range(count)]
    entries = [ABSENT_ENTRY if i in missing else reader.tiles[i] for i in range(count)]
    return write(replace(reader.header, **changes), payloads, entries)  # type: ignore[arg-type]


def beside_a_page(place: int, offset: int = 0) -> bytes:
    """Three tiles, one of which is drawn."""
    reader = Reader(encode(noise(128, 384), quality=80, tile=128))
    drawn = Reader(texcodec.encode(scene(128, 128), lossless=True, threads=1))
    payloads, entries = [reader.tile_bytes(i) for i in range(3)], list(reader.tiles)
    payloads[place] = drawn.tile_bytes(0)
    crc = drawn.tiles[0].symbols_crc
    entries[place] = tile_entry(place, payloads[place], class_index=DRAWN, symbols_crc=crc, offset=offset)
    return write(replace(reader.header, drawn=True), payloads, entries)


def invented(height: int, width: int, spread: float, rate: int, slices: int | None = None) -> bytes:
    """A tile of latents that no picture has, so that symbols are far out and escapes are many."""
    models = read_model_set(SET)
    random = np.random.default_rng(height * width)
    channels = models.manifest.latent_channels
    falling = spread / (1 + np.arange(channels)) ** 0.5
    latents = random.standard_t(2, (channels, height, width)) * falling[:, None, None]
    if slices is not None:
        latents[sum(models.manifest.slices[:slices]) :] = 0
    coder = PyramidCoder(models)
    tile = coder.quantise(AnalysedTile(1, latents.astype(np.float32)), rate)
    header = Reader(encode(scene(16 * height, 16 * width), quality=50)).header
    header = replace(header, rate_index=rate)
    payload = coder.write(tile, 0)
    assert (slices or len(models.manifest.slices)) == tile.slices
    assert Grid(16 * width, 16 * height, header.tile_log2).latent_shape(0) == (height, width)
    return write(header, [payload], [TileEntry(len(payload), 1, 0, None, None)])


FILES: dict[str, Callable[[], bytes]] = {
    "pixel": lambda: encode(np.array([[[200, 30, 90]]], np.uint8), quality=50),
    "row": lambda: encode(scene(1, 90), quality=60),
    "column": lambda: encode(scene(83, 3), quality=60),
    "small": lambda: encode(scene(33, 47), quality=70),
    # the last column and row of tiles have one block each
    "blocks": lambda: encode(scene(136, 143), quality=55, tile=128),
    "lapped": lambda: encode(scene(260, 300), quality=45, tile=128),
    "without-fusion": lambda: without(encode(scene(140, 260), quality=60, tile=128), set(), fusion=False),
    "large-tiles": lambda: encode(scene(270, 530), quality=35, tile=512),
    # tiles that are synthesised in parts: four of the first one, two of those beside and below it
    "parts": lambda: encode(scene(530, 700), quality=35, tile=512),
    "parts-gaps": lambda: without(encode(scene(530, 700), quality=30, tile=512), {1}, fusion=False),
    "lowest": lambda: encode(scene(70, 90), quality=1),
    "highest": lambda: encode(noise(35, 48), quality=100),
    "soft": lambda: encode(np.repeat(scene(150, 260)[..., :1] // 8 + 90, 3, -1), quality=12, tile=128),
    "rates": lambda: encode(scene(140, 150), bpp=0.9, tile=128),
    "finest": lambda: encode(scene(60, 150), quality=90, tile=128, crop=(90, 40, 60, 20), outside="coarse"),
    "coarse": lambda: encode(scene(140, 290), quality=100, tile=128, crop=(5, 3, 100, 120), outside="coarse"),
    "crop": lambda: encode(scene(150, 300), quality=50, tile=128, crop=(37, 21, 150, 90)),
    "gaps": lambda: without(encode(scene(260, 270), quality=50, tile=128), {1, 3, 5}),
    "run": lambda: without(
        encode(scene(130, 400), quality=50, tile=128), {1, 2, 3, 4, 5}, cicp=(9, 16, 0, 1)
    ),
    "nothing": lambda: without(encode(scene(130, 140), quality=50, tile=128), {0, 1, 2, 3}),
    "grey": lambda: encode(scene(140, 40)[..., :1], quality=40, tile=128),
    "alpha": lambda: encode(with_alpha(scene(48, 160)), quality=50, tile=128),
    "grey-alpha": lambda: encode(with_alpha(scene(20, 30)[..., :1]), quality=60),
    "metadata": lambda: encode(
        texcodec.Picture(scene(24, 150), None, b"not a profile, but kept", None, b"<x/>"),
        quality=50,
        tile=128,
    ),
    "drawn-first": lambda: beside_a_page(0),
    "drawn-between": lambda: beside_a_page(1),
    "drawn-reduced": lambda: beside_a_page(2, offset=1),
    "escapes": lambda: invented(7, 5, 3e5, 30),
    "far-out": lambda: invented(16, 16, 6e6, 0),
    "one-slice": lambda: invented(5, 9, 80.0, 120, slices=1),
    "two-slices": lambda: invented(9, 2, 80.0, 120, slices=2),
    "four-slices": lambda: invented(1, 3, 80.0, 120, slices=4),
}


def facts(data: bytes) -> dict[str, Any]:
    """What the tests hold a decoder against."""
    with texcodec.open(data) as file:
        symbols = file.symbols_hash(models=SET)
        count = len(file.tiles)
    second = second_decoder.decode(data, SECOND)
    if second.symbols_hash() != symbols:
        sys.exit("the two decoders in Python disagree")
    reader = Reader(data)
    return {
        "symbols": symbols,
        "slices": [getattr(tile, "slices", 0) for tile in second.symbols],
        "escapes": sum(getattr(tile, "escapes", 0) for tile in second.symbols),
        "tiles": [[reader.tile_offset(i), reader.tiles[i].length] for i in range(count)],
    }


def main(folder: Path) -> None:
    """Write all files; takes a few seconds."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    found = {}
    for name, make in FILES.items():
        data = make()
        assert data[:5] == b"\x89TCX\2", name
        found[name] = facts(data)
        (folder / f"{name}.tcx").write_bytes(data)
        with texcodec.open(data) as file:
            file.decode(models=SET).save(folder / f"{name}.png")
            file.preview(models=SET).save(folder / f"{name}.preview.png")
    damage(folder, found["lapped"]["tiles"])
    released(folder)
    identity = json.loads((SET / "manifest.json").read_text("utf-8"))["identity"]
    (folder / pack_name(identity)).write_bytes(pack_models(SET))
    (folder / "facts.json").write_text(json.dumps(found, indent=1))


def damage(folder: Path, tiles: list[list[int]]) -> None:
    """lapped.tcx with a wrong byte in its tiles 1 and 4, and what is sound of it."""
    data = bytearray((folder / "lapped.tcx").read_bytes())
    for tile in (1, 4):
        data[tiles[tile][0] + tiles[tile][1] // 2] ^= 16
    (folder / "damaged.tcx").write_bytes(data)
    with warnings.catch_warnings(), texcodec.open(bytes(data), salvage=True) as file:
        warnings.simplefilter("ignore")
        file.decode(models=SET).save(folder / "damaged.png")
        assert file.damaged == [1, 4]
        file.preview(models=SET).save(folder / "damaged.preview.png")


def released(folder: Path) -> None:
    """A file of a released set, whose synthesis sees further than that of the small one."""
    data = texcodec.encode(scene(390, 700), models="std-3", quality=35, tile=512, threads=1)
    assert data[:5] == b"\x89TCX\2"
    (folder / "std-3.tcx").write_bytes(data)
    texcodec.decode(data).save(folder / "std-3.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
