"""Manual pages, one for each command, from the same texts as ``--help`` (roff with the macros of man(7))."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import click

from texcodec import __version__
from texcodec.cli.app import EXIT_CODES, application

SECTION = 1
"""Of the manual: commands for users."""
_ESCAPES = str.maketrans({"\\": "\\e", "-": "\\-", "~": "\\(ti", "^": "\\(ha", "'": "\\(aq", '"': "\\(dq"})


def manual() -> dict[str, str]:
    """The text of every page by its file's name, as ``texcodec-encode.1``."""
    context = click.Context(application, info_name="texcodec", **application.context_settings)
    return {f"{name}.{SECTION}": page for name, page in _pages(application, context)}


def _pages(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    """The name and text of the page of a command, and of all below it."""
    yield _name(context), "\n".join(_page(command, context)) + "\n"
    for below, inner in _below(command, context):
        yield from _pages(below, inner)


def _page(command: click.Command, context: click.Context) -> Iterator[str]:
    name = _name(context)
    yield f'.TH {_quoted(name.upper())} {SECTION} "" {_quoted(f"texcodec {__version__}")} "texcodec manual"'
    yield from (".SH NAME", f"{_text(name)} \\- {_text(_summary(command))}")
    usage = " ".join(command.collect_usage_pieces(context))
    yield from (".SH SYNOPSIS", f".B {_text(context.command_path)}", _line(usage))
    yield from (".SH DESCRIPTION", *_paragraphs(command.help or ""))
    options = [p.get_help_record(context) for p in command.get_params(context)]
    yield from _list("OPTIONS", [record for record in options if record and record[1]])
    yield from _list(
        "COMMANDS", [(inner.info_name or "", _summary(c)) for c, inner in _below(command, context)]
    )
    codes = re.findall(r"^ +(\d+)  (.*)$", EXIT_CODES, re.MULTILINE)
    yield from _list("EXIT STATUS", codes)
    yield ".SH SEE ALSO"
    *others, last = _related(command, context)
    yield from (f'.BR {_text(other)} "({SECTION}),"' for other in others)
    yield f'.BR {_text(last)} "({SECTION})"'


def _below(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    if not isinstance(command, click.Group):
        return
    for name in command.list_commands(context):
        below = command.get_command(context, name)
        assert below is not None
        yield below, click.Context(below, info_name=name, parent=context)


def _related(command: click.Command, context: click.Context) -> list[str]:
    """The pages of the command above, and of those below."""
    above = [_name(context.parent)] if context.parent else []
    return above + [_name(inner) for _, inner in _below(command, context)]


def _name(context: click.Context) -> str:
    return context.command_path.replace(" ", "-")


def _summary(command: click.Command) -> str:
    summary = command.get_short_help_str(limit=200).rstrip(".")
    return summary[:1].lower() + summary[1:]


def _list(title: str, entries: list[tuple[str, str]]) -> Iterator[str]:
    if entries:
        yield f".SH {title}"
    for term, text in entries:
        yield from (".TP", f".B {_text(term)}", _line(text))


def _paragraphs(text: str) -> Iterator[str]:
    """Paragraphs; of one that click must not wrap, each line stays one."""
    for paragraph in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        lines = paragraph.splitlines()
        if lines and lines[0].strip(" ") == "\b":
            yield from (".PP", ".RS 4", ".nf", *map(_line, lines[1:]), ".fi", ".RE")
        else:
            yield from (".PP", _line(paragraph))


def _line(text: str) -> str:
    """Text at the beginning of a line, where a full stop or apostrophe would begin a request."""
    escaped = _text(" ".join(text.split()))
    return f"\\&{escaped}" if escaped[:1] in (".", "'") else escaped


def _text(text: str) -> str:
    """Text without anything that roff reads as more than text; hyphens stay those that one types."""
    return text.translate(_ESCAPES)


def _quoted(text: str) -> str:
    return '"' + _text(text) + '"'
