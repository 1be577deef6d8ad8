"""The held-out log cost: which crops it is measured on, and what it is. Needs torch."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import photos, started  # noqa: E402

from texcodec.training.pictures.held_out import held_out_cost, held_out_crops  # noqa: E402

CPU = torch.device("cpu")


def test_held_out_crops_are_drawn_evenly_and_always_the_same(tmp_path: Path) -> None:
    files = sorted(photos(tmp_path / "photos").iterdir())
    crops, again = (held_out_crops(files, (8.0, 18.0), draws=2, crops=12) for _ in range(2))
    assert crops is not None and again is not None
    assert crops.pixels.shape == (24, 3, 256, 256)
    for first, second in zip(vars(crops).values(), vars(again).values()):
        assert torch.equal(first, second)
    for draw in crops.rate_indices.chunk(2):
        assert draw.min() == 36 and draw.max() == 215 and len(draw.unique()) == 12
    present = crops.bins.unique()
    counts = [int((part == k).sum()) for part in crops.bins.chunk(2) for k in present]
    assert max(counts) - min(counts) <= 1
    (tmp_path / "none.png").write_bytes(b"")
    assert held_out_crops([tmp_path / "none.png"], (8.0, 18.0)) is None


def test_held_out_cost_is_the_mean_logarithm_and_leaves_the_codec_alone(tmp_path: Path) -> None:
    files = sorted(photos(tmp_path / "photos", 2).iterdir())
    crops = held_out_crops(files, (8.0, 18.0), draws=2, crops=3)
    assert crops is not None
    codec = started().eval()
    codec.half_precision = True
    cost = held_out_cost(codec, crops, CPU, draws=2)
    assert codec.half_precision and held_out_cost(codec, crops, CPU, draws=2) == cost
    logs = []
    codec.half_precision = False
    for i in range(6):
        x, t = crops.pixels[i : i + 1].float(), crops.rate_indices[i : i + 1] / 255
        with torch.no_grad():
            coded = codec(x, t, crops.classes[i : i + 1], halo=True, rounding="hard")
        weight = 0.0002 * (0.512 / 0.0002) ** t
        total = coded.bits / 256**2 + weight * (coded.pixels - x).square().mean()
        logs.append(torch.log(total / (1.2 * (weight / 0.013) ** 0.45)).item())
    assert cost.log_cost == pytest.approx(sum(logs) / 6, abs=1e-4)
    assert cost.by_draw == pytest.approx([sum(logs[:3]) / 3, sum(logs[3:]) / 3], abs=1e-4)
    with torch.no_grad():
        codec.log_steps += 1  # steps that are too large cost more
    assert held_out_cost(codec, crops, CPU, draws=2).log_cost > cost.log_cost
