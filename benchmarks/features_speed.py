"""How long features take, warm: the task networks' first layers, encoding, decoding, and their last layers.

    python benchmarks/features_speed.py [SET] [--picture 320x240] [--level N] [--runs N]

Prints medians of CPU time in milliseconds: everything stays on one core, and this is what it takes on an idle one.
Only encoding and decoding are the codec's.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from texcodec.examples.shapes import render
from texcodec.features import encode_tensors, load_feature_set
from texcodec.features.decode import answer, decode
from texcodec.features.encode import picture_features


def timed(work: Callable[[], Any], runs: int) -> tuple[Any, float]:
    """What the work gives, and the median of its CPU time in milliseconds after one run to warm up."""
    result, seconds = work(), []
    for _ in range(runs):
        start = time.process_time()
        result = work()
        seconds.append(time.process_time() - start)
    return result, 1000 * statistics.median(seconds)


def main() -> None:
    """Measure one picture with one set."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", nargs="?", help="name or folder of a feature set")
    parser.add_argument("--picture", default="320x240", help="width and height")
    parser.add_argument("--level", type=int, help="rate level; default: the set's")
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    width, height = map(int, arguments.picture.split("x"))
    features = load_feature_set(arguments.set)
    picture = render(1, 1, width=width, height=height).pictures[0]
    names = [task.name for task in features.stream_tasks]
    tensors, front = timed(lambda: picture_features(picture, features), arguments.runs)
    data, encoding = timed(lambda: encode_tensors(tensors, features, level=arguments.level), arguments.runs)

    def decode_all() -> dict[str, np.ndarray]:
        decoded = decode(data, features)
        return {name: decoded.tensor(name) for name in names}

    found, decoding = timed(decode_all, arguments.runs)

    def finish() -> None:
        for name in names:
            answer(features, name, found[name])

    _, last = timed(finish, arguments.runs)
    shapes = ", ".join(f"{name} {' x '.join(map(str, tensor.shape))}" for name, tensor in found.items())
    print(f"{features.name}, picture of {width} x {height}: {shapes}; {len(data)} bytes")
    print(f"first layers {front:.1f} ms, encoding {encoding:.1f} ms, decoding {decoding:.1f} ms, ", end="")
    print(f"last layers {last:.1f} ms")


if __name__ == "__main__":
    main()
