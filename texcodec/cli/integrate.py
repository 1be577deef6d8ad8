"""``texcodec integrate``: the desktop and file(1) learn what a .tcx file is, for one user."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from texcodec.cli.console import Console, emit, printable
from texcodec.errors import StreamError
from texcodec.files import write_atomically

_BEGIN, _END = "# texcodec integrate: begin\n", "# texcodec integrate: end\n"


@click.command("integrate", short_help="Let the desktop and file(1) know .tcx files.")
@click.option("--remove", is_flag=True, help="Take back what this command has installed.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
def command(remove: bool, quiet: bool) -> int:
    """Let the desktop and file(1) know .tcx files, for the user who calls it.

    Three entries are installed and their files printed: the media type image/x-tcx for desktops of freedesktop.org, a
    thumbnailer, by which file managers show small pictures, and a rule for file(1) and all that use libmagic. Calling
    it again renews them, as after texcodec has moved.
    """
    if sys.platform == "win32":
        raise click.UsageError("There is nothing to integrate with on Windows.")
    from texcodec.cli.desktop import magic_entry, mime_entry, thumbnailer_entry

    data = _data_home()
    entries = {
        data / "mime" / "packages" / "texcodec.xml": mime_entry,
        data / "thumbnailers" / "texcodec.thumbnailer": thumbnailer_entry,
    }
    console = Console(quiet=quiet)
    for path, text in entries.items():
        _put(path, None if remove else text(), console)
    _update_mime(data / "mime", console)
    _put_magic(None if remove else magic_entry(), console)
    return 0


def _data_home() -> Path:
    given = os.environ.get("XDG_DATA_HOME", "")
    # the specification has relative paths ignored
    return Path(given) if os.path.isabs(given) else Path.home() / ".local" / "share"


def _put(path: Path, text: str | None, console: Console) -> None:
    """Write a file and print its name; without a text, remove it if it is there."""
    try:
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, text.encode(), force=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StreamError(f"Cannot change {path}: {error.strerror or error}.") from error
    _tell("removed" if text is None else "installed", path, console)


def _tell(what: str, path: Path, console: Console) -> None:
    if not console.quiet:
        emit(printable(f"{what} {path}"))


def _update_mime(folder: Path, console: Console) -> None:
    """Have the database built anew, where there is one."""
    program = shutil.which("update-mime-database")
    if not folder.is_dir():
        return
    if program is None:
        console.warner(str(folder))(
            "update-mime-database is not installed; the desktop may not see the change."
        )
        return
    done = subprocess.run([program, str(folder)], capture_output=True, text=True)
    if done.returncode:
        console.warner(str(folder))(f"update-mime-database failed: {done.stderr.strip() or done.returncode}.")


def _put_magic(entry: str | None, console: Console) -> None:
    """Add our lines to the user's rules for file(1), or take them out; those of others stay."""
    path = Path.home() / ".magic"
    if path.is_dir() or path.with_name(".magic.mgc").exists():
        if entry is not None:
            console.warner(str(path))("There are compiled rules for file(1), to which nothing can be added.")
        return
    try:
        before = path.read_text("utf-8", "surrogateescape") if path.exists() else ""
    except OSError as error:
        raise StreamError(f"Cannot read {path}: {error.strerror or error}.") from error
    others = _without_ours(before)
    if entry is None and others == before:
        return
    rules = others if others.endswith("\n") or not others else others + "\n"
    rules += f"{_BEGIN}{entry}{_END}" if entry is not None else ""
    if not rules:
        _put(path, None, console)
        return
    write_atomically(path, rules.encode("utf-8", "surrogateescape"), force=True)
    _tell("removed from" if entry is None else "installed in", path, console)


def _without_ours(rules: str) -> str:
    """Rules without what lies between our marks."""
    head, begin, rest = rules.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    return head + tail if begin and end else rules
