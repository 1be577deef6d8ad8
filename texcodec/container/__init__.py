"""The ``.tcx`` container: signature, chunks, header, index, tiles (docs/format.md).

    write   header + entries + payloads -> bytes      writer
    read    bytes or file -> source -> chunks -> header -> index -> tile bytes      reader
    glance  file -> size, mode and metadata, where all is as usual      outline

This package knows bytes only: what a tile's payload means is the business of the codec.
"""

from typing import TYPE_CHECKING

from ..lazy import imported_when_used

if TYPE_CHECKING:
    from .chunks import (
        ALPH,
        CROP,
        EXIF,
        FEAT,
        FEAT_ANCILLARY,
        ICCP,
        MAGIC,
        PREV,
        PSUM,
        SIGNATURE,
        TEXT,
        XMPD,
        is_critical,
    )
    from .crop import COARSE, DROP, Crop, pack_crop, unpack_crop
    from .feature_files import attach, feature_header
    from .feature_stream import (
        FeatureStream,
        StreamTask,
        pack_stream,
        task_identifier,
        unpack_stream,
    )
    from .header import DRAWN_MINOR, MAJOR, MINOR, NO_ENTROPY, SRGB, Header
    from .index import (
        ABSENT,
        ABSENT_ENTRY,
        DRAWN,
        EXACT,
        REDUCED,
        TileEntry,
        symbols_crc,
        tile_crc,
        tile_entry,
    )
    from .pixel_sum import pack_pixel_sum, pixels_crc, unpack_pixel_sum
    from .reader import Reader, read_header
    from .writer import write

__all__ = [
    "ABSENT",
    "ABSENT_ENTRY",
    "ALPH",
    "COARSE",
    "CROP",
    "DRAWN",
    "DRAWN_MINOR",
    "DROP",
    "EXACT",
    "EXIF",
    "FEAT",
    "FEAT_ANCILLARY",
    "ICCP",
    "MAGIC",
    "MAJOR",
    "MINOR",
    "NO_ENTROPY",
    "PREV",
    "PSUM",
    "REDUCED",
    "SIGNATURE",
    "SRGB",
    "TEXT",
    "XMPD",
    "Crop",
    "FeatureStream",
    "Header",
    "Reader",
    "StreamTask",
    "TileEntry",
    "attach",
    "feature_header",
    "is_critical",
    "pack_crop",
    "pack_pixel_sum",
    "pixels_crc",
    "pack_stream",
    "read_header",
    "symbols_crc",
    "task_identifier",
    "tile_crc",
    "tile_entry",
    "unpack_crop",
    "unpack_pixel_sum",
    "unpack_stream",
    "write",
]

# modules are imported when first used: Pillow's plugin opens files with two of them
__getattr__, __dir__ = imported_when_used(
    __name__,
    {
        ".chunks": (
            "ALPH",
            "CROP",
            "EXIF",
            "FEAT",
            "FEAT_ANCILLARY",
            "ICCP",
            "MAGIC",
            "PREV",
            "PSUM",
            "SIGNATURE",
            "TEXT",
            "XMPD",
            "is_critical",
        ),
        ".crop": ("COARSE", "DROP", "Crop", "pack_crop", "unpack_crop"),
        ".feature_files": ("attach", "feature_header"),
        ".feature_stream": ("FeatureStream", "StreamTask", "pack_stream", "task_identifier", "unpack_stream"),
        ".header": ("DRAWN_MINOR", "MAJOR", "MINOR", "NO_ENTROPY", "SRGB", "Header"),
        ".index": (
            "ABSENT",
            "ABSENT_ENTRY",
            "DRAWN",
            "EXACT",
            "REDUCED",
            "TileEntry",
            "symbols_crc",
            "tile_crc",
            "tile_entry",
        ),
        ".pixel_sum": ("pack_pixel_sum", "pixels_crc", "unpack_pixel_sum"),
        ".reader": ("Reader", "read_header"),
        ".writer": ("write",),
    },
)
