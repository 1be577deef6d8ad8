"""Which arguments are inputs, and where each one's result goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from texcodec.errors import ParameterError, StreamError
from texcodec.files import STANDARD_STREAM, pair_outputs, write_output


def plan(
    arguments: Sequence[str],
    *,
    output: str | None,
    out_dir: str | None,
    is_output: Callable[[str], bool],
    default_name: Callable[[str], Path],
) -> dict[str, str]:
    """The output of every input, in the order of the inputs.

    Args:
        arguments: as given; the second of two may be the output.
        output: the option --output.
        out_dir: the option --out-dir; the folder is made if need be.
        is_output: whether a second argument can only be meant as an output.
        default_name: the output of an input that has none.

    Raises:
        click.UsageError: the arguments contradict each other.
        ParameterError: two inputs would have one output, or an input would be replaced.
        StreamError: the output folder cannot be made.
    """
    sources = list(arguments)
    if output is not None and out_dir is not None:
        raise click.UsageError("--output and --out-dir exclude each other.")
    if output is None and out_dir is None and len(sources) == 2 and is_output(sources[1]):
        output = sources.pop()
    if output is None and STANDARD_STREAM in sources:
        if len(sources) > 1 or out_dir is not None:
            raise click.UsageError("Standard input ('-') must be the only input and goes to no folder.")
        output = STANDARD_STREAM
    if output is not None:
        if len(sources) > 1:
            raise click.UsageError(
                f"There are {len(sources)} inputs for the one output {output}; use --out-dir for many inputs."
            )
        _check_single(sources[0], output)
        return {sources[0]: output}
    pairs = pair_outputs(sources, lambda source: default_name(os.fspath(source)))
    if out_dir is not None:
        _make_folder(out_dir)
    return {source: str(target) for source, (_, target) in zip(sources, pairs, strict=True)}


def _check_single(source: str, target: str) -> None:
    if target == STANDARD_STREAM:
        write_output(target, b"")  # refuses a terminal now rather than after the work
        return
    same = os.path.realpath(source) == os.path.realpath(target)
    if same and source != STANDARD_STREAM and os.path.isfile(target):
        raise ParameterError(f"{source} is both input and output; name another output.")


def _make_folder(folder: str) -> None:
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise StreamError(f"Cannot make the folder {folder}: {error.strerror}.") from error
