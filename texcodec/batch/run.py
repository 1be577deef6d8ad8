"""Shards that are not done, until they are: on this machine, or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import ParameterError
from .listing import Item, Listing, stored
from .records import FAILED, FAILURES, Record, write_failures
from .settings import Settings
from .shards import Done, Options, Shards, TooManyFailures
from .storage import Storage
from .work import coders

LOCAL, RAY = "local", "ray"
Progress = Callable[[int, int], None]
Shard = tuple[int, tuple[Item, ...]]


@dataclass
class Summary:
    """What a run has come to, over all its shards, those that were done before included.

    Attributes:
        shards, before: shards that are done, and those that were so when it began.
        done, failed: items.
        bytes_in, bytes_out: of items that were done.
        given_up: whether there were too many failures.
    """

    shards: int = 0
    before: int = 0
    done: int = 0
    failed: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    given_up: bool = False

    @property
    def exit_code(self) -> int:
        """0: all done; 1: some failed; 5: given up."""
        return 5 if self.given_up else int(self.failed > 0)

    def add(self, shard: Done) -> None:
        """Count a shard."""
        self.shards += 1
        self.before += shard.before
        for record in shard.records:
            if record.status == FAILED:
                self.failed += 1
            else:
                self.done += 1
                self.bytes_in += record.bytes_in
                self.bytes_out += record.bytes_out


def run(
    source: str,
    destination: str,
    settings: Settings,
    options: Options | None = None,
    *,
    engine: str = LOCAL,
    address: str | None = None,
    progress: Progress | None = None,
    tell: Callable[[Record], None] = lambda record: None,
) -> Summary:
    """Code a batch, or go on with one.

    Args:
        source, destination: paths or URLs, which all machines of a cluster see.
        engine: ``LOCAL`` or ``RAY``.
        address: of a Ray cluster; None: the one that this machine belongs to, else one of this machine alone.
        progress: called with the items that are done and their number; of tars, with shards.
        tell: called with the record of every item that was tried, where the engine is ``LOCAL``.

    Raises:
        ParameterError: the source is none, the destination holds another batch, or the part does not exist.
        StreamError: the listing cannot be read, or an output cannot be written.
        FormatError: a tar is damaged; the shards before it are done.
        LibraryError: a library is not installed.
    """
    options = options or Options()
    if not 0 <= options.part < options.parts:
        raise ParameterError(
            f"Of {options.parts} parts, the last is {options.parts - 1}; there is no {options.part}."
        )
    to = Storage(destination)
    listing = stored(to, source, relist=options.relist)
    shards = list(enumerate(listing.shards(options.shard_size)))[options.part :: options.parts]
    total = sum(len(items) for _, items in shards)
    summary, failures, seen = Summary(), list[Record](), 0
    if engine == RAY:
        from .cluster import on_ray

        found = on_ray(source, destination, settings, options, [number for number, _ in shards], address)
    else:
        found = _here(to, listing, settings, options, shards, progress, total, tell)
    try:
        for shard in found:
            summary.add(shard)
            failures += [record for record in shard.records if record.status == FAILED]
            seen += shard.items
            if progress is not None:
                progress(seen, total)
    except TooManyFailures as error:
        summary.given_up = True
        failures.append(error.record)
    name = FAILURES if options.parts == 1 else f"failures-{options.part}-of-{options.parts}.jsonl"
    write_failures(to, name, failures)
    return summary


def _here(
    destination: Storage,
    listing: Listing,
    settings: Settings,
    options: Options,
    shards: list[Shard],
    progress: Progress | None,
    total: int,
    tell: Callable[[Record], None],
) -> Iterator[Done]:
    seen = 0

    def show(count: int) -> None:
        if progress is not None:
            progress(seen + count, total)

    with coders(options.processes, settings) as processes:
        work = Shards(
            destination, listing, settings, options, processes, allowed=options.max_failures, tell=tell
        )
        for number, items in shards:
            yield work.do(number, items, show)
            seen += len(items)
