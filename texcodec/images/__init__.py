"""Pictures in and out: the only part of texcodec that knows Pillow.

A `Picture` is what the codec works on: 8-bit grey or RGB samples, an optional alpha plane, and the metadata
that travels beside them. Colours are carried, not managed: an ICC profile goes into the file and comes out
again, and no sample is ever converted through it.
"""

from texcodec.images.alpha import compress_alpha, decompress_alpha
from texcodec.images.picture import Picture, from_array
from texcodec.images.reading import from_image, read_picture
from texcodec.images.saving import format_for, save_picture, to_image

__all__ = [
    "Picture",
    "compress_alpha",
    "decompress_alpha",
    "format_for",
    "from_array",
    "from_image",
    "read_picture",
    "save_picture",
    "to_image",
]
