"""Tries a server that hands `batch` a list of files of this machine, chains of file systems, and answers without
end.

Stopped by the rule that a list from elsewhere names addresses of the web and files beside it, and by limits on
what is read.
"""

from __future__ import annotations

import http.server
import importlib.util
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from room import Room, check, refused

from texcodec.batch import Settings, run
from texcodec.batch.storage import library
from texcodec.errors import LimitError, ParameterError
from texcodec.limits import Limits

WEB = importlib.util.find_spec("aiohttp") is not None
"""Without it fsspec reads no addresses of the web, and its store in memory stands for the server."""


def attack(room: Room) -> None:
    picture = room.picture("home/private.png")
    fs = library("fsspec").filesystem("memory")
    settings = Settings(lossless=True, limits=Limits(memory=1 << 20))
    evil = [
        str(picture),
        f"file://{picture}",
        f"FILE://{picture}",
        f"local://{picture}",
        f"simplecache::file://{picture}",
        f"zip://a.png::file://{picture}",
        f"memory://x::file://{picture}",
        f"http://127.0.0.1:1/x::file://{picture}",
        "reference://a.png::http://127.0.0.1:1/evil.json",
        "ssh://127.0.0.1/a.png",
        "github://a:b@c/a.png",
        "data:image/png;base64,AAAA://x",
    ]
    with _server({"/list.txt": ""}) as (address, pages):
        for number, place in enumerate(evil):
            text = f"good.png\n{place}\n"
            fs.pipe_file("/evil/list.txt", text.encode())
            pages["/list.txt"] = text
            for source in ["memory://evil/list.txt", *([f"{address}/list.txt"] if WEB else [])]:
                refused(ParameterError, run, source, str(room.folder / f"out{number}"), settings)
        fs.pipe_file("/evil/list.txt", f"{address}/endless.png\n{address}/missing.png\n".encode())
        summary = run("memory://evil/list.txt", str(room.folder / "endless"), settings)
        check((summary.done, summary.failed) == (0, 2), f"{summary}")
    fs.pipe_file("/evil/big.png", bytes(2 << 20))
    fs.pipe_file("/evil/list.txt", b"big.png")
    check(run("memory://evil/list.txt", str(room.folder / "big"), settings).failed == 1, "it was read whole")
    fs.pipe_file("/evil/list.tar", bytes(1 << 20))
    with suppress(LimitError, Exception):
        run("memory://evil/list.tar", str(room.folder / "tar"), settings)
    fs.rm("/evil", recursive=True)
    coded = {name for name in room.names() if name.endswith(".tcx")}
    check(not coded, f"coded: {coded}")


@contextmanager
def _server(pages: dict[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """A server of this machine alone."""
    stop = threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/endless.png":
                self.send_response(200)
                self.end_headers()
                with suppress(OSError):
                    for _ in range(2000):  # not for ever, in case nothing stops it
                        if stop.is_set():
                            break
                        self.wfile.write(bytes(1 << 16))
                return
            page = pages.get(self.path, "").encode()
            self.send_response(200 if page else 404)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        do_HEAD = do_GET

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", pages
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join()
