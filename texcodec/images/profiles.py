"""Colour profiles (ICC): what they describe, pictures converted by them, and small ones made from numbers.

Conversion is LittleCMS's, which Pillow carries. It is imported where it is needed: few pictures do.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_HEADER = 128
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_GRID = 9  # steps per channel at which a profile is compared with sRGB

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
"""x and y (CIE 1931) of white, red, green and blue."""


def colour_space(icc: bytes) -> str | None:
    """`RGB`, `GRAY`, `CMYK`, `Lab` and so on: what a profile's samples are; None if this is no profile."""
    if len(icc) <= _HEADER or icc[36:40] != b"acsp":
        return None
    return icc[16:20].decode("ascii", "replace").strip()


def to_srgb(image: Image.Image, icc: bytes) -> Image.Image | None:
    """An image of mode L, RGB or CMYK converted from its profile to sRGB (mode RGB), perceptually.

    None where that is impossible: the profile is damaged, of another colour space, or Pillow was built
    without LittleCMS.
    """
    space = colour_space(icc)
    if space == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if space != {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}.get(image.mode):
        return None
    # LittleCMS interpolates grey between few values, which is far off in the dark parts of steep curves.
    table = Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis]) if image.mode == "L" else None
    try:
        from PIL import ImageCms

        converted: Any = ImageCms.profileToProfile(
            image if table is None else table,
            ImageCms.ImageCmsProfile(io.BytesIO(icc)),
            ImageCms.createProfile("sRGB"),
            outputMode="RGB",
            flags=ImageCms.Flags.NONE if table is None else ImageCms.Flags.NOOPTIMIZE,
        )
    except Exception:  # LittleCMS's errors, and those of a Pillow without it
        return None
    if table is not None and converted is not None:
        return Image.fromarray(np.asarray(converted)[0][np.asarray(image)])
    return converted if isinstance(converted, Image.Image) else None


@functools.lru_cache(maxsize=4)
def describes_srgb(icc: bytes) -> bool:
    """Whether converting by this profile moves no sample by more than rounding does."""
    steps = np.linspace(0, 255, _GRID).round().astype(np.uint8)
    if colour_space(icc) == "GRAY":
        before = np.arange(256, dtype=np.uint8)[np.newaxis]
    else:
        before = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(_GRID, -1, 3)
    converted = to_srgb(Image.fromarray(before), icc)
    if converted is None:
        return False
    expected = np.asarray(Image.fromarray(before).convert("RGB")).astype(int)
    return bool(np.abs(np.asarray(converted) - expected).max() <= 1)


def make_profile(name: str, chromaticities: Chromaticities, gamma: float | None, *, grey: bool) -> bytes:
    """A profile (ICC version 4) for samples that are a curve's values of linear light.

    Args:
        name: its description, ASCII.
        chromaticities: the colours of white and of the primaries; of a grey profile only white matters.
        gamma: linear light is sample ** gamma; None is the curve of sRGB.
        grey: for one channel instead of RGB.

    Raises:
        ValueError: no colour can be made from these primaries.
    """
    adapt, columns = _matrices(chromaticities)
    curve = (_parametric(3, _SRGB_CURVE) if gamma is None else _parametric(0, (gamma,)),)
    tags: dict[bytes, bytes] = {
        b"desc": _text(name),
        b"cprt": _text("No copyright"),
        b"wtpt": _xyz(_D50),
        b"chad": b"sf32" + bytes(4) + b"".join(_fixed(value) for value in adapt.ravel()),
    }
    if grey:
        tags[b"kTRC"] = curve[0]
    else:
        for letter, column in zip((b"r", b"g", b"b"), columns.T):
            tags[letter + b"XYZ"] = _xyz(column)
            tags[letter + b"TRC"] = curve[0]
    table, data = b"", b""
    start = _HEADER + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for tag, value in tags.items():
        if value not in places:  # the three curves are one
            places[value] = start + len(data)
            data += value + bytes(-len(value) % 4)
        table += tag + struct.pack(">II", places[value], len(value))
    header = struct.pack(
        ">I4sI4s4s4s12s4s4sIIIQI",
        *(start + len(data), b"", 0x04000000, b"mntr", b"GRAY" if grey else b"RGB ", b"XYZ "),
        *(struct.pack(">6H", 2000, 1, 1, 0, 0, 0), b"acsp", b"", 0, 0, 0, 0, 0),
    )
    header = (header + b"".join(_fixed(value) for value in _D50)).ljust(_HEADER, b"\x00")
    return header + struct.pack(">I", len(tags)) + table + data


def _matrices(chromaticities: Chromaticities) -> tuple[NDArray[Any], NDArray[Any]]:
    """The adaptation of white to D50 (Bradford), and the adapted XYZ of the primaries as columns."""
    if any(y <= 0 or x < 0 or x + y > 1.001 for x, y in chromaticities):
        raise ValueError("chromaticities outside of the diagram")
    white, *primaries = (np.array([x / y, 1, (1 - x - y) / y]) for x, y in chromaticities)
    columns = np.array(primaries).T
    try:
        columns = columns * np.linalg.solve(columns, white)
    except np.linalg.LinAlgError as error:
        raise ValueError("primaries on a line") from error
    cones = (_BRADFORD @ np.array(_D50)) / (_BRADFORD @ white)
    adapt = np.linalg.solve(_BRADFORD, cones[:, np.newaxis] * _BRADFORD)
    columns = adapt @ columns
    if not np.isfinite(columns).all() or np.abs(columns).max() > 100:
        raise ValueError("primaries nearly on a line")
    return adapt, columns


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(float(value) * 65536))


def _xyz(values: Any) -> bytes:
    return b"XYZ " + bytes(4) + b"".join(_fixed(value) for value in values)


def _parametric(kind: int, values: tuple[float, ...]) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + b"".join(_fixed(value) for value in values)


def _text(text: str) -> bytes:
    data = text.encode("utf-16-be")
    return b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(data), 28) + data
