"""The documents against the code: commands, options and Python that they show exist."""

from __future__ import annotations

import ast
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from texcodec.cli.app import application

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PLACEHOLDERS = re.compile(r"\[[^\]]*\]")
"""Parts of a command that may be left out, as in `train photos/ [--helpers N]`."""


def shell_lines(text: str) -> Iterator[str]:
    """Commands of texcodec in indented blocks, without comments and pipes."""
    for line in re.findall(r"^    +(?:.*\| )?(texcodec .*)$", text, re.MULTILINE):
        yield re.split(r"\s#|\s\||\s>|\s&&", PLACEHOLDERS.sub(lambda m: m[0][1:-1], line))[0].strip()


def option_names(command: click.Command) -> set[str]:
    names = {"--help", "-h"}
    for parameter in command.params:
        names |= {*parameter.opts, *parameter.secondary_opts}
    return names


COMMANDS = sorted({line for document in DOCUMENTS for line in shell_lines(document.read_text("utf-8"))})


def test_documents_show_commands() -> None:
    assert len(COMMANDS) > 50


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_and_options_of_the_documents_exist(line: str) -> None:
    words = shlex.split(line)[1:]
    command: click.Command = application
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        context = click.Context(command)
        below = command.get_command(context, words[0])
        assert below is not None, f"there is no command {words[0]}"
        command, words = below, words[1:]
    known = option_names(command)
    for word in words:
        if re.match(r"--?[a-z]", word):
            assert word.split("=")[0] in known, f"{command.name} has no option {word}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_python_of_the_documents_is_valid(document: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", document.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        for node in ast.walk(ast.parse(textwrap.dedent(block))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("texcodec."):
                path = ROOT / (node.module or "").replace(".", "/")
                source = (path / "__init__.py") if path.is_dir() else path.with_suffix(".py")
                assert source.exists(), f"there is no module {node.module}"
                text = source.read_text("utf-8")
                for alias in node.names:
                    assert re.search(rf"\b{alias.name}\b", text), f"{node.module} has no {alias.name}"


def test_documents_that_the_code_names_exist() -> None:
    sources = [p for part in ("texcodec", "benchmarks", "tests") for p in (ROOT / part).rglob("*.py")]
    named = {
        (name, p.name) for p in sources for name in re.findall(r"docs/[\w/-]+\.md", p.read_text("utf-8"))
    }
    assert len(named) > 30
    assert not [where for where in named if not (ROOT / where[0]).exists()]
