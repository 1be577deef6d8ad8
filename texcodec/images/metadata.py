"""EXIF, XMP and resolution of an image that Pillow has opened, as they go into a file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageFile

from texcodec.images import exif as exif_stream

_TEXT_PROFILES = ("Raw profile type exif", "Raw profile type APP1")  # ImageMagick's, in text chunks of PNG
_RAW = "Raw profile type "
_TEXTS_KEPT = {*_TEXT_PROFILES, "xmp", "XML:com.adobe.xmp"}
# Many programs sign their files; ImageMagick writes dates of the file into nearly all of its own, captions beside 8BIM.
_TEXTS_ABOUT_THE_FILE = {"Software", "date:create", "date:modify", "date:timestamp", _RAW + "8bim"}
_WRITERS = (b"Created by OpenJPEG", b"Kakadu")  # comments that these write into every JPEG 2000 file
_MOST_NAMES, _LONGEST_NAME = 4, 40
_IPTC = 0x0404  # of Photoshop's resources
_DESCRIPTIVE = 2  # the record of IPTC that holds captions, authors and places
_CAPTION = re.compile(rb"\x1c\x02[^\x00]")  # a field other than the version, which stands alone in many files


@dataclass
class Exif:
    """What an image's EXIF says: `data` for the file or None, the orientation of the samples (1 to 8), and
    one sentence for each thing that is lost.
    """

    data: bytes | None
    orientation: int
    notices: list[str]


def read_exif(image: Image.Image) -> Exif:
    """The EXIF of a loaded image, made true of the upright picture, with the resolution in it."""
    notices: list[str] = []
    data, orientation = None, 1
    try:
        raw = _exif_of(image)
    except Exception:  # Pillow meets values of the wrong type here
        raw = None
        notices.append("The EXIF data is damaged and was left out.")
    if raw:
        try:
            cleaned = exif_stream.clean(raw)
        except exif_stream.ExifError:
            notices.append("The EXIF data is damaged and was left out, with the orientation if it held one.")
        else:
            data, orientation = cleaned.data, cleaned.orientation
            if cleaned.partial:
                lost = "" if cleaned.known else "; if it held an orientation, that is lost"
                notices.append(f"The EXIF data is damaged in part, and only the sound part was kept{lost}.")
    if image.format == "JXL" and not getattr(image, "jpeg", False):
        orientation = 1  # that of the codestream counts, and is applied by the decoder
    dpi = _resolution(image)
    if dpi is not None:
        data = exif_stream.with_resolution(data, dpi)
    elif "aspect" in image.info and len(set(image.info["aspect"])) > 1:
        notices.append("The picture's pixels are not square, which was left out.")
    return Exif(data, orientation, notices)


def xmp_of(info: Mapping[Any, Any]) -> bytes | None:
    """The XMP packet from an image's `info`, or None."""
    packet = info.get("xmp") or info.get("XML:com.adobe.xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8")
    return packet if isinstance(packet, bytes) and packet else None


def lost_text(image: Image.Image) -> list[str]:
    """A sentence about the text of a loaded image that is neither EXIF nor XMP, and is left out; or none."""
    info = image.info
    names = _lost_chunks(info) if image.format == "PNG" else []
    comment = info.get("comment")
    if isinstance(comment, bytes) and comment.strip(b"\x00 \r\n\t") and not comment.startswith(_WRITERS):
        names.append("comment")
    resources = info.get("photoshop")
    caption = resources.get(_IPTC) if isinstance(resources, dict) else None
    if (isinstance(caption, bytes) and _CAPTION.search(caption)) or _captioned_tiff(image):
        names.append("IPTC")
    if not names:
        return []
    shown = [name[:_LONGEST_NAME] for name in names[:_MOST_NAMES]]
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return [f"The picture holds text ({', '.join(shown)}{more}), which was left out."]


def _captioned_tiff(image: Image.Image) -> bool:
    """Whether it is a TIFF with fields of IPTC other than the version."""
    if image.format != "TIFF" or not isinstance(image, ImageFile.ImageFile):
        return False
    from PIL.IptcImagePlugin import getiptcinfo  # rarely needed

    try:
        fields = getiptcinfo(image) or {}
    except Exception:  # Pillow meets values of the wrong type here
        return False
    return any(record == _DESCRIPTIVE and field for record, field in fields)


def with_upright_xmp(xmp: bytes) -> bytes:
    """The packet with its copy of the orientation set to 1, its length unchanged."""
    return re.sub(rb"(tiff:Orientation\s*(?:=\s*[\"']|>)\s*)[2-8]", rb"\g<1>1", xmp)


def _lost_chunks(info: Mapping[Any, Any]) -> list[str]:
    """Keywords of the text chunks of a PNG that have no other place."""
    fine = _TEXTS_KEPT | _TEXTS_ABOUT_THE_FILE
    fine |= {_RAW + "xmp"} if xmp_of(info) else set()
    fine |= {_RAW + "icc", _RAW + "icm"} if "icc_profile" in info else set()
    return [
        name for name, text in info.items() if isinstance(text, str) and text.strip() and name not in fine
    ]


def _exif_of(image: Image.Image) -> bytes | None:
    raw = image.info.get("exif")
    for key in _TEXT_PROFILES:
        text = image.info.get(key)
        if not raw and isinstance(text, str):
            raw = bytes.fromhex("".join(text.split("\n")[3:]))
    if isinstance(raw, bytes):
        while raw.startswith(exif_stream.PREFIX):
            raw = raw[len(exif_stream.PREFIX) :]
        return raw or None
    tags = image.getexif()
    kept = Image.Exif()
    for tag in exif_stream.DESCRIPTIVE_TAGS - _RESOLUTION_TAGS:
        if tag in tags:
            kept[tag] = tags[tag]
    for tag in (exif_stream.EXIF_DIRECTORY, exif_stream.GPS_DIRECTORY):
        directory = tags.get_ifd(tag)
        if directory:
            kept[tag] = dict(directory)
    orientation = tags.get(exif_stream.ORIENTATION)
    # Pillow turns TIFF pictures while loading them.
    if orientation is not None and not hasattr(image, "tag_v2"):
        kept[exif_stream.ORIENTATION] = orientation
    return kept.tobytes().removeprefix(exif_stream.PREFIX) if len(kept) else None


_RESOLUTION_TAGS = {exif_stream.X_RESOLUTION, exif_stream.Y_RESOLUTION, exif_stream.RESOLUTION_UNIT}


def _resolution(image: Image.Image) -> tuple[float, float] | None:
    """Pixels per inch that the file states, horizontally and vertically."""
    stated = image.info.get("dpi")
    # Pillow assumes 72 for a JPEG that does not say.
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in (1, 2):
        return None
    if not isinstance(stated, (tuple, list)) or len(stated) != 2:
        return None
    try:
        across, down = (float(value) for value in stated)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    # Files that have no resolution to state put 0 or 1 there.
    return (across, down) if 1 < across < 1e6 and 1 < down < 1e6 else None
