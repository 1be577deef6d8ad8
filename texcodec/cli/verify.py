"""``texcodec verify``: whether files are sound."""

from __future__ import annotations

import click

from texcodec.cli import options
from texcodec.cli.console import Console, display_name, emit, printable
from texcodec.cli.inputs import opened, process
from texcodec.limits import Limits


@click.command("verify", short_help="Check whether .tcx files are sound.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--symbols",
    is_flag=True,
    help="Decode the symbols too, check them, and print their SHA-256 before the file's name. It is the same "
    "on every machine.",
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
@options.models
@options.threads
@options.limits
def command(
    files: tuple[str, ...],
    symbols: bool,
    quiet: bool,
    models: str | None,
    threads: int | None,
    limits: Limits,
) -> int:
    """Check every byte of .tcx files against their checksums.

    No model set is needed for this, but for --symbols: the symbols are those of the tiles, or, in a file without
    pixels, of the feature stream. A FILE "-" is standard input.
    """
    console = Console(quiet=quiet)

    def verify_one(name: str) -> None:
        import texcodec

        with opened(name) as file, texcodec.open(file, limits=limits) as tcx:
            tcx.verify()
            shown = printable(click.format_filename(display_name(name)))
            if not symbols:
                line = f"{shown}: ok"
            elif not tcx.header.has_pixels:
                from texcodec.features.decode import streams_hash

                line = f"{streams_hash(tcx.header, tcx.chunks, models, limits=limits)}  {shown}"
            else:
                line = f"{tcx.symbols_hash(models=models, threads=threads)}  {shown}"
        if not quiet:
            emit(line)

    return process(console, files, verify_one)
