"""``texcodec evaluate``: rate and quality against other codecs, as a report."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texcodec.cli import options
from texcodec.cli.console import Console, emit
from texcodec.cli.failures import FILE_FAILED

if TYPE_CHECKING:
    from texcodec.evaluation.adapters import Codec
    from texcodec.evaluation.journal import Point
    from texcodec.evaluation.pictures import Source


class Rates(click.ParamType):
    """Two rates in bits per pixel, as in 0.12-1.4."""

    name = "range"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float]:
        if isinstance(value, tuple):
            return value
        try:
            low, high = (float(part) for part in value.split("-"))
        except ValueError:
            self.fail(f"{value!r} is not two rates in bits per pixel, as in 0.12-1.4.", param, ctx)
        if not 0 < low < high < float("inf"):
            self.fail(f"{value!r} must begin above 0 and end higher than it begins.", param, ctx)
        return low, high


class Qualities(click.ParamType):
    """Qualities of texcodec, as in 10,30,50, or of another codec, as in avif=20,40,60."""

    name = "qualities"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[float, ...]]:
        if isinstance(value, tuple):
            return value
        codec, _, numbers = value.rpartition("=")
        try:
            found = sorted({float(part) for part in numbers.split(",")})
        except ValueError:
            self.fail(f"{value!r} is not a list of qualities, as in 10,30,50 or avif=20,40.", param, ctx)
        if not (found[0] >= 1 and found[-1] <= 100):
            self.fail(f"{value!r} has a quality that is not from 1 to 100.", param, ctx)
        ours = codec in ("", "texcodec")
        if not ours and any(quality % 1 for quality in found):
            self.fail(f"{value!r} has a fraction, and only texcodec takes those.", param, ctx)
        return "texcodec" if ours else codec, tuple(found)


@click.command("evaluate", short_help="Compare with other codecs, as a report.")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURE_OR_FOLDER...")
@click.option(
    "--against",
    metavar="CODEC,...",
    help="Codecs to measure: jpeg, webp, avif, avif-psnr, jxl, heic, or none. The default is all that are installed, "
    "but for avif-psnr.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write the report into this folder, and keep what was measured in it.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON; --out is not needed then.")
@click.option(
    "--models",
    multiple=True,
    metavar="NAME_OR_DIR",
    help="Measure texcodec with this model set; give it again for more sets. BD-rates are of the first.",
)
@click.option(
    "--curve",
    "curves",
    multiple=True,
    metavar="NAME=FILE",
    help='Compare with a curve from a JSON file, {"results": {"bpp": [...], "psnr-rgb": [...]}}, too.',
)
@click.option(
    "--qualities",
    type=Qualities(),
    multiple=True,
    metavar="[CODEC=]N,N,...",
    help="Measure at these qualities. The default for texcodec is 5,10,20,30,40,50,60,70,80,90.",
)
@options.effort
@click.option(
    "--metrics",
    default="psnr,ms-ssim",
    show_default=True,
    metavar="NAME,...",
    help="Metrics beside PSNR: ms-ssim, ssimulacra2, butteraugli.",
)
@click.option(
    "--range",
    "within",
    type=Rates(),
    default="0.12-1.4",
    show_default=True,
    metavar="LOW-HIGH",
    help="Bits per pixel that BD-rates are of.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Measure N files at a time. Seconds are honest with 1 only.",
)
@click.option(
    "-f",
    "--force",
    is_flag=True,
    help="Use a folder that holds other files, and measure anew what it holds already.",
)
@options.verbosity
def command(
    pictures: tuple[str, ...],
    against: str | None,
    out: Path | None,
    as_json: bool,
    models: tuple[str, ...],
    curves: tuple[str, ...],
    qualities: tuple[tuple[str, tuple[float, ...]], ...],
    effort: int | None,
    metrics: str,
    within: tuple[float, float],
    jobs: int,
    force: bool,
    console: Console,
) -> int:
    """Measure texcodec and other codecs on pictures, and write a report.

    Every picture is coded at a list of qualities by every codec, to a whole file without metadata, and decoded
    again. The report has BD-rates, curves, times and crops side by side. When it is stopped, the same command
    goes on where it was. Needs `pip install "texcodec[evaluate]"`.
    """
    if out is None and not as_json:
        raise click.UsageError("Give a folder for the report with --out, or --json.")
    if len({codec for codec, _ in qualities}) < len(qualities):
        raise click.UsageError("--qualities is given twice for one codec; give one list per codec.")
    from texcodec.codec.refinement import DEFAULT_EFFORT
    from texcodec.evaluation.report import to_json
    from texcodec.evaluation.run import Task, evaluate

    task = Task(
        pictures,
        against=None if against is None else _names(against, but="none"),
        sets=models or (None,),
        curves=curves,
        qualities=dict(qualities),
        effort=DEFAULT_EFFORT if effort is None else effort,
        metrics=_names(metrics),
        within=within,
        out=out,
        force=force,
        jobs=jobs,
    )
    with console.steps("point") as show:
        listener = _Listener(console, show)
        report = evaluate(task, listener)
    if as_json:
        emit(to_json(report).rstrip("\n"))
    if out is not None:
        console.warner("")(f"{out / 'report.html'} is the report.")
    return FILE_FAILED if listener.failures else 0


def _names(text: str, but: str | None = None) -> list[str]:
    names = [name.strip().lower() for name in text.split(",")]
    return [name for name in dict.fromkeys(names) if name and name != but]


class _Listener:
    """Prints what happens while the evaluation runs."""

    def __init__(self, console: Console, show: Callable[[int, int], None] | None) -> None:
        self._console, self._show = console, show
        self.failures = 0

    def warn(self, name: str | None, sentence: str) -> None:
        self._console.warner(name or "")(sentence)

    def failed(self, name: str, sentence: str) -> None:
        self.failures += 1
        self._console.error(name, sentence)

    def measured(self, codec: Codec, source: Source, point: Point) -> None:
        self._console.done(
            source.name,
            f"{codec.name} {point.quality:g}",
            size=point.bytes,
            pixels=source.pixels,
            seconds=point.encode_s + point.decode_s,
        )

    def progress(self, done: int, total: int) -> None:
        if self._show:
            self._show(done, total)
