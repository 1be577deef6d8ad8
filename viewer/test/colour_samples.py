"""Files with colour profiles for the viewer's tests: ``python colour_samples.py FOLDER``.

Each NAME.tcx holds its samples without loss; NAME.png is what LittleCMS makes of them for sRGB, NAME.icc the profile.
"""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

import texcodec
from texcodec.images.profiles import make_profile, to_srgb

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

from golden.make import noise, scene  # noqa: E402

D65 = (0.3127, 0.329)
P3 = (D65, (0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
ADOBE = (D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06))


def with_curve(profile: bytes, curve: bytes) -> bytes:
    """The profile with another curve for all channels, behind its end."""
    out = bytearray(profile + bytes(-len(profile) % 4) + curve)
    (count,) = struct.unpack_from(">I", out, 128)
    for at in range(132, 132 + 12 * count, 12):
        if out[at + 1 : at + 4] == b"TRC":
            struct.pack_into(">II", out, at + 4, len(out) - len(curve), len(curve))
    struct.pack_into(">I", out, 0, len(out))
    return bytes(out)


def curve_of(*values: int) -> bytes:
    return b"curv" + bytes(4) + struct.pack(f">I{len(values)}H", len(values), *values)


def profiles() -> dict[str, bytes]:
    """Curves as parameters, as one gamma and as a table, and a picture of one channel."""
    adobe = make_profile("Wide", ADOBE, 2.2, grey=False)
    table = [round(65535 * (i / 511) ** 1.8) for i in range(512)]
    return {
        "p3": make_profile("Display P3", P3, None, grey=False),
        "wide": with_curve(adobe, curve_of(round(2.2 * 256))),
        "table": with_curve(adobe, curve_of(*table)),
        "linear": with_curve(adobe, curve_of()),
        "grey": make_profile("Grey 1.8", P3, 1.8, grey=True),
        "srgb": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
    }


def main(folder: Path) -> None:
    """Write all files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, icc in profiles().items():
        pixels = np.concatenate([scene(60, 70), noise(60, 70)])
        if name == "grey":
            pixels = pixels[..., :1]
        shown = to_srgb(Image.fromarray(pixels.squeeze()), icc)
        assert shown is not None
        data = texcodec.encode(texcodec.Picture(pixels, None, icc, None, None), lossless=True)
        (folder / f"{name}.tcx").write_bytes(data)
        (folder / f"{name}.icc").write_bytes(icc)
        shown.save(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
