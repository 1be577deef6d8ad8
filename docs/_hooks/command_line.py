"""Writes the reference of the command line from the help texts, where a page says `<!-- commands -->`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from typing import Any

import click

from texcodec.cli.app import application

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Called by mkdocs for every page."""
    if MARK not in markdown:
        return markdown
    context = click.Context(application, info_name="texcodec", **application.context_settings)
    return markdown.replace(MARK, "\n\n".join(command_pages(application, context)))


def command_pages(command: click.Command, context: click.Context) -> Iterator[str]:
    """A command and all below it: heading, usage, text, options, exit codes."""
    path = context.command_path
    yield f"{'#' * (1 + len(path.split()))} {path} {{ #{path.replace(' ', '-')} }}"
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{path} {usage}\n```"
    yield from (paragraph(text) for text in re.split(r"\n\s*\n", command.help or ""))
    records = [p.get_help_record(context) for p in command.get_params(context)]
    rows = [row(names, text) for names, text in filter(None, records) if text]
    yield "\n".join(["| option | meaning |", "| --- | --- |", *rows])
    if command.epilog:
        yield paragraph(command.epilog)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from command_pages(below, click.Context(below, info_name=name, parent=context))


def paragraph(text: str) -> str:
    """Text of a help as Markdown; what click must not wrap becomes a block of code."""
    lines = [line.strip() for line in text.strip("\n").splitlines()]
    if lines and lines[0] == "\b":
        return "```text\n" + text.strip("\n").split("\n", 1)[1] + "\n```"
    return prose(" ".join(lines))


def prose(text: str) -> str:
    """Plain text as Markdown, options as code."""
    text = re.sub(r"([*_\[\]])", r"\\\1", escape(text, quote=False))
    return re.sub(r"(?<![\w`-])(--[a-z][\w-]*)", r"`\1`", text)


def row(names: str, text: str) -> str:
    """A row of a table; bars would end a cell."""
    cells = f"<code>{escape(names)}</code>", prose(" ".join(text.split()))
    return "| " + " | ".join(cell.replace("|", "&#124;") for cell in cells) + " |"
