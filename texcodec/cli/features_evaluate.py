"""``texcodec features evaluate``: bytes and task quality of a feature set at each rate level."""

from __future__ import annotations

import json
from typing import Any

import click

from texcodec.cli import options
from texcodec.cli.console import Console, emit, printable
from texcodec.cli.features import loaded, models


class _Levels(click.ParamType):
    """Rate levels, as in 0,2,5."""

    name = "N,N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            return tuple(int(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not a list of levels, as in 0,2,5.", param, ctx)


@click.command("evaluate", short_help="Measure bytes and task quality of a feature set.")
@click.argument("data", metavar="DATA")
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Measure this task only; may repeat.")
@click.option(
    "--levels", type=_Levels(), metavar="N,N", help="Measure these rate levels; the default is all."
)
@click.option(
    "--count",
    type=click.IntRange(min=1),
    metavar="N",
    help="Pictures; the default is all, or 256 drawn ones.",
)
@click.option("--seed", type=click.IntRange(min=0), default=None, metavar="N", help="Of drawn pictures.")
@click.option(
    "--size", type=click.IntRange(min=8, max=4096), default=64, show_default=True, help="Of drawn pictures."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object.")
@models
@options.verbosity
def evaluate(
    data: str,
    tasks: tuple[str, ...],
    levels: tuple[int, ...] | None,
    count: int | None,
    seed: int | None,
    size: int,
    as_json: bool,
    models: str | None,
    console: Console,
) -> int:
    """Measure bytes and task quality of a feature set at each rate level, and with features that were not coded.

    DATA is a folder with images/ and labels/ (PNG maps for segmentation, .npy arrays for other maps), a folder with one
    folder of pictures per class, or "shapes": drawn pictures. Bytes are those of whole files, per picture.
    """
    from texcodec.features import evaluation

    features = loaded(models)
    drawn = data == evaluation.SHAPES
    source = evaluation.labelled_data(
        data, count=count, seed=evaluation.SHAPES_SEED if seed is None else seed, size=size
    )
    with console.steps("picture", fewest=20) as show:
        total = count or (256 if drawn else 0)
        report = evaluation.evaluate(
            features,
            source,
            tasks=tasks,
            levels=levels or (),
            progress=None if show is None or not total else lambda done: show(done, total),
        )
    facts = {"data": data, **report.as_json()}
    emit(json.dumps(facts) if as_json else _as_text(facts))
    return 0


def _as_text(facts: dict[str, Any]) -> str:
    tasks = facts["tasks"]
    head = ["level", "bytes", "bits per pixel", *(_title(task) for task in tasks)]
    rows = [
        [
            "uncoded" if point["level"] is None else str(point["level"]),
            f"{point['bytes']:.1f}",
            f"{point['bits_per_pixel']:.4f}",
            *(_value(point["quality"][task["name"]]) for task in tasks),
        ]
        for point in facts["points"]
    ]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    title = f"{facts['models']} on {facts['pictures']} pictures of {facts['data']}"
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)
    ]
    return "\n".join([printable(title), *lines])


def _title(task: dict[str, Any]) -> str:
    unit = f", {task['unit']}" if task["unit"] else ""
    better = "" if task["higher_is_better"] else ", less is better"
    return printable(f"{task['name']} ({task['measure']}{unit}{better})")


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
