"""Arguments to exit code: the group of commands, and what becomes of their errors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from importlib import import_module

import click

from texcodec.cli.console import Console
from texcodec.errors import TexcodecError

# A command's module is loaded when it is called, or when the help lists it.
COMMANDS = (
    *("encode", "decode", "batch", "info", "verify", "models", "train", "evaluate", "crop", "features"),
    *("completion", "integrate", "view"),
)

COMPLETION = "_TEXCODEC_COMPLETE"
"""In the environment of a call by a shell that asks what completes a word; click makes the name of the program's."""

EXIT_CODES = """\b
Exit codes:
    0  everything was done
    1  a file failed
    2  the command line is wrong
    3  the model set is missing or damaged
    4  a file needs a newer version, or is over a limit
    5  a batch was given up
  130  interrupted
"""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"texcodec.cli.{cmd_name}").command
        return command


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from texcodec import __version__

        click.echo(f"texcodec {__version__}")
        ctx.exit()


@click.group(cls=_Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version and exit.",
)
def application() -> None:
    """Code pictures into .tcx files and back.

    Every part of a picture is coded by a network that was trained for its kind of texture.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; errors go to standard error, one line each.

    KeyboardInterrupt is passed on.
    """
    console = Console()
    if COMPLETION in os.environ:
        from texcodec.cli.completion import answer_shells

        answer_shells()
    try:
        code = application.main(list(arguments), prog_name="texcodec", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except click.UsageError as error:
        hint = f" Try '{error.ctx.command_path} --help'." if error.ctx else ""
        console.error(None, error.format_message() + hint)
        return error.exit_code
    except click.ClickException as error:
        console.error(None, error.format_message())
        return error.exit_code
    except BrokenPipeError:
        return 1  # the reader has seen enough, as in `texcodec info *.tcx | head`
    except TexcodecError as error:
        if not isinstance(error.__cause__, BrokenPipeError):
            console.error(None, error.with_advice)
        return error.exit_code
    except OSError as error:
        console.error(None, f"{error.strerror or error}.")
        return 1
    return code if isinstance(code, int) else 0
