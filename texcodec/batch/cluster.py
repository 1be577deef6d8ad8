"""Shards on a Ray cluster, through Ray Data: a task per shard.

A task that is lost with its worker or its machine is started again; as a shard is done when its table is there,
nothing is done twice that was finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..errors import ParameterError, TexcodecError
from .listing import stored
from .records import FAILED, Record
from .settings import Settings
from .shards import Done, Options, Shards, TooManyFailures
from .storage import Storage, library
from .work import coders

INSTALL = 'Install it with pip install "texcodec[ray]".'
_TRIES = 10
"""Of a shard, after losing its worker."""


def on_ray(
    source: str,
    destination: str,
    settings: Settings,
    options: Options,
    numbers: Sequence[int],
    address: str | None,
) -> Iterator[Done]:
    """The shards of these numbers as they are done.

    Args:
        source, destination: paths or URLs that every machine of the cluster sees.
        address: as ``ray.init`` takes it.

    Raises:
        ParameterError: there is no cluster at this address.
        TooManyFailures: in all tasks together.
        TexcodecError: of a task.
    """
    ray = library("ray", INSTALL)
    data = library("ray.data", INSTALL)
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (ConnectionError, ValueError) as error:
            raise ParameterError(
                f"There is no Ray cluster at {address or 'this machine'} ({error})."
            ) from error
    data.DataContext.get_current().enable_progress_bars = False
    try:
        rows = data.from_items([{"number": number} for number in numbers], override_num_blocks=len(numbers))
        done = rows.map(
            _shard,
            fn_args=(source, destination, settings, options),
            num_cpus=options.processes,
            max_retries=_TRIES,
        )
        yield from _counted(done.iter_rows(), options.max_failures)
    finally:
        if ours:
            ray.shutdown()


def _counted(rows: Iterator[dict[str, Any]], allowed: int | None) -> Iterator[Done]:
    failed = 0
    for row in rows:
        if row["error"]:
            raise TexcodecError(f"Shard {row['number']} is not done: {row['error']}")
        records = [Record(**record) for record in row["records"]]
        failed += row["new_failures"]
        if allowed is not None and failed > allowed:
            raise TooManyFailures(next(r for r in records if r.status == FAILED))
        yield Done(row["items"], records, row["before"], row["new_failures"])


def _shard(
    row: dict[str, Any], source: str, destination: str, settings: Settings, options: Options
) -> dict[str, Any]:
    """Do a shard in a task; its errors are in the row, as Ray would wrap them."""
    from dataclasses import asdict

    number = int(row["number"])
    result: dict[str, Any] = {"number": number, "items": 0, "records": [], "before": False}
    result |= {"new_failures": 0, "error": ""}
    to = Storage(destination)
    try:
        listing = stored(to, source, relist=False)
        items = listing.shards(options.shard_size)[number]
        with coders(options.processes, settings) as processes:
            done = Shards(to, listing, settings, options, processes).do(number, items)
    except TexcodecError as error:
        return result | {"error": error.with_advice}
    records = [asdict(record) for record in done.records]
    return result | {
        "items": done.items,
        "records": records,
        "before": done.before,
        "new_failures": done.new_failures,
    }
