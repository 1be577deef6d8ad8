"""Task networks cut at a layer: the two parts give what the whole gives, and what cannot be cut is told apart."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.train

from torch import nn  # noqa: E402

from texcodec.errors import ParameterError  # noqa: E402
from texcodec.training.features.onnx_parts import OnnxPart, export_onnx  # noqa: E402
from texcodec.training.features.splitting import (  # noqa: E402
    ANSWER,
    PICTURE,
    import_network,
    load_weights,
    split,
)


class Odd(nn.Module):
    """Nested layers, functions, an attribute, and one value that goes round two of the layers."""

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
        self.head = nn.Conv2d(4, classes, 1)

    def forward(self, picture):
        x = self.stem(picture / 255) * self.scale
        x = torch.relu(x + self.body(x))
        return nn.functional.interpolate(self.head(x), scale_factor=2.0) * self.scale


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)
        self.unused = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.layer(self.layer(x))


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else x


class Sized(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 3, 2, 1)

    def forward(self, x):
        return nn.functional.interpolate(self.layer(x), size=x.shape[2:])


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 1)

    def forward(self, x, y):
        return self.layer(x) + y


@pytest.fixture
def network():
    torch.manual_seed(0)
    return Odd().eval()


@pytest.mark.parametrize("layer", ["stem", "stem.0", "stem.1", "head", PICTURE, ANSWER])
def test_front_and_tail_give_what_the_network_gives(network, layer):
    x = torch.rand(2, 3, 12, 16) * 255
    parts = split(network, layer).freeze()
    h = parts.front(x) if parts.front else x
    answer = parts.tail(h) if parts.tail else h
    assert torch.equal(answer, network(x))
    if layer == "stem.0":
        assert torch.equal(h, network.stem[0](x / 255))
    if layer != ANSWER:
        h = h.clone().requires_grad_()
        parts.tail(h).sum().backward()
        assert h.grad.abs().sum() > 0 and all(p.grad is None for p in parts.tail.parameters())


@pytest.mark.parametrize(
    ("build", "layer", "message"),
    [
        (Odd, "stam", "no layer 'stam'; its layers are stem, stem.0"),
        (Odd, "body", "After the layer 'body'.* still needs the value of mul"),
        (Twice, "layer", "runs 2 times"),
        (Twice, "unused", "runs 0 times"),
        (Branching, "layer", "torch.fx cannot trace the network|torch.fx cannot trace The network Branching"),
        (Sized, "layer", "still needs the picture"),
        (Two, "layer", "takes 2 inputs"),
    ],
)
def test_what_cannot_be_cut_is_named(build, layer, message):
    with pytest.raises(ParameterError, match=message):
        split(build(), layer)


def test_import_paths_and_weights(network, tmp_path):
    from safetensors.torch import save_file

    torch.save(network.state_dict(), tmp_path / "w.pt")
    save_file(network.state_dict(), tmp_path / "w.safetensors")
    for name in ("w.pt", "w.safetensors"):
        found = import_network(f"{__name__}:Odd", {"classes": 3}, tmp_path / name)
        x = torch.rand(1, 3, 8, 8)
        assert torch.equal(found(x), network(x))
    other = Odd(classes=5)
    for weights in (tmp_path / "w.pt", tmp_path / "none.pt"):
        with pytest.raises(ParameterError, match="do not fit the network"):
            load_weights(other, weights)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("numpy", "is not an import path"),
        ("no_such_package_at_all:thing", "cannot be imported"),
        ("torch.nn:NoSuchLayer", "cannot be imported"),
        ("torch.nn:Conv2d", "cannot be built"),
        ("builtins:dict", "returned a dict"),
    ],
)
def test_import_paths_that_lead_nowhere(path, message):
    with pytest.raises(ParameterError, match=message):
        import_network(path)


def test_onnx_parts_take_pictures_of_any_size(network, tmp_path):
    parts = split(network, "stem").freeze()
    example = torch.rand(1, 3, 16, 16) * 255
    front = export_onnx(parts.front, example, input_name="picture", output_name="h")
    tail = export_onnx(parts.tail, parts.front(example), input_name="h", output_name="answer")
    (tmp_path / "front.onnx").write_bytes(front)
    (tmp_path / "tail.onnx").write_bytes(tail)
    x = torch.rand(2, 3, 24, 40) * 255
    h = OnnxPart(tmp_path / "front.onnx")(x)
    answer = OnnxPart(tmp_path / "tail.onnx")(h)
    assert np.allclose(answer, network(x).detach(), atol=1e-5)
    with pytest.raises(ParameterError, match="does not take"):
        OnnxPart(tmp_path / "front.onnx")(torch.rand(1, 5, 8, 8))


def test_modules_that_onnx_cannot_express_are_refused():
    class Unreliable(nn.Module):
        def forward(self, x):
            return x + torch.as_tensor(np.random.default_rng().random(1).astype(np.float32))

    class Several(nn.Module):
        def forward(self, x):
            return x, x

    for part, message in (
        (Unreliable(), "does not give what the module gives"),
        (Several(), "must return one tensor"),
    ):
        with pytest.raises(ParameterError, match=message):
            export_onnx(part.eval(), torch.rand(1, 3, 8, 8), input_name="picture", output_name="h")


def test_files_that_are_no_onnx_part(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"not a graph")
    for name in ("x.onnx", "y.onnx"):
        with pytest.raises(ParameterError, match="cannot be used as an ONNX file"):
            OnnxPart(tmp_path / name)
