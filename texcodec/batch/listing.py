"""The items of a source, in shards: a folder, a manifest, or WebDataset tars.

The listing is written to the destination by the first run, so that all runs and machines agree on what is in which
shard. New items go to its end with ``--relist``: shards that are done stay so.
"""

from __future__ import annotations

import csv
import io
import json
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..errors import ParameterError
from ..files import encoded_name
from .keys import safe_key
from .parquet import rows_of
from .storage import Storage, content, is_folder, is_url, scheme_of

LISTING = "listing.jsonl"
_MANIFESTS = (".txt", ".csv", ".jsonl", ".ndjson", ".parquet")
_SOURCE_COLUMNS = ("source", "path", "url", "file", "filename", "file_name")
_MOST_MANIFEST = 4 << 30
_LOCAL, _WEB = ("", "file", "local"), ("http", "https")
"""Schemes of URLs, none for paths."""
_BRACES = re.compile(r"\{(\d+)\.\.(\d+)\}")


@dataclass(frozen=True)
class Item:
    """A picture, or a tar of pictures.

    Attributes:
        key: where its output goes, relative to the destination and without ``.tcx``; no two have one key.
        source: path or URL.
    """

    key: str
    source: str


@dataclass(frozen=True)
class Listing:
    """All items.

    Attributes:
        tars: whether each item is a tar, and a shard of its own.
    """

    items: tuple[Item, ...]
    tars: bool

    def shards(self, size: int) -> list[tuple[Item, ...]]:
        """The items of every shard; ``size`` of them, or one tar."""
        size = 1 if self.tars else size
        return [self.items[i : i + size] for i in range(0, len(self.items), size)]


def list_source(source: str) -> Listing:
    """Look at a source.

    Args:
        source: a folder; a .txt, .csv, .jsonl or .parquet manifest; a .tar, a folder of them, or a pattern such as
            ``train-{0000..0146}.tar``; each a path or URL.

    Raises:
        ParameterError: it is none of these, or has no pictures.
        StreamError: it cannot be read.
    """
    suffix = posixpath.splitext(source)[1].lower()
    if suffix == ".tar":
        listing = Listing(tuple(_keyed((tar, tar) for tar in _expanded(source))), True)
    elif suffix in _MANIFESTS and not is_folder(source):
        listing = Listing(tuple(_keyed(_manifest(source, suffix))), False)
    elif is_folder(source):
        listing = _folder(source)
    else:
        raise ParameterError(
            f"{source} is no folder, manifest ({', '.join(_MANIFESTS)}) or tar; check its name and that it exists."
        )
    if not listing.items:
        raise ParameterError(f"There are no pictures in {source}.")
    return listing


def stored(destination: Storage, source: str, *, relist: bool) -> Listing:
    """The listing that the destination has of a source, made if need be.

    Args:
        relist: look at the source again, and add what is new.

    Raises:
        ParameterError: the destination is one of another source.
    """
    known = _read(destination, source) if destination.exists(LISTING) else None
    if known is not None and not relist:
        return known
    found = list_source(source)
    if known is not None:
        before = {item.source for item in known.items}
        taken = {item.key for item in known.items}
        fresh = [(_free(i.key, i.source, taken), i.source) for i in found.items if i.source not in before]
        found = Listing((*known.items, *(Item(*pair) for pair in fresh)), known.tars)
    lines = [json.dumps({"batch": source, "tars": found.tars})]
    lines += [json.dumps({"key": item.key, "source": item.source}) for item in found.items]
    destination.write(LISTING, ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape"))
    return found


def _read(destination: Storage, source: str) -> Listing:
    text = content(destination.path(LISTING), _MOST_MANIFEST).decode("utf-8", "surrogateescape")
    try:
        head, *lines = map(json.loads, text.splitlines())
        listing = Listing(tuple(Item(safe_key(line["key"]), line["source"]) for line in lines), head["tars"])
        of = head["batch"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ParameterError(
            f"{destination.path(LISTING)} is damaged; remove it, or name another folder."
        ) from error
    if of != source:
        raise ParameterError(f"{destination.place} holds a batch of {of}; name another folder for {source}.")
    if posixpath.splitext(source)[1].lower() in _MANIFESTS:
        for item in listing.items:
            _check_reach(item.source, source)
    return listing


def _folder(source: str) -> Listing:
    from ..images import names_readable_picture

    storage = Storage(source)
    names = storage.names()
    tars = [name for name in names if name.lower().endswith(".tar")]
    if tars:
        return Listing(tuple(_keyed((name, storage.path(name)) for name in tars)), True)
    pictures = ((name, storage.path(name)) for name in names if names_readable_picture(name))
    return Listing(tuple(_keyed(pictures)), False)


def _manifest(source: str, suffix: str) -> Iterator[tuple[str, str]]:
    """Pairs of key and source; relative names are relative to the manifest."""
    if suffix == ".parquet":
        rows: Sequence[dict[str, object]] = rows_of(content(source, _MOST_MANIFEST), source)
    else:
        text = content(source, _MOST_MANIFEST).decode("utf-8-sig", "surrogateescape")
        if suffix == ".csv":
            rows = list(csv.DictReader(io.StringIO(text)))
        elif suffix == ".txt":
            rows = [{"source": line.strip()} for line in text.split("\n") if line.strip()]
        else:
            try:
                rows = [json.loads(line) for line in text.split("\n") if line.strip()]
            except (ValueError, RecursionError) as error:
                raise ParameterError(f"{source} has a line that is not JSON ({error}).") from error
    for number, row in enumerate(rows):
        names = (
            [row[column] for column in _SOURCE_COLUMNS if row.get(column)] if isinstance(row, dict) else []
        )
        if not names:
            raise ParameterError(f"Entry {number} of {source} has no {' or '.join(_SOURCE_COLUMNS)}.")
        place = str(names[0])
        if not (is_url(place) or posixpath.isabs(place) or os.path.isabs(place)):
            place = posixpath.join(posixpath.dirname(source), place)
        _check_reach(place, source)
        yield str(row.get("key") or names[0]), place


def _check_reach(place: str, source: str) -> None:
    """Refuse what a listing that came over a network must not name: files of this machine, and chains of file systems.

    Raises:
        ParameterError: it names one.
    """
    own = scheme_of(source)
    if own in _LOCAL:
        return
    if "::" in place.partition("://")[2] or scheme_of(place) not in (own, *_WEB):
        raise ParameterError(
            f"{source} names {place}, which it must not: a list from elsewhere names files beside it and addresses of "
            "the web.",
            advice="If it can be trusted, copy it to this machine.",
        )


def _expanded(pattern: str) -> list[str]:
    """``{0000..0146}`` in a name to all numbers."""
    found = _BRACES.search(pattern)
    if not found:
        return [pattern]
    first, last = found.groups()
    numbers = (str(n).zfill(len(first)) for n in range(int(first), int(last) + 1))
    return [
        name for n in numbers for name in _expanded(pattern[: found.start()] + n + pattern[found.end() :])
    ]


def _keyed(pairs: Iterator[tuple[str, str]]) -> Iterator[Item]:
    taken: set[str] = set()
    for name, source in pairs:
        yield Item(_free(name, source, taken), source)


def _free(name: str, source: str, taken: set[str]) -> str:
    """A key that is not taken: the name without extension, with it, or with a number; no key leads elsewhere."""
    name = name.partition("://")[2] if is_url(name) else name
    whole = safe_key(name)
    short = posixpath.join(
        posixpath.dirname(whole), encoded_name(posixpath.basename(whole)).removesuffix(".tcx")
    )
    number = 1
    key = short if short not in taken else whole
    while key in taken:
        number += 1
        key = f"{whole}.{number}"
    taken.add(key)
    return key
