"""``texcodec features train`` and ``add-task``: feature sets from one's own networks, and new tasks for old streams."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from texcodec.cli.console import Console
from texcodec.cli.options import Converted, needs_torch
from texcodec.errors import ParameterError
from texcodec.training.core.times import minutes as to_minutes

PRESETS = ("shapes",)
SHAPES_TASKS = ("classification", "segmentation", "normals", "depth")
# The two lists are those of texcodec.training.features, which needs torch: the help shall not.


def _source(spec: Path | None, preset: str | None, options: str) -> None:
    if (spec is None) == (preset is None):
        raise ParameterError(f"Give either a spec (a JSON file) or --preset {options}.")


def _card(spec: dict[str, Any]) -> dict[str, Any]:
    return {"command": shlex.join(["texcodec", *sys.argv[1:]]), "spec": spec}


work_option = click.option(
    "--work",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Checkpoints and curves; default: the set's folder with .work at its end.",
)
minutes_option = click.option(
    "--time",
    "minutes",
    type=Converted("time", to_minutes),
    help="Time to train, networks not counted; default: as the spec says, or 10m.",
)
threads_option = click.option(
    "--threads", type=click.IntRange(min=1), help="Threads of torch; default: all cores."
)


@click.command("train", short_help="Train a feature set for one's own task networks.")
@click.argument("spec", required=False, metavar="[SPEC.json]", type=click.Path(path_type=Path))
@click.option("--preset", type=click.Choice(PRESETS), help="Instead of a spec: drawn shapes, two tasks.")
@click.option(
    "--out", required=True, metavar="FOLDER", type=click.Path(path_type=Path), help="Where the set goes."
)
@click.option("--name", metavar="NAME", help="Name of the set; default: the name of its folder.")
@minutes_option
@work_option
@threads_option
@click.option("--licence", metavar="TEXT", help="Licence of the set, for its card.")
def train(
    spec: Path | None,
    preset: str | None,
    out: Path,
    name: str | None,
    minutes: float | None,
    work: Path | None,
    threads: int | None,
    licence: str | None,
) -> int:
    """Train a feature set: the codec of the features of one or several task networks.

    SPEC.json names the pictures, the networks with the layer where each is split, and sizes
    (docs/guides/train-features.md). A stopped run continues from its last checkpoint when the same command is given
    again. Needs `pip install "texcodec[train]"`.
    """
    _source(spec, preset, "shapes")
    needs_torch()
    from texcodec.training.core.settings_json import read_json_file
    from texcodec.training.features.command import default_name, train_features
    from texcodec.training.features.spec import SPEC_PRESETS, spec_of

    console = Console()
    if spec is not None:
        raw = read_json_file(spec, "spec")
        wanted = spec_of(raw, minutes=minutes)
    else:
        assert preset is not None
        raw = SPEC_PRESETS[preset](minutes) if minutes else SPEC_PRESETS[preset]()
        wanted = spec_of(raw)
    chosen = name or default_name(out)
    code = train_features(
        wanted,
        out,
        work or out.with_name(out.resolve().name + ".work"),
        name=chosen,
        log=lambda sentence: console.error(None, sentence),
        threads=threads,
        card=_card(raw) | ({"licence": licence} if licence else {}),
    )
    if code == 0:
        console.error(None, f"{out} holds the feature set; use it with --models {out}.")
    return code


@click.command("add-task", short_help="Teach a feature set one more task; streams stay as they are.")
@click.argument("folder", metavar="SET", type=click.Path(path_type=Path))
@click.argument("spec", required=False, metavar="[TASK.json]", type=click.Path(path_type=Path))
@click.option(
    "--preset", type=click.Choice(SHAPES_TASKS), help="Instead of a file: a task of the drawn shapes."
)
@minutes_option
@work_option
@threads_option
def add_task(
    folder: Path,
    spec: Path | None,
    preset: str | None,
    minutes: float | None,
    work: Path | None,
    threads: int | None,
) -> int:
    """Train a reconstruction for a new task from the streams of SET, a folder, and add it there.

    Streams that exist serve the new task without a change to their bytes. TASK.json holds "data", "task" and "training"
    (docs/guides/train-features.md).
    """
    _source(spec, preset, "|".join(SHAPES_TASKS))
    needs_torch()
    from texcodec.training.core.settings_json import read_json_file
    from texcodec.training.features import new_task
    from texcodec.training.features.spec import new_task_of, shapes_new_task

    console = Console()
    if spec is not None:
        raw = read_json_file(spec, "task")
    else:
        assert preset is not None
        raw = shapes_new_task(preset)
    wanted = new_task.NewTask(*new_task_of(raw, minutes=minutes))
    return new_task.add_task(
        folder,
        wanted,
        work or folder.with_name(folder.resolve().name + ".work"),
        log=lambda sentence: console.error(None, sentence),
        threads=threads,
        card=_card(raw),
    )
