"""Trains a feature codec with one of the priors and measures it with real files."""

from __future__ import annotations

import math
import time
from typing import Any

import coding
import numpy as np
import priors
import torch
from setups import Setup, shuffled
from torch import Tensor, nn

from texcodec.training.core.fixed_point import compute_as_exported
from texcodec.training.features.codec import FeatureCodec
from texcodec.training.features.codec_task import CodecTask
from texcodec.training.features.networks import Reconstruction
from texcodec.training.features.settings import CodecSettings, TaskShape

CHECKED = 10
"""Streams that are decoded again, a level."""
WARM_UP = 0.03
CLIP = 1.0


def settings_of(plan: dict[str, Any], setup: Setup, prior: str, tasks: int = 1) -> CodecSettings:
    """Sizes of a codec as the protocol plans them for a data set, with what the tuning chose for its prior."""
    chosen = {**plan["settings"], **plan["priors"][prior].get("settings", {})}
    rows, columns = (-(-n // plan["factor"]) for n in setup.test.shape[2:])
    first, last = plan["lambdas"][setup.kind]
    if tasks > 1:
        chosen["latent_channels"] = chosen["latent_channels"] * 3 // 2
    return CodecSettings(**{**chosen, "grid": (rows, columns), "first_lambda": first, "last_lambda": last})


def untrained(setups: list[Setup], prior: str, plan: dict[str, Any]) -> FeatureCodec:
    """A codec for one or several tasks with the sizes that the protocol plans."""
    settings = settings_of(plan, setups[0], prior, len(setups))
    shapes = tuple(TaskShape(s.kind, s.training.shape[1], plan["factor"]) for s in setups)
    return FeatureCodec(
        settings, shapes, priors.build(prior, settings, plan["priors"][prior].get("stride", 2))
    )


def train(
    setups: list[Setup], prior: str, plan: dict[str, Any], seed: int, *, unrelated: bool = False
) -> tuple[FeatureCodec, dict[str, Any]]:
    """A codec for one or several tasks, and how long it took.

    Args:
        prior: one of ``priors.NAMES``.
        plan: of the data set, from the protocol.
        unrelated: every task but the first sees the pictures in another order.
    """
    torch.manual_seed(seed)
    codec = untrained(setups, prior, plan)
    orders = [shuffled(len(s.training), seed) if unrelated and i else None for i, s in enumerate(setups)]
    data = [s.task_data(order) for s, order in zip(setups, orders)]
    task = CodecTask(codec, data, plan["batch"])
    steps = round(plan["steps"] * (1.3 if len(setups) > 1 else 1))
    random = np.random.default_rng(seed)
    start = time.process_time()

    def cost() -> Tensor:
        return task.cost(task.draw(random), torch.device("cpu")).loss

    last = optimise(codec, cost, steps, plan["priors"][prior]["rate"])
    compute_as_exported(codec)
    seconds = round(time.process_time() - start, 1)
    return codec.eval(), {"steps": steps, "batch": plan["batch"], "cpu_seconds": seconds, "last_loss": last}


def optimise(module: nn.Module, cost: Any, steps: int, rate: float) -> float:
    """Adam with a short warm-up and a cosine to zero; returns the mean loss of the last tenth."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(parameters, rate, betas=(0.9, 0.98), fused=True)
    losses = []
    for step in range(steps):
        part = step / steps
        for group in optimiser.param_groups:
            group["lr"] = rate * min(1.0, (part + 1 / steps) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * part))
        loss = cost()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, CLIP)
        optimiser.step()
        if step >= int(0.9 * steps):
            losses.append(float(loss.detach()))
    return round(float(np.mean(losses)), 4)


@torch.no_grad()
def measure(
    codec: FeatureCodec, setups: list[Setup], prior: str, *, unrelated: bool = False
) -> list[dict[str, Any]]:
    """Real files of all test pictures at every level, and what the tasks make of them.

    Returns:
        for every level: mean bytes of a file, of its rANS stream and by the training's estimate (without the
        container), by task its measure and loss.
    """
    levels = codec.settings.levels
    counted = None
    if prior == "factorised":
        training = {s.kind: s.training[:2000] for s in setups}
        counted = [coding.run(codec, training, level)[0].symbols for level in range(levels)]
    coder = coding.Coder(codec, counted)
    order = shuffled(len(setups[0].test), 0) if unrelated else None
    features = {s.kind: s.test if order is None or not i else s.test[order] for i, s in enumerate(setups)}
    rows = []
    height, width = setups[0].data.pictures.shape[2:]
    sizes = [tuple(s.test.shape[2:]) for s in setups]
    for level in range(levels):
        batch, restored = coding.run(codec, features, level)
        payloads = [coder.payload(batch, i, level) for i in range(len(batch.symbols))]
        for i in range(0, len(payloads), max(1, len(payloads) // CHECKED)):
            coder.check(payloads[i], batch, i, level)
        files = [coder.file_bytes(p, sizes, width, height) for p in payloads]
        row: dict[str, Any] = {
            "level": level,
            "bytes": float(np.mean(files)),
            "payload": float(np.mean([len(p) for p in payloads])),
            "estimate": float(batch.estimate.mean() / 8),
            "tasks": {},
        }
        for i, s in enumerate(setups):
            h = restored[s.kind]
            if order is not None and i:
                h = h[torch.argsort(order)]
            value, loss = s.value(h)
            row["tasks"][s.kind] = {"value": value, "loss": loss}
        rows.append(row)
    return rows


def train_new_task(
    codec: FeatureCodec, coded: list[Setup], new: Setup, plan: dict[str, Any], seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A reconstruction for a task that the codec was not trained for; the codec stays as it is.

    Returns:
        how long it took, and the measure and loss of the new task at every level.
    """
    torch.manual_seed(seed)
    settings = codec.settings
    shape = TaskShape(new.kind, new.training.shape[1], plan["factor"])
    reconstruction = Reconstruction(settings, shape)
    data = new.task_data()
    mean = data.features[:2000].float().mean((0, 2, 3))[:, None, None]
    deviation = data.features[:2000].float().std((0, 2, 3))[:, None, None].clamp(min=1e-3)
    lambdas = torch.tensor(settings.lambdas())
    latents = torch.stack(
        [decoded_latents(codec, {s.kind: s.training for s in coded}, k) for k in range(settings.levels)]
    )
    random = torch.Generator().manual_seed(seed)
    start = time.process_time()

    def cost() -> Tensor:
        rows = torch.randint(len(data.features), (plan["batch"],), generator=random)
        level = torch.randint(settings.levels, (plan["batch"],), generator=random)
        h = reconstruction(latents[level, rows].float()) * deviation + mean
        loss = data.loss(new.tail(h), new.training_labels[rows])
        # fine levels have small losses; the codec's own training balances them in the same way
        return (loss * lambdas[level] ** (1 - settings.balance)).mean() / lambdas.mean() ** (
            1 - settings.balance
        )

    last = optimise(reconstruction, cost, plan["steps"], plan["priors"]["codebook"]["rate"])
    about = {"steps": plan["steps"], "cpu_seconds": round(time.process_time() - start, 1), "last_loss": last}
    rows = []
    with torch.no_grad():
        for level in range(settings.levels):
            z = decoded_latents(codec, {s.kind: s.test for s in coded}, level).float()
            value, loss = new.value(reconstruction(z) * deviation + mean)
            rows.append({"level": level, "value": value, "loss": loss})
    return about, rows


@torch.no_grad()
def decoded_latents(codec: FeatureCodec, features: dict[str, Tensor], level: int, batch: int = 100) -> Tensor:
    """z as a decoder has it, float16 N x M x h x w."""
    count = len(next(iter(features.values())))
    parts = []
    for first in range(0, count, batch):
        z = codec.latents({name: h[first : first + batch].float() for name, h in features.items()})
        parts.append(codec.code(z, torch.full((len(z),), level), "nearest")[0].half())
    return torch.cat(parts)
