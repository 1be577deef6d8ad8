"""Tries a feature stream of sixty bytes that claims tensors of 2^32 rows and columns.

Stopped by the limits on sides and positions, and on the memory that its latents would take.
"""

from __future__ import annotations

from room import ROOT, Room, check, refused

from texcodec.container import (
    FEAT,
    FeatureStream,
    StreamTask,
    feature_header,
    pack_stream,
    task_identifier,
    write,
)
from texcodec.errors import LimitError
from texcodec.features import infer, load_feature_set

FOLDER = ROOT / "tests" / "data" / "tiny-features"


def attack(room: Room) -> None:
    features = load_feature_set(FOLDER)
    for height, width in (((1 << 32) // 4 - 1,) * 2, (8000, 8000), (1, 300_000), (3500, 3500)):
        tasks = tuple(
            StreamTask(task_identifier(task.name), height * task.factor, width * task.factor)
            for task in features.manifest.tasks
            if task.stream
        )
        stream = FeatureStream(features.identity, 0, tasks, 0, b"")
        data = write(feature_header(16, 16), [], [], [(FEAT, pack_stream(stream))])
        refused(LimitError, lambda d=data: infer(d, features=FOLDER))
        path = room.file("bomb.tcx", data)
        check(room.command("features", "decode", path, "--features", FOLDER) in (2, 4), room.err)
    check(room.names() == {"bomb.tcx"}, "an output was written")
