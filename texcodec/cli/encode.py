"""``texcodec encode``: pictures to .tcx files."""

from __future__ import annotations

import os
import stat
import time

import click

from texcodec.cli import options
from texcodec.cli.batch import opened, process, require_models
from texcodec.cli.console import Console
from texcodec.cli.outputs import plan
from texcodec.errors import ParameterError
from texcodec.files import STANDARD_STREAM, check_output, encoded_name, write_output
from texcodec.limits import Limits

_TARGETS = ("quality", "bpp", "size", "psnr")


@click.command("encode", short_help="Code pictures into .tcx files.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT... [OUTPUT.tcx]")
@options.outputs
@click.option(
    "--quality",
    type=options.FiniteRange(1, 100),
    metavar="1-100",
    help="Choose the quality, from 1 (smallest file) to 100; this is the default, with 50.",
)
@click.option(
    "--bpp",
    type=options.FiniteRange(0, min_open=True),
    metavar="BITS",
    help="Aim at this many bits per pixel for the whole file, within 2 %.",
)
@click.option(
    "--size",
    type=click.IntRange(min=1),
    metavar="BYTES",
    help="Take the best quality that needs at most this many bytes.",
)
@click.option(
    "--psnr",
    type=options.FiniteRange(0, min_open=True),
    metavar="DECIBELS",
    help="Aim at this peak signal-to-noise ratio, within 0.1 dB.",
)
@click.option(
    "--lossless",
    is_flag=True,
    help="Give every sample back as it is, hidden colours of transparent pixels included; needs no model set.",
)
@click.option(
    "--tile",
    type=click.Choice(["128", "256"]),
    help="Cut the picture into tiles of this many pixels a side. By default the encoder chooses.",
)
@click.option(
    "--crop",
    metavar="PROFILE.json",
    help="Code the part that this profile names (see texcodec crop); the rest becomes what --outside says.",
)
@click.option(
    "--outside",
    type=click.Choice(["drop", "coarse"]),
    help="With --crop: leave out the tiles outside (the default), or code them at the coarsest rate.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Refuse pictures that cannot be taken as they are (more than 8 bits per channel, CMYK, several frames, "
    "damaged metadata) instead of converting them with a notice.",
)
@click.option("--no-metadata", is_flag=True, help="Leave out the colour profile, EXIF and XMP.")
@options.models
@options.threads
@options.limits
@options.verbosity
def command(
    inputs: tuple[str, ...],
    output: str | None,
    out_dir: str | None,
    force: bool,
    quality: float | None,
    bpp: float | None,
    size: int | None,
    psnr: float | None,
    lossless: bool,
    tile: str | None,
    crop: str | None,
    outside: str | None,
    strict: bool,
    no_metadata: bool,
    models: str | None,
    threads: int | None,
    limits: Limits,
    console: Console,
) -> int:
    """Code pictures of any format that Pillow reads into .tcx files.

    With two arguments, the second one is the output if it ends in .tcx or is "-". Otherwise all arguments
    are inputs, and photo.png becomes photo.tcx beside it, or in the folder given with --out-dir. An input "-"
    is standard input, and an output "-" standard output.

    At most one of --quality, --bpp, --size, --psnr and --lossless can be given. Where the target cannot be reached, the
    nearest end of the range is used, and a warning says so.

    With --crop, --size and --bpp are those of the whole file and picture, --psnr that of the region.
    """
    if sum(target is not None for target in (quality, bpp, size, psnr)) + lossless > 1:
        names = ", ".join(f"--{name}" for name in (*_TARGETS, "lossless"))
        raise click.UsageError(f"At most one of {names} can be given.")
    if outside is not None and crop is None:
        raise click.UsageError("--outside needs --crop, the profile of what is inside.")
    places = plan(
        inputs,
        output=output,
        out_dir=out_dir,
        is_output=_is_output,
        default_name=lambda source: encoded_name(source, out_dir),
    )
    if lossless and outside == "coarse":
        raise click.UsageError("--lossless has no coarse tiles; leave --outside coarse away.")
    if not lossless:
        require_models(models)
    profile = None
    if crop is not None:
        from texcodec.crop import read_profile

        profile = read_profile(crop)  # fails once instead of once a file

    def encode_one(source: str) -> None:
        import texcodec
        from texcodec.images import hold_back_library_output, read_picture

        hold_back_library_output()  # this process writes to standard error from one thread

        target = places[source]
        start = time.perf_counter()
        check_output(target, force=force)
        warn = console.notices(source)
        with opened(source) as file:
            picture = read_picture(file, limits, name="The picture", strict=strict)
        with console.tiles() as progress:
            data = texcodec.encode(
                picture,
                quality=quality,
                bpp=bpp,
                size=size,
                psnr=psnr,
                lossless=lossless,
                models=models,
                threads=threads,
                tile=int(tile) if tile else None,
                crop=profile,
                outside=outside,
                metadata=not no_metadata,
                limits=limits,
                progress=progress,
                warn=warn,
            )
        write_output(target, data, force=force)
        pixels = picture.width * picture.height
        seconds = time.perf_counter() - start
        console.done(source, target, size=len(data), pixels=pixels, seconds=seconds)

    return process(console, list(places), encode_one)


def _is_output(name: str) -> bool:
    """Whether the second of two arguments is the output: a .tcx file, a device or a pipe.

    Raises:
        click.UsageError: it is no name that an output has, and as an input it does not exist.
    """
    if name == STANDARD_STREAM or name.lower().endswith(".tcx"):
        return True
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        if _names_picture(name):
            return False  # reported among the inputs, like any other that is missing
        raise click.UsageError(
            f"{name} does not exist; if it is the output, end its name in .tcx or give it with --output."
        ) from None
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _names_picture(name: str) -> bool:
    from texcodec.images import format_for

    try:
        format_for(name)
    except ParameterError:
        return False
    return True
