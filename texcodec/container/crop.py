"""crop: which rectangle of the picture a learned crop kept, and what became of the rest.

Source: docs/format.md, "Ancillary chunks".
"""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import CorruptError
from .fields import FieldReader, varint

DROP, COARSE = "drop", "coarse"
OUTSIDE = (DROP, COARSE)
"""What becomes of the tiles outside the region: they are left out, or coded at a coarser rate."""


@dataclass(frozen=True)
class Crop:
    """The rectangle in pixels of the displayed picture, and what became of what lies outside it."""

    x: int
    y: int
    width: int
    height: int
    outside: str

    @property
    def region(self) -> tuple[int, int, int, int]:
        """x, y, width, height."""
        return self.x, self.y, self.width, self.height


def pack_crop(crop: Crop) -> bytes:
    """The payload of the chunk."""
    return bytes([OUTSIDE.index(crop.outside)]) + b"".join(map(varint, crop.region))


def unpack_crop(payload: bytes, width: int, height: int) -> Crop:
    """The crop of a picture of ``width`` x ``height`` pixels; raises CorruptError if it does not fit."""
    fields = FieldReader(payload, "crop")
    outside = fields.unsigned(1, "outside")
    x, y, w, h = (fields.varint(name) for name in ("x", "y", "width", "height"))
    fields.finish()
    if outside >= len(OUTSIDE) or w < 1 or h < 1 or x + w > width or y + h > height:
        raise CorruptError(
            f"The file's crop ({x},{y},{w},{h}, outside {outside}) does not fit its picture of "
            f"{width} x {height} pixels.",
            advice="Decode it without its crop.",
        )
    return Crop(x, y, w, h, OUTSIDE[outside])
