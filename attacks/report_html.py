"""Tries names of pictures and codecs that are HTML, so that the report of `evaluate` runs scripts.

Stopped by escaping every text of the report, which has no scripts of its own.
"""

from __future__ import annotations

import re
from unittest import mock

from room import Room, check

from texcodec.evaluation import report_html

EVIL = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>"


def attack(room: Room) -> None:
    from types import SimpleNamespace

    table = SimpleNamespace(title=EVIL, before=[EVIL], header=[EVIL], rows=[[EVIL, EVIL]], after=[EVIL])
    view = {"file": "a.png"}
    report = {"crops": [{"picture": EVIL, "kind": "flat", "region": (0, 0, 4, 4), "views": [view]}]}
    with (
        mock.patch.object(report_html, "sections", lambda report: [table]),
        mock.patch.object(report_html, "summary", lambda report: [EVIL]),
        mock.patch.object(report_html, "view_caption", lambda view: [EVIL]),
    ):
        page = report_html.html(report, dict.fromkeys(("a.png", "rd.png", "rd-dark.png"), b""))  # type: ignore[arg-type]
    check(
        not re.search(r"<script|<img src=x|[^\w-]onerror=alert\(2\)>", page.replace("&lt;", "")),
        "a script is in the page",
    )
    check("&lt;script&gt;" in page, "the names are not there")
