"""``texcodec decode``: .tcx files to pictures."""

from __future__ import annotations

import dataclasses
import time

import click

from texcodec.cli import options
from texcodec.cli.batch import opened, process
from texcodec.cli.console import Console
from texcodec.cli.outputs import plan
from texcodec.errors import ParameterError
from texcodec.files import STANDARD_STREAM, check_output, decoded_name, write_output
from texcodec.limits import Limits


@click.command("decode", short_help="Decode .tcx files into pictures.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT... [OUTPUT]")
@options.outputs
@click.option(
    "--format",
    "extension",
    metavar="EXTENSION",
    help="Write pictures of this format, given as its file extension: png, jpg, webp, tif, avif and others. "
    "The default is the output's extension, or png.",
)
@click.option(
    "--region",
    type=options.Region(),
    metavar="X,Y,W,H",
    help="Decode this rectangle only, in pixels from the left upper corner; no tiles but its own are read.",
)
@click.option(
    "--crop-only",
    is_flag=True,
    help="Decode the region that the file was cropped to when it was encoded, and nothing around it.",
)
@click.option(
    "--preview",
    is_flag=True,
    help="Decode a small picture: a pixel for each 16 x 16 pixels. Quick if the model set has entropy profile 2, whose "
    "files hold the means of blocks.",
)
@click.option(
    "--salvage",
    is_flag=True,
    help="Decode the sound tiles of a damaged file, leave the others grey, and name them on standard error.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="Write nothing if the format cannot hold all of the picture and its metadata, instead of leaving out the "
    "rest with a notice.",
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
    extension: str | None,
    region: tuple[int, int, int, int] | None,
    crop_only: bool,
    preview: bool,
    salvage: bool,
    strict: bool,
    no_metadata: bool,
    models: str | None,
    threads: int | None,
    limits: Limits,
    console: Console,
) -> int:
    """Decode .tcx files into pictures of any format that Pillow writes.

    With two arguments, the second one is the output unless it ends in .tcx. Otherwise all arguments are
    inputs, and photo.tcx becomes photo.png beside it, or in the folder given with --out-dir. An input "-" is
    standard input, and an output "-" standard output.

    A file names the model set that it needs, which is found by itself if it is installed.
    """
    if crop_only and region is not None:
        raise click.UsageError("--crop-only and --region exclude each other.")
    if preview and (crop_only or region is not None):
        raise click.UsageError("--preview shows the whole picture; leave out --region and --crop-only.")
    suffix = _suffix(extension)
    places = plan(
        inputs,
        output=output,
        out_dir=out_dir,
        is_output=lambda name: not name.lower().endswith(".tcx"),
        default_name=lambda source: decoded_name(source, out_dir, suffix or ".png"),
    )
    formats = {target: _format(target, suffix) for target in places.values()}
    if models is not None:
        from texcodec.registry import find_set

        find_set(models)  # fails once instead of once a file

    def decode_one(source: str) -> None:
        import texcodec
        from texcodec.images import save_picture

        target = places[source]
        start = time.perf_counter()
        check_output(target, force=force)
        warn = console.notices(source)
        with opened(source) as file, texcodec.open(file, limits=limits, salvage=salvage) as tcx:
            with console.tiles() as progress:
                if preview:
                    picture = tcx.preview_picture(models=models, threads=threads, progress=progress, warn=warn)
                else:
                    picture = tcx.decode_picture(
                        region=tcx.crop_region() if crop_only else region,
                        models=models,
                        threads=threads,
                        progress=progress,
                        warn=warn,
                    )
            size, pixels = tcx.file_bytes, tcx.width * tcx.height
        if no_metadata:
            picture = dataclasses.replace(picture, icc=None, exif=None, xmp=None)
        left_out: list[str] = []
        write_output(
            target,
            lambda to: left_out.extend(save_picture(picture, to, formats[target], strict=strict)),
            force=force,
        )
        for sentence in left_out:
            warn(sentence)
        seconds = time.perf_counter() - start
        console.done(source, target, size=size, pixels=pixels, seconds=seconds)

    return process(console, list(places), decode_one)


def _suffix(extension: str | None) -> str | None:
    """``.png`` for ``PNG``, ``png`` or ``.png``."""
    if extension is None:
        return None
    suffix = "." + extension.lower().lstrip(".")
    try:
        _format("x" + suffix, None)
    except ParameterError:
        raise click.BadParameter(
            f"{extension!r} is not the extension of a format that Pillow writes; use png, jpg, webp or tif.",
            param_hint="'--format'",
        ) from None
    return suffix


def _format(target: str, suffix: str | None) -> str:
    """Pillow's name of the format of an output."""
    from texcodec.images import format_for

    if suffix is None and target == STANDARD_STREAM:
        suffix = ".png"
    return format_for(target if suffix is None else "x" + suffix)
