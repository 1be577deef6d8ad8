"""``texcodec decode``: .tcx files to pictures."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Callable
from dataclasses import dataclass

import click

from texcodec.cli import options
from texcodec.cli.arguments import holds_another_picture, no_output
from texcodec.cli.console import Console, Progress
from texcodec.cli.inputs import opened
from texcodec.cli.outcomes import Reporter, Result
from texcodec.cli.plan import Job, plan
from texcodec.cli.runner import Settings, run
from texcodec.errors import ParameterError
from texcodec.files import STANDARD_STREAM, decoded_name, full_decoded_name, write_output
from texcodec.limits import Limits


@click.command("decode", short_help="Decode .tcx files into pictures.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT... [OUTPUT]")
@options.outputs
@options.batch
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
    help="Decode a small picture: the one that encode --preview has stored, else a pixel for each 16 x 16 pixels. The "
    "latter is quick if the model set has entropy profile 2, whose files hold the means of blocks.",
)
@click.option(
    "--fit",
    type=click.IntRange(min=1),
    metavar="PIXELS",
    help="Reduce the picture to at most this many pixels per side, as for a thumbnail; from the preview, where that is "
    "large enough.",
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
    batch: Settings,
    as_json: bool,
    full_names: bool,
    extension: str | None,
    region: tuple[int, int, int, int] | None,
    crop_only: bool,
    preview: bool,
    fit: int | None,
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
    inputs, and photo.tcx becomes photo.png beside it, or in the folder given with --out-dir. Of a folder, all .tcx
    files in it and below it are inputs, and keep their places below --out-dir. An input "-" is standard input, and an
    output "-" standard output.

    A file names the model set that it needs, which is found by itself if it is installed.
    """
    if crop_only and region is not None:
        raise click.UsageError("--crop-only and --region exclude each other.")
    if preview and (crop_only or region is not None):
        raise click.UsageError("--preview shows the whole picture; leave out --region and --crop-only.")
    suffix = _suffix(extension)
    whole = region is None and fit is None and not (crop_only or preview)
    todo = plan(
        inputs,
        output=output,
        out_dir=out_dir,
        is_output=lambda name: _is_output(inputs[0], name, whole=whole),
        named=lambda name: (full_decoded_name if full_names else decoded_name)(name, suffix or ".png"),
        members=lambda name: name.lower().endswith(".tcx"),
    )
    if as_json and any(job.target == STANDARD_STREAM for job in todo.jobs):
        raise click.UsageError("--json and the picture cannot both go to standard output.")
    for extension_of in {os.path.splitext(job.target)[1]: job.target for job in todo.jobs}.values():
        _format(extension_of, suffix)  # fails once instead of once a file
    if models is not None:
        from texcodec.registry import find_set

        find_set(models)  # likewise
    threads = threads if threads is not None or batch.processes == 1 else 1
    what = _What(region, crop_only, preview, fit, salvage, strict, not no_metadata)
    work = _Decode(what, suffix, models, threads, limits, batch.force)
    return run(todo, work, batch, console, Reporter(console, as_json=as_json))


@dataclass(frozen=True)
class _What:
    """What is decoded of a file."""

    region: tuple[int, int, int, int] | None
    crop_only: bool
    preview: bool
    fit: int | None
    salvage: bool
    strict: bool
    metadata: bool


@dataclass(frozen=True)
class _Decode:
    """Decodes one file."""

    what: _What
    suffix: str | None
    models: str | None
    threads: int | None
    limits: Limits
    force: bool

    def __call__(
        self, job: Job, *, sync: bool, warn: Callable[[str], None], progress: Progress | None
    ) -> Result:
        import texcodec
        from texcodec.images import fitted, save_picture

        what = self.what
        with opened(job.source) as file, texcodec.open(file, limits=self.limits, salvage=what.salvage) as tcx:
            if what.preview or (what.fit is not None and not what.crop_only and what.region is None):
                picture = tcx.preview_picture(
                    at_least=None if what.preview else what.fit,
                    models=self.models,
                    threads=self.threads,
                    progress=progress,
                    warn=warn,
                )
            else:
                picture = tcx.decode_picture(
                    region=tcx.crop_region() if what.crop_only else what.region,
                    models=self.models,
                    threads=self.threads,
                    progress=progress,
                    warn=warn,
                )
            size, width, height = tcx.file_bytes, tcx.width, tcx.height
        if what.fit is not None:
            picture = fitted(picture, what.fit)
        if not what.metadata:
            picture = dataclasses.replace(picture, icc=None, exif=None, xmp=None)
        content = io.BytesIO()
        for sentence in save_picture(picture, content, _format(job.target, self.suffix), strict=what.strict):
            warn(sentence)
        write_output(job.target, content.getvalue(), force=self.force, sync=sync)
        return Result(size, content.tell(), size, width, height)


def _is_output(source: str, name: str, *, whole: bool) -> bool:
    """Whether the second of two arguments is the output: whatever is no .tcx file.

    Args:
        whole: whether the output has the size of the input.

    Raises:
        click.UsageError: it exists and holds another picture than the first.
    """
    if name.lower().endswith(".tcx") or os.path.isdir(name):
        return False
    if whole and holds_another_picture(source, name):
        raise no_output(source, name)
    return True


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
