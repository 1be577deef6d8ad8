"""Tries requests to the server of `texcodec view` for files beside its page, without its token, or by another name
of this machine.

Stopped by a random token in every address, a list of the names that exist, and a look at the name that the browser
asked for.
"""

from __future__ import annotations

from room import Room, check

from texcodec.viewer.server import ViewServer


def attack(room: Room) -> None:
    room.file("page/index.html", b"page")
    room.file("secret.txt", b"secret")
    server = ViewServer(b"data", "../evil\r\nX: y\x1b.tcx", room.folder / "page")
    try:
        token, host = server.url.split("/")[3], server.url.split("/")[2]
        check(server.find(f"/{token}/index.html", host) is not None, "the page is not served")
        for path in (
            "../secret.txt",
            "..%2fsecret.txt",
            "%2e%2e/secret.txt",
            "/etc/passwd",
            "..\\secret.txt",
            "index.html/..",
            "models/../../secret.txt",
            "models/..%2f..",
            "file/../../secret.txt",
            "%00",
            "page/index.html",
        ):
            check(server.find(f"/{token}/{path}", host) is None, f"{path} was served")
        for guess in ("", "x", token[:-1], token + "x", token.upper()):
            check(
                server.find(f"/{guess}/index.html", host) is None or guess == token,
                "served without the token",
            )
        for other in (
            "evil.example",
            f"evil.example:{host.split(':')[1]}",
            "127.0.0.1",
            "",
            f"[::1]:{host.split(':')[1]}",
        ):
            check(server.find(f"/{token}/index.html", other) is None, "served under another name")
        check(server.url.isprintable() and "\n" not in server.url, "the name is in the address as it is")
    finally:
        server._server.server_close()
