"""Makes the compact files of profile-2/ anew: for a change of entropy profile 2 before a set of it is released.

python conformance/profile_2.py
"""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests")]

import second_decoder
from golden.make import page, scene, with_alpha

import texcodec

SET = HERE.parent / "tests" / "data" / "tiny-2"
HEADING = "# name, hash of its symbols, CRC-32 of the samples decoded where it was made\n"


def encode(picture: np.ndarray, **settings: object) -> bytes:
    return texcodec.encode(picture, models=SET, threads=1, **settings)  # type: ignore[arg-type]


FILES: dict[str, Callable[[], bytes]] = {
    "compact-pixel": lambda: encode(np.array([[[200, 30, 90]]], np.uint8), quality=50),
    "compact": lambda: encode(scene(140, 290), quality=60, tile=128),
    "compact-rates": lambda: encode(
        scene(140, 290), quality=45, tile=128, crop=(5, 3, 100, 120), outside="coarse"
    ),
    "compact-gaps": lambda: encode(scene(150, 300)[..., :1], quality=50, tile=128, crop=(37, 21, 150, 90)),
    "compact-alpha": lambda: encode(with_alpha(scene(48, 60)), quality=50),
    "compact-drawn": lambda: encode(
        np.concatenate([page(140, 128), scene(140, 300)], 1), quality=60, tile=128
    ),
}


def main() -> None:
    models = second_decoder.ModelSet(SET)
    folder, lines = HERE / "profile-2", [HEADING]
    folder.mkdir(exist_ok=True)
    for name, make in FILES.items():
        data = make()
        with texcodec.open(data) as file:
            assert file.header.compact, name
            symbols = file.symbols_hash(models=SET)
            samples = np.asarray(file.decode(models=SET))
        assert second_decoder.decode(data, models).symbols_hash() == symbols, name
        png = io.BytesIO()
        Image.fromarray(samples).save(png, "png", optimize=True)
        (folder / f"{name}.tcx").write_bytes(data)
        (folder / f"{name}.png").write_bytes(png.getvalue())
        lines.append(f"{name} {symbols} {zlib.crc32(samples.tobytes()):08x}\n")
    (folder / "expected.txt").write_text("".join(lines), "ascii")


if __name__ == "__main__":
    main()
