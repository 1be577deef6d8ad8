"""Colours that a file describes by numbers instead of a profile (gAMA, cHRM and cICP of PNG; nclx boxes).

A .tcx file carries profiles, so such numbers become one. Where they say sRGB, or as good as that, nothing
needs to be said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from PIL import Image

from texcodec.images.profiles import Chromaticities, make_profile

_D65 = (0.3127, 0.3290)
_ILLUMINANT_C = (0.310, 0.316)
_BT709: Chromaticities = (_D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060))

# ITU-T H.273, table 2.
_PRIMARIES: dict[int, Chromaticities] = {
    1: _BT709,
    4: (_ILLUMINANT_C, (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: (_ILLUMINANT_C, (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: (_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
_UNSPECIFIED = 2
_SRGB_TRANSFERS = (1, 2, 6, 13, 14, 15)  # cameras' curves of television are shown as that of sRGB
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}
_UNKNOWN_TRANSFERS = {16: "PQ (high dynamic range)", 18: "HLG (high dynamic range)"}

_SRGB_GAMMA = 1 / 2.2
_GAMMA_TOLERANCE = 0.02  # relative
_CHROMATICITY_TOLERANCE = 0.005


@dataclass(frozen=True)
class Described:
    """A profile that says the same as the file's numbers, or None; and a sentence where one is due."""

    icc: bytes | None = None
    notice: str | None = None


def described_colours(
    image: Image.Image, cicp: tuple[int, int, int, int] | None, header: bytes, *, grey: bool
) -> Described:
    """What an opened file without a profile says of its colours.

    Args:
        image: opened by Pillow.
        cicp: code points of a PNG, or None.
        header: the file's first bytes.
        grey: whether the picture has one channel.
    """
    if cicp is None and image.format == "AVIF":
        cicp = _nclx(header)
    elif cicp is None and isinstance(nclx := image.info.get("nclx_profile"), dict):  # HEIF
        cicp = (nclx["color_primaries"], nclx["transfer_characteristics"], 0, 1)
    if cicp is not None:
        return _from_code_points(cicp[0], cicp[1], grey=grey)
    if image.format == "PNG" and "srgb" not in image.info:
        return _from_gamma(image.info, grey=grey)
    return Described()


def _nclx(header: bytes) -> tuple[int, int, int, int] | None:
    match = re.search(rb"colrnclx(....)", header, re.DOTALL)
    if match is None:
        return None
    return (int.from_bytes(match[1][:2], "big"), int.from_bytes(match[1][2:], "big"), 0, 1)


def _from_code_points(primaries: int, transfer: int, *, grey: bool) -> Described:
    code = f"primaries {primaries}, transfer {transfer} of ITU-T H.273"
    chromaticities = _BT709 if primaries == _UNSPECIFIED else _PRIMARIES.get(primaries)
    known = transfer in _SRGB_TRANSFERS or transfer in _GAMMAS
    if chromaticities is None or not known:
        what = _UNKNOWN_TRANSFERS.get(transfer, "unknown to texcodec")
        return Described(
            notice=f"The colours are {what} ({code}); this was left out, and they will look different."
        )
    if transfer in _SRGB_TRANSFERS and (chromaticities == _BT709 or grey):
        return Described()
    icc = make_profile(f"H.273 {primaries}/{transfer}", chromaticities, _GAMMAS.get(transfer), grey=grey)
    return Described(icc, f"The colour description ({code}) is kept as a colour profile.")


def _from_gamma(info: dict[Any, Any], *, grey: bool) -> Described:
    given = info.get("gamma")
    gamma = float(given) if isinstance(given, (int, float)) and given > 0 else _SRGB_GAMMA
    chromaticities = _pairs(info.get("chromaticity")) or _BT709
    plain_gamma = abs(gamma / _SRGB_GAMMA - 1) <= _GAMMA_TOLERANCE
    plain_colours = grey or all(
        abs(a - b) <= _CHROMATICITY_TOLERANCE
        for given_pair, pair in zip(chromaticities, _BT709)
        for a, b in zip(given_pair, pair)
    )
    if plain_gamma and plain_colours:
        return Described()
    parts = ([] if plain_gamma else [f"gamma of {gamma:g}"]) + ([] if plain_colours else ["chromaticities"])
    what = " and ".join(parts)
    are = "are" if "chromaticities" in parts else "is"
    try:
        icc = make_profile(f"PNG {what}", chromaticities, None if plain_gamma else 1 / gamma, grey=grey)
    except ValueError:
        return Described(notice=f"The PNG's {what} cannot be true and {are} left out.")
    return Described(icc, f"The PNG's {what} {are} kept as a colour profile.")


def _pairs(values: Any) -> Chromaticities | None:
    if not isinstance(values, (tuple, list)) or len(values) != 8:
        return None
    white, red, green, blue = zip(map(float, values[::2]), map(float, values[1::2]))
    return white, red, green, blue
