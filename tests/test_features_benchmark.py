"""The benchmark of deep features: its baselines, its comparisons of curves, and that it runs from end to end."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

BENCHMARK = Path(__file__).resolve().parents[1] / "benchmarks" / "features"


@pytest.fixture(autouse=True)
def _modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARK))


def test_savings_between_curves_that_are_known():
    from curves import curve, saved

    anchor = curve([(100, 0.5), (200, 0.6), (400, 0.7)], "classification")
    half = curve([(50, 0.5), (100, 0.6), (200, 0.7)], "classification")
    assert saved(half, anchor) == pytest.approx(0.5)
    assert saved(anchor, half) == pytest.approx(-1.0)
    assert saved(anchor, curve([(10, 0.1), (20, 0.2)], "classification")) is None
    errors = curve([(100, 30.0), (150, 35.0), (200, 20.0)], "normals")
    assert errors.bytes == (100, 200) and errors.quality == (-30, -20)


def test_two_tasks_together_against_apart():
    from curves import curve, together

    apart = [curve([(100, 0.5), (200, 0.6)], "classification"), curve([(50, 9.0), (100, 8.0)], "normals")]
    assert together([(75, [0.5, -9.0]), (300, [0.6, -8.0]), (1, [0.9, -8.0])], apart) == pytest.approx(
        0.5**0.5
    )
    assert together([(75, [0.4, -9.0])], apart) is None


def codec_of(prior, stride=2, size=(5, 7)):
    import priors

    from texcodec.training.features.codec import FeatureCodec
    from texcodec.training.features.settings import CodecSettings, TaskShape

    torch.manual_seed(0)
    settings = CodecSettings(
        latent_channels=6,
        hyper_channels=3,
        groups=4,
        codebook=5,
        grid=size,
        levels=2,
        width=8,
        blocks=0,
        hyper_width=8,
    )
    built = priors.build(prior, settings, stride)
    for parameter in built.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return FeatureCodec(settings, (TaskShape("depth", 4, 1),), built)


@pytest.mark.parametrize(
    ("prior", "stride"),
    [
        ("codebook", 1),
        ("global", 1),
        ("factorised", 1),
        ("mean-scale", 1),
        ("mean-scale", 2),
        ("mean-scale", 4),
    ],
)
def test_streams_of_every_prior_hold_its_symbols(prior, stride):
    import coding

    codec = codec_of(prior, stride).eval()
    features = {"depth": 3 * torch.randn(4, 4, 5, 7)}
    codec.start_from(features)
    counted = None
    if prior == "factorised":
        counted = [coding.run(codec, features, level)[0].symbols for level in range(2)]
    coder = coding.Coder(codec, counted)
    for level in range(2):
        batch, restored = coding.run(codec, features, level)
        assert restored["depth"].shape == (4, 4, 5, 7)
        payloads = [coder.payload(batch, i, level) for i in range(4)]
        for i, payload in enumerate(payloads):
            coder.check(payload, batch, i, level)
            assert coder.file_bytes(payload, [(5, 7)], 56, 40) == coder.file_bytes(
                b"", [(5, 7)], 56, 40
            ) + len(payload)
        if prior != "factorised":
            # the coder's state costs up to four bytes a stream
            assert np.mean([len(p) for p in payloads]) == pytest.approx(
                batch.estimate.mean() / 8, abs=4, rel=0.02
            )


@pytest.mark.parametrize("prior", ["codebook", "global", "factorised", "mean-scale"])
def test_every_prior_can_be_trained(prior):
    codec = codec_of(prior)
    features = {"depth": torch.randn(8, 4, 5, 7)}
    coded = codec(features, torch.tensor([0, 1] * 4), "noise")
    (coded.bits.mean() + coded.side_bits.mean() + coded.features["depth"].square().mean()).backward()
    silent = [n for n, p in codec.prior.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


def test_shuffled_leaves_no_picture_in_its_place():
    from setups import shuffled

    order = shuffled(50, 3)
    assert sorted(order.tolist()) == list(range(50)) and not (order == torch.arange(50)).any()


def test_the_quick_benchmark_runs_from_end_to_end():
    found = subprocess.run(
        [sys.executable, str(BENCHMARK / "run.py"), "--quick", "--jobs", "1"],
        capture_output=True,
        text=True,
        timeout=600,
        env={"PYTHONPATH": str(BENCHMARK.parents[1]), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
    )
    assert found.returncode == 0, found.stderr
    assert "## Deep features" in found.stdout and "| shapes-normals |" in found.stdout
