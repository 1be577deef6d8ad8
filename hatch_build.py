"""What a wheel has beside the sources: manual pages, which are made here, and the viewer's page, which is looked for.

texcodec.cli.manual makes the manual pages from the help texts. `make viewer` builds the page of `texcodec view`; the
list of artifacts in pyproject.toml takes it into wheels that are built in the same checkout.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


def missing_page(root: Path) -> str | None:
    """What a wheel of this checkout lacks of the viewer's page, in a sentence; None if the page is there."""
    page = root / "texcodec" / "viewer" / "page"
    wanted = ("index.html", "page.js", "worker.js", "ort.wasm", "webp.wasm", "licences.txt")
    missing = [name for name in wanted if not (page / name).is_file()]
    if not missing:
        return None
    what = "no page" if len(missing) == len(wanted) else f"a page without {', '.join(missing)}"
    return f"The wheel has {what} for 'texcodec view': run 'make viewer' before it is built, in the same checkout."


class WheelContents(BuildHookInterface):
    """Puts texcodec.1 and its like where man(1) finds them, share/man/man1 of the environment, and checks the page."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is built; with TEXCODEC_RELEASE=1 a wheel without the page is refused."""
        if self.target_name != "wheel" or version == "editable":
            return
        problem = missing_page(Path(self.root))
        if problem and os.environ.get("TEXCODEC_RELEASE") == "1":
            raise SystemExit(problem)
        if problem:
            self.app.display_warning(problem)
        sys.path.insert(0, self.root)
        try:
            from texcodec.cli.manual import manual
        finally:
            sys.path.remove(self.root)
        folder = Path(self.root, "build", "man")
        folder.mkdir(parents=True, exist_ok=True)
        for name, page in manual().items():
            (folder / name).write_text(page, "utf-8")
            build_data["shared_data"][str(folder / name)] = f"share/man/man1/{name}"
