"""Which arguments are inputs, what is in folders among them, and where each one's result goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import click

from texcodec.errors import ParameterError, StreamError
from texcodec.files import STANDARD_STREAM, write_output


@dataclass(frozen=True)
class Job:
    """An input and the output that it shall have; ``-`` stands for a standard stream."""

    source: str
    target: str


@dataclass(frozen=True)
class Plan:
    """What a command has to do.

    Attributes:
        jobs: in the order of the inputs, folders in the order of their names.
        refused: inputs that cannot be done beside the others, each with a sentence that says why.
    """

    jobs: tuple[Job, ...]
    refused: tuple[tuple[str, str], ...] = ()

    def places(self) -> dict[str, str]:
        """The output of every input, where all can be done.

        Raises:
            ParameterError: one cannot.
        """
        for source, reason in self.refused:
            raise ParameterError(f"{source}: {reason}")
        return {job.source: job.target for job in self.jobs}


def plan(
    arguments: Sequence[str],
    *,
    output: str | None,
    out_dir: str | None,
    is_output: Callable[[str], bool],
    named: Callable[[str], str],
    members: Callable[[str], bool] | None = None,
) -> Plan:
    """Pair inputs and outputs.

    Args:
        arguments: as given; the second of two may be the output.
        output: the option --output.
        out_dir: the option --out-dir, below which what is in folders keeps its place.
        is_output: whether a second argument can only be meant as an output.
        named: from an input's name to that of its output beside it.
        members: whether a file in a folder is an input, by its name; without it, folders are no inputs.

    Raises:
        click.UsageError: the arguments contradict each other.
        ParameterError: an input would be replaced by its only output.
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
        if members is not None and os.path.isdir(sources[0]):
            raise click.UsageError(f"{sources[0]} is a folder; name a folder for its outputs with --out-dir.")
        _check_single(sources[0], output)
        return Plan((Job(sources[0], output),))
    found: list[tuple[str, str]] = []
    empty: list[tuple[str, str]] = []
    for source in sources:
        inputs = [(source, os.path.basename(source))]
        if members is not None:
            inputs = list(_inputs(source, members, out_dir))
        found += inputs
        if not inputs:
            empty.append((source, "The folder holds no file for this command; name another one."))
    return _paired(found, empty, out_dir, named)


def make_folders(plan: Plan) -> None:
    """Make the folders that outputs go into.

    Raises:
        StreamError: one cannot be made.
    """
    for folder in dict.fromkeys(os.path.dirname(job.target) for job in plan.jobs):
        if folder:
            try:
                os.makedirs(folder, exist_ok=True)
            except OSError as error:
                raise StreamError(f"Cannot make the folder {folder}: {error.strerror}.") from error


def _inputs(source: str, members: Callable[[str], bool], out_dir: str | None) -> Iterator[tuple[str, str]]:
    """The source, or the members of the folder that it is, each with its place below --out-dir."""
    if not os.path.isdir(source):
        yield source, os.path.basename(source)
        return
    results = None if out_dir is None else os.path.realpath(out_dir)
    for folder, folders, names in os.walk(source):
        # what an earlier run has written is no input of this one
        folders[:] = sorted(
            f for f in folders if not f.startswith(".") and not _is(os.path.join(folder, f), results)
        )
        for name in sorted(names):
            if not name.startswith(".") and members(name):
                path = os.path.join(folder, name)
                yield path, os.path.relpath(path, source)


def _is(folder: str, results: str | None) -> bool:
    return results is not None and os.path.realpath(folder) == results


def _paired(
    found: Sequence[tuple[str, str]],
    refused: list[tuple[str, str]],
    out_dir: str | None,
    named: Callable[[str], str],
) -> Plan:
    once: dict[str, tuple[str, str]] = {}  # a file that is named twice is done once
    for source, place in found:
        once.setdefault(os.path.realpath(source), (source, place))
    jobs = []
    taken: dict[str, str] = {}
    for source, place in once.values():
        beside = place if out_dir is not None else source
        target = os.path.join(out_dir or "", os.path.dirname(beside), named(os.path.basename(beside)))
        real = os.path.realpath(target)
        if real in once:
            refused.append(
                (source, f"Its output would replace the input {once[real][0]}; use --out-dir or --output.")
            )
        elif real in taken:
            other = taken[real]
            refused.append(
                (source, f"Its output {target} is that of {other} too; --full-names may keep both apart.")
            )
        else:
            taken[real] = source
            jobs.append(Job(source, target))
    return Plan(tuple(jobs), tuple(refused))


def _check_single(source: str, target: str) -> None:
    if target == STANDARD_STREAM:
        write_output(target, b"")  # refuses a terminal now rather than after the work
        return
    same = os.path.realpath(source) == os.path.realpath(target)
    if same and source != STANDARD_STREAM and os.path.isfile(target):
        raise ParameterError(f"{source} is both input and output; name another output.")
