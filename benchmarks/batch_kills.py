"""Kills a batch at random moments and starts it again, until it is done; then looks for pictures lost or done twice.

python benchmarks/batch_kills.py [--pictures 1000] [--kills 30]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import texcodec
from texcodec.batch.parquet import rows_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seconds", type=float, default=6.0, help="longest life of a run")
    arguments = parser.parse_args()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name, "in"), Path(name, "out")
        source.mkdir()
        numbers = np.random.default_rng(1)
        for i in range(arguments.pictures):
            small = Image.fromarray(numbers.integers(0, 256, (6, 8, 3), dtype=np.uint8))
            small.resize((64, 48), Image.Resampling.BICUBIC).save(source / f"{i:05}.png")
        command = [
            sys.executable,
            "-m",
            "texcodec",
            "batch",
            str(source),
            str(out),
            "--shard-size",
            "50",
            "-j2",
        ]
        killed = 0
        for _ in range(arguments.kills):
            process = subprocess.Popen([*command, "--quiet"], start_new_session=True)
            time.sleep(chance.uniform(0.05, arguments.seconds))
            if process.poll() is None:
                killed += 1
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        subprocess.run(command, check=True)
        rows = [
            row
            for table in (out / "tables").glob("*.parquet")
            for row in rows_of(table.read_bytes(), table.name)
        ]
        keys = [row["key"] for row in rows]
        files = list(out.glob("*.tcx"))
        sound = sum(texcodec.decode(file.read_bytes(), output="numpy").shape == (48, 64, 3) for file in files)
        left = [path for path in out.rglob("*") if path.name.startswith(".")]
        print(f"{arguments.pictures} pictures, killed {killed} times in {arguments.kills} starts")
        print(f"{len(keys)} rows, {len(set(keys))} keys, {len(files)} files, {sound} of them decode")
        print(f"{len(left)} unfinished files left behind under temporary names")


if __name__ == "__main__":
    main()
