"""``texcodec train``: a model set from one's own pictures."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import click

from texcodec.cli.console import Console
from texcodec.errors import ParameterError, TexcodecError

SHARES = {"parent": 0.6, "specialists": 0.32, "fusion": 0.08}
"""How a run's time is shared between its stages."""


class Minutes(click.ParamType[float]):
    """A time such as 90m, 2h, 1h30m or 600s; a plain number is minutes."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        number = r"(\d+(?:\.\d*)?|\.\d+)"
        match = re.fullmatch(f"(?:{number}h)?(?:{number}m?)?(?:{number}s)?", str(value))
        if not match or not any(match.groups()):
            self.fail(f"{value!r} is not a time such as 45m, 1h30m or 600s.", param, ctx)
        hours, minutes, seconds = (float(g) if g else 0.0 for g in match.groups())
        total = 60 * hours + minutes + seconds / 60
        if total <= 0:
            self.fail("The time must be longer than nothing.", param, ctx)
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
@click.option("--licence", metavar="TEXT", help="Licence of the set, for its card.")
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
    licence: str | None,
) -> int:
    """Train a model set on all pictures in the FOLDERs.

    A stopped run goes on from its last checkpoint when the same command is given again. Needs `pip install
    "texcodec[train]"`.
    """
    console = Console()
    try:
        import onnx  # noqa: F401
        import torch
    except ImportError:
        raise ParameterError(
            'Training needs torch and onnx; install them with: pip install "texcodec[train]".'
        ) from None
    from texcodec.registry import find_set
    from texcodec.training.crops import Stopped
    from texcodec.training.export import check_out
    from texcodec.training.pipeline import Pipeline, preset_settings

    if threads:
        torch.set_num_threads(threads)
    missing = [p for p in pictures if not p.exists()]
    if missing:
        raise ParameterError(f"The folder {missing[0]} does not exist; check its name.")
    if out.name in ("", ".."):
        out = out.resolve()
    check_out(out)  # now, and not after hours
    card = {
        "command": shlex.join(["texcodec", *sys.argv[1:]]),
        "data": ", ".join(folder.name or str(folder) for folder in pictures),
    }
    card |= {"licence": licence} if licence else {}
    settings = preset_settings(preset, minutes, SHARES, seed=seed, continued=start is not None)
    try:
        run = Pipeline(
            list(pictures),
            work or out.with_name(out.name + ".work"),
            settings,
            start=find_set(start) if start else None,
            say=lambda sentence: console.error(None, sentence),
        )
        run.run(out, name=name or out.name, card=card)
    except Stopped as stopped:
        console.error(None, str(stopped))
        return 130
    except TexcodecError:
        raise
    except (ValueError, FloatingPointError) as error:
        raise TexcodecError(str(error)) from error
    console.error(None, f"{out} holds the model set; use it with --models {out}.")
    return 0
