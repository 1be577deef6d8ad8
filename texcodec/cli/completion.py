"""``texcodec completion``: a script that lets the shell complete commands, options, names of files and sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import (
    BashComplete,
    CompletionItem,
    FishComplete,
    ShellComplete,
    ZshComplete,
    add_completion_class,
)

FORMATS = ("png", "jpg", "webp", "tif", "avif", "heic", "jxl", "bmp", "gif", "ppm", "qoi")
_FOLDERS = ("FOLDER", "DIR", "SET")
_SETS = ("NAME_OR_DIR", "MODELS")


class _Words(click.ParamType):
    """Values for completion only: some words, and what the shell itself knows, ``file`` or ``dir``."""

    name = "words"

    def __init__(self, kind: str | None, words: Sequence[str] = ()) -> None:
        self.kind, self.words = kind, words

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        items = [CompletionItem(word) for word in self.words if word.startswith(incomplete)]
        return items + ([CompletionItem(incomplete, type=self.kind)] if self.kind else [])


class _Sets(_Words):
    """Installed model sets, and folders."""

    def __init__(self) -> None:
        super().__init__("dir")

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from texcodec.registry import list_sets

        self.words = sorted({info.name for info in list_sets()})
        return super().shell_complete(ctx, param, incomplete)


def value_type(parameter: click.Parameter) -> click.ParamType | None:
    """What completes the values of an option or argument, by its metavar; None for what click completes."""
    if isinstance(parameter.type, click.Choice) or getattr(parameter, "is_flag", False):
        return None
    words = (parameter.metavar or "").replace("[", " ").replace("]", " ").replace("...", " ").split()
    first = words[0] if words else ""
    if first in _SETS:
        return _Sets()
    if first in _FOLDERS:
        return _Words("dir")
    if first == "EXTENSION":
        return _Words(None, FORMATS)
    is_path = isinstance(parameter, click.Argument) or isinstance(parameter.type, click.Path)
    return _Words("file") if is_path or first == "FILE" or first.startswith("FILE.") or "." in first else None


class _Completion(ShellComplete):
    """What the three shells share: values complete by their metavars."""

    def get_completions(self, args: list[str], incomplete: str) -> list[CompletionItem]:
        command: click.Command | None = self.cli
        words = iter(args)
        while command is not None:
            for parameter in command.params:
                parameter.type = value_type(parameter) or parameter.type
            if not isinstance(command, click.Group):
                break
            context, group = click.Context(command), command
            command = next((found for word in words if (found := group.get_command(context, word))), None)
        return super().get_completions(args, incomplete)


class _Bash(_Completion, BashComplete):
    # click's script drops the words that come with a folder, and completes no folder beside them
    source_template = BashComplete.source_template.replace(
        "COMPREPLY=()\n            compopt -o dirnames", "compopt -o plusdirs"
    )

    def source(self) -> str:
        return ShellComplete.source(self)  # without starting a bash to ask for its version


class _Zsh(_Completion, ZshComplete):
    pass


class _Fish(_Completion, FishComplete):
    pass


_SHELLS: dict[str, type[ShellComplete]] = {"bash": _Bash, "zsh": _Zsh, "fish": _Fish}


def answer_shells() -> None:
    """Put these classes in the place of click's, in a process that a shell's script has started."""
    for name, kind in _SHELLS.items():
        add_completion_class(kind, name)


@click.command("completion", short_help="Print a script that lets the shell complete commands and names.")
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Print a script for a shell that lets it complete commands, options, model sets and file names.

    For bash, put this line into ~/.bashrc; for zsh, the like into ~/.zshrc, behind the line with compinit:

    \b
        eval "$(texcodec completion bash)"

    For fish, write the script where fish looks for it:

    \b
        texcodec completion fish > ~/.config/fish/completions/texcodec.fish
    """  # noqa: D301  click goes by the character
    settings: dict[str, Any] = {}
    from texcodec.cli.app import COMPLETION

    source = _SHELLS[shell](ctx.find_root().command, settings, "texcodec", COMPLETION).source()
    click.echo(source)
    return 0
