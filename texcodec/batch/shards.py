"""One shard: its files, then its table, which says that it is done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..files import sync_all
from ..processes import Processes
from .destination import FOLDERS, writer
from .listing import Item, Listing
from .records import FAILED, TABLES, Record, read_table, shard_name, table_name, write_table
from .samples import samples
from .settings import Settings
from .storage import Storage
from .work import Coded, Load


@dataclass(frozen=True)
class Options:
    """How a batch is run; none of it changes the bytes of a .tcx file.

    Attributes:
        kind: ``destination.FOLDERS`` or ``destination.TARS``.
        shard_size: items per shard; of tars, each is a shard.
        part, parts: of all shards, those whose number modulo ``parts`` is ``part``.
        processes: at a time, on each machine.
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


@dataclass(frozen=True)
class Done:
    """A shard that is done.

    Attributes:
        items: of the listing that are in it.
        records: one per picture.
        before: whether it was done when the run began, and nothing was tried again.
        new_failures: records that failed in this run.
    """

    items: int
    records: list[Record]
    before: bool
    new_failures: int = 0


class TooManyFailures(Exception):
    """There are more failures than were allowed; the shard is not done."""

    def __init__(self, record: Record) -> None:
        super().__init__(record)
        self.record = record


class Shards:
    """Does shards of a batch, one after the other.

    Args:
        allowed: failures before ``TooManyFailures``; None: any number.
        tell: called with the record of every item that was tried.
    """

    def __init__(
        self,
        destination: Storage,
        listing: Listing,
        settings: Settings,
        options: Options,
        processes: Processes[Load, Coded],
        *,
        allowed: int | None = None,
        tell: Callable[[Record], None] = lambda record: None,
    ) -> None:
        self.destination, self.listing, self.settings, self.options = destination, listing, settings, options
        self.processes, self.allowed, self.tell = processes, allowed, tell
        self.tables = {name for name in destination.names(TABLES) if name.endswith(".parquet")}

    def do(
        self, number: int, items: tuple[Item, ...], show: Callable[[int], None] = lambda count: None
    ) -> Done:
        """Do a shard, unless it is done.

        Args:
            show: called with the items of it that are done.

        Raises:
            TooManyFailures, StreamError, FormatError: the shard is not done.
        """
        table = table_name(number, self.settings.digest([self.options.kind, *(item.key for item in items)]))
        records = read_table(self.destination, table) if table in self.tables else []
        failed = {record.key for record in records if record.status == FAILED}
        if table in self.tables and not (self.options.retry_failed and failed):
            return Done(len(items), records, True)
        found = self._code(number, items, failed if table in self.tables else None, show)
        by_key = {record.key: record for record in found}
        records = [by_key.get(record.key, record) for record in records] if table in self.tables else found
        self._finish(number, table, records)
        return Done(len(items), records, False, sum(record.status == FAILED for record in found))

    def _code(
        self, number: int, items: tuple[Item, ...], only: set[str] | None, show: Callable[[int], None]
    ) -> list[Record]:
        records: list[Record] = []
        with writer(self.destination, self.options.kind, number, keep=only is not None) as to:
            loads = (load for load in self._loads(items) if only is None or load.key in only)
            for coded in self.processes.map(loads):
                records.append(self._counted(coded))
                if coded.data is not None:
                    to.add(coded)
                self.tell(coded.record)
                if not self.listing.tars:
                    show(len(records))
        return records

    def _loads(self, items: tuple[Item, ...]) -> Iterator[Load]:
        for item in items:
            if self.listing.tars:
                yield from samples(item.source, item.key, self.settings.limits)
            else:
                yield Load(item.key, item.source)

    def _counted(self, coded: Coded) -> Record:
        if coded.record.status == FAILED and self.allowed is not None:
            self.allowed -= 1
            if self.allowed < 0:
                raise TooManyFailures(coded.record)
        return coded.record

    def _finish(self, number: int, table: str, records: list[Record]) -> None:
        if self.destination.local:
            sync_all()  # before the table says that they are there
        write_table(self.destination, table, records)
        for name in self.tables:  # of other settings, or of a shard that has grown
            if name != table and name.startswith(f"{TABLES}/{shard_name(number)}-"):
                self.destination.remove(name)
        self.tables.add(table)
