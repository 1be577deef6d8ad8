"""``texcodec view``: a file in the browser."""

from __future__ import annotations

import click

from texcodec.cli import options
from texcodec.cli.console import Console, display_name, emit
from texcodec.cli.inputs import opened, process
from texcodec.limits import Limits


@click.command("view", short_help="Show a .tcx file in the browser.")
@click.argument("file", metavar="FILE")
@click.option("--no-browser", is_flag=True, help="Print the address only; open no browser.")
@options.limits
def command(file: str, no_browser: bool, limits: Limits) -> int:
    """Show a .tcx file in the browser, until interrupted (Ctrl-C).

    Prints the page's address and opens it. Only this machine can reach it, and only with the token in the
    address. Files that are damaged are shown as far as they are sound. A FILE "-" is standard input.
    """
    import webbrowser

    from texcodec.container.source import open_source
    from texcodec.viewer.server import ViewServer

    def view(name: str) -> None:
        with opened(name) as stream:
            source = open_source(stream, limits)
            data = source.read(0, source.size)
        server = ViewServer(data, display_name(name).replace("\\", "/").rsplit("/", 1)[-1])
        emit(server.url)
        if not no_browser:
            webbrowser.open(server.url)
        server.serve()

    return process(Console(), [file], view)
