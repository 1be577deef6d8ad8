"""The model sets of the viewer as files, for ``make viewer``: ``python -m texcodec.viewer.site FOLDER``.

Writes a pack for every released set for pictures, and catalogue.json with the names of these and of the feature sets.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from ..registry import PICTURES, list_sets
from .pack import catalogue, pack_models, pack_name


def write_models(folder: Path) -> None:
    """Write the packs of all released sets and their catalogue into ``folder``, which is made if it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    sets = [info for info in list_sets() if info.released]
    for info in sets:
        if info.kind == PICTURES:
            (folder / pack_name(info.identity)).write_bytes(pack_models(info.path))
    text = json.dumps(catalogue([info.path for info in sets]), indent=1, sort_keys=True)
    (folder / "catalogue.json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    write_models(Path(sys.argv[1]))
