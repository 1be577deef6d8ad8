"""Tunes every prior alike and writes tuning.json, from which protocol.json was filled in.

    python benchmarks/features/tune.py [--work features.work] [--jobs 2]     (does what tuning.json does not hold yet)

Short trainings on the renderer's normals with a seed that the benchmark does not use, scored on training pictures that
were held out: the training's own objective (bits per latent position + multiplier * loss), averaged over the levels as
training weighs them.
"""

from __future__ import annotations

import argparse
import copy
import dataclasses
import json
import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import coding
import feature_codecs
import setups
import torch
from datasets import Data

from texcodec.training.features.losses import usual_weight

HERE = Path(__file__).resolve().parent
NETWORK, SEED, STEPS, HELD_OUT = "shapes-normals", 100, 250, 400
SIDE = {
    "codebook": [{"settings": {"hyper_channels": 16}}, {"settings": {"hyper_channels": 8}}],
    "mean-scale": [
        {"stride": 2, "settings": {"hyper_channels": 16}},
        {"stride": 2, "settings": {"hyper_channels": 8}},
        {"stride": 4, "settings": {"hyper_channels": 16}},
    ],
    "global": [{"settings": {"hyper_channels": 16}}, {"settings": {"hyper_channels": 8}}],
    "factorised": [{}],
}
RATES = {"factorised": (0.001, 0.002, 0.004, 0.008, 0.016)}
USUAL_RATES = (0.002, 0.004, 0.008)


def trials() -> list[tuple[str, dict[str, Any]]]:
    """What is tried: five or six for each prior, and nine for the mean-scale hyperprior."""
    return [
        (prior, {"rate": rate, **side})
        for prior, sides in SIDE.items()
        for side in sides
        for rate in RATES.get(prior, USUAL_RATES)
    ]


def score(prior: str, choice: dict[str, Any], plan: dict[str, Any], work: Path) -> dict[str, Any]:
    """Train once and measure the objective."""
    torch.set_num_threads(1)
    plan = copy.deepcopy(plan) | {"steps": STEPS}
    plan["priors"][prior] = choice
    whole = setups.load(NETWORK, None, work)
    pictures = torch.empty(HELD_OUT)  # only labels are needed
    setup = dataclasses.replace(
        whole,
        training=whole.training[:-HELD_OUT],
        training_labels=whole.training_labels[:-HELD_OUT],
        test=whole.training[-HELD_OUT:],
        data=Data(pictures, {whole.kind: whole.training_labels[-HELD_OUT:]}),
    )
    codec, about = feature_codecs.train([setup], prior, plan, SEED)
    lambdas = codec.settings.lambdas()
    middle = (lambdas[0] * lambdas[-1]) ** 0.5
    objective = []
    for level, multiplier in enumerate(lambdas):
        batch, restored = coding.run(codec, {setup.kind: setup.test}, level)
        places = batch.symbols.shape[2] * batch.symbols.shape[3]
        loss = setup.value(restored[setup.kind])[1] * usual_weight(setup.kind)
        cost = batch.estimate.mean() / places + multiplier * loss
        objective.append(float(cost / (multiplier / middle) ** codec.settings.balance))
    return {"prior": prior, **choice, "objective": round(sum(objective) / len(objective), 3), **about}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("features.work"))
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    plan = json.loads((HERE / "protocol.json").read_text("utf-8"))["plans"]["shapes"]
    os.environ["OMP_NUM_THREADS"] = "1"
    file = HERE / "tuning.json"
    known = json.loads(file.read_text("utf-8")) if file.exists() else []
    found: list[Any] = []
    with ProcessPoolExecutor(options.jobs, get_context("spawn")) as pool:
        for prior, choice in trials():
            same = [k for k in known if k["prior"] == prior and {n: k.get(n) for n in choice} == choice]
            found.append(same[0] if same else pool.submit(score, prior, choice, plan, options.work))
        found = [one if isinstance(one, dict) else one.result() for one in found]
    text = ",\n ".join(json.dumps(one) for one in found)
    file.write_text(f"[\n {text}\n]\n", "utf-8")
    print(f"[\n {text}\n]")


if __name__ == "__main__":
    main()
