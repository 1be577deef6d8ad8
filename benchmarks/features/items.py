"""What the benchmark consists of: small pieces that each leave one JSON file."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import feature_codecs as codecs
import pixels
import priors
import setups
import speed
import torch

from texcodec.training.features.codec import FeatureCodec

RELATED = ("normals", "depth")
NEW_TASKS = ((("normals",), "depth"), (RELATED, "segmentation"), (RELATED, "classification"))
"""Tasks of a stream, and the task that is learned afterwards on it."""


@dataclass(frozen=True)
class Item:
    """One piece.

    Attributes:
        kind: "network", "codec", "new", "pixels" or "speed".
        networks: names of the task networks whose features are coded.
        codec: a prior, or for pixels a codec.
        seed: of training.
        unrelated: whether the second task sees other pictures.
    """

    kind: str
    networks: tuple[str, ...]
    codec: str = ""
    seed: int = 0
    unrelated: bool = False

    @property
    def name(self) -> str:
        """Unique, and fit for a file."""
        parts = [self.kind, "+".join(self.networks), self.codec, "unrelated" if self.unrelated else ""]
        seed = f"seed{self.seed}" if self.kind in ("codec", "new") else ""
        return "_".join(part for part in (*parts, seed) if part)


def all_items(protocol: dict[str, Any]) -> list[Item]:
    """Every piece, those that others need first, then the long ones."""
    shapes = [f"shapes-{kind}" for kind in protocol["shape_tasks"]]
    pair = tuple(f"shapes-{kind}" for kind in RELATED)
    large = [name for name in ("camvid", "tiny") if name in protocol["plans"]]
    items = [Item("network", (name,)) for name in [*shapes, *large]]
    for name in large:
        items += [Item("codec", (name,), prior) for prior in protocol["plans"][name]["priors"]]
    for seed in protocol["seeds"]:
        items += [Item("codec", pair, "codebook", seed, unrelated) for unrelated in (False, True)]
        items += [Item("codec", (name,), prior, seed) for name in shapes for prior in priors.NAMES]
        items += [new_item(coded, kind, seed) for coded, kind in NEW_TASKS]
    for names in (tuple(shapes), *((name,) for name in large)):
        items += [Item("pixels", names, codec) for codec in pixels.CODECS]
    # last: most of the others are done by then, and the machine is quieter
    return items + [Item("speed", (name,)) for name in large if name == "camvid"]


def new_item(coded: tuple[str, ...], kind: str, seed: int) -> Item:
    """The piece that learns a new task on streams of others."""
    return Item("new", tuple(f"shapes-{k}" for k in (*coded, kind)), "codebook", seed)


def needs(item: Item) -> list[Item]:
    """Pieces that have to be there before."""
    if item.kind == "network":
        return []
    found = [Item("network", (name,)) for name in item.networks]
    if item.kind == "new":
        found.append(Item("codec", item.networks[:-1], "codebook", item.seed))
    return found


def compute(item: Item, protocol: str, folder: Path | None, work: Path, quick: bool) -> str:
    """Do one piece; its file is written last."""
    start = time.perf_counter()
    plans = json.loads(protocol)["plans"]
    plan = plans["shapes" if item.networks[0].startswith("shapes") else item.networks[0]]

    def setup(name: str) -> setups.Setup:
        return cached(name, folder, work, quick)

    result: dict[str, Any]
    if item.kind == "network":
        found = setup(item.networks[0])
        facts = json.loads((work / "networks" / f"{found.name}.json").read_text("utf-8"))
        result = {
            "network": facts,
            "kind": found.kind,
            "uncoded": found.uncoded,
            "shape": list(found.test.shape),
        }
    elif item.kind == "codec":
        parts = [setup(name) for name in item.networks]
        codec, about = codecs.train(parts, item.codec, plan, item.seed, unrelated=item.unrelated)
        if item.codec == "codebook" and not item.unrelated:
            torch.save(codec.state_dict(), work / f"{item.name}.pt")
        result = {"about": about, "rows": codecs.measure(codec, parts, item.codec, unrelated=item.unrelated)}
    elif item.kind == "new":
        parts = [setup(name) for name in item.networks[:-1]]
        codec = restored(parts, plan, work / f"{needs(item)[-1].name}.pt", item.seed)
        about, rows = codecs.train_new_task(codec, parts, setup(item.networks[-1]), plan, item.seed)
        result = {"about": about, "rows": rows}
    elif item.kind == "speed":
        result = speed.measure(setup(item.networks[0]), plan)
    else:
        result = {"rows": pixels.measure([setup(name) for name in item.networks], item.codec)}
    seconds = round(time.perf_counter() - start, 1)
    path = work / f"{item.name}.json"
    part = path.with_suffix(".part")
    part.write_text(json.dumps({"item": item.name, "seconds": seconds, **result}) + "\n", "utf-8")
    part.replace(path)
    return f"{item.name}: {seconds} s"


@lru_cache(maxsize=5)
def cached(name: str, folder: Path | None, work: Path, quick: bool) -> setups.Setup:
    """A process that goes on with a data set keeps it."""
    return setups.load(name, folder, work, quick)


def restored(parts: list[setups.Setup], plan: dict[str, Any], path: Path, seed: int) -> FeatureCodec:
    """The codec of an earlier piece; trained again, with the same result, if only its measurements were kept."""
    if path.exists():
        codec = codecs.untrained(parts, "codebook", plan)
        codec.load_state_dict(torch.load(path, weights_only=True))
        codecs.compute_as_exported(codec)
    else:
        codec, _ = codecs.train(parts, "codebook", plan, seed)
        torch.save(codec.state_dict(), path)
    return codec.eval().requires_grad_(False)
