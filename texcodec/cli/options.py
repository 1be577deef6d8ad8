"""Options that several commands share, and the kinds of values they take."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import click

from texcodec.cli.console import Console
from texcodec.errors import ParameterError
from texcodec.limits import DEFAULT_LIMITS, Limits

Command = TypeVar("Command", bound=Callable[..., Any])

_LIMIT_HELP = {
    "pixels": "Refuse pictures of more than N pixels",
    "side": "Refuse pictures that are wider or higher than N pixels",
    "tiles": "Refuse files of more than N tiles",
    "memory": "Refuse files that need more than N bytes for one picture or one piped file",
    "metadata": "Refuse files with more than N bytes of metadata",
}


class FiniteRange(click.FloatRange):
    """A float range without infinities and not-a-number, which pass comparisons that they should not."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number


def needs_torch() -> None:
    """Refuse to train where torch or onnx is missing.

    Raises:
        ParameterError: says how to install them.
    """
    try:
        import onnx  # noqa: F401
        import torch  # noqa: F401
    except ImportError:
        raise ParameterError(
            'Training needs torch and onnx; install them with: pip install "texcodec[train]".'
        ) from None


class Converted(click.ParamType):
    """Texts that a function turns into values; it raises ValueError with a sentence."""

    def __init__(self, name: str, convert: Callable[[str], Any]) -> None:
        self.name, self._convert = name.lower(), convert

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self._convert(value) if isinstance(value, str) else value
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Region(click.ParamType):
    """Four integers ``X,Y,W,H``: the left upper corner and the size of a rectangle, in pixels."""

    name = "X,Y,W,H"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            x, y, width, height = (int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not four integers X,Y,W,H, as in 0,0,640,480.", param, ctx)
        if min(x, y) < 0 or min(width, height) < 1:
            self.fail(f"{value!r} must have X and Y of at least 0, and W and H of at least 1.", param, ctx)
        return x, y, width, height


models = click.option(
    "--models",
    metavar="NAME_OR_DIR",
    help="Use this model set: its name or its folder. The default is TEXCODEC_MODELS, or the set that comes "
    "with texcodec.",
)

tune = click.option(
    "--tune",
    type=click.Choice(["psnr", "ssim"]),
    help="Take a model set that is tuned for squared error (psnr) or for eyes (ssim). The default is what the set is "
    "tuned for.",
)

effort = click.option(
    "--effort",
    type=click.IntRange(1, 9),
    metavar="N",
    help="From 1, the fastest, to 9, the smallest files for what they show. The default is 2. Each one above 1 decodes "
    "the picture once more and corrects what it codes.",
)

threads = click.option(
    "--threads",
    type=click.IntRange(min=1),
    metavar="N",
    help="Work on N tiles at a time; the result is the same for every N. The default is the number of cores "
    "that this process may use.",
)


preview = click.option(
    "--preview",
    is_flag=True,
    help="Store a small picture for thumbnails: at most 256 pixels per side and 2 % of the file.",
)


def targets(command: Command) -> Command:
    """--quality, --bpp, --size, --psnr, --nearest and --lossless: how large or how good files shall be."""
    for option in (
        click.option(
            "--lossless",
            is_flag=True,
            help="Give every sample back as it is, hidden colours of transparent pixels included; needs no model set.",
        ),
        click.option(
            "--nearest",
            is_flag=True,
            help="Where --bpp, --size or --psnr is out of reach, take the nearest that the picture allows "
            "instead of failing.",
        ),
        click.option(
            "--psnr",
            type=FiniteRange(0, min_open=True),
            metavar="DECIBELS",
            help="Aim at this peak signal-to-noise ratio, within 0.1 dB.",
        ),
        click.option(
            "--size",
            type=click.IntRange(min=1),
            metavar="BYTES",
            help="Take the best quality that needs at most this many bytes.",
        ),
        click.option(
            "--bpp",
            type=FiniteRange(0, min_open=True),
            metavar="BITS",
            help="Aim at this many bits per pixel for the whole file, within 2 %.",
        ),
        click.option(
            "--quality",
            type=FiniteRange(1, 100),
            metavar="1-100",
            help="Choose the quality, from 1 (smallest file) to 100; this is the default, with 50.",
        ),
    ):
        command = option(command)
    return command


def check_targets(*given: float | None, lossless: bool) -> None:
    """Raise a usage error where more than one of the values of --quality, --bpp, --size, --psnr is given, or
    one beside --lossless.
    """
    if sum(target is not None for target in given) + lossless > 1:
        raise click.UsageError("At most one of --quality, --bpp, --size, --psnr, --lossless can be given.")


def batch(command: Command) -> Command:
    """Options for many files; the command gets ``batch``, its ``runner.Settings``, and ``as_json``."""

    @functools.wraps(command)
    def with_batch(
        *args: Any,
        force: bool,
        skip_existing: bool,
        dry_run: bool,
        keep_times: bool,
        jobs: int,
        as_json: bool,
        verbose: bool,
        **kwargs: Any,
    ) -> Any:
        from texcodec.cli.runner import Settings

        if force and skip_existing:
            raise click.UsageError("--force and --skip-existing exclude each other.")
        settings = Settings(force, skip_existing, dry_run, keep_times, jobs, verbose, as_json)
        return command(*args, batch=settings, as_json=as_json, verbose=verbose, **kwargs)

    wrapped: Any = with_batch
    for option in (
        click.option(
            "--json",
            "as_json",
            is_flag=True,
            help="Print a line of JSON per file: names, status, bytes, seconds, notices, error.",
        ),
        click.option(
            "--dry-run", is_flag=True, help="Print which file would become which, and write nothing."
        ),
        click.option("--keep-times", is_flag=True, help="Give every output the times of its input."),
        click.option(
            "--full-names", is_flag=True, help="Keep the extension in the output's name, as in photo.png.tcx."
        ),
        click.option(
            "--skip-existing",
            is_flag=True,
            help="Leave out inputs whose output is there, as after an interruption.",
        ),
        click.option(
            "-j",
            "--jobs",
            type=click.IntRange(1, 512),
            default=1,
            metavar="N",
            help="Work on N files at a time, each in a process of its own with one thread.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped  # type: ignore[no-any-return]


def outputs(command: Command) -> Command:
    """--output, --out-dir and --force."""
    for option in (
        click.option("-f", "--force", is_flag=True, help="Replace outputs that exist already."),
        click.option(
            "--out-dir", metavar="DIR", help="Write every output into this folder, making it first."
        ),
        click.option(
            "-o", "--output", metavar="FILE", help="Write the output of a single input to this file."
        ),
    ):
        command = option(command)
    return command


def verbosity(command: Command) -> Command:
    """--verbose and --quiet; the command gets a ``console``."""

    @functools.wraps(command)
    def with_console(*args: Any, verbose: bool, quiet: bool, **kwargs: Any) -> Any:
        if verbose and quiet:
            raise click.UsageError("--verbose and --quiet exclude each other.")
        return command(*args, console=Console(quiet=quiet, verbose=verbose), **kwargs)

    quiet = click.option("--quiet", is_flag=True, help="Print errors only: no notices and no progress.")
    verbose = click.option(
        "-v", "--verbose", is_flag=True, help="Print a line a file: bytes, bits per pixel, seconds."
    )
    return verbose(quiet(with_console))  # type: ignore[return-value]


def limits(command: Command) -> Command:
    """--limit-pixels and its like; the command gets ``limits``."""
    names = [field.name for field in fields(Limits)]

    @functools.wraps(command)
    def with_limits(*args: Any, **kwargs: Any) -> Any:
        given = {name: kwargs.pop(f"limit_{name}") for name in names}
        chosen = Limits(**{name: value for name, value in given.items() if value is not None})
        return command(*args, limits=chosen, **kwargs)

    wrapped: Any = with_limits
    for name in reversed(names):
        wrapped = click.option(
            f"--limit-{name}",
            type=click.IntRange(min=1),
            metavar="N",
            help=f"{_LIMIT_HELP[name]} (default {getattr(DEFAULT_LIMITS, name)}).",
        )(wrapped)
    return wrapped  # type: ignore[no-any-return]
