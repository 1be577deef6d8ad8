"""Trains the task networks of the benchmark and keeps their weights.

    python benchmarks/features/networks.py [NAME ...] [--data FOLDER] [--work features.work]

Names: shapes-classification, shapes-segmentation, shapes-normals, shapes-depth, camvid, tiny (default: all that have
no weights yet). A few minutes each on one core. The weights go to networks/NAME.pt in the work folder (a state dict),
with a line of JSON on how good the network is on pictures it was not trained on.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from photograph_networks import camvid_network, tiny_network
from torch import Tensor

from texcodec.features.metrics import Meter
from texcodec.training.features.losses import loss_of_kind
from texcodec.training.features.task_networks import TaskNetwork, shapes_network


@dataclass(frozen=True)
class Recipe:
    """How one network is trained."""

    steps: int
    batch: int
    learning_rate: float
    test: int


RECIPES = {
    **{f"shapes-{kind}": Recipe(2400, 20, 3e-3, 500) for kind in datasets.SHAPE_TASKS},
    "shapes-classification": Recipe(4000, 24, 3e-3, 500),
    "camvid": Recipe(1500, 5, 2e-3, 233),
    "tiny": Recipe(3000, 32, 2e-3, 1000),
}


def build(name: str) -> TaskNetwork:
    """The untrained network of a name."""
    if name.startswith("shapes-"):
        return shapes_network(name.removeprefix("shapes-"))
    return {"camvid": camvid_network, "tiny": tiny_network}[name]()


def data_of(
    name: str, folder: Path | None, cache: Path, quick: bool = False
) -> tuple[datasets.Data, datasets.Data]:
    """Pictures to train on and to test on."""
    if name.startswith("shapes"):
        counts = (64, 12) if quick else (8000, 400)
        seeds = datasets.TRAINING_SEED, datasets.TEST_SEED
        training, test = (datasets.shapes(seed, count, cache) for seed, count in zip(seeds, counts))
        return training, test
    assert folder is not None, f"{name} needs --data"
    if name == "camvid":
        limits = (8, 8) if quick else (None, 60)
        return datasets.camvid(folder, "train", limits[0]), datasets.camvid(folder, "test", limits[1])
    limits = (64, 12) if quick else (None, 400)
    return datasets.tiny(folder, "train", limits[0]), datasets.tiny(folder, "val", limits[1])


def train(name: str, recipe: Recipe, training: datasets.Data, seed: int = 0) -> TaskNetwork:
    """One-cycle Adam on flipped and shifted pictures (of shapes only where the answer stays the same)."""
    torch.manual_seed(seed)
    network = build(name).train()
    loss_of, kind = loss_of_kind(network.kind), network.kind
    optimiser = torch.optim.AdamW(network.parameters(), recipe.learning_rate, weight_decay=0.02)
    generator = torch.Generator().manual_seed(seed)
    order = torch.empty(0, dtype=torch.long)
    for step in range(recipe.steps):
        part = step / recipe.steps
        for group in optimiser.param_groups:
            group["lr"] = (
                recipe.learning_rate * min(1, part / 0.05 + 0.02) * 0.5 * (1 + math.cos(math.pi * part))
            )
        if len(order) < recipe.batch:
            order = torch.cat([order, torch.randperm(len(training.pictures), generator=generator)])
        rows, order = order[: recipe.batch], order[recipe.batch :]
        x, label = training.pictures[rows].float(), training.label(kind, rows)
        if not name.startswith("shapes"):
            x, label = vary(x, label, generator)
        elif kind == "classification":
            x = turned(x, int(torch.randint(8, (), generator=generator)))
        loss = loss_of(network(x), label).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    return network.eval()


def vary(x: Tensor, label: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch flipped half of the time, shifted by a few pixels and with other brightness."""
    flip = bool(torch.rand((), generator=generator) < 0.5)
    limit = 8 if x.shape[-1] == 64 else 32
    shift = torch.randint(-limit, limit + 1, (2,), generator=generator).tolist()
    gain = 0.8 + 0.4 * torch.rand((len(x), 1, 1, 1), generator=generator)
    x = torch.roll(x.flip(-1) if flip else x, shift, (2, 3)) * gain
    if label.ndim > 1:
        label = torch.roll(label.flip(-1) if flip else label, shift, (1, 2))
    return x.clamp(max=255), label


def turned(x: Tensor, way: int) -> Tensor:
    """Pictures as one of the eight symmetries of the square shows them: a solid keeps its class."""
    return torch.rot90(x.flip(-1) if way >= 4 else x, way % 4, (2, 3))


@torch.no_grad()
def score(network: TaskNetwork, data: datasets.Data) -> float:
    """The measure of the network's kind on some data."""
    meter = Meter(network.kind)
    for first in range(0, len(data.pictures), 16):
        rows = slice(first, first + 16)
        answer = network(data.pictures[rows].float())
        meter.add(answer.numpy(), np.asarray(data.label(network.kind, rows)))
    return meter.value()


def get(
    name: str, folder: Path | None, work: Path, quick: bool = False
) -> tuple[TaskNetwork, dict[str, Any]]:
    """The trained network and what is known about it, trained now if it has not been before."""
    path = work / "networks" / f"{name}.pt"
    facts = path.with_suffix(".json")
    if not facts.exists():
        training, test = data_of(name, folder, work / "data", quick)
        recipe = Recipe(6, 4, 1e-3, 8) if quick else RECIPES[name]
        start = time.perf_counter()
        network = train(name, recipe, training)
        seconds = time.perf_counter() - start
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(network.state_dict(), path)
        about = {
            "name": name,
            "kind": network.kind,
            "value": round(score(network, test), 4),
            "training_value": round(score(network, training.first(500)), 4),
            "parameters": sum(p.numel() for p in network.parameters()),
            "pictures": len(training.pictures),
            "steps": recipe.steps,
            "batch": recipe.batch,
            "seconds": round(seconds),
        }
        facts.write_text(json.dumps(about) + "\n")
    network = build(name)
    network.load_state_dict(torch.load(path, weights_only=True))
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return network.eval(), json.loads(facts.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--work", type=Path, default=Path("features.work"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    for name in options.names or RECIPES:
        print(json.dumps(get(name, options.data, options.work)[1]), flush=True)


if __name__ == "__main__":
    main()
