"""Training: the networks, their export, and the way back from a model set. Needs torch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pictures import photograph

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

import texcodec  # noqa: E402
from texcodec.codec.rate_control import psnr  # noqa: E402
from texcodec.networks import check_bound  # noqa: E402
from texcodec.registry import find_set, load_set  # noqa: E402
from texcodec.training.core.fixed_point import IntegerConv, activation  # noqa: E402
from texcodec.training.core.integer_export import export_conv  # noqa: E402
from texcodec.training.core.rounding import logistic_bits  # noqa: E402
from texcodec.training.core.tables import logistic_row, symbol_tables  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.export import magnitude_table  # noqa: E402
from texcodec.training.pictures.presets import preset_architecture  # noqa: E402
from texcodec.training.pictures.restore import restore_codec, restore_fusion  # noqa: E402
from texcodec.training.pictures.sampler import CropSampler  # noqa: E402
from texcodec.training.pictures.settings import ClassSettings  # noqa: E402
from texcodec.training.pictures.transforms import dct_basis, start_coefficients  # noqa: E402

SET = "tiny-1"
TINY = preset_architecture("tiny", profile=1)


@pytest.fixture(scope="module")
def sampler() -> CropSampler:
    return CropSampler([photograph(400, 300, seed=s) for s in range(3)], crop=128, seed=1)


def started(sampler: CropSampler) -> Codec:
    torch.manual_seed(0)
    codec = Codec(TINY)
    codec.linear.start_from(start_coefficients(sampler.batches(64), TINY.latent_channels))
    return codec


def test_dct_basis_is_orthonormal() -> None:
    basis = dct_basis().astype(np.float64)
    np.testing.assert_allclose(basis @ basis.T, np.eye(768), atol=1e-5)


def test_untrained_codec_is_already_a_linear_transform_codec(sampler: CropSampler) -> None:
    codec = started(sampler)
    x = torch.from_numpy(next(sampler.batches(2))).permute(0, 3, 1, 2).float()
    with torch.no_grad():
        coded = codec(x, torch.ones(2), torch.zeros(2, dtype=torch.long), halo=True, rounding="nearest")
    assert psnr(x.numpy().astype(np.uint8), coded.pixels.clamp(0, 255).numpy().round().astype(np.uint8)) > 30


def test_logistic_bits_are_those_of_the_exported_rows() -> None:
    for sigma in (0.2, 1.0, 7.0):
        row = logistic_row(sigma, 4)
        r = torch.arange(-4.0, 5.0)
        bits = logistic_bits(r, torch.full_like(r, float(np.log(sigma))))
        np.testing.assert_allclose(2.0 ** -bits.numpy(), row[:-1], rtol=1e-3, atol=1e-9)
        assert row.sum() == pytest.approx(1, abs=1e-6)


def test_tables_are_exact_and_positive() -> None:
    counts = np.random.default_rng(0).integers(0, 1000, (64, 511)).astype(float)
    frequencies, support = symbol_tables(counts)
    assert frequencies.min() >= 1
    ends = np.cumsum(2 * support.astype(int) + 2)
    assert all(part.sum() == 1 << 24 for part in np.split(frequencies.astype(np.int64), ends[:-1]))


def test_magnitude_table_is_monotonic_and_ends_at_255() -> None:
    table = magnitude_table()
    assert table[0] == 0 and table[-1] == 255 and table[-2] == 254
    assert (np.diff(table.astype(int)) >= 0).all()


def test_exported_layer_meets_the_bound_and_follows_its_twin() -> None:
    torch.manual_seed(1)
    layer = IntegerConv(40, 24, 3)
    weight, bias, shift = export_conv(layer)
    check_bound(weight, bias, 255, "layer")
    x = torch.randint(0, 256, (1, 40, 7, 6)).float()
    exact = torch.nn.functional.conv2d(
        x.double(), torch.from_numpy(weight).double(), torch.from_numpy(bias).double(), padding=1
    )
    integers = torch.clamp(torch.floor(exact / 2**shift), 0, 255)
    twin = activation(layer(x / 32)) * 32
    assert (integers - twin).abs().max() <= 1


def test_layer_with_hopeless_weights_is_refused() -> None:
    layer = IntegerConv(200, 2, 3)
    with torch.no_grad():
        layer.weight.fill_(60.0)
    with pytest.raises(ValueError, match="2\\^24"):
        export_conv(layer)


def test_integer_networks_equal_torch_in_float32_and_float64() -> None:
    models = load_set(SET)
    random = np.random.default_rng(2)
    count = models.manifest.hyper_channels + 1 + models.classes
    x = random.integers(-124, 256, (2, count, 5, 3)).astype(np.float32)
    ours = models.hyper_synthesis()(hyper=x)
    _, shifts = _exported_shifts()
    for dtype in (torch.float32, torch.float64):
        for threads in (1, 2):
            before = torch.get_num_threads()
            torch.set_num_threads(threads)
            try:
                np.testing.assert_array_equal(ours, _hyper_in_torch(models._arrays, shifts, x, dtype))
            finally:
                torch.set_num_threads(before)


def _exported_shifts() -> tuple[object, dict[str, int]]:
    from texcodec.training.core.integer_export import integer_arrays

    return integer_arrays(restore_codec(find_set(SET)).entropy.hyper, "hyper_synthesis")


def _hyper_in_torch(
    arrays: dict[str, np.ndarray], shifts: dict[str, int], x: np.ndarray, dtype: torch.dtype
) -> np.ndarray:
    def layer(h: torch.Tensor, name: str) -> torch.Tensor:
        weight = torch.from_numpy(arrays[f"hyper_synthesis.{name}.weight"].astype(np.float64)).to(dtype)
        bias = torch.from_numpy(arrays[f"hyper_synthesis.{name}.bias"].astype(np.float64)).to(dtype)
        y = torch.nn.functional.conv2d(h, weight, bias, padding=weight.shape[2] // 2)
        return torch.clamp(torch.floor(y * 2.0 ** -shifts[name]), 0, 255)

    h = layer(torch.from_numpy(x).to(dtype), "enter")
    h = torch.nn.functional.pixel_shuffle(layer(h, "up1"), 2)
    h = torch.nn.functional.pixel_shuffle(layer(h, "up2"), 2)
    return layer(h, "leave").float().numpy()


@pytest.mark.parametrize("quality", [10, 50, 90])
def test_runtime_codes_as_the_training_codec_does(quality: int) -> None:
    """The released set chooses symbols by cost and gives the bits and pixels of the module it was made from."""
    codec = restore_codec(find_set("std-2"))
    pixels = photograph(256, 256, seed=4)
    x = torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    data = texcodec.encode(pixels, quality=quality, models="std-2")
    entry = texcodec.open(data).tiles[0]
    index = texcodec.open(data).header.rate_index
    with torch.no_grad():
        coded = codec(
            x, torch.tensor([index / 255]), torch.tensor([entry.class_index]), halo=True, rounding="hard"
        )
    ours = np.asarray(texcodec.decode(data)).astype(float)
    theirs = coded.pixels[0].permute(1, 2, 0).numpy()
    # a few latents round otherwise (integer entropy networks, float16 weights), so squared errors are compared
    error = np.square(ours - pixels).mean()
    assert error == pytest.approx(np.square(theirs.round() - pixels).mean(), rel=0.03)
    assert 8 * entry.length == pytest.approx(coded.bits.item(), rel=0.03)


def test_fusion_network_can_be_restored() -> None:
    fusion, models = restore_fusion(find_set(SET)), load_set(SET)
    assert fusion is not None
    x = np.random.default_rng(0).normal(0, 1, (1, 5, 70, 38)).astype(np.float32)
    with torch.no_grad():
        theirs = fusion(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(models.fusion()(blocks=x), theirs, atol=1e-4)


def test_export_replaces_a_set_and_leaves_other_files_alone(tmp_path: Path) -> None:
    from texcodec.training.pictures.export import export_set
    from texcodec.training.pictures.statistics import Statistics

    codec = restore_codec(find_set(SET))
    (tmp_path / "graphs").mkdir()
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "graphs" / "old.onnx").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("mine")
    names = ("smooth", "medium", "busy")
    export_set(
        codec,
        Statistics(TINY),
        tmp_path,
        name="x",
        class_names=names,
        thresholds=(8.0, 18.0),
        fusion=None,
        card={},
    )
    load_set(tmp_path).verify()
    assert (tmp_path / "notes.txt").read_text() == "mine" and not (tmp_path / "graphs" / "old.onnx").exists()


def test_damaged_master_weights_are_a_model_error(tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "set"
    shutil.copytree(find_set(SET), copy)
    for name in ("master", "decoder"):
        path = copy / f"{name}.safetensors"
        sound = path.read_bytes()
        path.write_bytes(sound[: len(sound) // 2])
        with pytest.raises(texcodec.ModelDamagedError):
            restore_codec(copy)
        path.write_bytes(sound)


SHARED = ("synthesis.blocks", "analysis.enter")


def test_shared_parts_are_one_for_all_classes_and_the_others_their_own() -> None:
    torch.manual_seed(0)
    parent = Codec(TINY)
    codec = parent.specialise(SHARED)
    first, *others = codec.transforms
    assert all(t.synthesis.blocks is first.synthesis.blocks for t in others)
    assert all(t.synthesis.leave is not first.synthesis.leave for t in others)
    apart = parent.specialise()
    block = sum(p.numel() for m in (first.synthesis.blocks, first.analysis.enter) for p in m.parameters())
    count = [sum(p.numel() for p in c.parameters()) for c in (codec, apart)]
    assert count[1] - count[0] == 2 * block
    with torch.no_grad():
        for p in first.synthesis.blocks.parameters():
            p.add_(1)
    again = Codec(TINY, specialised=True)
    again.load_state_dict(codec.state_dict())
    again.share(SHARED)
    assert again.transforms[2].synthesis.blocks is again.transforms[0].synthesis.blocks


def test_parts_that_were_trained_apart_stay_apart() -> None:
    codec = Codec(TINY).specialise()
    with torch.no_grad():
        codec.transforms[1].synthesis.blocks[0].expand.weight.add_(1)
    codec.share(SHARED)
    assert codec.transforms[1].synthesis.blocks is not codec.transforms[0].synthesis.blocks
    assert codec.transforms[1].analysis.enter is codec.transforms[0].analysis.enter


def test_classes_of_a_profile_without_analysis_share_the_rest() -> None:
    codec = Codec(preset_architecture("tiny")).specialise(ClassSettings().shared)
    first, second, _ = codec.transforms
    assert first.synthesis.blocks is second.synthesis.blocks
    assert first.synthesis.leave is not second.synthesis.leave
