"""Processes of a pool end with the one that started them."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from cli_runs import environment

CODE = """
    import time
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context
    from os import getpid

    from texcodec.files import end_with_parent

    if __name__ == "__main__":
        pool = ProcessPoolExecutor(1, get_context("spawn"), end_with_parent)
        print(pool.submit(getpid).result(), flush=True)
        pool.submit(time.sleep, 600).result()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_ends_when_its_parent_is_killed(tmp_path: Path, number: int) -> None:
    script = tmp_path / "pool.py"
    script.write_text(textwrap.dedent(CODE), "utf-8")
    with subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(number)
        parent.wait(60)
        deadline = time.monotonic() + 60
        while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert not Path(f"/proc/{child}").exists()
