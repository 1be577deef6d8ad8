"""What must change in EXIF, XMP and ICC when the pixels change.

Blobs are patched where they lie rather than parsed and written anew: maker notes hold absolute offsets and
would break.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from PIL import Image

_ORIENTATION = 0x0112
_EXIF_PREFIX = b"Exif\x00\x00"
_BYTES_OF_TYPE = {1: 1, 3: 2, 4: 4}  # BYTE, SHORT, LONG: the types in which an orientation is found

# Tags of a TIFF picture that describe what it shows; all others describe how its samples lie in the file.
_DESCRIPTIVE_TIFF_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x8298)
_DESCRIPTIVE_TIFF_IFDS = (0x8769, 0x8825)  # EXIF, GPS


def exif_of(image: Image.Image) -> bytes | None:
    """EXIF of a loaded image as a TIFF stream, or None."""
    raw = image.info.get("exif")
    if isinstance(raw, bytes):
        return raw.removeprefix(_EXIF_PREFIX) or None
    tags = image.getexif()
    kept = Image.Exif()
    for tag in _DESCRIPTIVE_TIFF_TAGS:
        if tag in tags:
            kept[tag] = tags[tag]
    for tag in _DESCRIPTIVE_TIFF_IFDS:
        directory = tags.get_ifd(tag)
        if directory:
            kept[tag] = dict(directory)
    orientation = tags.get(_ORIENTATION)
    # Pillow turns TIFF pictures while loading them.
    if orientation is not None and not hasattr(image, "tag_v2"):
        kept[_ORIENTATION] = orientation
    return kept.tobytes().removeprefix(_EXIF_PREFIX) if len(kept) else None


def xmp_of(info: Mapping[Any, Any]) -> bytes | None:
    """The XMP packet from an image's `info`, or None."""
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8")
    return packet if isinstance(packet, bytes) and packet else None


def take_orientation(exif: bytes) -> tuple[int, bytes]:
    """EXIF's orientation (1 to 8; 1 when it says nothing sensible) and the same EXIF saying 1.

    Raises:
        ValueError: when this is not EXIF, or its first directory lies outside of it.
    """
    orders = {b"II*\x00": "little", b"MM\x00*": "big"}
    order: Any = orders.get(exif[:4])
    if order is None or len(exif) < 8:
        raise ValueError("no TIFF header")
    directory = int.from_bytes(exif[4:8], order)
    end_of_count = directory + 2
    if directory < 8 or end_of_count > len(exif):
        raise ValueError("directory out of bounds")
    count = int.from_bytes(exif[directory:end_of_count], order)
    if end_of_count + 12 * count > len(exif):
        raise ValueError("directory cut off")
    orientation = 1
    patched = bytearray(exif)
    for entry in range(end_of_count, end_of_count + 12 * count, 12):
        tag, kind = (int.from_bytes(exif[at : at + 2], order) for at in (entry, entry + 2))
        if tag != _ORIENTATION or kind not in _BYTES_OF_TYPE:
            continue
        value = slice(entry + 8, entry + 8 + _BYTES_OF_TYPE[kind])
        orientation = int.from_bytes(exif[value], order)
        patched[value] = (1).to_bytes(_BYTES_OF_TYPE[kind], order)
    return (orientation if 1 <= orientation <= 8 else 1), bytes(patched)


def with_upright_xmp(xmp: bytes) -> bytes:
    """The packet with its copy of the orientation set to 1, its length unchanged."""
    return re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", xmp)


def exif_for_pillow(exif: bytes) -> bytes:
    """EXIF with the prefix that Pillow's JPEG writer needs and its other writers accept."""
    return _EXIF_PREFIX + exif
