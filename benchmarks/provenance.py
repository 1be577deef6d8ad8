"""Where a result comes from: the commit, the command and a hash of the data, kept in its JSON as "provenance".

    python benchmarks/provenance.py RESULT.json --command "texcodec evaluate KODAK ..." [--data FOLDER ...]

adds it to a result that another program wrote. The hash of a folder is that of

    find . -type f | LC_ALL=C sort | xargs -d '\\n' sha256sum | sha256sum
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def commit() -> str:
    """The commit of the working tree, with "+" behind it if tracked files differ from it; "unknown" without git."""
    try:
        text = _git("rev-parse", "--short=7", "HEAD")
        return text + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def data_hash(place: Path) -> dict[str, Any]:
    """Name, number of files and SHA-256 of a folder, or of one file."""
    if place.is_file():
        return {"name": place.name, "files": 1, "sha256": _sha256(place)}
    files = sorted("./" + p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file())
    lines = "".join(f"{_sha256(place / name)}  {name}\n" for name in files)
    return {
        "name": place.name,
        "files": len(files),
        "sha256": hashlib.sha256(lines.encode("utf-8")).hexdigest(),
    }


def provenance(
    data: Sequence[Path] = (), *, command: str | None = None, note: str | None = None
) -> dict[str, Any]:
    """The entry for a result.

    Args:
        data: folders or files that were measured on; none where the data is computed from seeds.
        command: default: that of this process, with the names instead of the paths of the data.
        note: what else a reader must know.
    """
    if command is None:
        names = {str(place): place.name for place in data}
        script = Path(sys.argv[0]).resolve()
        first = script.relative_to(ROOT).as_posix() if script.is_relative_to(ROOT) else script.name
        command = shlex.join(["python", first, *(names.get(a, a) for a in sys.argv[1:])])
    found: dict[str, Any] = {
        "commit": commit(),
        "command": command,
        "data": [data_hash(place) for place in data],
    }
    return found | ({"note": note} if note else {})


def sentence(piece: Any) -> list[str]:
    """The provenance of a result in words, as no or one paragraph."""
    about = piece.get("provenance") if isinstance(piece, dict) else None
    if not about:
        return []
    data = [
        f"`{entry['name']}` ({entry['files']} {'file' if entry['files'] == 1 else 'files'}, "
        f"SHA-256 `{entry['sha256'][:16]}…`)"
        for entry in about["data"]
    ]
    text = (
        f"Commit {about['commit']}; `{about['command']}`; data: {', '.join(data) or 'computed from seeds'}."
    )
    return [f"*{text}*" + (f" *{about['note']}*" if "note" in about else "")]


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("result", type=Path)
    parser.add_argument("--command", required=True)
    parser.add_argument("--data", type=Path, action="append", default=[])
    parser.add_argument("--commit", help="default: that of the working tree")
    parser.add_argument("--note")
    options = parser.parse_args()
    piece = json.loads(options.result.read_text("utf-8"))
    about = provenance(options.data, command=options.command, note=options.note)
    piece["provenance"] = about | ({"commit": options.commit} if options.commit else {})
    options.result.write_text(json.dumps(piece, indent=1) + "\n", "utf-8")
    print(*sentence(piece))


if __name__ == "__main__":
    main()
