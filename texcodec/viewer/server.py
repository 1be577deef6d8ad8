"""The server behind ``texcodec view``: the built page, one file and the model sets, for this machine's browser alone.

It listens on the loopback interface at a port that the system picks. All addresses begin with a random token, so that
neither other users of the machine nor pages of other origins can guess them.
"""

from __future__ import annotations

import functools
import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from safetensors import SafetensorError

from ..errors import StreamError
from ..registry import PICTURES, list_sets
from ..registry.discover import list_copies
from .pack import catalogue, pack_models, pack_name

PAGE = Path(__file__).resolve().parent / "page"
"""Where ``make viewer`` puts the built page; package data of a wheel that was built after it."""
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".tcx": "image/x-tcx",
}


class PageMissingError(StreamError):
    """The viewer's page was not built when this copy of texcodec was made."""

    advice = "Build it with 'make viewer' in a checkout of texcodec, or install a wheel that has it."


class ViewServer:
    """Serves one file to the viewer until it is closed.

    Args:
        data: the bytes of the file.
        name: that the page shows.
        page: folder of the built page.
    Attributes:
        url: to open in a browser; holds the token.
    Raises:
        PageMissingError: there is no built page.
    """

    def __init__(self, data: bytes, name: str, page: Path = PAGE) -> None:
        if not (page / "index.html").is_file():
            raise PageMissingError("The viewer's page is not part of this installation.")
        self._page = page
        self._data = data
        self._file = "file/" + quote(name, safe="")
        self._token = secrets.token_urlsafe(24)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._server.daemon_threads = True
        self._packed = functools.lru_cache(maxsize=4)(pack_models)
        self._hosts = {f"{host}:{self._server.server_port}" for host in ("127.0.0.1", "localhost")}
        address = f"http://127.0.0.1:{self._server.server_port}/{self._token}/index.html"
        self.url = f"{address}?file={quote(self._file, safe='')}"

    def serve(self) -> None:
        """Answer requests until ``close`` is called in another thread, or the process is interrupted."""
        self._server.serve_forever(poll_interval=0.2)

    def close(self) -> None:
        """End ``serve`` and free the port."""
        self._server.shutdown()
        self._server.server_close()

    def find(self, target: str, host: str) -> tuple[bytes, str] | None:
        """The bytes and the media type of what a request asks for; None if there is nothing, or no right to it.

        Args:
            target: path and query of the request.
            host: its header Host; another name than this machine's own is a sign of DNS rebinding.
        """
        token, _, path = urlsplit(target).path[1:].partition("/")
        if host not in self._hosts or not secrets.compare_digest(token.encode(), self._token.encode()):
            return None
        if path == self._file:
            return self._data, TYPES[".tcx"]
        if path.startswith("models/"):
            return self._model(path.removeprefix("models/"))
        return self._static(unquote(path) or "index.html")

    def _static(self, name: str) -> tuple[bytes, str] | None:
        names = {path.name: path for path in self._page.iterdir() if path.is_file()}
        if name not in names:
            return None
        return names[name].read_bytes(), TYPES.get(names[name].suffix, "application/octet-stream")

    def _model(self, name: str) -> tuple[bytes, str] | None:
        if name == "catalogue.json":
            return json.dumps(catalogue([info.path for info in list_sets()])).encode(), TYPES[".json"]
        for info in list_copies():
            if info.kind == PICTURES and name == pack_name(info.identity):
                try:
                    return self._packed(info.path), "application/octet-stream"
                except (OSError, ValueError, LookupError, SafetensorError):
                    continue  # a damaged copy, or one without the set beside it
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "texcodec"
    sys_version = ""

    def __init__(self, view: ViewServer, *arguments: object) -> None:
        self._view = view
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        found = self._view.find(self.path, self.headers.get("Host", ""))
        data, kind = found or (b"Not found\n", "text/plain; charset=utf-8")
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        pass  # nobody asked, and the token is in the paths
