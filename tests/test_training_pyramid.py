"""Entropy profile 2 in training and in the exported set: the same symbols, at the same price. Needs torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from training_samples import SMALLEST, exported, sampler, stage  # noqa: E402

import texcodec  # noqa: E402
from texcodec.codec.latent_coder import LatentCoder  # noqa: E402
from texcodec.codec.pyramid_coder import PyramidCoder  # noqa: E402
from texcodec.constants import CHECKSUM_BITS, MEAN_CHANNELS  # noqa: E402
from texcodec.registry import PyramidSet  # noqa: E402
from texcodec.training.core.fixed_point import SCALE_OUTPUT  # noqa: E402
from texcodec.training.core.rounding import SCALE_MIN, SCALE_STEP  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.entropy_model import interpolate  # noqa: E402
from texcodec.training.pictures.fusion import Fusion  # noqa: E402
from texcodec.training.pictures.transforms import start_coefficients  # noqa: E402
from texcodec.training.pictures.whole import PictureCodec  # noqa: E402

ARCHITECTURE = replace(SMALLEST, profile=2, gains=True)
SIZES = [(256, 256), (208, 144)]


RATE = 0.6


@pytest.fixture(scope="module")
def codec() -> Codec:
    """Untrained, with scales that fit the test picture's latents, and with predictions and gains at random."""
    torch.manual_seed(0)
    codec = Codec(ARCHITECTURE)
    codec.half_precision = False
    means = [0, 512, 256]
    rows = start_coefficients(sampler(stage(1)).batches(4), ARCHITECTURE.latent_channels + 3)
    others = [int(row) for row in rows if row not in means]
    codec.linear.start_from(np.array(means + others[: ARCHITECTURE.latent_channels - 3]))
    entropy = codec.entropy
    entropy.gains.set_planes(codec.linear.analysis)
    with torch.no_grad():
        x = torch.from_numpy(photograph(*SIZES[0], seed=4)).permute(2, 0, 1)[None].float()
        rate = torch.tensor([RATE])
        symbols = codec.analyse(x, torch.tensor([0])) / codec.steps(rate)[:, :, None, None]
        spread = torch.log(2 * symbols.std((0, 2, 3)).clamp(min=0.3) / SCALE_MIN) / SCALE_STEP / SCALE_OUTPUT
        first, *rest = spread.split(ARCHITECTURE.slices)
        networks = [*((network, first) for network in entropy.first.passes), *zip(entropy.steps, rest)]
        for network, scales in networks:
            network.leave.weight.normal_(0, 0.02)
            network.leave.bias[len(scales) :] = scales
        for network in list(entropy.first.passes)[1:]:
            network.prediction.normal_(0, 0.02)
        entropy.gains.network.weight.normal_(0, 0.5)
    return codec


@pytest.fixture(scope="module")
def models(codec: Codec, tmp_path_factory: pytest.TempPathFactory) -> PyramidSet:
    # tables that nothing was counted for are those of the distribution that training assumes
    found = exported(codec, tmp_path_factory.mktemp("set"))
    assert isinstance(found, PyramidSet)
    return found


def test_steps_are_those_of_training_and_finer_at_the_highest_qualities(
    codec: Codec, models: PyramidSet
) -> None:
    with torch.no_grad():
        t = torch.arange(256) / 255
        trained, learned = codec.steps(t).numpy(), torch.exp(interpolate(codec.log_steps, t)).numpy()
    np.testing.assert_allclose(models.steps, trained, rtol=0.02)
    ratio, qualities = (trained / learned).mean(1), models.manifest.qualities
    np.testing.assert_allclose(ratio[: qualities[87] + 1], 1, rtol=1e-6)
    assert (np.diff(ratio[qualities[87] :]) < 0).all()
    assert ratio[qualities[98]] < 0.75 and qualities[99] == 255


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("quality", [40, 55, 70])
def test_runtime_codes_as_the_training_codec_does(
    quality: int, size: tuple[int, int], codec: Codec, models: PyramidSet
) -> None:
    pixels = photograph(*size, seed=4)
    data = texcodec.encode(pixels, quality=quality, models=models, threads=1, effort=1)
    with texcodec.open(data) as file:
        index, entry = file.header.rate_index, file.tiles[0]
        ours = np.asarray(file.decode(models=models)).astype(float)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        coded = codec(
            x, torch.tensor([index / 255]), torch.tensor([entry.class_index]), halo=True, rounding="hard"
        )
    theirs = coded.pixels[0].permute(1, 2, 0).numpy()
    assert np.square(ours - pixels).mean() == pytest.approx(
        np.square(theirs.round() - pixels).mean(), rel=0.03
    )
    # the stream starts from the checksum; the number of slices is free while training
    slices = np.log2(len(ARCHITECTURE.slices))
    payload = len(data) - file.container_bytes
    assert 8 * payload - CHECKSUM_BITS - slices == pytest.approx(coded.bits.item(), rel=0.03, abs=16)


def test_whole_pictures_in_training_are_those_of_the_decoder(
    codec: Codec, models: PyramidSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lapped transforms reach across seams, and not beyond the picture."""
    monkeypatch.setitem(LatentCoder.quantise.__kwdefaults__, "distortion_scale", 0.0)
    pixels = photograph(300, 212, seed=4)
    data = texcodec.encode(pixels, quality=55, models=models, tile=128, threads=1)
    with texcodec.open(data) as file:
        t = torch.tensor([file.header.rate_index / 255])
        decoded = np.asarray(file.decode(models=models)).astype(float)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    pictures = PictureCodec(codec, Fusion(ARCHITECTURE), (8.0, 18.0))
    with torch.no_grad():
        ours = pictures(x, t, tile_log2=7, rounding="nearest").pixels
    wrong = np.abs(ours[0].permute(1, 2, 0).clamp(0, 255).numpy() - decoded)
    inner = wrong[8:-8, 8:-8].mean()
    for border in (wrong[:8], wrong[:, :8], wrong[-4:], wrong[:, -4:]):
        assert border.mean() < 2 * inner
    assert inner < 1  # the networks are random: a few symbols differ


def test_gains_of_the_runtime_are_those_of_training(codec: Codec, models: PyramidSet) -> None:
    coder = PyramidCoder(models)
    random = np.random.default_rng(1)
    hyper = random.integers(-4, 5, (ARCHITECTURE.hyper_channels, 2, 2)).astype(np.int32)
    features = coder._hyper_features(hyper, 1, 120, (8, 8))
    gains = coder._gains(features)
    assert gains is not None
    with torch.no_grad():
        twin = codec.entropy.gains(torch.from_numpy(features) / 32)[0].numpy()
    assert len(np.unique(gains)) > 3
    assert (gains[list(MEAN_CHANNELS)] == 1).all()
    # an index may round the other way where the integers of a layer do
    assert np.abs(np.log(gains) - np.log(twin)).max() < 1.01 / 16
