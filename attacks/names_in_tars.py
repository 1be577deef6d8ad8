"""Tries tars whose members are called "../../x" or "/x", are links or devices, hold control characters, or forge a
table.

Stopped by keys: of names only the parts that stay below the destination are kept, and only plain files are read.
"""

from __future__ import annotations

import io
import tarfile

from room import Room, check

from texcodec.batch import Settings, run


def attack(room: Room) -> None:
    picture = room.picture().read_bytes()
    names = [
        "../../a.png",
        "/b.png",
        "..\\..\\c.png",
        "d/../../../../e.png",
        "./f.png",
        "\x1b[2Jg.png",
        "h" * 300 + ".png",
    ]
    names += ["i.png", "i.parquet", "i./../../j.txt", "k.png", "k.\\..\\..\\l"]
    (room.folder / "tars").mkdir()
    for name in ("tables", "plain"):
        with tarfile.open(room.folder / "tars" / f"{name}.tar", "w", format=tarfile.PAX_FORMAT) as tar:
            for member in names:
                info = tarfile.TarInfo(member)
                info.size = len(picture)
                tar.addfile(info, io.BytesIO(picture))
            for kind in (
                tarfile.SYMTYPE,
                tarfile.LNKTYPE,
                tarfile.CHRTYPE,
                tarfile.FIFOTYPE,
                tarfile.DIRTYPE,
            ):
                info = tarfile.TarInfo("link.png")
                info.type, info.linkname = kind, "/etc/passwd"
                tar.addfile(info)
    before = room.names()
    for kind in ("folders", "webdataset"):
        out = room.folder / f"out-{kind}"
        from texcodec.batch import Options

        summary = run(str(room.folder / "tars"), str(out), Settings(lossless=True), Options(kind=kind))
        check(summary.failed == 0 and summary.done == 2 * 9, f"{summary}")
    fresh = room.names() - before
    check(all(name.startswith("out-") for name in fresh), f"written elsewhere: {sorted(fresh)}")
    check(not any("passwd" in name or "link" in name for name in fresh), "a link was read")
    check(not (room.folder / "out-folders" / "tables" / "i.parquet").exists(), "a table was forged")
