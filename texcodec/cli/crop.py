"""``texcodec crop``: which part of a fixed camera's pictures a task needs."""

from __future__ import annotations

import functools
import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import click

from texcodec.cli import options
from texcodec.cli.console import Console
from texcodec.cli.inputs import opened, process
from texcodec.cli.plan import make_folders, plan
from texcodec.errors import ParameterError
from texcodec.files import check_output, write_output
from texcodec.limits import Limits


class _Pair(click.ParamType):
    """Two numbers from 0 to 1, X,Y."""

    name = "X,Y"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            x, y = (float(part) for part in value.split(","))
        except ValueError:
            self.fail(f"{value!r} is not two numbers X,Y, as in 0.5,0.4.", param, ctx)
        if not (0 <= x <= 1 and 0 <= y <= 1):
            self.fail(
                f"{value!r} must be two numbers from 0 to 1, parts of the width and height.", param, ctx
            )
        return x, y


@click.group("crop", short_help="Learn which part of a camera's pictures matters.")
def command() -> None:
    """Learn which part of a fixed camera's pictures a task needs, and crop to it.

    The result is a profile, a small file for texcodec encode --crop. It knows positions only: it is right for cameras
    in whose pictures things stay in their places, and wrong for things that move about.
    """


@command.command("train")
@click.argument("labels", metavar="LABELS.csv", type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, metavar="PROFILE.json", type=click.Path(path_type=Path), help="The profile."
)
@click.option(
    "--targets", metavar="NAME,NAME", help="Columns to learn; default: all that hold nothing but numbers."
)
@click.option(
    "--budget",
    type=options.FiniteRange(0, 1, min_open=True),
    default=0.15,
    show_default=True,
    help="Largest part of the pixels to keep.",
)
@click.option(
    "--form",
    type=click.Choice(["isotropic", "symmetric", "free"]),
    default="symmetric",
    show_default=True,
    help="Chains of probabilities: one for all directions, one for each pair of opposite ones, or one for each.",
)
@click.option(
    "--correction",
    type=click.Choice(["none", "left-right", "up-down", "centre"]),
    default="none",
    show_default=True,
    help="Make the region symmetric about a line through the reference pixel, or about that pixel.",
)
@click.option(
    "--reference",
    type=_Pair(),
    default="0.5,0.5",
    show_default=True,
    help="Where the region grows from, in parts of width and height.",
)
@click.option(
    "--side",
    type=click.IntRange(min=16, max=1024),
    default=97,
    show_default=True,
    help="Pixels of the longer side that pictures are reduced to for learning.",
)
@click.option(
    "--steps", type=click.IntRange(min=7), default=2100, show_default=True, help="Steps of all phases."
)
@click.option("--batch", type=click.IntRange(min=1), default=64, show_default=True, help="Pictures a step.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of all random draws.")
@click.option(
    "--threads", type=click.IntRange(min=1), metavar="N", help="Threads of torch; default: all cores."
)
@click.option(
    "--work", metavar="FOLDER", type=click.Path(path_type=Path), help="Checkpoints, curve, pictures, network; "
    "default: PROFILE.work."
)  # fmt: skip
@options.limits
@options.verbosity
def train(
    labels: Path,
    out: Path,
    targets: str | None,
    budget: float,
    form: str,
    correction: str,
    reference: tuple[float, float],
    side: int,
    steps: int,
    batch: int,
    seed: int,
    threads: int | None,
    work: Path | None,
    limits: Limits,
    console: Console,
) -> int:
    """Learn a crop from labelled pictures.

    LABELS.csv has a line of names first: file, and columns of numbers such as pitch and yaw. Files are relative to
    its folder. A stopped run goes on from its last checkpoint when the same command is given again. Needs `pip
    install "texcodec[train]"`.
    """
    try:
        import torch
    except ImportError:
        raise ParameterError(
            'Learning needs torch; install it with: pip install "texcodec[train]".'
        ) from None
    from texcodec.crop.labels import load_labels
    from texcodec.training.crop.learn import learn_crop
    from texcodec.training.crop.learner import CropSettings, chain_learning_rate

    if threads:
        torch.set_num_threads(threads)
    names = [name.strip() for name in targets.split(",") if name.strip()] if targets else []
    with console.steps("picture", fewest=100) as progress:
        data = load_labels(labels, targets=names, side=side, limits=limits, progress=progress)
    joint = 4 * steps // 7
    settings = CropSettings(
        budget=budget,
        form=form,
        correction=correction,
        reference=reference,
        warm_up=steps // 7,
        joint=joint,
        finish=steps - steps // 7 - joint,
        chain_learning_rate=chain_learning_rate(joint),
        batch=batch,
        seed=seed,
    )
    folder = work or out.with_name(out.stem + ".work")
    try:
        with console.steps("step") as progress:
            outcome = learn_crop(
                data,
                settings,
                out=out,
                work=folder,
                provenance={"command": shlex.join(["texcodec", *sys.argv[1:]]), "labels": labels.name},
                progress=progress,
            )
    except KeyboardInterrupt:
        console.error(None, f"Interrupted; the same command goes on from {folder}.")
        raise
    if not console.quiet:
        x, y, width, height = outcome.profile.region
        console.error(
            None,
            f"{out} keeps {outcome.profile.area:.1%} of the pixels: {width:.1%} of the width from {x:.1%}, "
            f"{height:.1%} of the height from {y:.1%}.",
        )
        for name, error in outcome.errors.items():
            console.error(
                None,
                f"{name}: mean error {error['hard']:.4g} on held-out pictures (by the mean: {error['mean']:.4g}).",
            )
        console.error(None, f"{folder / 'probabilities.png'} shows what was learned.")
    return 0


@dataclass(frozen=True)
class _Job:
    """Where the pictures of a command that changes each one come from and go to."""

    profile: str
    inputs: tuple[str, ...]
    output: str | None
    out_dir: str | None
    force: bool
    limits: Limits
    console: Console


def _job(command: Callable[..., int]) -> Callable[..., int]:
    """The arguments and options of commands that change pictures one by one; the command gets a ``job``."""
    names = {field.name for field in fields(_Job)}

    @functools.wraps(command)
    def with_job(**given: Any) -> int:
        job = _Job(**{name: given.pop(name) for name in names})
        return command(job=job, **given)

    inputs = click.argument("inputs", nargs=-1, metavar="INPUT... [OUTPUT]")
    profile = click.argument("profile", metavar="PROFILE.json")
    return profile(inputs(options.outputs(options.limits(options.verbosity(with_job)))))


@command.command("apply")
@_job
def apply(job: _Job) -> int:
    """Crop pictures to a profile's region, without coding them.

    With two pictures, the second one is the output if it does not exist yet. Otherwise photo.png becomes photo.crop.png
    beside it, or photo.png in the folder given with --out-dir.
    """
    if not job.inputs:
        raise click.UsageError("Name pictures to crop.")
    return _each(job, "crop", _cropped)


@command.command("show")
@click.option(
    "--probabilities",
    metavar="FILE.png",
    help="Draw the learned probabilities into this picture, instead of or beside the region on pictures.",
)
@_job
def show(job: _Job, probabilities: str | None) -> int:
    """Draw a profile's region on pictures: photo.png becomes photo.shown.png, or goes into --out-dir."""
    if probabilities is None and not job.inputs:
        raise click.UsageError("Name pictures to draw the region on, or --probabilities and an output.")
    if probabilities is not None:
        from texcodec.crop import read_profile
        from texcodec.crop.drawing import draw_probabilities
        from texcodec.images import format_for, from_array, save_picture

        check_output(probabilities, force=job.force)
        drawn, kind = from_array(draw_probabilities(read_profile(job.profile))), format_for(probabilities)
        write_output(probabilities, lambda to: save_picture(drawn, to, kind), force=job.force)
    return _each(job, "shown", _shown) if job.inputs else 0


@command.command("faces")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option("--count", type=click.IntRange(min=2), default=1000, show_default=True, help="Pictures.")
@click.option(
    "--people", type=click.IntRange(min=1), default=40, show_default=True, help="People among them."
)
@click.option("--width", type=click.IntRange(min=16), default=320, show_default=True, help="Pixels; 4:3.")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Of everything drawn.")
@click.option("-f", "--force", is_flag=True, help="Replace a labels.csv and pictures that are there already.")
def faces(folder: Path, count: int, people: int, width: int, seed: int, force: bool) -> int:
    """Draw faces with known gaze into FOLDER, with labels.csv, to try things out."""
    from texcodec.examples.faces import LABELS, draw_faces, save_labelled

    if folder.is_dir():
        check_output(folder / LABELS, force=force)
    table = save_labelled(draw_faces(count, width, width * 3 // 4, people=people, seed=seed), folder)
    Console().error(None, f"{table} lists {count} pictures; learn from it with texcodec crop train {table}.")
    return 0


def _each(job: _Job, word: str, change: Callable[[Any, Any], Any]) -> int:
    """Read every picture, change it, and write it in the format of its output's name."""
    from texcodec.crop import read_profile
    from texcodec.images import format_for, read_picture, save_picture

    learned = read_profile(job.profile)

    def named(name: str) -> str:
        stem, extension = os.path.splitext(name)
        return name if job.out_dir is not None else f"{stem}.{word}{extension}"

    todo = plan(
        job.inputs,
        output=job.output,
        out_dir=job.out_dir,
        is_output=lambda name: not Path(name).exists(),
        named=named,
    )
    make_folders(todo)
    places = todo.places()
    formats = {target: format_for(".png" if target == "-" else target) for target in places.values()}

    def one(source: str) -> None:
        target, warn = places[source], job.console.warner(source)
        check_output(target, force=job.force)
        with opened(source) as file:
            picture = read_picture(file, job.limits, name="The picture", metadata=False)
        for sentence in picture.notices:
            warn(sentence)
        changed, left_out = change(picture, learned.box(picture.width, picture.height)), []
        write_output(
            target, lambda to: left_out.extend(save_picture(changed, to, formats[target])), force=job.force
        )
        for sentence in left_out:
            warn(sentence)

    return process(job.console, list(places), one)


def _cropped(picture: Any, box: Any) -> Any:
    import numpy as np

    alpha = None if picture.alpha is None else np.ascontiguousarray(box.cut(picture.alpha))
    pixels = np.ascontiguousarray(picture.pixels[box.top : box.bottom, box.left : box.right])
    return replace(picture, pixels=pixels, alpha=alpha, notices=[])


def _shown(picture: Any, box: Any) -> Any:
    from texcodec.crop.drawing import draw_region
    from texcodec.images import from_array

    return from_array(draw_region(picture.pixels, box))
