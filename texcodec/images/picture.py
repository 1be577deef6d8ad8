"""The picture as the codec sees it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from texcodec.errors import ParameterError, ParameterTypeError
from texcodec.images.depth import to_8_bits


@dataclass
class Picture:
    """8-bit samples and the metadata that travels with them.

    Attributes:
        pixels: uint8, height x width x channels; 1 channel is grey, 3 are RGB. Displayed orientation.
        alpha: uint8, height x width, 0 transparent to 255 opaque, not premultiplied; None when there is none.
        icc: ICC profile, or None.
        exif: EXIF as a TIFF stream (begins `II*` or `MM`, without the `Exif` prefix of JPEG), orientation 1;
            or None.
        xmp: XMP packet, or None.
        notices: one sentence for each thing that was changed or left out while reading.

    Raises:
        ParameterError: when the arrays have another type or shape, or hold no sample.
    """

    pixels: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        _require_uint8("The pixels", self.pixels)
        if self.pixels.ndim != 3 or self.pixels.shape[2] not in (1, 3):
            raise ParameterError(
                f"The pixels must have the shape height x width x 1 or 3, not {_shape(self.pixels)}; "
                "use from_array for other layouts."
            )
        if self.pixels.size == 0:
            raise ParameterError(
                f"The picture is empty ({self.width} x {self.height}); give one with at least one pixel."
            )
        if self.alpha is not None:
            _require_uint8("The alpha plane", self.alpha)
            if self.alpha.shape != self.pixels.shape[:2]:
                raise ParameterError(
                    f"The alpha plane has the shape {_shape(self.alpha)}, but the picture is "
                    f"{self.height} x {self.width}; give one value per pixel."
                )

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])

    @property
    def channels(self) -> int:
        """Colour channels: 1 (grey) or 3 (RGB); alpha is not counted."""
        return int(self.pixels.shape[2])

    @property
    def mode(self) -> str:
        """Pillow's name of the layout: `L`, `LA`, `RGB` or `RGBA`."""
        return ("L" if self.channels == 1 else "RGB") + ("" if self.alpha is None else "A")


def from_array(array: Any) -> Picture:
    """A picture from samples.

    Args:
        array: uint8, height x width (grey), or height x width x 1 (grey), 2 (grey, alpha), 3 (RGB), 4 (RGB,
            alpha). A contiguous array without alpha is not copied. An array of uint16 (0 to 65535) is rounded
            to 8 bits with a notice.

    Raises:
        ParameterError: when the array has another type or shape, or is empty.
    """
    notices: list[str] = []
    if isinstance(array, np.ndarray) and array.dtype == np.uint16:
        array = to_8_bits(array, 65535)
        notices.append("The array has 16 bits per channel, which were reduced to 8.")
    _require_uint8("The array", array)
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise ParameterError(
            "The array must have the shape height x width or height x width x 1, 2, 3 or 4, "
            f"not {_shape(array)}."
        )
    if array.shape[2] in (1, 3):
        return Picture(np.ascontiguousarray(array), notices=notices)
    colours, alpha = array[:, :, :-1], array[:, :, -1]
    return Picture(np.ascontiguousarray(colours), alpha=np.ascontiguousarray(alpha), notices=notices)


def to_array(picture: Picture) -> NDArray[np.uint8]:
    """The samples as one array: uint8, height x width (grey), or height x width x 2 (grey, alpha), 3 (RGB), 4 (RGB,
    alpha), as ``numpy.asarray`` has them of a Pillow image.
    """
    if picture.alpha is None:
        return picture.pixels[:, :, 0] if picture.channels == 1 else picture.pixels
    return np.dstack([picture.pixels, picture.alpha])


def _require_uint8(what: str, array: Any) -> None:
    if not isinstance(array, np.ndarray):
        raise ParameterTypeError(f"{what} must be a numpy array of uint8, not {type(array).__name__}.")
    if array.dtype != np.uint8:
        raise ParameterTypeError(
            f"{what} must hold uint8 samples (0 to 255), not {array.dtype}; scale and convert them first."
        )


def _shape(array: NDArray[Any]) -> str:
    return " x ".join(map(str, array.shape)) or "()"
