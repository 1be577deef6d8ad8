"""Files for the viewer's tests, made by texcodec once and then kept: ``python samples.py FOLDER``.

photo.tcx has 768 x 512 pixels and the default set, photo.png is what Python decodes it to; damaged.tcx has a
wrong byte in its second tile; unknown.tcx names a set that nobody has; large.tcx has 12 megapixels.
"""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import texcodec
from texcodec.container import Reader, write

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from pictures import photograph  # noqa: E402

GOLDEN = ROOT / "tests" / "golden"


def renamed(data: bytes, identity: bytes) -> bytes:
    """The file with another identity of its model set, sound in all else."""
    reader = Reader(data)
    payloads = [reader.tile_bytes(i) for i in range(len(reader.tiles))]
    return write(dataclasses.replace(reader.header, identity=identity), payloads, list(reader.tiles))


def damaged(data: bytes, tile: int) -> bytes:
    out = bytearray(data)
    out[Reader(data).tile_offset(tile) + 5] ^= 1
    return bytes(out)


def main(folder: Path) -> None:
    """Make what is missing of the files."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "photo.tcx").is_file():
        photo = texcodec.encode(photograph(768, 512), quality=50, models="std-2")
        (folder / "photo.tcx").write_bytes(photo)
        texcodec.decode(photo).save(folder / "photo.png")
        (folder / "damaged.tcx").write_bytes(damaged(photo, 1))
        (folder / "unknown.tcx").write_bytes(renamed(photo, bytes(range(16))))
    if not (folder / "large.tcx").is_file():
        patch = photograph(500, 500)
        picture = np.tile(patch, (6, 8, 1))
        (folder / "large.tcx").write_bytes(
            texcodec.encode(Image.fromarray(picture), quality=40, models="tiny-1")
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
