"""Tries to leave processes behind: the command that started them is killed while they work.

Stopped by a thread in each of them, which waits for the end of its parent and ends the process as SIGTERM does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from room import Room, check, environment

SLOW = True


def attack(room: Room) -> None:
    if sys.platform != "linux":
        return
    for i in range(40):
        room.picture(f"in/{i}.png", 200, 150)
    for number in (signal.SIGKILL, signal.SIGTERM):
        for command in (
            ["encode", "in", "--out-dir", f"out{number}", "--lossless", "--jobs", "2"],
            ["batch", "in", f"batch{number}", "--lossless", "--jobs", "2"],
        ):
            _kill(room, command, number)


def _kill(room: Room, command: list[str], number: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "texcodec", *command],
        cwd=room.folder,
        env=environment(),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 100
    while (
        time.monotonic() < deadline
        and process.poll() is None
        and not list(room.folder.rglob(f"*{number}/*.tcx"))
    ):
        time.sleep(0.01)
    os.kill(process.pid, number)
    process.wait()
    while time.monotonic() < deadline:
        if not _alive(process.pid):
            break
        time.sleep(0.05)
    left = _alive(process.pid)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    check(not left, f"{len(left)} processes of {command[0]} are left behind")
    unfinished = [name for name in room.names() if name.endswith(".texcodec-tmp")]
    check(not unfinished, f"unfinished output is left behind: {unfinished}")


def _alive(session: int) -> list[int]:
    """Processes of a session that have not ended."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    fields = file.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(entry))
    return found
