"""Writes the manual pages into the wheel when it is built; texcodec.cli.manual makes them from the help texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ManualPages(BuildHookInterface):
    """Puts texcodec.1 and its like where man(1) finds them: share/man/man1 of the environment."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before the wheel is built."""
        if self.target_name != "wheel" or version == "editable":
            return
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
