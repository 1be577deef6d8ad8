"""The limit of what the networks of synthesis add to a pixel. Needs torch."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import SMALLEST, exported, started, stirred  # noqa: E402

import texcodec  # noqa: E402
from texcodec.errors import ModelDamagedError, ParameterError  # noqa: E402
from texcodec.registry import load_set  # noqa: E402
from texcodec.registry.identity import decoder_identity  # noqa: E402
from texcodec.registry.stored_arrays import pack_arrays, read_arrays  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.growth import grown, grown_architecture  # noqa: E402
from texcodec.training.pictures.rates import high_rate_step  # noqa: E402
from texcodec.training.pictures.restore import restore_codec  # noqa: E402

FILTERED = replace(SMALLEST, profile=2, post_filter=8)
LIMITED = replace(FILTERED, residual_limit=0.25)


def added(codec: Codec) -> torch.Tensor:
    """What synthesis adds to the linear picture, in base steps: of latents larger than any picture has."""
    v = 300 * torch.randn(1, LIMITED.latent_channels, 6, 6, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([0.7])
    with torch.no_grad():
        low = codec.linear.inverse(v * codec.steps(t)[:, :, None, None])
        return (codec.synthesise(v, t, torch.tensor([0])) - 128 - low) / high_rate_step(t)


def test_neither_part_of_synthesis_adds_more_than_the_limit() -> None:
    free = stirred(started(FILTERED))
    held = grown(free, LIMITED, name="free", seed=1)
    assert float(added(free).abs().max()) > 2  # the case that the limit is made for
    assert 0.25 < float(added(held).abs().max()) <= 0.5 + 1e-3  # blocks and filter, each at the limit


def test_a_limit_that_nothing_reaches_changes_nothing() -> None:
    free = stirred(started(FILTERED))
    held = grown(free, replace(FILTERED, residual_limit=1e6), name="free", seed=1)
    assert torch.equal(added(free), added(held))


def test_the_limit_is_part_of_the_set_and_is_kept_when_training_goes_on(tmp_path: Path) -> None:
    models = exported(stirred(started(LIMITED)), tmp_path)
    assert read_arrays(tmp_path / "decoder.safetensors")["tables.residual_limit"].tolist() == [0.25]
    assert restore_codec(tmp_path).architecture == LIMITED
    assert grown_architecture(LIMITED, FILTERED) == LIMITED
    assert grown_architecture(FILTERED, LIMITED) == LIMITED
    nonlinear = replace(FILTERED, nonlinear=True)
    assert grown_architecture(LIMITED, nonlinear).residual_limit == 0
    assert grown_architecture(LIMITED, replace(nonlinear, residual_limit=2.0)).residual_limit == 2
    data = texcodec.encode(photograph(80, 64, seed=2), quality=90, models=models, threads=1)
    assert texcodec.decode(data, models=models, threads=1).size == (80, 64)


def test_a_set_whose_limit_is_no_limit_is_refused(tmp_path: Path) -> None:
    sound = exported(stirred(started(LIMITED)), tmp_path / "set")
    for wrong in (np.array([0], np.float32), np.array([np.nan], np.float32), np.array([1, 2], np.float32)):
        folder = tmp_path / "wrong"
        shutil.copytree(tmp_path / "set", folder)
        arrays = dict(read_arrays(folder / "decoder.safetensors")) | {"tables.residual_limit": wrong}
        (folder / "decoder.safetensors").write_bytes(pack_arrays(arrays))
        graphs = {name: (folder / "graphs" / f"{name}.onnx").read_bytes() for name in sound.decoder_graphs()}
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["identity"] = decoder_identity(graphs, arrays).hex()
        (folder / "manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ModelDamagedError, match="residual_limit|NaN"):
            load_set(folder)
        shutil.rmtree(folder)


def test_limit_belongs_to_profile_2_and_is_not_negative() -> None:
    with pytest.raises(ParameterError, match="entropy profile 2"):
        replace(SMALLEST, residual_limit=1.0)
    with pytest.raises(ParameterError, match="must be 0, for none, or base steps"):
        replace(LIMITED, residual_limit=-1.0)
