"""Makes the golden files with feature streams, as golden.make makes those of pictures: once, and never again.

    cd tests && PYTHONPATH=.. python -m golden.make_features [FOLDER]

For each it writes NAME.tcx and NAME.npz (the answers here, float16), and a line of golden.txt: name, feature set,
SHA-256 of the file, hash of its symbols. It makes only those that golden.txt does not name yet.
"""

from __future__ import annotations

import hashlib
import io
import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import second_decoder
from golden.make import HERE, encode, scene

from texcodec.container import FEAT, Reader, attach, feature_header, pack_stream, write
from texcodec.features import encode_picture, encode_tensors, infer, load_feature_set
from texcodec.features.decode import streams_hash
from texcodec.features.encode import picture_stream

SETS = {
    "tiny-features": HERE.parent / "data" / "tiny-features",
    "shapes-1": HERE.parents[1] / "models" / "shapes-1",
}
HEADING = "# name, feature set, SHA-256 of the file, hash of its symbols\n"


def tensors() -> dict[str, np.ndarray]:
    """Tensors of tiny-features from integers: kind 6 x 5 x 8, parts 5 x 10 x 15."""
    c, y, x = np.mgrid[:6, :10, :15]
    values = ((c * 73 + y * 31 + x * 57) % 64 - 32).astype(np.float32) / 8
    return {"kind": values[:, :5, :8], "parts": values[:5]}


def several() -> bytes:
    """Two streams of one set, which need chunks of their own."""
    features = load_feature_set(SETS["tiny-features"])
    streams = [picture_stream(scene(40, 24), features, level=level) for level in (2, 0)]
    return write(feature_header(24, 40), [], [], [(FEAT, pack_stream(stream)) for stream in streams])


def beside() -> bytes:
    """A picture and its features."""
    picture = scene(33, 40)
    return attach(
        encode(picture, quality=30), picture_stream(picture, load_feature_set(SETS["tiny-features"]))
    )


FILES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "pixel": ("tiny-features", lambda: encode_picture(scene(1, 2), SETS["tiny-features"], level=1)),
    "coarse": ("tiny-features", lambda: encode_picture(scene(70, 50), SETS["tiny-features"], level=0)),
    "fine": ("tiny-features", lambda: encode_picture(scene(50, 70), SETS["tiny-features"], level=2)),
    "tensors": ("tiny-features", lambda: encode_tensors(tensors(), SETS["tiny-features"], level=2)),
    "several": ("tiny-features", several),
    "beside": ("tiny-features", beside),
    "shapes": ("shapes-1", lambda: encode_picture(scene(64, 64), SETS["shapes-1"])),
    "shapes-coarse": ("shapes-1", lambda: encode_picture(scene(40, 24), SETS["shapes-1"], level=0)),
    "shapes-fine": ("shapes-1", lambda: encode_picture(scene(24, 40), SETS["shapes-1"], level=5)),
}


def symbols_hash(data: bytes, name: str) -> str:
    """Of the streams of a file, with texcodec."""
    reader = Reader(data)
    return streams_hash(reader.header, reader.ancillary, SETS[name])


def main(folder: Path) -> None:
    """Write the golden files that a folder does not have yet, and add their lines to its golden.txt."""
    table = folder / "golden.txt"
    known = table.read_text("ascii") if table.exists() else HEADING
    lines: list[str] = []
    contents: dict[str, bytes] = {}
    for name, (models, make) in FILES.items():
        if re.search(rf"^{name} ", known, re.M) or not SETS[models].is_dir():
            continue
        data = make()
        symbols = symbols_hash(data, models)
        second = second_decoder.FeatureSet(SETS[models])
        if second_decoder.streams_hash(second, second_decoder.read_file(data)) != symbols:
            sys.exit(f"the two decoders disagree on {name}: nothing is written")
        answers = io.BytesIO()
        found = {
            task: answer.astype(np.float16) for task, answer in infer(data, features=SETS[models]).items()
        }
        np.savez_compressed(answers, **found)
        contents |= {f"{name}.tcx": data, f"{name}.npz": answers.getvalue()}
        lines.append(f"{name} {models} {hashlib.sha256(data).hexdigest()} {symbols}")
        print(f"{name}: {len(data)} bytes, {', '.join(f'{task} {a.shape}' for task, a in found.items())}")
    if not lines:
        sys.exit(f"{folder} already has all: golden files are never made again")
    for name, content in contents.items():
        with open(folder / name, "xb") as stream:
            stream.write(content)
    table.write_text(known + "\n".join(lines) + "\n", "ascii")
    print(f"{len(lines)} golden files, {sum(map(len, contents.values()))} bytes with their answers")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE / "features")
