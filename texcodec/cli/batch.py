"""``texcodec batch``: millions of pictures, in shards that survive any interruption."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from texcodec.cli import options
from texcodec.cli.console import Console, emit
from texcodec.limits import Limits

if TYPE_CHECKING:
    from texcodec.batch.records import Record


class Part(click.ParamType):
    """``I/N``: part I, from 0, of N."""

    name = "I/N"

    def convert(
        self, value: str, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, int]:
        part, _, parts = str(value).partition("/")
        if not (part.isdigit() and parts.isdigit() and int(part) < int(parts)):
            self.fail(
                f"{value!r} is no part: give 0/4, 1/4, 2/4 or 3/4 for a quarter of the shards.", param, ctx
            )
        return int(part), int(parts)


@click.command("batch", short_help="Code millions of pictures, in shards that survive any interruption.")
@click.argument("source", metavar="SOURCE")
@click.argument("destination", metavar="DEST")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["folders", "webdataset"]),
    default="folders",
    show_default=True,
    help="Write .tcx files in mirrored folders, or WebDataset tars of .tcx and .json.",
)
@options.targets
@click.option("--strict", is_flag=True, help="As for encode.")
@click.option("--no-metadata", is_flag=True, help="As for encode.")
@options.preview
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1, 512),
    default=1,
    metavar="N",
    help="Processes, each with one thread.",
)
@click.option(
    "--shard",
    "part",
    type=Part(),
    default="0/1",
    help="Do part I, from 0, of N of the shards, as one of N machines; all agree on the listing that is in DEST.",
)
@click.option(
    "--shard-size",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Pictures per shard: what is repeated at most after an interruption. A tar in SOURCE is a shard.",
)
@click.option("--relist", is_flag=True, help="Look at SOURCE again, and add what is new in it.")
@click.option("--retry-failed", is_flag=True, help="Try what has failed in shards that are done again.")
@click.option(
    "--max-failures",
    type=click.IntRange(min=0),
    metavar="N",
    help="Give up with exit code 5 after more failures.",
)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="Work on this machine, or on a Ray cluster with a task per shard, of which --verbose says nothing.",
)
@click.option(
    "--address", metavar="ADDRESS", help="With --engine ray: of the cluster, as in auto or ray://head:10001."
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@options.models
@options.tune
@options.effort
@options.limits
@options.verbosity
def command(
    source: str,
    destination: str,
    kind: str,
    quality: float | None,
    bpp: float | None,
    size: int | None,
    psnr: float | None,
    nearest: bool,
    lossless: bool,
    strict: bool,
    no_metadata: bool,
    preview: bool,
    jobs: int,
    part: tuple[int, int],
    shard_size: int,
    relist: bool,
    retry_failed: bool,
    max_failures: int | None,
    engine: str,
    address: str | None,
    as_json: bool,
    models: str | None,
    tune: str | None,
    effort: int | None,
    limits: Limits,
    console: Console,
) -> int:
    """Code all pictures of SOURCE into DEST, or go on where an interrupted run of the same command ended.

    SOURCE is a folder, a manifest (.txt with a name per line; .csv, .jsonl or .parquet with a column "source" and
    perhaps "key"), or WebDataset tars (a .tar, a folder of them, or train-{0000..0146}.tar); DEST is a folder. Both may
    be URLs that fsspec knows, such as s3://bucket/folder.

    DEST gets a Parquet table per shard (tables/) with a row per picture, and failures.jsonl, which is a manifest
    itself.

    Exit codes: 0 all pictures are done, 1 some failed, 5 too many failed.
    """
    from texcodec import batch
    from texcodec.cli.inputs import require_models

    options.check_targets(quality, bpp, size, psnr, lossless=lossless)
    if address is not None and engine != "ray":
        raise click.UsageError("--address is of a Ray cluster; it needs --engine ray.")
    identity = ""
    if not lossless:
        from texcodec.registry import load_set

        models = require_models(models, tune)
        identity = load_set(models).identity.hex()
    settings = batch.Settings(
        quality,
        bpp,
        size,
        psnr,
        nearest,
        lossless,
        None,
        not no_metadata,
        models,
        identity,
        strict,
        limits,
        preview,
        effort,
    )
    how = batch.Options(kind, shard_size, *part, jobs, relist, retry_failed, max_failures)

    def tell(record: Record) -> None:
        if not record.error:
            size, pixels = record.bytes_out, record.width * record.height
            console.done(record.source, f"{record.key}.tcx", size=size, pixels=pixels, seconds=record.seconds)
        elif console.verbose:
            console.error(record.source, record.error)

    with console.steps("picture", fewest=2) as progress:
        summary = batch.run(
            source, destination, settings, how, engine=engine, address=address, progress=progress, tell=tell
        )
    if as_json:
        emit(json.dumps(asdict(summary) | {"exit_code": summary.exit_code}))
    elif not console.quiet:
        saved = f", {summary.bytes_in} to {summary.bytes_out} bytes" if summary.done else ""
        before = f" ({summary.before} of them before)" if summary.before else ""
        console.error(
            None, f"{summary.done} done, {summary.failed} failed in {summary.shards} shards{before}{saved}."
        )
        if summary.given_up:
            console.error(None, "Given up, as too many failed; the shard that was begun will be done again.")
    return summary.exit_code
