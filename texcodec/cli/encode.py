"""``texcodec encode``: pictures to .tcx files."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from texcodec.cli import options
from texcodec.cli.arguments import holds_another_picture, no_output
from texcodec.cli.console import Console, Progress
from texcodec.cli.inputs import opened, require_models
from texcodec.cli.outcomes import Reporter, Result
from texcodec.cli.plan import Job, plan
from texcodec.cli.runner import Settings, run
from texcodec.files import STANDARD_STREAM, encoded_name, full_encoded_name, write_output
from texcodec.limits import Limits

if TYPE_CHECKING:
    from texcodec.crop import Profile


@click.command("encode", short_help="Code pictures into .tcx files.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT... [OUTPUT.tcx]")
@options.outputs
@options.batch
@click.option(
    "--only-if-smaller", is_flag=True, help="Write no file that would be as large as its picture, or larger."
)
@options.targets
@click.option(
    "--tile",
    type=click.Choice(["128", "256", "512"]),
    help="Cut the picture into tiles of this many pixels per side. By default the encoder chooses.",
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
@options.preview
@options.models
@options.tune
@options.effort
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
    only_if_smaller: bool,
    quality: float | None,
    bpp: float | None,
    size: int | None,
    psnr: float | None,
    nearest: bool,
    lossless: bool,
    tile: str | None,
    crop: str | None,
    outside: str | None,
    strict: bool,
    no_metadata: bool,
    preview: bool,
    models: str | None,
    tune: str | None,
    effort: int | None,
    threads: int | None,
    limits: Limits,
    console: Console,
) -> int:
    """Code pictures of any format that Pillow reads into .tcx files.

    With two arguments, the second one is the output if it ends in .tcx or is "-". Otherwise all arguments
    are inputs, and photo.png becomes photo.tcx beside it, or in the folder given with --out-dir. Of a folder, all
    pictures in it and below it are inputs, and keep their places below --out-dir. An input "-" is standard input, and
    an output "-" standard output.

    At most one of --quality, --bpp, --size, --psnr and --lossless can be given. A target that is out of reach is an
    error, and nothing is written, unless --nearest is given.

    With --crop, --size and --bpp are those of the whole file and picture, --psnr that of the region.
    """
    options.check_targets(quality, bpp, size, psnr, lossless=lossless)
    if outside is not None and crop is None:
        raise click.UsageError("--outside needs --crop, the profile of what is inside.")
    todo = plan(
        inputs,
        output=output,
        out_dir=out_dir,
        is_output=lambda name: _is_output(inputs[0], name),
        named=full_encoded_name if full_names else encoded_name,
        members=_is_picture,
    )
    if as_json and any(job.target == STANDARD_STREAM for job in todo.jobs):
        raise click.UsageError("--json and the file cannot both go to standard output.")
    if lossless and outside == "coarse":
        raise click.UsageError("--lossless has no coarse tiles; leave --outside coarse out.")
    if not lossless:
        models = require_models(models, tune)
    profile = None
    if crop is not None:
        from texcodec.crop import read_profile

        profile = read_profile(crop)  # fails once instead of once a file
    arguments = {
        "quality": quality,
        "bpp": bpp,
        "size": size,
        "psnr": psnr,
        "nearest": nearest,
        "lossless": lossless,
        "models": models,
        "effort": effort,
        "threads": threads if threads is not None or batch.processes == 1 else 1,
        "tile": int(tile) if tile else None,
        "outside": outside,
        "metadata": not no_metadata,
        "preview": preview,
    }
    work = _Encode(arguments, profile, limits, strict, batch.force, only_if_smaller)
    return run(todo, work, batch, console, Reporter(console, as_json=as_json))


@dataclass(frozen=True)
class _Encode:
    """Codes one picture.

    Attributes:
        arguments: of ``texcodec.encode``.
    """

    arguments: dict[str, Any]
    profile: Profile | None
    limits: Limits
    strict: bool
    force: bool
    only_if_smaller: bool

    def __call__(
        self, job: Job, *, sync: bool, warn: Callable[[str], None], progress: Progress | None
    ) -> Result:
        import texcodec
        from texcodec.images import hold_back_library_output, read_picture

        hold_back_library_output()  # this process writes to standard error from one thread
        with opened(job.source) as file:
            bytes_in = _size(file.fileno()) if job.source != STANDARD_STREAM else None
            picture = read_picture(
                file,
                self.limits,
                name="The picture",
                strict=self.strict,
                metadata=self.arguments["metadata"],
            )
        data = texcodec.encode(
            picture, crop=self.profile, limits=self.limits, progress=progress, warn=warn, **self.arguments
        )
        written = not (self.only_if_smaller and bytes_in is not None and len(data) >= bytes_in)
        if written:
            write_output(job.target, data, force=self.force, sync=sync)
        else:
            warn(f"Not written: {len(data)} bytes would not be fewer than the {bytes_in} of the picture.")
        return Result(bytes_in, len(data), len(data), picture.width, picture.height, written)


def _size(descriptor: int) -> int | None:
    found = os.fstat(descriptor)
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _is_picture(name: str) -> bool:
    from texcodec.images import names_readable_picture

    return names_readable_picture(name)


def _is_output(source: str, name: str) -> bool:
    """Whether the second of two arguments is the output: a .tcx file, a device or a pipe.

    Raises:
        click.UsageError: it is no name that an output has, and as an input it does not exist; or it exists and
            holds another picture than the first.
    """
    if name == STANDARD_STREAM or name.lower().endswith(".tcx"):
        if holds_another_picture(source, name):
            raise no_output(source, name)
        return True
    try:
        mode = os.stat(name).st_mode
    except (OSError, ValueError):
        # before the first is coded beside itself, which nobody may have meant
        if os.path.isdir(source):
            advice = f"if the outputs of {source} shall go there, name it with --out-dir."
        else:
            advice = "if it is the output, end its name in .tcx or give it with --output."
        raise click.UsageError(f"{name} does not exist; {advice}") from None
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
