"""Processes of a pool that end with the one that started them."""

from __future__ import annotations

import os
import signal
import threading


def end_with_parent() -> None:
    """End this process when its parent is gone, as by SIGKILL or SIGTERM: it would wait for work for ever.

    It ends as by SIGTERM, so that unfinished output is removed.
    """
    from multiprocessing import parent_process  # these are not paid by processes without a pool
    from multiprocessing.connection import wait

    parent = parent_process()
    if parent is None:
        return

    def watch() -> None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="end with parent", daemon=True).start()
