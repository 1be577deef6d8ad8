"""The manual pages against the commands that they are made from."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest

from texcodec.cli.app import application
from texcodec.cli.manual import manual

PAGES = manual()


def commands(command: click.Command, context: click.Context) -> Iterator[tuple[click.Command, click.Context]]:
    yield command, context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from commands(below, click.Context(below, info_name=name, parent=context))


COMMANDS = {
    context.command_path.replace(" ", "-"): (command, context)
    for command, context in commands(application, click.Context(application, info_name="texcodec"))
}


def plain(page: str) -> str:
    """The page as one line of text."""
    for escape, character in {
        "\\-": "-",
        "\\(aq": "'",
        "\\(ti": "~",
        "\\(ha": "^",
        "\\(dq": '"',
        "\\&": "",
        "\\e": "\\",
    }.items():
        page = page.replace(escape, character)
    return " ".join(page.split())


def test_every_command_has_a_page_and_no_other() -> None:
    assert set(PAGES) == {f"{name}.1" for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_page_says_what_the_help_says(name: str) -> None:
    command, context = COMMANDS[name]
    page = plain(PAGES[f"{name}.1"])
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1]:
            assert f".B {record[0]} {' '.join(record[1].split())}" in page
    for word in re.sub("\b", "", command.help or "").split():
        assert word in page
    assert "130 interrupted" in page


@pytest.mark.parametrize("name", COMMANDS)
def test_pages_refer_to_pages_that_exist(name: str) -> None:
    referred = re.findall(r'^\.BR (\S+) "\(1\)', PAGES[f"{name}.1"], re.MULTILINE)
    assert referred
    assert {plain(other) for other in referred} <= set(COMMANDS)


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_groff_formats_the_pages_without_a_warning() -> None:
    for name, page in PAGES.items():
        command = ["groff", "-man", "-ww", "-Tascii"]
        done = subprocess.run(command, input=page.encode(), capture_output=True, timeout=30)
        assert (done.returncode, done.stderr) == (0, b""), name
        shown = re.sub("\x1b\\[[0-9;]*m|.\x08", "", done.stdout.decode())
        assert f"{name.removesuffix('.1')} - " in " ".join(shown.split())


def test_text_that_looks_like_a_request_is_text() -> None:
    from texcodec.cli.manual import _line

    assert _line(".SH  it's a\\b ~ x") == "\\&.SH it\\(aqs a\\eb \\(ti x"
    assert _line("'quoted'") == "\\(aqquoted\\(aq"
