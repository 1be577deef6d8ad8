"""The feature codec while training and the set that is exported from it: both must say the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from feature_training_samples import SHAPES, SMALLEST, codec, codec_loop, exported, features  # noqa: E402

from texcodec.constants import SYMBOL_MAX  # noqa: E402
from texcodec.entropy import ProbabilityTables  # noqa: E402
from texcodec.errors import ModelDamagedError, ParameterError  # noqa: E402
from texcodec.features import decode_tensors, encode_tensors  # noqa: E402
from texcodec.features.encode import quantise  # noqa: E402
from texcodec.networks.bounds import check_bound  # noqa: E402
from texcodec.registry import FeatureSet  # noqa: E402
from texcodec.training.core.fixed_point import compute_as_exported  # noqa: E402
from texcodec.training.core.tables import MOST_SUPPORT, symbol_tables  # noqa: E402
from texcodec.training.features.codec import FeatureCodec  # noqa: E402
from texcodec.training.features.export import normal_row  # noqa: E402
from texcodec.training.features.priors import CodebookPrior, resample  # noqa: E402
from texcodec.training.features.rates import table_bits, training_bits  # noqa: E402
from texcodec.training.features.selfcheck import self_check  # noqa: E402
from texcodec.training.features.settings import CodecSettings, TaskShape, preset  # noqa: E402
from texcodec.training.pictures.architecture import SCALE_LEVELS  # noqa: E402


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[FeatureCodec, FeatureSet]:
    found = codec()
    return found, exported(tmp_path_factory.mktemp("sets") / "test", found)


class TestExport:
    @pytest.mark.parametrize("level", range(SMALLEST.levels))
    def test_set_codes_the_symbols_that_training_saw(
        self, both: tuple[FeatureCodec, FeatureSet], level: int
    ) -> None:
        trained, found = both
        known = features(3, h=6, w=9, seed=4)  # not the size of the grid
        compute_as_exported(trained.prior)
        with torch.no_grad():
            seen = trained(known, torch.full((3,), level), "nearest")
        compute_as_exported(trained.prior, False)
        same, restored = [], []
        for i in range(3):
            tensors = {k: v[i].numpy() for k, v in known.items()}
            coded, _ = quantise(tensors, found, level)
            # weights of float networks are rounded to float16: rarely a symbol differs
            same.append((coded.symbols == seen.symbols[i].numpy()).mean())
            back = decode_tensors(encode_tensors(tensors, found, level=level), found)
            for name, tensor in back.items():
                assert tensor.shape == tensors[name].shape
                restored.append(np.abs(tensor - seen.features[name][i].numpy()).mean() / tensors[name].std())
        assert min(same) > 0.97
        assert max(restored) < 0.05

    def test_lengths_are_within_a_percent_of_the_estimates(
        self, both: tuple[FeatureCodec, FeatureSet]
    ) -> None:
        trained, found = both
        known = features(12, h=20, w=24, seed=5)
        check = self_check(found, trained, known, {})
        assert check.streams == 12 * SMALLEST.levels
        assert abs(check.over_tables) < 0.01 and abs(check.over_training) < 0.01 and check.sound
        assert list(check.payload_bytes) == sorted(check.payload_bytes)
        assert "36 streams" in check.sentence()

    def test_one_task_needs_no_separation(self, tmp_path: Path) -> None:
        found = exported(tmp_path / "one", codec(SHAPES[1:]))
        found.verify()
        assert found.task("fine").chain == ("reconstruction",)
        h = features(1)["fine"][0].numpy()
        assert decode_tensors(encode_tensors(h, found), found)["fine"].shape == h.shape

    def test_exports_are_the_same_every_time(self, tmp_path: Path) -> None:
        one, two = (exported(tmp_path / name, codec()) for name in ("one", "two"))
        assert one.identity == two.identity and one.manifest.encoder == two.manifest.encoder

    def test_weights_beyond_the_bound_are_refused(self, tmp_path: Path) -> None:
        found = codec()
        found.prior.predictor.spread.weight.data.mul_(1e4)
        with pytest.raises(ValueError, match="under the 2\\^24 bound"):
            exported(tmp_path / "set", found)
        assert not (tmp_path / "set" / "manifest.json").exists()

    def test_other_folders_are_left_alone(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("mine")
        with pytest.raises(ParameterError, match="holds files but no feature set"):
            exported(tmp_path, codec())
        assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


class TestIntegers:
    """The exported entropy networks against sums of int64, on the inputs that drive them furthest."""

    def layers(self, found: FeatureSet, graph: str, names: tuple[str, ...]) -> list[tuple[np.ndarray, ...]]:
        arrays = {k.removeprefix(f"{graph}."): v for k, v in found._arrays.items() if k.startswith(graph)}
        return [(arrays[f"{n}.weight"].astype(np.int64), arrays[f"{n}.bias"].astype(np.int64)) for n in names]

    def shifts(self, found: FeatureSet, graph: str) -> list[int]:
        onnx = pytest.importorskip("onnx")
        nodes = onnx.load_from_string(found._graphs[graph]).graph.node
        values = {
            n.output[0]: onnx.numpy_helper.to_array(n.attribute[0].t)
            for n in nodes
            if n.op_type == "Constant"
        }
        return [round(-np.log2(float(values[n.input[1]]))) for n in nodes if n.op_type == "Mul"]

    @staticmethod
    def convolve(x: np.ndarray, weight: np.ndarray, bias: np.ndarray, shift: int) -> np.ndarray:
        k = weight.shape[2] // 2
        padded = np.pad(x, ((0, 0), (k, k), (k, k)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, weight.shape[2:], (1, 2))
        sums = np.einsum("oikl,ihwkl->ohw", weight, windows) + bias[:, None, None]
        assert np.abs(sums).max() < 2**24
        return sums >> shift

    def reference(self, found: FeatureSet, graph: str, x: np.ndarray) -> np.ndarray:
        names = {
            "generator": ("enter", "middle", "leave", "codebook"),
            "predictor": ("enter", "spread", "leave"),
        }
        for i, ((weight, bias), shift) in enumerate(
            zip(self.layers(found, graph, names[graph]), self.shifts(found, graph))
        ):
            if i == 3:
                x = x.reshape(SMALLEST.codebook, SMALLEST.groups, 1)
            x = self.convolve(x, weight, bias, shift)
            if i < 2:
                x = np.clip(x, 0, 255)
            elif graph == "generator":
                x = np.clip(x, -255, 255)
        return x if graph == "predictor" else x[:, :, 0].T.reshape(SMALLEST.groups, *SMALLEST.grid)

    def worst(self, weight: np.ndarray, sign: int) -> list[np.ndarray]:
        """Windows with the largest integer wherever a weight of one output is positive, the smallest elsewhere."""
        return [np.where(sign * w > 0, 255, -255) for w in weight]

    @pytest.mark.parametrize("sign", (1, -1))
    @pytest.mark.parametrize("graph", ("generator", "predictor"))
    def test_networks_are_exact_on_the_worst_inputs(
        self, both: tuple[FeatureCodec, FeatureSet], graph: str, sign: int
    ) -> None:
        found = both[1]
        network = getattr(found, graph)()
        weight = self.layers(found, graph, ("enter",))[0][0]
        for window in self.worst(weight, sign):
            size = (1, 1) if graph == "generator" else (5, 6)
            x = np.broadcast_to(window, (len(window), *size)).astype(np.int64)
            out = network.ordered(None, x[None].astype(np.float32))[0]
            np.testing.assert_array_equal(out, self.reference(found, graph, x))

    def test_every_layer_keeps_the_bound_and_a_larger_one_does_not(
        self, both: tuple[FeatureCodec, FeatureSet]
    ) -> None:
        names = {
            "generator": ("enter", "middle", "leave", "codebook"),
            "predictor": ("enter", "spread", "leave"),
        }
        for graph, layers in names.items():
            for name, (weight, bias) in zip(layers, self.layers(both[1], graph, layers)):
                check_bound(weight, bias, 255, name)
                with pytest.raises(ModelDamagedError, match="2\\^24"):
                    check_bound(weight * 2**11, bias, 255, name)

    def test_maps_are_resampled_as_the_format_says(self, both: tuple[FeatureCodec, FeatureSet]) -> None:
        u = torch.arange(12.0).reshape(1, 1, 3, 4)
        grown = resample(u, (7, 9))[0, 0]
        assert all(grown[i, j] == u[0, 0, i * 3 // 7, j * 4 // 9] for i in range(7) for j in range(9))
        assert resample(u, (2, 2))[0, 0].tolist() == [[0, 2], [4, 6]]


class TestRates:
    def test_bits_are_those_of_the_tables(self) -> None:
        frequencies, support = symbol_tables(np.zeros((SCALE_LEVELS, 2 * MOST_SUPPORT + 1)), row=normal_row)
        tables = ProbabilityTables(frequencies, support, escapes=True)
        for index in (1, 5, 20, 40, 63):
            s = int(support[index])
            symbols = torch.arange(-s, s + 1, dtype=torch.float32)
            bits = table_bits(symbols, torch.full_like(symbols, index)).double().numpy()
            costs = tables.costs[tables.offsets[index] : tables.offsets[index + 1] - 1]
            p = 2.0**-costs
            assert (p * np.abs(bits - costs)).sum() < 1e-3  # of all symbols, as often as they come
            assert np.abs(bits - costs).max() < 1.1  # of any
            if s == MOST_SUPPORT:
                continue  # its escapes are not rare
            beyond = table_bits(torch.tensor([s + 40.0]), torch.tensor([float(index)]))
            assert float(beyond) == pytest.approx(16 + tables.costs[tables.offsets[index + 1] - 1], abs=3)

    def test_symbols_that_are_not_coded_are_free(self) -> None:
        assert float(table_bits(torch.zeros(1), torch.zeros(1))) == 0

    def test_symbols_far_out_keep_a_gradient_while_training(self) -> None:
        residual = torch.tensor([500.0], requires_grad=True)
        log_scale = torch.zeros(1, requires_grad=True)
        bits = training_bits(residual, log_scale)
        bits.backward()
        assert torch.isfinite(bits).all() and float(residual.grad) > 0 and float(log_scale.grad) < 0


class TestTraining:
    def test_training_lowers_the_cost(self, tmp_path: Path) -> None:
        torch.manual_seed(0)
        loop = codec_loop(tmp_path, 30)
        level, known = torch.arange(40) % SMALLEST.levels, features(40)
        with torch.no_grad():
            before = loop.task.cost(whole_batch(loop, known, level), torch.device("cpu")).loss
        loop.run()
        with torch.no_grad():
            after = loop.task.cost(whole_batch(loop, known, level), torch.device("cpu")).loss
        assert float(after) < 0.95 * float(before)
        header = (tmp_path / "codec.csv").read_text().splitlines()[0]
        assert "bits_a_latent" in header and "coarse" in header and "psnr" not in header

    def test_training_goes_on_from_its_checkpoint(self, tmp_path: Path) -> None:
        first = codec_loop(tmp_path, 4).run().state_dict()
        again = codec_loop(tmp_path, 4)
        assert again.finished
        for key, value in again.run().state_dict().items():
            assert torch.equal(value, first[key]), key
        with pytest.raises(ParameterError, match="other settings"):
            codec_loop(tmp_path, 4, context={"sizes": {"width": 9}})

    def test_scale_and_offset_of_features_do_not_matter(self) -> None:
        seen = []
        for factor, offset in ((1.0, 0.0), (1000.0, -5e4)):
            known = {k: factor * v + offset for k, v in features(30).items()}
            torch.manual_seed(0)
            found = FeatureCodec(SMALLEST, SHAPES).eval()
            found.start_from(known)
            with torch.no_grad():
                seen.append(found(known, torch.full((30,), 2), "nearest").symbols)
        assert (seen[0] == seen[1]).float().mean() > 0.98

    def test_levels_go_from_coarse_to_fine_from_the_start(self) -> None:
        found, known = codec(), features(10)
        sizes, errors = [], []
        for level in range(SMALLEST.levels):
            with torch.no_grad():
                coded = found(known, torch.full((10,), level), "nearest")
            sizes.append(float(coded.bits.mean()))
            errors.append(float((coded.features["coarse"] - known["coarse"]).square().mean()))
        assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)

    def test_side_information_differs_between_pictures_from_the_start(self) -> None:
        torch.manual_seed(0)
        found = FeatureCodec(SMALLEST, SHAPES)
        found.start_from(features(40))
        with torch.no_grad():
            coded = found(features(40), torch.arange(40) % 3, "nearest")
        assert float(coded.side.std(0).mean()) > 1

    def test_sizes_of_tasks_must_agree(self) -> None:
        known = features(1)
        known["fine"] = known["fine"][:, :, :4]
        with pytest.raises(ParameterError, match="different numbers of latents .coarse: 5 x 7, fine: 2 x 7"):
            codec()(known, torch.zeros(1, dtype=torch.long))

    def test_symbols_fit_the_streams(self) -> None:
        with torch.no_grad():
            coded = codec()({k: 50 * v for k, v in features(4).items()}, torch.full((4,), 2), "nearest")
        assert float(coded.symbols.abs().max()) < SYMBOL_MAX

    def test_the_documents_sizes_can_be_built(self) -> None:
        sizes = dataclasses.replace(preset("document"), generator_width=4, grid=(2, 2), levels=1)
        prior = CodebookPrior(sizes)
        y = torch.randn(1, 128, 2, 2)
        p = prior(y, torch.zeros(1, dtype=torch.long), "nearest")
        assert p.side.shape == (1, 128, 1, 1) and p.mean.shape == y.shape
        assert prior.generator.leave.out_channels == 128 * 512

    @pytest.mark.parametrize(
        ("make", "message"),
        [
            (lambda: TaskShape("Big Name", 3), "lower-case"),
            (lambda: TaskShape("a", 3, 3), "power of two"),
            (lambda: CodecSettings(levels=0), "levels must be at least 1"),
            (lambda: CodecSettings(grid=(4,)), "grid must be two numbers"),
            (lambda: CodecSettings(first_lambda=2, last_lambda=1), "first_lambda"),
            (lambda: preset("huge"), "small, document"),
            (lambda: FeatureCodec(SMALLEST, (SHAPES[0], SHAPES[0])), "another name"),
        ],
    )
    def test_wrong_sizes_are_refused(self, make: object, message: str) -> None:
        with pytest.raises(ParameterError, match=message):
            make()  # type: ignore[operator]


def whole_batch(loop: object, known: dict, level: object) -> object:
    from texcodec.training.core.task import Batch

    torch.manual_seed(1)
    return Batch({"level": level} | {f"features {k}": v for k, v in known.items()})
