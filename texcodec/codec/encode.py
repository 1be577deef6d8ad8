"""From a picture to the bytes of a ``.tcx`` file."""

from __future__ import annotations

import os
from dataclasses import replace

from ..constants import COMPACT_PROFILE
from ..container import DROP
from ..errors import ParameterError
from ..images import with_hidden_filled
from ..limits import Limits, limits_or_default
from ..notices import Warn, issue
from ..registry import ModelSet, load_set, set_for
from ..tiles import LARGE_LOG2
from .analysis import analyse
from .cropping import CropSource, find_crop
from .drawn_file import lossless_file
from .file_coder import FileCoder
from .layout import TILE_SIDES, TileLayout, lay_out
from .mixed import better_coder, small_tiles
from .rate_control import Target
from .refinement import check_effort, passes_of
from .sources import PictureSource, picture_of
from .stored_preview import preview_chunks, with_preview
from .surroundings import surroundings_of
from .target_file import TargetFile
from .workers import Counter, Progress, Workers


def encode(
    image: PictureSource,
    *,
    quality: float | None = None,
    bpp: float | None = None,
    size: int | None = None,
    psnr: float | None = None,
    nearest: bool = False,
    lossless: bool = False,
    models: str | os.PathLike[str] | ModelSet | None = None,
    tune: str | None = None,
    effort: int | None = None,
    threads: int | None = None,
    tile: int | None = None,
    crop: CropSource | None = None,
    outside: str | None = None,
    metadata: bool = True,
    preview: bool = False,
    limits: Limits | None = None,
    progress: Progress | None = None,
    warn: Warn | None = None,
) -> bytes:
    """Encode a picture.

    At most one of ``quality``, ``bpp``, ``size``, ``psnr`` and ``lossless`` may be given; the default is quality 50.
    Drawn pictures (screenshots, diagrams, scans of text, pixel art), and the drawn tiles of others, are coded without a
    network where that costs less, often without loss.

    Args:
        image: a path of a picture in a format that Pillow reads, the bytes of such a file, a binary file object or a
            Pillow image (ICC profile, EXIF and XMP are kept); a uint8 array H x W or H x W x 1 (grey), H x W x 2 (grey
            and alpha), H x W x 3 (RGB) or H x W x 4 (RGBA); a ``texcodec.Picture`` or ``TcxFile``.
        quality: 1 (smallest) to 100 (best).
        bpp: bits of the whole file per pixel of the whole picture, met within 2 %; fewer, with a warning, where the
            best quality needs no more.
        size: bytes of the whole file, never exceeded.
        psnr: dB over the colour samples (of the crop's region), met within 0.1 dB; more, with a warning, where the
            smallest file has more.
        nearest: where ``bpp``, ``size`` or ``psnr`` is out of reach, take the nearest and warn, instead of failing.
        lossless: give every sample back as it is, hidden colours of transparent pixels included; needs no model set.
            Of a picture with notices (more than 8 bits per channel, CMYK), the samples after the change that they name.
        models: name or folder of a model set; default: ``TEXCODEC_MODELS``, else the set that comes with texcodec.
        tune: "psnr" for a set that was trained for squared error, "ssim" for one that was trained for eyes; default:
            that of ``models``. With ``models``, it must be what the set is tuned for; without loss it says nothing.
        effort: 1 (fastest) to 9 (fewest bits for the same error); default: 2. Each one above 1 decodes the tiles once
            more while encoding, and corrects their latents by what is missing in the result. Without loss, and with
            sets of entropy profile 1, it changes nothing.
        threads: default: the cores this process may use. The bytes do not depend on it.
        tile: tile side, 128, 256 or 512 pixels; default: 512 with a set of entropy profile 2, or 128 where a part of
            the picture is drawn and that costs less; 256 with other sets; with a crop, 128 or 256, whichever reaches
            less far beyond it. 512 needs a set of profile 2, or ``lossless``, and no crop.
        crop: the part that matters: a ``texcodec.crop.Profile``, the path of one, or (x, y, width, height) in
            pixels. The grid of tiles starts at its corner.
        outside: with a crop: "drop" (the default) leaves out the tiles outside, "coarse" codes them at the
            coarsest rate.
        metadata: whether ICC profile, EXIF and XMP go into the file.
        preview: store a small picture of at most 256 pixels per side and 2 % of the file's bytes, for thumbnails.
        limits: largest picture accepted.
        progress: called with (tiles done, tiles in all).
        warn: called with sentences for the user, as when a picture is converted; by default each one is a
            ``TexcodecWarning``.
    Returns:
        the bytes of a ``.tcx`` file.
    Raises:
        ParameterError: an argument is out of range, or contradicts another; the crop is empty or larger than the
            picture.
        ParameterTypeError: an argument is of a type that is not accepted; a TypeError, too.
        TargetError: ``bpp``, ``size`` or ``psnr`` is out of reach for this picture and set; a ValueError, too.
        StreamError: the path cannot be opened or read.
        ImageError: the file is no picture or damaged, or its pixels are of a kind that texcodec does not code.
        LimitError: the picture or its metadata is larger than ``limits`` allows.
        ModelError: the model set is missing or damaged.
        LibraryError: ``lossless`` with a Pillow that was built without WebP.
    """
    target = Target(quality, bpp, size, psnr)
    target.check()
    _check_lossless(lossless, target, outside)
    check_effort(effort)
    if tile not in (None, *TILE_SIDES):
        raise ParameterError(f"The tile side must be 128, 256 or 512 pixels, not {tile!r}.")
    limits = limits_or_default(limits)
    picture = picture_of(image, limits, metadata=metadata)
    if not lossless:
        picture = with_hidden_filled(picture)
    warn = warn or issue
    for sentence in picture.notices:
        warn(sentence)
    limits.check_picture(picture.width, picture.height, picture.channels)
    if metadata:  # what a reader would refuse is not written
        limits.check_metadata(sum(len(data) for data in (picture.icc, picture.exif, picture.xmp) if data))
    found = find_crop(crop, outside, picture.width, picture.height)
    if lossless:
        shown = lay_out(picture.width, picture.height, tile, found)
        around = surroundings_of(picture, shown, found, metadata=metadata)
        with Workers(threads) as workers:
            data = lossless_file(picture.pixels, around, workers, tile, found, Counter(1, progress))
        return with_preview(data, picture, found, target, limits, warn) if preview else data
    models = set_for(models, tune)
    models = models if isinstance(models, ModelSet) else load_set(models)
    models.check_encodes()
    passes = passes_of(effort, models)
    large = models.manifest.entropy_profile == COMPACT_PROFILE
    if tile == TILE_SIDES[-1] and not large:
        raise ParameterError(f"The model set {models.name} codes tiles of 128 or 256 pixels, not of {tile}.")
    layout = lay_out(picture.width, picture.height, tile, found, large=large)
    with Workers(threads) as workers:
        around = surroundings_of(picture, layout, found, metadata=metadata)
        if preview:
            around = replace(around, ancillary=[*around.ancillary, *preview_chunks(picture, found, target)])
        counter = Counter(0, progress)

        def coder_of(layout: TileLayout) -> FileCoder:
            counter.total += 2 * (1 + passes) * len(layout.coded)
            analysed = analyse(picture, layout, models, workers, counter)
            return FileCoder(
                picture,
                analysed,
                models,
                workers,
                around,
                cropped=found is not None,
                passes=passes,
                counter=counter,
            )

        small = small_tiles(picture, layout, workers) if layout.grid.log2 == LARGE_LOG2 and not tile else None
        coder = coder_of(layout)
        if small is not None:
            coder = better_coder(coder, lambda: coder_of(small), target)
            counter.total = counter.done + (1 + 2 * passes) * len(coder.layout.coded)
        data = TargetFile(coder).run(target, warn, nearest=nearest)
    return with_preview(data, picture, found, target, limits, warn) if preview else data


def _check_lossless(lossless: bool, target: Target, outside: str | None) -> None:
    if lossless and any(value is not None for value in vars(target).values()):
        raise ParameterError(
            "What is coded without loss has no quality, bpp, size or psnr; give lossless alone."
        )
    if lossless and outside not in (None, DROP):
        raise ParameterError("Tiles outside a crop cannot be coarse in a file without loss; drop them.")
