"""Batches drawn by a thread while a GPU computes."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from queue import Empty, Full, Queue
from typing import Any


def ahead(batches: Iterator[Any], depth: int = 3) -> Iterator[Any]:
    """The same batches, drawn by a thread while the device computes."""
    queue: Queue[Any] = Queue(depth)
    over = threading.Event()

    def put(item: Any) -> None:
        while not over.is_set():
            try:
                return queue.put(item, timeout=0.1)
            except Full:
                continue

    def draw() -> None:
        try:
            for batch in batches:
                put(batch)
                if over.is_set():
                    return
        except Exception as error:
            put(error)

    thread = threading.Thread(target=draw, daemon=True)
    thread.start()
    try:
        while True:
            try:
                item = queue.get(timeout=1.0)
            except Empty:
                continue
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        over.set()
        thread.join()
