"""Pictures in and out: the only part of texcodec that knows Pillow.

A `Picture` is what the codec works on: 8-bit grey or RGB samples, an optional alpha plane, and the metadata
that travels beside them. Colours are carried where that is possible: an ICC profile goes into the file and comes
out again. Only what has no such place (CMYK on its way in, a profile on its way into a format without) is converted,
to sRGB, with a notice.
"""

from texcodec.images.alpha import compress_alpha, decompress_alpha
from texcodec.images.formats import format_for, names_readable_picture, picture_size
from texcodec.images.hidden import with_hidden_filled
from texcodec.images.library_output import hold_back_library_output
from texcodec.images.picture import Picture, from_array, to_array
from texcodec.images.preview import PreviewError, pack_preview, preview_image, preview_size, unpack_preview
from texcodec.images.reading import from_image, read_picture
from texcodec.images.saving import save_picture, to_image
from texcodec.images.scaling import fitted

__all__ = [
    "Picture",
    "PreviewError",
    "compress_alpha",
    "decompress_alpha",
    "fitted",
    "format_for",
    "from_array",
    "from_image",
    "hold_back_library_output",
    "names_readable_picture",
    "pack_preview",
    "picture_size",
    "preview_image",
    "preview_size",
    "read_picture",
    "save_picture",
    "to_array",
    "to_image",
    "unpack_preview",
    "with_hidden_filled",
]
