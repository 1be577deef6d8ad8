"""Millions of pictures: sources and destinations anywhere, in shards that survive any interruption.

    settings     what decides the bytes of outputs
    listing      SOURCE -> the items of every shard          folders, manifests, WebDataset tars
    work         an item -> its .tcx file and its record     in processes
    destination  files of a shard -> DEST                    mirrored folders, WebDataset tars
    records      records <-> tables (parquet), failures.jsonl
    shards       a shard: its files, then its table
    run          shards that are not done -> done             here, or in cluster on Ray

A shard is done when its table is there. Tables are written last and under a temporary name, so a run that was killed
at any time goes on with the shard that it was in. Needs ``pip install "texcodec[batch]"`` (pyarrow, fsspec).
"""

from .run import Summary, run
from .settings import Settings
from .shards import Options

__all__ = ["Options", "Settings", "Summary", "run"]
