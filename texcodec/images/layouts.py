"""From Pillow's many layouts to the four of the codec: grey or RGB, with or without alpha."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from texcodec.images.depth import deep_samples, to_8_bits
from texcodec.images.profiles import colour_space, to_srgb

GREY_MODES = {"1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L", "I;16N"}

_Samples = NDArray[np.uint8]
_Planes = tuple[_Samples, _Samples | None]

# Layouts that are converted to RGB, and whether their profile then still describes the samples.
_CONVERTED = {"CMYK": False, "LAB": False, "HSV": False, "YCbCr": True}


@dataclass
class Layers:
    """Samples as the file orders them.

    Attributes:
        pixels: uint8, height x width (grey) or height x width x 3.
        alpha: uint8, height x width, or None.
        icc: the profile that describes the pixels, or None.
        notices: one sentence for each thing that was changed.
    """

    pixels: _Samples
    alpha: _Samples | None
    icc: bytes | None
    notices: list[str]


def is_known(mode: str) -> bool:
    """Whether `layers_of` takes images of this mode."""
    return mode in _READERS or mode in _CONVERTED or mode in GREY_MODES


def layers_of(image: Image.Image, bits: int) -> Layers:
    """The samples of an opened image of `bits` bits per channel, which are loaded by this."""
    icc = image.info.get("icc_profile") or None
    notices: list[str] = []
    if bits > 8:
        notices.append(f"The picture has {bits} bits per channel, which were reduced to 8.")
    key = _transparent_key(image)
    deep = deep_samples(image, bits) if bits > 8 else None
    if deep is not None:
        image, alpha = _shallow(image, *deep, key)
        if alpha is not None:
            return Layers(np.asarray(image), alpha, icc, notices)
        key = None
    image.load()
    if bits > 8 and deep is None and image.format == "JPEG2000" and not np.asarray(image).all():
        # Rounding carries the whitest samples over 255, to 0.
        raise NotImplementedError(
            "Pillow confuses white and black in JPEG 2000 of more than 8 bits per channel"
        )
    if image.mode in _CONVERTED:
        return _converted(image, icc, notices)
    pixels, alpha = _READERS[image.mode](image, key)
    space = colour_space(icc) if icc else None
    if space is not None and space not in (("RGB",) if pixels.ndim == 3 else ("RGB", "GRAY")):
        notices.append(f"The colour profile is for {space}, does not describe the picture and was left out.")
        icc = None
    return Layers(pixels, alpha, icc, notices)


def _shallow(
    image: Image.Image, deep: NDArray[np.uint16], maximum: int, key: Any
) -> tuple[Image.Image, _Samples | None]:
    """Deep samples as an image of 8 bits, and the alpha of their transparent colour if they have one."""
    samples = to_8_bits(deep, maximum)
    alpha = None
    if isinstance(key, int) and deep.ndim == 2:
        alpha = _opaque_unless(deep == key)
    elif isinstance(key, tuple) and deep.ndim == 3 and len(key) == deep.shape[2] == 3:
        alpha = _opaque_unless((deep == np.array(key)).all(axis=2))
    mode = "CMYK" if image.mode == "CMYK" else None
    shallow = (
        Image.fromarray(samples) if mode is None else Image.frombytes(mode, image.size, samples.tobytes())
    )
    shallow.info = dict(image.info)
    return shallow, alpha


def _converted(image: Image.Image, icc: bytes | None, notices: list[str]) -> Layers:
    mode = image.mode
    managed = to_srgb(image, icc) if icc and not _CONVERTED[mode] else None
    if managed is not None:
        notices.append(f"The picture is {mode} and was converted to sRGB by its colour profile.")
        return Layers(np.asarray(managed), None, None, notices)
    how = ""
    if icc and not _CONVERTED[mode]:
        how, icc = ", without its colour profile, which cannot be used", None
    elif mode == "CMYK":
        how = " by the plain formula (there is no colour profile), so that colours may look different"
    notices.append(f"The picture is {mode} and was converted to RGB{how}.")
    return Layers(_samples(image, "RGB"), None, icc, notices)


def _transparent_key(image: Image.Image) -> Any:
    """The sample value that is transparent (PNG, GIF): an int, a tuple for RGB, or None."""
    key = image.info.get("transparency")
    # Pillow widens grey samples of 2 and 4 bits to 8, but not the key, which PNG gives in the file's own
    # unit.
    for tile in getattr(image, "tile", ()):
        if isinstance(key, int):
            key *= {"L;2": 85, "L;4": 17}.get(str(tile[3]), 1)
    return key


def _grey(image: Image.Image, key: Any) -> _Planes:
    samples = _samples(image, "L")
    return samples, _opaque_unless(samples == key) if isinstance(key, int) else None


def _colour(image: Image.Image, key: Any) -> _Planes:
    samples = _samples(image, "RGB")
    if not isinstance(key, tuple) or len(key) != 3:
        return samples, None
    return samples, _opaque_unless((samples == np.array(key)).all(axis=2))


def _grey_alpha(image: Image.Image, _key: Any) -> _Planes:
    samples = _samples(image, "LA")
    return samples[:, :, 0], samples[:, :, 1]


def _colour_alpha(image: Image.Image, _key: Any) -> _Planes:
    samples = _samples(image, "RGBA")
    return samples[:, :, :3], samples[:, :, 3]


def _palette(image: Image.Image, key: Any) -> _Planes:
    see_through = key is not None or (image.palette is not None and image.palette.mode == "RGBA")
    pixels, alpha = _colour_alpha(image, key) if see_through else (_samples(image, "RGB"), None)
    # A palette of greys costs a third as one channel; a profile for RGB would not fit that channel.
    red, green, blue = (pixels[:, :, channel] for channel in range(3))
    if not image.info.get("icc_profile") and np.array_equal(red, green) and np.array_equal(red, blue):
        return red, alpha
    return pixels, alpha


def _samples(image: Image.Image, mode: str) -> _Samples:
    return np.asarray(image if image.mode == mode else image.convert(mode))


def _opaque_unless(transparent: NDArray[np.bool_]) -> _Samples:
    return np.where(transparent, np.uint8(0), np.uint8(255))


_READERS: dict[str, Callable[[Image.Image, Any], _Planes]] = {
    "1": _grey,
    "L": _grey,
    "LA": _grey_alpha,
    "La": _grey_alpha,
    "RGB": _colour,
    "RGBX": _colour,
    "RGBA": _colour_alpha,
    "RGBa": _colour_alpha,
    "P": _palette,
    "PA": _colour_alpha,
}
