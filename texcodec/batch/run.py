"""Shards that are not done, until they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..errors import ParameterError
from ..files import sync_all
from .destination import FOLDERS, writer
from .listing import Item, Listing, stored
from .processes import Processes
from .records import (
    FAILED,
    FAILURES,
    TABLES,
    Record,
    read_table,
    shard_name,
    table_name,
    write_failures,
    write_table,
)
from .samples import samples
from .settings import Settings
from .storage import Storage
from .work import Coded, Load


@dataclass(frozen=True)
class Options:
    """How a batch is run; none of it changes an output.

    Attributes:
        kind: ``destination.FOLDERS`` or ``destination.TARS``.
        shard_size: items per shard; of tars, each is a shard.
        part, parts: of all shards, those whose number modulo ``parts`` is ``part``.
        processes: at a time.
        relist: add what is new in the source.
        retry_failed: try failed items of shards that are done again.
        max_failures: of this run, before it is given up.
    """

    kind: str = FOLDERS
    shard_size: int = 10_000
    part: int = 0
    parts: int = 1
    processes: int = 1
    relist: bool = False
    retry_failed: bool = False
    max_failures: int | None = None


@dataclass
class Summary:
    """What a run has come to, over all its shards, those that were done before included.

    Attributes:
        shards, before: shards, and those that were done when it began.
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

    def count(self, records: list[Record]) -> None:
        """Add a shard."""
        for record in records:
            if record.status == FAILED:
                self.failed += 1
            else:
                self.done += 1
                self.bytes_in += record.bytes_in
                self.bytes_out += record.bytes_out


Progress = Callable[[int, int], None]


class _TooManyFailures(Exception):
    """The run is given up."""


def run(
    source: str,
    destination: str,
    settings: Settings,
    options: Options | None = None,
    *,
    progress: Progress | None = None,
) -> Summary:
    """Code a batch, or go on with one.

    Args:
        source, destination: paths or URLs.
        progress: called with the items that are done and their number; of tars, with shards.

    Raises:
        ParameterError: the source is none, the destination holds another batch, or the part does not exist.
        StreamError: the listing cannot be read, or an output cannot be written.
        FormatError: a tar is damaged; the shards before it are done.
        LibraryError: a library is not installed.
    """
    options = options or Options()
    if not 0 <= options.part < options.parts:
        raise ParameterError(f"Of {options.parts} parts, the last is {options.parts - 1}; there is no {options.part}.")
    to = Storage(destination)
    listing = stored(to, source, relist=options.relist)
    shards = list(enumerate(listing.shards(options.shard_size)))[options.part :: options.parts]
    batch = _Batch(to, listing, settings, options, progress, sum(len(items) for _, items in shards))
    with Processes(options.processes, settings) as processes:
        for number, items in shards:
            try:
                batch.shard(number, items, processes)
            except _TooManyFailures:
                batch.summary.given_up = True
                break
    name = FAILURES if options.parts == 1 else f"failures-{options.part}-of-{options.parts}.jsonl"
    write_failures(to, name, batch.failures)
    return batch.summary


class _Batch:
    """A run on its way through its shards."""

    def __init__(
        self,
        destination: Storage,
        listing: Listing,
        settings: Settings,
        options: Options,
        progress: Progress | None,
        total: int,
    ) -> None:
        self.destination, self.listing, self.settings, self.options = destination, listing, settings, options
        self.progress, self.total, self.seen = progress, total, 0
        self.summary, self.failures = Summary(), list[Record]()
        self.tables = {name for name in destination.names(TABLES) if name.endswith(".parquet")}
        self.new_failures = 0

    def shard(self, number: int, items: tuple[Item, ...], processes: Processes) -> None:
        """Do a shard, unless it is done."""
        table = table_name(number, self.settings.digest([self.options.kind, *(item.key for item in items)]))
        self.summary.shards += 1
        if table in self.tables:
            records = read_table(self.destination, table)
            self.summary.before += 1
            if self.options.retry_failed and any(record.status == FAILED for record in records):
                again = {record.key for record in records if record.status == FAILED}
                found = {record.key: record for record in self._code(number, items, processes, again)}
                records = [found.get(record.key, record) for record in records]
                self._finish(number, table, records)
        else:
            records = self._code(number, items, processes, None)
            self._finish(number, table, records)
        self.summary.count(records)
        self.failures += [record for record in records if record.status == FAILED]
        self.seen += len(items)
        self._show(self.seen)

    def _code(
        self, number: int, items: tuple[Item, ...], processes: Processes, only: set[str] | None
    ) -> list[Record]:
        records: list[Record] = []
        with writer(self.destination, self.options.kind, number, keep=only is not None) as to:
            loads = (load for load in self._loads(items) if only is None or load.key in only)
            for coded in processes.map(loads):
                records.append(self._counted(coded))
                if coded.data is not None:
                    to.add(coded)
                if not self.listing.tars:
                    self._show(self.seen + len(records))
        return records

    def _loads(self, items: tuple[Item, ...]) -> Iterator[Load]:
        for item in items:
            if self.listing.tars:
                yield from samples(item.source, item.key, self.settings.limits)
            else:
                yield Load(item.key, item.source)

    def _counted(self, coded: Coded) -> Record:
        if coded.record.status == FAILED:
            self.new_failures += 1
            most = self.options.max_failures
            if most is not None and self.new_failures > most:
                self.failures.append(coded.record)
                self.summary.failed += 1
                raise _TooManyFailures
        return coded.record

    def _finish(self, number: int, table: str, records: list[Record]) -> None:
        if self.destination.local:
            sync_all()  # before the table says that they are there
        write_table(self.destination, table, records)
        for name in self.tables:  # of other settings, or of a shard that has grown
            if name != table and name.startswith(f"{TABLES}/{shard_name(number)}-"):
                self.destination.remove(name)
        self.tables.add(table)

    def _show(self, done: int) -> None:
        if self.progress is not None:
            self.progress(done, self.total)
