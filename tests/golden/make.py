"""Makes the golden files: small pictures from integer formulas, encoded once, decoded for ever.

    cd tests && PYTHONPATH=.. python -m golden.make [FOLDER]

FOLDER is that of this script unless another is given; each model set has a folder in it (``FOLDERS``). For each
picture it writes NAME.tcx and NAME.png (what it decoded to here), and a line of golden.txt: name, SHA-256 of the file,
hash of its symbols, CRC-32 of the decoded samples. It makes only those pictures that golden.txt does not name yet and
overwrites nothing: golden files are never made again, a change of the format adds new ones.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import second_decoder
from PIL import Image

import texcodec
from texcodec.container import Reader, TileEntry, write

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TINY_1, TINY_2 = ROOT / "models" / "tiny-1", ROOT / "tests" / "data" / "tiny-2"
STD_3 = ROOT / "models" / "std-3"
STD_3_SSIM = ROOT / "models" / "std-3-ssim"
STD_4 = ROOT / "models" / "std-4"
STD_4_SSIM = ROOT / "models" / "std-4-ssim"
STD_5 = ROOT / "models" / "std-5"
STD_5_SSIM = ROOT / "models" / "std-5-ssim"
STD_6 = ROOT / "models" / "std-6"
HEADING = (
    "# name, SHA-256 of the file, hash of its symbols, CRC-32 of the samples decoded where it was made\n"
)


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Bytes that look random: a multiplicative hash of the position; uint8 height x width x channels."""
    y, x, c = np.mgrid[:height, :width, :channels].astype(np.uint64)
    mixed = (x * np.uint64(73856093) ^ y * np.uint64(19349663) ^ c * np.uint64(83492791)) * np.uint64(
        2654435761
    )
    return (mixed >> np.uint64(24) & np.uint64(255)).astype(np.uint8)


def scene(height: int, width: int) -> np.ndarray:
    """Smooth, ringed and noisy parts with sharp edges between them; uint8 height x width x 3."""
    y, x = np.mgrid[:height, :width]
    shade = np.stack(
        [x * 200 // width + 30, y * 180 // height + 40, (x + y) * 150 // (height + width) + 60], -1
    )
    rings = (x * x + y * y) // 16 % 256
    rings = np.where(rings < 128, rings, 255 - rings)[..., None] * np.array([2, 1, 1]) // 2
    out = np.where(((x * 3 + y) * 2 > width * 3)[..., None], shade * 2 // 3 + rings // 2, shade)
    grain = noise(height, width).astype(np.int64) - 128
    out = np.where((y * 2 > height)[..., None] & (x * 3 > width * 2)[..., None], out + grain // 4, out)
    out[height // 4 : height // 3, width // 5 : width // 2] = (20, 90, 200)
    return np.clip(out, 0, 255).astype(np.uint8)


def page(height: int, width: int) -> np.ndarray:
    """Lines of dark strokes on a light page, with a coloured bar; uint8 height x width x 3."""
    out = np.full((height, width, 3), 244, np.uint8)
    out[: height // 8] = (30, 90, 170)
    y, x = np.mgrid[:height, :width]
    strokes = (noise(height, width)[..., 0] < 90) & (y % 12 > 4) & (y > height // 6) & (x > width // 10)
    out[strokes] = noise(height, width, 1)[strokes] // 86 * 60
    return out


def with_page(picture: np.ndarray) -> np.ndarray:
    """The same with a page of 128 x 128 pixels over its left upper part."""
    picture[:128, :128] = page(128, 128)
    return picture


def shades(height: int, width: int) -> np.ndarray:
    """Bands of slightly different greys, uint8 height x width x 3."""
    return np.broadcast_to((np.arange(width) // 6 % 23 * 2)[None, :, None], (height, width, 3)).astype(
        np.uint8
    )


def with_alpha(colour: np.ndarray) -> np.ndarray:
    """The picture with an alpha plane that runs from transparent to opaque, with a hole."""
    height, width = colour.shape[:2]
    alpha = np.broadcast_to(np.arange(width) * 255 // (width - 1), (height, width)).astype(np.uint8).copy()
    alpha[height // 3 : height // 2, width // 3 : width // 2] = 0
    return np.concatenate([colour, alpha[..., None]], -1)


def encode(picture: np.ndarray, *, models: Path = TINY_1, **settings: object) -> bytes:
    return texcodec.encode(picture, models=models, threads=1, **settings)  # type: ignore[arg-type]


compact = partial(encode, models=TINY_2)


def with_metadata(picture: np.ndarray, **settings: object) -> bytes:
    """A file with chunks of metadata."""
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0131] = "golden"
    Image.fromarray(picture).save(stream, "png", exif=exif, icc_profile=b"not a profile, but kept")
    with Image.open(stream) as image:
        return texcodec.encode(image, models=TINY_1, threads=1, **settings)  # type: ignore[arg-type]


def with_gaps(data: bytes) -> bytes:
    """The file without its second tile, with a chunk that no version knows, and with colours named."""
    reader = Reader(data)
    payloads = [reader.tile_bytes(i) for i in range(len(reader.tiles))]
    payloads[1] = b""
    entries = [TileEntry(0, 255, 0, 0, 0) if i == 1 else entry for i, entry in enumerate(reader.tiles)]
    return write(
        replace(reader.header, cicp=(9, 16, 0, 1)), payloads, entries, [(b"gold", b"kept and skipped")], None
    )


PICTURES: dict[str, Callable[[], bytes]] = {
    "pixel": lambda: encode(np.array([[[200, 30, 90]]], np.uint8), quality=50),
    "lean": lambda: encode(scene(33, 17), quality=70),
    "lowest": lambda: encode(scene(70, 90), quality=1),
    "highest": lambda: encode(noise(35, 48), quality=100),
    "grey": lambda: encode(scene(140, 40)[..., :1], quality=40, tile=128),
    "alpha": lambda: encode(with_alpha(scene(48, 60)), quality=50),
    "grey-alpha": lambda: encode(with_alpha(scene(20, 30)[..., :1]), quality=60),
    "wide": lambda: encode(scene(40, 275), quality=30),
    "rates": lambda: encode(scene(140, 150), bpp=0.6, tile=128),
    "gaps": lambda: with_gaps(encode(scene(130, 150), quality=55, tile=128)),
    "metadata": lambda: with_metadata(scene(24, 24), quality=50),
    # since version 1.1
    "crop": lambda: encode(scene(150, 300), quality=50, tile=128, crop=(37, 21, 150, 90)),
    "coarse": lambda: encode(scene(140, 290), quality=45, tile=128, crop=(5, 3, 100, 120), outside="coarse"),
    "finest": lambda: encode(scene(60, 150), quality=90, tile=128, crop=(90, 40, 60, 20), outside="coarse"),
    # since version 1.3
    "drawn": lambda: encode(np.concatenate([page(140, 128), scene(140, 300)], 1), quality=60, tile=128),
    "drawn-grey": lambda: encode(page(60, 70)[..., :1], quality=90),
    "fewer-colours": lambda: encode(page(90, 240) - shades(90, 240), quality=40),
    "lossless": lambda: texcodec.encode(with_alpha(scene(70, 90)), lossless=True, threads=1),
    "lossless-grey": lambda: texcodec.encode(scene(40, 530)[..., :1], lossless=True, threads=1),
    "lossless-crop": lambda: texcodec.encode(
        scene(150, 300), lossless=True, threads=1, crop=(37, 21, 150, 90), tile=128
    ),
    "lossless-pixel": lambda: texcodec.encode(np.array([[[9]]], np.uint8), lossless=True, threads=1),
}


PROFILE_2: dict[str, Callable[[], bytes]] = {
    # entropy profile 2 with gains and fusion, since version 1.3
    "pixel": lambda: compact(np.array([[[200, 30, 90]]], np.uint8), quality=50),
    "tiles": lambda: compact(scene(140, 290), quality=60, tile=128),
    "rates": lambda: compact(scene(140, 290), quality=45, tile=128, crop=(5, 3, 100, 120), outside="coarse"),
    "gaps": lambda: compact(scene(150, 300)[..., :1], quality=50, tile=128, crop=(37, 21, 150, 90)),
    "alpha": lambda: compact(with_alpha(scene(48, 60)), quality=50),
    "drawn": lambda: compact(np.concatenate([page(140, 128), scene(140, 300)], 1), quality=60, tile=128),
    "lowest": lambda: compact(scene(70, 90), quality=1),
    "highest": lambda: compact(noise(35, 48), quality=100),
    # tiles of 512 pixels
    "large": lambda: compact(scene(530, 70), quality=20),
}
PLAIN: dict[str, Callable[[], bytes]] = {
    # the first released set of profile 2, without gains and fusion
    "scene": lambda: encode(scene(140, 290), models=STD_3, quality=40, tile=128),
    "coarse": lambda: encode(scene(90, 120), models=STD_3, quality=5),
    "fine": lambda: encode(scene(60, 80), models=STD_3, quality=97),
}
FOR_EYES: dict[str, Callable[[], bytes]] = {
    # the first released set with gains, without fusion
    "scene": lambda: encode(scene(140, 290), models=STD_3_SSIM, quality=40, tile=128),
    "coarse": lambda: encode(scene(90, 120), models=STD_3_SSIM, quality=5),
    "fine": lambda: encode(scene(60, 80), models=STD_3_SSIM, quality=97),
}
FILTERED: dict[str, Callable[[], bytes]] = {
    # the first released set with a filter after synthesis
    "scene": lambda: encode(scene(140, 290), models=STD_4, quality=40, tile=128),
    "coarse": lambda: encode(scene(90, 120), models=STD_4, quality=5),
    "fine": lambda: encode(scene(60, 80), models=STD_4, quality=97),
    # a tile of 512 pixels and one beside it
    "large": lambda: encode(scene(290, 540), models=STD_4, quality=15),
}
TRAINED_WITH_FILTER: dict[str, Callable[[], bytes]] = {
    # everything trained together with the filter
    "scene": lambda: encode(scene(140, 290), models=STD_5, quality=40, tile=128),
    "coarse": lambda: encode(scene(90, 120), models=STD_5, quality=5),
    "fine": lambda: encode(scene(60, 80), models=STD_5, quality=97),
    "large": lambda: encode(scene(290, 540), models=STD_5, quality=15),
}
FILTERED_FOR_EYES: dict[str, Callable[[], bytes]] = {
    # a set that takes arrays of another one
    "scene": lambda: encode(scene(140, 290), models=STD_4_SSIM, quality=40, tile=128),
    "coarse": lambda: encode(scene(90, 120), models=STD_4_SSIM, quality=5),
    "fine": lambda: encode(scene(60, 80), models=STD_4_SSIM, quality=97),
}
TRAINED_FOR_EYES: dict[str, Callable[[], bytes]] = {
    "scene": lambda: encode(scene(140, 290), models=STD_5_SSIM, quality=40, tile=128),
    "coarse": lambda: encode(scene(90, 120), models=STD_5_SSIM, quality=5),
    "fine": lambda: encode(scene(60, 80), models=STD_5_SSIM, quality=97),
    "large": lambda: encode(scene(290, 540), models=STD_5_SSIM, quality=15),
}
LIMITED: dict[str, Callable[[], bytes]] = {
    "scene": lambda: encode(scene(140, 290), models=STD_6, quality=40, tile=128),
    "coarse": lambda: encode(scene(90, 120), models=STD_6, quality=5),
    # reaches the limit of what synthesis adds
    "finest": lambda: encode(scene(60, 80), models=STD_6, quality=100),
    "large": lambda: encode(scene(290, 540), models=STD_6, quality=15),
    # a drawn tile at the corner of coded ones
    "page": lambda: encode(with_page(scene(260, 390)), models=STD_6, quality=60),
}
FOLDERS = {
    ".": (TINY_1, PICTURES),
    "profile-2": (TINY_2, PROFILE_2),
    "std-3": (STD_3, PLAIN),
    "std-3-ssim": (STD_3_SSIM, FOR_EYES),
    "std-4": (STD_4, FILTERED),
    "std-4-ssim": (STD_4_SSIM, FILTERED_FOR_EYES),
    "std-5": (STD_5, TRAINED_WITH_FILTER),
    "std-5-ssim": (STD_5_SSIM, TRAINED_FOR_EYES),
    "std-6": (STD_6, LIMITED),
}
"""Folders of golden files, the model set that they need, and what makes them."""


def add_missing(folder: Path, models: Path, pictures: dict[str, Callable[[], bytes]]) -> None:
    """Write the golden files that a folder does not have yet, and add their lines to its golden.txt."""
    table = folder / "golden.txt"
    known = table.read_text("ascii") if table.exists() else HEADING
    wanted = {name: make for name, make in pictures.items() if not re.search(rf"^{name} ", known, re.M)}
    present = [
        f"{name}.{kind}" for name in wanted for kind in ("tcx", "png") if (folder / f"{name}.{kind}").exists()
    ]
    if present or not wanted:
        print(f"{folder} already has {', '.join(present) or 'all'}: golden files are never made again")
        return
    reference = second_decoder.ModelSet(models)
    lines = []
    contents: dict[str, bytes] = {}
    for name, make in wanted.items():
        data = make()
        with texcodec.open(data) as file:
            symbols = file.symbols_hash(models=models)
            samples = np.asarray(file.decode(models=models))
        second = second_decoder.decode(data, reference)
        if second.symbols_hash() != symbols:
            sys.exit(f"the two decoders disagree on {name}: nothing is written")
        lines.append(
            f"{name} {hashlib.sha256(data).hexdigest()} {symbols} {zlib.crc32(samples.tobytes()):08x}"
        )
        png = io.BytesIO()
        Image.fromarray(samples).save(png, "png", optimize=True)
        contents |= {f"{name}.tcx": data, f"{name}.png": png.getvalue()}
        tiles = [(tile.texture, tile.rate) for tile in second.file.tiles]
        escapes = sum(getattr(tile, "escapes", 0) for tile in second.symbols)
        print(f"{name}: {samples.shape}, {len(data)} bytes, (class, rate) {tiles}, {escapes} escapes")
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        with open(folder / name, "xb") as stream:
            stream.write(content)
    table.write_text(known + "\n".join(lines) + "\n", "ascii")
    print(f"{len(wanted)} golden files, {sum(map(len, contents.values()))} bytes with their pictures")


def main(folder: Path) -> None:
    """Write what is missing in each folder of golden files."""
    for name, (models, pictures) in FOLDERS.items():
        add_missing(folder / name, models, pictures)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
