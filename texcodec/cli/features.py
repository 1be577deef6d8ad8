"""``texcodec features``: features of task networks to .tcx files, and back to tensors and answers."""

from __future__ import annotations

import json
import os
import time
from importlib import import_module
from typing import Any

import click

from texcodec.cli import options
from texcodec.cli.console import Console, display_name, emit, in_columns
from texcodec.cli.inputs import opened, process
from texcodec.cli.plan import make_folders, plan
from texcodec.errors import ModelError, ParameterError
from texcodec.files import STANDARD_STREAM, check_output, decoded_name, encoded_name, write_output
from texcodec.limits import Limits

# Modules of subcommands that are not here, and their names in them; loaded when they are called.
_ELSEWHERE = {
    "evaluate": ("features_evaluate", "evaluate"),
    "train": ("features_train", "train"),
    "add-task": ("features_train", "add_task"),
}
_TENSOR_FORMATS = ("npy", "safetensors")
_ANSWER_FORMATS = ("png", "npy", "json")

models = click.option(
    "--models",
    metavar="NAME_OR_DIR",
    help="Use this feature set: its name or its folder. The default is TEXCODEC_MODELS, or the set that comes with "
    "texcodec; files name the one that they need.",
)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*super().list_commands(ctx), *_ELSEWHERE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _ELSEWHERE:
            return super().get_command(ctx, cmd_name)
        module, name = _ELSEWHERE[cmd_name]
        found: click.Command = getattr(import_module(f"texcodec.cli.{module}"), name)
        return found


@click.group("features", cls=_Commands, short_help="Code what task networks see instead of pixels.")
def command() -> None:
    """Code what a task network computes half-way, in a few hundred bytes, and finish its job elsewhere or later.

    A feature set holds the codec and the networks of its tasks: layers before the features, and layers behind them.
    """


@command.command("encode", short_help="Code features of pictures, or feature tensors, into .tcx files.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT... [OUTPUT.tcx]")
@options.outputs
@click.option(
    "--level", type=click.IntRange(0, 255), metavar="N", help="Rate level, 0 for the smallest files."
)
@click.option(
    "--with-picture", is_flag=True, help="Code the picture's pixels too, and put the features beside them."
)
@click.option(
    "--quality", type=options.FiniteRange(1, 100), metavar="1-100", help="With --with-picture: of the pixels."
)
@click.option(
    "--picture-models", metavar="NAME_OR_DIR", help="With --with-picture: the model set of the pixels."
)
@models
@options.limits
@options.verbosity
def encode(
    inputs: tuple[str, ...],
    output: str | None,
    out_dir: str | None,
    force: bool,
    level: int | None,
    with_picture: bool,
    quality: float | None,
    picture_models: str | None,
    models: str | None,
    limits: Limits,
    console: Console,
) -> int:
    """Code the features of pictures, or feature tensors, into .tcx files.

    An INPUT is a picture, a .npy file with the tensor (channels x height x width) of the only task, or a .safetensors
    file with one tensor a task under the task's name. With two arguments, the second one is the output if it ends in
    .tcx or is "-". Otherwise photo.png becomes photo.tcx beside it, or in the folder given with --out-dir. An input "-"
    is standard input, and an output "-" standard output.
    """
    if not with_picture and (quality is not None or picture_models is not None):
        raise click.UsageError("--quality and --picture-models are of pixels; they need --with-picture.")
    todo = plan(
        inputs,
        output=output,
        out_dir=out_dir,
        is_output=lambda name: name == STANDARD_STREAM or name.lower().endswith(".tcx"),
        named=encoded_name,
    )
    make_folders(todo)
    places = todo.places()
    features = loaded(models)
    features.level(level)  # fails once instead of once a file
    if with_picture:
        from texcodec.cli.inputs import require_models

        require_models(picture_models)

    def encode_one(source: str) -> None:
        target, start = places[source], time.perf_counter()
        check_output(target, force=force)
        with opened(source) as file:
            content = file.read(limits.memory + 1)
        limits.check_memory(len(content), "the input")
        data, pixels = _encoded(content, console.warner(source))
        write_output(target, data, force=force)
        console.done(source, target, size=len(data), pixels=pixels, seconds=time.perf_counter() - start)

    def _encoded(content: bytes, warn: Any) -> tuple[bytes, int]:
        """The file, and how many pixels (or positions of the first tensor) it is of."""
        from texcodec.container import attach
        from texcodec.features.encode import encode_tensors, feature_file, picture_stream
        from texcodec.features.tensors import kind_of, read_tensors

        if kind_of(content) is not None:
            if with_picture:
                raise ParameterError(
                    "The input is a tensor file, which has no pixels; leave --with-picture out."
                )
            tensors = read_tensors(content, limits)
            data = encode_tensors(tensors, features, level=level, limits=limits)
            return data, next(iter(tensors.values())).size // features.stream_tasks[0].channels
        import texcodec
        from texcodec.images import read_picture

        picture = read_picture(content, limits, name="The picture", metadata=False)
        for sentence in picture.notices:
            warn(sentence)
        stream = picture_stream(picture, features, level=level, limits=limits)
        pixels = picture.width * picture.height
        if not with_picture:
            return feature_file(stream, picture.width, picture.height), pixels
        beside = texcodec.encode(picture, quality=quality, models=picture_models, limits=limits, warn=warn)
        return attach(beside, stream, limits), pixels

    return process(console, list(places), encode_one)


@command.command("decode", short_help="Decode the features of .tcx files into tensors.")
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT.tcx... [OUTPUT]")
@options.outputs
@click.option(
    "--task", "tasks", multiple=True, metavar="NAME", help="Decode this task's features only; may repeat."
)
@click.option(
    "--format",
    "extension",
    type=click.Choice(_TENSOR_FORMATS),
    help="Write files of this format. The default is the output's extension, or safetensors.",
)
@models
@options.limits
@options.verbosity
def decode(
    inputs: tuple[str, ...],
    output: str | None,
    out_dir: str | None,
    force: bool,
    tasks: tuple[str, ...],
    extension: str | None,
    models: str | None,
    limits: Limits,
    console: Console,
) -> int:
    """Decode the features of .tcx files into tensors, float32, channels x height x width.

    A .safetensors file holds the features of all tasks, under their names; a .npy file those of one, which --task
    names. With two arguments, the second one is the output unless it ends in .tcx. Otherwise photo.tcx becomes
    photo.safetensors beside it, or in the folder given with --out-dir.
    """
    suffix = f".{extension or 'safetensors'}"
    todo = plan(
        inputs,
        output=output,
        out_dir=out_dir,
        is_output=lambda name: not name.lower().endswith(".tcx"),
        named=lambda name: decoded_name(name, suffix),
    )
    make_folders(todo)
    places = todo.places()
    suffixes = {target: _suffix(target, extension, suffix, _TENSOR_FORMATS) for target in places.values()}
    if models is not None:
        loaded(models)

    def decode_one(source: str) -> None:
        from texcodec.features import decode_tensors
        from texcodec.features.tensors import writer_of

        target, start = places[source], time.perf_counter()
        check_output(target, force=force)
        with opened(source) as file:
            tensors = decode_tensors(file, models, tasks or None, limits=limits)
        advice = "name one with --task, or write a .safetensors file"
        write_output(target, writer_of(tensors, suffixes[target], advice), force=force)
        if console.verbose:
            shapes = ", ".join(f"{name} {' x '.join(map(str, t.shape))}" for name, t in tensors.items())
            console.error(None, f"{display_name(source)}: {shapes}, {time.perf_counter() - start:.2f} s")

    return process(console, list(places), decode_one)


@command.command("infer", short_help="Run task networks on the features of .tcx files.")
@click.argument("files", nargs=-1, required=True, metavar="FILE.tcx...")
@click.option(
    "--task", metavar="NAME", help="Ask this task only; otherwise all that the feature set can answer."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a file, each on its own line.")
@click.option(
    "-o", "--out", "--output", "output", metavar="FILE",
    help="Write the answer of one task to a picture (.png), an array (.npy) or a .json file.",
)  # fmt: skip
@click.option(
    "--out-dir", metavar="DIR", help="Write every answer into this folder: photo.tcx gives photo.TASK.png."
)
@click.option(
    "--format",
    "extension",
    type=click.Choice(_ANSWER_FORMATS),
    help="Write answers in this format. The default is the output's extension; in a folder, png for maps, else json.",
)
@click.option("-f", "--force", is_flag=True, help="Replace outputs that exist already.")
@models
@options.limits
@options.verbosity
def infer(
    files: tuple[str, ...],
    task: str | None,
    as_json: bool,
    output: str | None,
    out_dir: str | None,
    extension: str | None,
    force: bool,
    models: str | None,
    limits: Limits,
    console: Console,
) -> int:
    """Finish the job: run the task networks on the features of .tcx files, and print or write their answers.

    Without an output, a class is printed with its probability, and a map as a summary; --json prints the probabilities
    of all classes. In a picture of a segmentation the classes are palette indices; of depth, 16-bit grey runs from the
    smallest to the largest value. A FILE "-" is standard input.
    """
    if output is not None and (out_dir is not None or len(files) > 1):
        raise click.UsageError("--out is for one file; use --out-dir for several, and not both.")
    if extension is not None and output is None and out_dir is None:
        raise click.UsageError("--format needs --out or --out-dir.")
    if output is not None:
        _suffix(output, extension, ".json", _ANSWER_FORMATS)
        check_output(output, force=force)
    if models is not None:
        features = loaded(models)
        if task is not None:
            features.task(task)
    if out_dir is not None:
        os.makedirs(out_dir, exist_ok=True)

    def infer_one(source: str) -> None:
        from texcodec.features import answers
        from texcodec.features.decode import decode as decode_file

        with opened(source) as file:
            decoded = decode_file(file, models, limits=limits)
        found = decoded.answers(task)
        infos = decoded.features.tasks
        if output is not None or out_dir is not None:
            if output is not None and len(found) > 1:
                raise ParameterError(f"There are answers of {', '.join(found)}; choose one with --task.")
            for name, answer in found.items():
                target = output or _answer_name(source, out_dir, name, extension, infos[name], answer)
                suffix = _suffix(target, extension, ".json", _ANSWER_FORMATS)
                write_output(target, answers.writer_of(infos[name], answer, suffix), force=force)
            return
        facts = [answers.describe(infos[name], answer) for name, answer in found.items()]
        shown = click.format_filename(display_name(source))
        if as_json:
            emit(json.dumps({"file": shown, "models": decoded.features.name, "answers": facts}))
        else:
            emit(in_columns(shown, {fact["task"]: answers.in_words(fact) for fact in facts}))

    return process(console, files, infer_one)


def _answer_name(
    source: str, out_dir: str | None, task: str, extension: str | None, info: Any, answer: Any
) -> str:
    from texcodec.features.answers import default_suffix

    suffix = f".{extension}" if extension else default_suffix(info, answer)
    name = "answer" if source == STANDARD_STREAM else source
    folder = out_dir if out_dir is not None else os.path.dirname(name)
    return os.path.join(folder, decoded_name(os.path.basename(name), f".{task}{suffix}"))


def _suffix(target: str, extension: str | None, default: str, known: tuple[str, ...]) -> str:
    """The format of an output as ``.npy``; raises ParameterError for one that is not known."""
    if extension is not None:
        return f".{extension}"
    suffix = default if target == STANDARD_STREAM else os.path.splitext(target)[1].lower()
    if suffix[1:] not in known:
        endings = ", ".join(f".{each}" for each in known)
        raise ParameterError(f"Cannot tell the format of {target} from its extension; use one of {endings}.")
    return suffix


def loaded(name: str | None) -> Any:
    """The feature set; fails once, before the first file."""
    from texcodec.registry import load_feature_set

    try:
        return load_feature_set(name)
    except OSError as error:
        raise ModelError(f"The feature set cannot be read: {error.strerror or error}.") from error
