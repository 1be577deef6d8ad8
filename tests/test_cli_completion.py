"""What shells complete, asked as their scripts ask, and in a bash on a terminal."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from cli_runs import environment, texcodec

from texcodec.cli.app import COMPLETION, application
from texcodec.cli.completion import FORMATS, answer_shells, value_type
from texcodec.images import format_for

posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")


def completions(*words: str) -> list[str]:
    """What completes the last word, as bash gets it: kind and value."""
    asked = {
        "COMP_WORDS": "\n".join(["texcodec", *words]),
        "COMP_CWORD": str(len(words)),
        COMPLETION: "bash_complete",
    }
    command = [sys.executable, "-m", "texcodec"]
    done = subprocess.run(
        command, env=environment() | asked, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def test_commands_options_and_choices_complete() -> None:
    assert completions("enc") == ["plain,encode"]
    assert completions("models", "ver") == ["plain,verify"]
    assert completions("encode", "--loss") == ["plain,--lossless"]
    assert completions("encode", "a.png", "--tile", "1") == ["plain,128"]
    assert completions("completion", "z") == ["plain,zsh"]


def test_file_names_folders_and_sets_complete_where_they_are_meant() -> None:
    assert completions("encode", "ph") == ["file,ph"]
    assert completions("crop", "apply", "pro") == ["file,pro"]
    assert completions("encode", "a.png", "--out-dir", "co") == ["dir,co"]
    assert completions("decode", "--models", "std-2") == ["plain,std-2", "plain,std-2-w8", "dir,std-2"]
    assert completions("decode", "--format", "web") == ["plain,webp"]
    assert completions("encode", "--quality", "5") == []


def test_every_name_of_a_file_or_folder_completes() -> None:
    answer_shells()
    kinds = {}

    def collect(command: click.Command, context: click.Context) -> None:
        for parameter in command.params:
            kind = value_type(parameter)
            kinds[f"{context.command_path} {parameter.name}"] = kind and getattr(kind, "kind", None)
        if isinstance(command, click.Group):
            for name in command.list_commands(context):
                below = command.get_command(context, name)
                assert below is not None
                collect(below, click.Context(below, info_name=name, parent=context))

    collect(application, click.Context(application, info_name="texcodec"))
    for name, kind in {
        "encode inputs": "file",
        "encode output": "file",
        "encode out_dir": "dir",
        "encode crop": "file",
        "decode inputs": "file",
        "info files": "file",
        "verify files": "file",
        "verify models": "dir",
        "models show name": "dir",
        "train pictures": "dir",
        "evaluate pictures": "file",
        "crop train labels": "file",
        "features infer output": "file",
        "features encode picture_models": "dir",
    }.items():
        assert kinds[f"texcodec {name}"] == kind, name
    assert kinds["texcodec encode size"] is None


def test_formats_that_complete_can_be_written() -> None:
    for word in FORMATS:
        assert format_for(f"x.{word}")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one_that_the_shell_understands(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert texcodec("completion", shell) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    assert f"{COMPLETION}={shell}_complete" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    assert subprocess.run([shell, "-n", str(script)], capture_output=True, timeout=30).stderr == b""


def test_a_shell_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert texcodec("completion", "csh") == 2
    assert "'csh' is not one of 'bash', 'zsh', 'fish'" in capsys.readouterr().err


def program(folder: Path) -> Path:
    """A folder with a command named texcodec that runs what is tested here."""
    script = folder / "bin" / "texcodec"
    script.parent.mkdir()
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m texcodec "$@"\n')
    script.chmod(0o755)
    return script.parent


class Terminal:
    """A bash on a terminal, in a folder, with the script in force."""

    def __init__(self, folder: Path) -> None:
        self.leader, follower = os.openpty()
        variables = {
            "PATH": f"{program(folder)}:{os.environ['PATH']}",
            "PS1": "> ",
            "TERM": "dumb",
            "HOME": str(folder),
        }
        command = ["bash", "--norc", "--noprofile", "-i"]
        streams = dict.fromkeys(("stdin", "stdout", "stderr"), follower)
        self.bash = subprocess.Popen(
            command, cwd=folder, env=environment() | variables, start_new_session=True, **streams
        )  # type: ignore[call-overload]
        os.close(follower)

    def type(self, keys: str, until: str) -> str:
        """What the terminal shows after these keys, once it shows ``until``."""
        os.write(self.leader, keys.encode())
        shown, end = "", time.monotonic() + 60
        while until not in shown and time.monotonic() < end:
            if select.select([self.leader], [], [], 0.5)[0]:
                shown += os.read(self.leader, 4096).decode(errors="replace")
        assert until in shown, shown
        return shown

    def close(self) -> None:
        self.bash.kill()
        self.bash.wait()
        os.close(self.leader)


@posix
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash here")
def test_bash_completes_on_a_terminal(tmp_path: Path) -> None:
    (tmp_path / "photo of a cat.png").touch()
    (tmp_path / "coded pictures").mkdir()
    (tmp_path / "codes.txt").touch()
    terminal = Terminal(tmp_path)
    try:
        terminal.type('eval "$(texcodec completion bash)"; echo rea""dy\n', "ready")
        terminal.type("texcodec enc\t", "encode ")
        terminal.type("--lossl\t", "ess ")
        terminal.type("pho\t", "to\\ of\\ a\\ cat.png ")
        terminal.type("--out-dir cod\t", "ed\\ pictures/")
        terminal.type(" --models shap\t", "es-1 ")
    finally:
        terminal.close()


@posix
@pytest.mark.skipif(shutil.which("fish") is None, reason="no fish here")
@pytest.mark.parametrize(
    ("line", "found"),
    [("texcodec encode ph", "photo of a cat.png"), ("texcodec encode --out-dir co", "coded pictures/")],
)
def test_fish_completes(tmp_path: Path, line: str, found: str) -> None:
    (tmp_path / "photo of a cat.png").touch()
    (tmp_path / "coded pictures").mkdir()
    (tmp_path / "codes.txt").touch()
    program(tmp_path)
    code = f"set -x PATH {tmp_path}/bin $PATH; texcodec completion fish | source; complete -C '{line}'"
    command = ["fish", "--no-config", "-c", code]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert [each.split("\t")[0] for each in done.stdout.splitlines()] == [found]
