"""``texcodec train``: a model set from one's own pictures."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from texcodec.cli.console import Console
from texcodec.cli.options import Converted, needs_torch
from texcodec.errors import ParameterError
from texcodec.training.pictures.options import Options, declared, work_beside


def _declared_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for name, option in reversed(list(declared())):
        kind = click.Choice(option.choices) if option.choices else Converted(option.metavar, option.convert)
        settings: dict[str, Any] = {"metavar": option.metavar} if option.metavar else {}
        command = click.option(
            option.flag, name, type=kind, multiple=option.repeated, help=option.help, **settings
        )(command)
    return command


@click.command("train", short_help="Train a model set on folders of pictures.")
@click.argument("pictures", nargs=-1, required=True, metavar="FOLDER...", type=click.Path(path_type=Path))
@click.option(
    "--out",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Where the model set goes; needed unless --stage leaves out export.",
)
@click.option("--name", metavar="NAME", help="Name of the set; default: the name of its folder.")
@click.option(
    "--work",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Checkpoints and curves; default: OUT.work.",
)
@_declared_options
@click.option("--licence", metavar="TEXT", help="Licence of the set, for its card.")
def command(
    pictures: tuple[Path, ...],
    out: Path | None,
    name: str | None,
    work: Path | None,
    licence: str | None,
    stages: tuple[str, ...],
    checkpoint: Path | None,
    **options: Any,
) -> int:
    """Train a model set on all pictures in the FOLDERs.

    A stopped run goes on from its last checkpoint when the same command is given again. Needs `pip install
    "texcodec[train]"`.
    """
    console = Console()
    exports = bool({"export", "self-check"} & set(stages)) if stages else checkpoint is None
    if out is None and exports:
        raise ParameterError("Training needs --out, a folder for the model set; or --stage and --work.")
    if out is not None and not exports and checkpoint is not None:
        raise ParameterError("Open training makes no model set; leave --out out, or name --stage export.")
    if out is not None and out.name in ("", ".."):
        out = out.resolve()
    base = out or checkpoint
    if work is None and base is None:
        raise ParameterError("Without --out, name a folder for the checkpoints with --work.")
    needs_torch()
    from texcodec.training.pictures.command import train

    if out is not None:
        from texcodec.training.core.set_folder import check_out

        check_out(out)  # now, and not after hours
    card = {
        "command": shlex.join(["texcodec", *sys.argv[1:]]),
        "data": ", ".join(folder.name or str(folder) for folder in pictures),
    }
    card |= {"licence": licence} if licence else {}
    folder = work or work_beside(base or Path())
    wanted = Options(
        pictures=pictures,
        work=folder,
        stages=stages,
        out=out,
        checkpoint=checkpoint,
        **options,
    )
    code = train(
        wanted,
        log=lambda sentence: console.error(None, sentence),
        name=name or (out.name if out else ""),
        card=card,
    )
    if code == 0 and out is not None and exports:
        console.error(None, f"{out} holds the model set; use it with --models {out}.")
    return code
