"""The experiment on helpers: its runs, its statistics, its verdicts. Needs torch."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

import quantisation_samples as samples  # noqa: E402

from texcodec.quantisation import quantise, quantised_convolutions  # noqa: E402

FOLDER = Path(__file__).resolve().parents[1] / "benchmarks" / "quantisation"
sys.path.insert(0, str(FOLDER))
try:
    import report  # noqa: E402
    import run as experiment  # noqa: E402
    import runs  # noqa: E402
    import task  # noqa: E402
    from one_module import OneModuleNetwork  # noqa: E402
finally:
    sys.path.remove(str(FOLDER))

PROTOCOL: dict[str, Any] = json.loads((FOLDER / "protocol.json").read_text("utf-8"))


def small() -> dict[str, Any]:
    sizes = {"training_pictures": 2, "training_side": 24, "test_pictures": 2, "test_side": 16, "channels": 4}
    steps = {"batch": 2, "crop": 16, "float_steps": 3, "steps": 3}
    return {**PROTOCOL, "task": {**PROTOCOL["task"], **sizes}, "training": {**PROTOCOL["training"], **steps}}


def test_protocol_has_all_that_is_to_be_compared() -> None:
    assert len(PROTOCOL["seeds"]) == 5 and set(PROTOCOL["bits"]) == {"2", "3", "4", "8"}
    kinds = {run.kind for run in runs.all_runs(PROTOCOL)}
    for bits in (2, 3, 4, 8):
        assert {f"{bits} bits, plain", f"{bits} bits, plain, equal time"} <= kinds
    for bits in (2, 3):
        for helpers in ("n = 1", "n = 2", "n = 3", "one module"):
            assert {f"{bits} bits, {helpers}", f"{bits} bits, {helpers}, distillation"} <= kinds


def test_runs_are_told_apart_and_come_after_what_they_need() -> None:
    names = [run.name for run in runs.all_runs(PROTOCOL)]
    assert len(set(names)) == len(names)
    for i, run in enumerate(runs.all_runs(PROTOCOL)):
        assert run.bits == 32 or runs.Run(run.seed, 32).name in names[:i]
        assert not run.as_long_as or run.as_long_as in names[:i]


def test_batches_depend_on_seed_and_step_alone() -> None:
    one, two = task.Task(small(), 0), task.Task(small(), 0)
    two.batch(1, 7)
    assert all(torch.equal(a, b) for a, b in zip(one.batch(1, 3), two.batch(1, 3)))
    assert not torch.equal(one.batch(1, 3)[1], one.batch(1, 4)[1])
    assert not torch.equal(one.batch(1, 3)[1], task.Task(small(), 1).batch(1, 3)[1])
    assert one.psnr_of_input() == task.Task(small(), 1).psnr_of_input() == pytest.approx(20, abs=0.7)


def test_pictures_are_full_of_leaves() -> None:
    picture = task.leaves(64, np.random.default_rng(0))
    assert picture.dtype == np.float32 and picture.min() >= 0 and picture.max() <= 1
    assert (picture == 0).mean() < 0.05 and len(np.unique(picture.round(2))) > 20


@pytest.mark.parametrize("helpers", ["none", "each", "one"])
def test_a_run_is_repeatable_and_leaves_the_float_network_alone(helpers: str) -> None:
    fixed = task.Task(small(), 0)
    network, _ = runs.train_float(fixed)
    before = [p.clone() for p in network.parameters()]
    run = runs.Run(0, 3, helpers, 2, 1.0)
    one, two = (runs.train(run, fixed, network) for _ in range(2))
    assert one["psnr"] == two["psnr"] and one["steps"] == 3 and one["seconds"] > 0
    assert all(torch.equal(a, b) for a, b in zip(before, network.parameters()))


def test_a_run_can_be_given_time_instead_of_steps() -> None:
    fixed = task.Task(small(), 0)
    network, _ = runs.train_float(fixed)
    found = runs.train(runs.Run(0, 3), fixed, network, seconds=0.2)
    assert found["seconds"] >= 0.2 and found["steps"] >= 1


def test_results_in_the_work_folder_make_a_report(tmp_path: Path) -> None:
    protocol = {**small(), "seeds": [0, 1], "bits": {"2": "main"}}
    wanted = runs.all_runs(protocol)
    assert [run.kind for run in wanted[:4]] == [
        "float",
        "2 bits, plain",
        "2 bits, n = 1, distillation",
        "2 bits, plain, equal time",
    ]
    text = json.dumps(protocol, sort_keys=True)
    for run in wanted:
        assert run.kind in experiment.do(run, text, tmp_path)
    results = {run.name: json.loads((tmp_path / f"{run.name}.json").read_text("utf-8")) for run in wanted}
    for seed in (0, 1):
        helped, same = (
            (results[r.name] for r in wanted[2:4]) if not seed else (results[r.name] for r in wanted[6:])
        )
        assert same["seconds"] >= helped["seconds"] and same["steps"] > helped["steps"]
    found = report.collect(protocol, results)
    assert found["complete"] and len(found["comparisons"]) == 2
    page = report.markdown(found)
    assert page.count("| 2 bits, plain |") == 2 and "| float |" in page
    assert not list(tmp_path.glob("*.part"))


def test_work_folders_of_other_protocols_are_refused(tmp_path: Path) -> None:
    (tmp_path / "protocol.sha256").write_text("another", "utf-8")
    with pytest.raises(SystemExit, match="another protocol"):
        experiment.run_all(small(), tmp_path, 1)


def test_intervals_are_those_of_student() -> None:
    found = report.paired([2.0, 3.0, 5.0, 4.0, 7.0], [1.0, 1.0, 2.0, 4.0, 3.0])
    # differences 1 2 3 0 4: mean 2, standard error sqrt(2.5 / 5), t(0.975, 4) = 2.776
    assert found is not None and found["mean"] == 2 and found["pairs"] == 5
    assert found["low"] == pytest.approx(2 - 2.776 * 0.5**0.5)
    assert found["high"] == pytest.approx(2 + 2.776 * 0.5**0.5)
    assert report.paired([1.0], [2.0]) is None


def invented(gain: dict[int, float], noise: float = 0.01) -> dict[str, dict[str, Any]]:
    """Results in which the main kind is better by ``gain`` (by bits) than plain training of either kind."""
    random, found = np.random.default_rng(0), {}
    for run in runs.all_runs(PROTOCOL):
        better = gain.get(run.bits, 0.0) if report.is_main(run, PROTOCOL) else 0.0
        psnr = 25 + run.seed + better + float(random.normal(0, noise))
        found[run.name] = {"psnr": psnr, "steps": 10, "seconds": 1.0}
    return found


def test_verdicts_follow_the_intervals() -> None:
    good = report.collect(PROTOCOL, invented({2: 0.2, 3: 0.2, 4: 0.0, 8: 0.0}, noise=0.005))
    assert good["complete"] and len(good["verdicts"]) == 8
    assert all(v["holds"] for v in good["verdicts"])
    bad = report.collect(PROTOCOL, invented({2: 0.0, 3: 0.2, 4: -0.2, 8: 0.2}, noise=0.001))
    holds = {v["claim"].split(",")[0]: v["holds"] for v in bad["verdicts"]}
    assert holds["At 3 bits"] and holds["At 8 bits"] and not holds["At 4 bits"]
    wide = report.collect(PROTOCOL, invented({2: 0.2, 3: 0.2, 4: 0.0, 8: 0.0}, noise=0.1))
    assert not any(v["holds"] for v in wide["verdicts"][4:])  # an interval that says nothing shows nothing
    page = report.markdown(bad)
    assert "not shown" in page and "| **2 bits, n = 1, distillation** | 2 bits, plain |" in page
    assert "+0.200" in page and "-0.200" in page


def test_reports_of_unfinished_experiments_say_so() -> None:
    results = invented({})
    results.popitem()
    assert "not the experiment's result" in report.markdown(report.collect(PROTOCOL, results))


def test_one_module_reaches_every_quantised_layer_but_the_last() -> None:
    torch.manual_seed(0)
    network = OneModuleNetwork(
        quantise(samples.branches(), samples.pictures(), samples.bits(3)), samples.pictures()
    )
    own, helped = network(samples.pictures())
    assert own.shape == helped.shape and not torch.allclose(own, helped)
    helped.square().sum().backward()
    found = quantised_convolutions(network.quantised)
    reached = {name for name, c in found.items() if c.conv.weight.grad is not None}
    assert reached == set(found) - {"leave"}
    assert all(p.grad.abs().sum() > 0 for p in network.adaptors.parameters())
