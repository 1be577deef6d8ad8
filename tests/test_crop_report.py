"""benchmarks/crop/report.py: how bytes are compared at equal error, and what is said of the bars. No torch."""

from __future__ import annotations

import copy
import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from texcodec.examples.faces import Drawn, draw_faces


def benchmark(name: str) -> Any:
    path = Path(__file__).resolve().parents[1] / "benchmarks" / "crop" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"crop_{name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gaze, report = benchmark("gaze"), benchmark("report")


def way(uncoded: float, *points: tuple[float, float]) -> dict[str, Any]:
    qualities = (10, 40)
    found = [{"bytes": b, "error": e, "quality": q} for q, (b, e) in zip(qualities, points, strict=True)]
    return {"uncoded": uncoded, "points": found}


def run(error: float, box: tuple[int, int, int, int], worked: int = 100) -> dict[str, Any]:
    return {"error": error, "box": list(box), "area": box[2] * box[3] / 1200, "worked": worked, "cost": 0.14}


FACTS = {
    "sizes": {"width": 40, "height": 30, "learned": 9, "people": 3, "scored": 4, "seeds": [1], "frame_count": 2,
              "models": "tiny-1", "qualities": [10, 40], "budget": 0.15,
              "squares": [0.6, 0.9]},
    "faces": {
        "mean": 9.0,
        "whole": [run(2.2, (0, 0, 40, 30))],
        "square": [run(6.0, (13, 8, 13, 13))],
        "best": [run(1.9, (6, 12, 28, 6))],
        "learned": [run(2.0, (5, 12, 29, 6), worked=150)],
        "soft": [run(2.0, (5, 12, 29, 6))],
        "grid": [run(1.8, (6, 12, 28, 6), worked=500), run(3.0, (0, 0, 9, 9), worked=500)],
        "squares": [run(2.8, (11, 6, 18, 18)), run(2.0, (6, 1, 27, 27))],
    },
    "control": {"mean": 8.0, "whole": [run(1.0, (0, 0, 40, 30))], "learned": [run(4.0, (5, 12, 29, 6))]},
    "frames": {
        "frame": [1280, 960],
        "region": [160, 380, 930, 190],
        "ways": {
            "whole": way(2.0, (1000, 2.3), (3000, 2.0)),
            "coarse": way(2.0, (300, 2.3), (700, 2.0)),
            "drop": way(2.0, (202, 2.3), (606, 2.0)),
            "region before": way(2.0, (200, 2.3), (600, 2.0)),
            "square 0.6 before": way(2.5, (400, 2.4), (900, 2.2)),
            "square 0.9 before": way(2.0, (800, 2.3), (1600, 2.0)),
        },
    },
    "cpu": 1200.0,
}  # fmt: skip


def test_bytes_lie_on_lines_between_qualities() -> None:
    points = FACTS["frames"]["ways"]["whole"]["points"]
    assert report._bytes_at(points, 2.15) == pytest.approx(2000)
    assert report._bytes_at(points, 2.4) == 1000
    assert math.isinf(report._bytes_at(points, 1.9))


def test_error_of_a_way_is_its_networks_and_what_coding_adds() -> None:
    curves = report.error_curves(FACTS)
    assert [p["error"] for p in curves["drop"]] == pytest.approx([2.3, 2.0])
    assert [p["error"] for p in curves["square 0.6 before"]] == pytest.approx([2.8 - 0.1, 2.8 - 0.3])
    assert [p["error"] for p in curves["square 0.9 before"]] == pytest.approx([2.3, 2.0])
    assert [p["bytes"] for p in curves["square 0.6 before"]] == [400, 900]


def test_square_that_needs_the_fewest_bytes_is_compared_with() -> None:
    target, saved = report.equal_error(FACTS)
    assert target == pytest.approx(2.1)
    # of the squares, the small one never reaches 2.1 degrees
    share = 2 / 3
    drop, whole, square = (
        low + share * (high - low) for low, high in ((202, 606), (1000, 3000), (800, 1600))
    )
    assert saved == {"whole": pytest.approx(1 - drop / whole), "square": pytest.approx(1 - drop / square)}
    better = copy.deepcopy(FACTS)
    better["faces"]["squares"][0]["error"] = 2.1
    assert report.equal_error(better)[1]["square"] == pytest.approx(1 - drop / 400)


def test_error_that_not_all_reach_is_raised_to_one_that_they_do() -> None:
    facts = copy.deepcopy(FACTS)
    for point in facts["frames"]["ways"]["drop"]["points"]:
        point["error"] += 0.3
    assert report.equal_error(facts)[0] == pytest.approx(2.3)


def test_bars_are_met_or_not() -> None:
    verdicts = {row["bar"]: row for row in report.judge(FACTS)}
    assert [row["met"] for row in verdicts.values()] == [
        True,
        True,
        True,
        False,
        True,
        True,
        True,
        True,
        True,
        True,
    ]
    missed = verdicts["error / the best rectangle's"]
    assert missed["measured"] == pytest.approx(2.0 / 1.9, abs=1e-4)
    cost = verdicts["pixels trained on / those of the grid's networks"]
    assert cost["measured"] == pytest.approx(0.15)


def test_section_says_what_was_measured_and_what_was_missed() -> None:
    text = report.section(FACTS | {"bars": report.judge(FACTS)})
    assert "| the learned crop | 14.5% | 29 x 6 | 2.00 | 4.00 |" in text
    assert "| a centre square of 0.9 of the height, one seed | 60.8% | 27 x 27 | 2.00 | – |" in text
    assert "| 40 | 3,000 · 2.00 |" in text
    assert "| error / the best rectangle's | 1.053 | <= 1.05 | **no** |" in text
    assert "+1.0% to +1.0% bytes" in text
    assert "20 minutes" in text


def test_fields_have_signal_everywhere_and_faces_have_not() -> None:
    def signal(drawn: Drawn) -> np.ndarray:
        """How much the pixels near the four corners follow the yaw."""
        right = drawn.gaze[:, 1] > np.median(drawn.gaze[:, 1])
        pixels = drawn.pixels.astype(float)
        difference = pixels[right].mean(0) - pixels[~right].mean(0)
        corners = np.array([difference[y : y + 20, x : x + 20] for y in (0, 28) for x in (0, 44)])
        return np.square(corners).mean((1, 2))

    fields, faces = (signal(draw(40, 64, 48, people=1, seed=1)) for draw in (gaze.draw_fields, draw_faces))
    assert fields.min() > 100
    assert faces.max() < 0.5 * fields.min()


def test_angular_error_of_known_directions() -> None:
    truth = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, -30.0], [20.0, 20.0]])
    found = truth + np.array([[0.0, 0.0], [5.0, 0.0], [0.0, 12.0], [0.0, 0.0]])
    np.testing.assert_allclose(gaze.angular_error(found, truth), [0, 5, 12, 0], atol=1e-6)
