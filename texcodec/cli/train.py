"""``texcodec train``: a model set from one's own pictures."""

from __future__ import annotations

import re
from pathlib import Path

import click

from texcodec.cli.console import Console
from texcodec.errors import ModelNotFoundError, ParameterError, TexcodecError

SHARES = {"parent": 0.6, "specialists": 0.32, "fusion": 0.08}
"""How a run's time is shared between its stages."""


class Minutes(click.ParamType[float]):
    """A time such as 90m, 2h, 1h30m or 600s; a plain number is minutes."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m?)?(?:([\d.]+)s)?", str(value))
        if not match or not any(match.groups()):
            self.fail(f"{value!r} is not a time such as 45m, 1h30m or 600s", param, ctx)
        hours, minutes, seconds = (float(g) if g else 0.0 for g in match.groups())
        total = 60 * hours + minutes + seconds / 60
        if total <= 0:
            self.fail("the time must be longer than nothing", param, ctx)
        return total


@click.command("train", short_help="Train a model set on folders of pictures.")
@click.argument("pictures", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the model set goes.",
)
@click.option("--name", metavar="NAME", help="Name of the set; default: the name of its folder.")
@click.option(
    "--time",
    "minutes",
    type=Minutes(),
    default="60m",
    show_default=True,
    help="Time for all stages together.",
)
@click.option(
    "--preset",
    type=click.Choice(["tiny", "small", "full"]),
    default="full",
    show_default=True,
    help="Sizes of the networks; tiny is for trying things out.",
)
@click.option(
    "--from",
    "start",
    metavar="MODELS",
    help="Continue from a model set (name or folder): longer training, or fine-tuning on pictures of a kind.",
)
@click.option(
    "--work",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Checkpoints and logs; default: OUT.work.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of everything drawn at random.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads of torch; default: all cores.")
def command(
    pictures: tuple[Path, ...],
    out: Path,
    name: str | None,
    minutes: float,
    preset: str,
    start: str | None,
    work: Path | None,
    seed: int,
    threads: int | None,
) -> int:
    """Train a model set on all pictures in the FOLDERs.

    A stopped run goes on from its last checkpoint when the same command is given again. Needs `pip install
    "texcodec[train]"`.
    """
    console = Console()
    try:
        import torch
    except ImportError:
        raise ParameterError('training needs torch and onnx: pip install "texcodec[train]"') from None
    from texcodec.registry import find_set
    from texcodec.training.crops import Stopped
    from texcodec.training.pipeline import Pipeline, preset_settings

    if threads:
        torch.set_num_threads(threads)
    missing = [p for p in pictures if not p.exists()]
    if missing:
        raise ParameterError(f"{missing[0]} does not exist")
    settings = preset_settings(preset, minutes, SHARES, seed=seed, continued=start is not None)
    try:
        run = Pipeline(
            list(pictures),
            work or out.with_name(out.name + ".work"),
            settings,
            start=find_set(start) if start else None,
            say=lambda sentence: console.error(None, sentence),
        )
        run.run(out, name=name or out.name)
    except Stopped as stopped:
        console.error(None, str(stopped))
        return 130
    except (ModelNotFoundError, TexcodecError):
        raise
    except (ValueError, FloatingPointError) as error:
        raise TexcodecError(str(error)) from error
    console.error(None, f"{out} holds the model set; use it with --models {out}")
    return 0
