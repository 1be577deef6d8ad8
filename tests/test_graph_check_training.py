"""The rules for graphs against the onnx package, and against networks that people bring."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from onnx import TensorProto, helper  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from texcodec.errors import ModelDamagedError, ParameterError  # noqa: E402
from texcodec.networks import TASK_RULES, check_graph  # noqa: E402
from texcodec.networks.graph_check import CODEC_RULES  # noqa: E402
from texcodec.networks.operators import TASK  # noqa: E402
from texcodec.registry import budgets  # noqa: E402
from texcodec.training.features.onnx_parts import OnnxPart, export_onnx  # noqa: E402
from texcodec.training.pictures import graphs, nonlinear_graphs  # noqa: E402
from texcodec.training.pictures.presets import PRESETS, preset_architecture  # noqa: E402


def value(name: str):  # type: ignore[no-untyped-def]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2, None, None])


def model(nodes, **more):  # type: ignore[no-untyped-def]
    graph = helper.make_graph(nodes, "g", [value("x")], [value("y")], more.pop("initializer", []))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], **more)


def conditional():  # type: ignore[no-untyped-def]
    branches = [
        helper.make_graph([helper.make_node(name, ["x"], [f"{name}.y"])], name, [], [value(f"{name}.y")])
        for name in ("Abs", "Relu")
    ]
    yes = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
    choice = helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1])
    return model([yes, choice])


def outside(location: str):  # type: ignore[no-untyped-def]
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    tensor.raw_data = bytes(4)
    onnx.external_data_helper.set_external_data(tensor, location=location, offset=0, length=4)
    tensor.ClearField("raw_data")
    return model([helper.make_node("Mul", ["x", "w"], ["y"])], initializer=[tensor])


def with_function():  # type: ignore[no-untyped-def]
    body = helper.make_function(
        "own", "F", ["a"], ["b"], [helper.make_node("Abs", ["a"], ["b"])], [helper.make_opsetid("", 17)]
    )
    return model([helper.make_node("Abs", ["x"], ["y"])], functions=[body])


@pytest.mark.parametrize("rules", [CODEC_RULES, TASK_RULES], ids=["codec", "task"])
@pytest.mark.parametrize(
    "hostile, message",
    [
        (conditional, "the operator If"),
        (lambda: outside("../../etc/passwd"), "asks for a file"),
        (lambda: outside("weights"), "asks for a file"),
        (with_function, "functions"),
        (lambda: model([helper.make_node("Gelu", ["x"], ["y"], domain="com.microsoft")]), "com.microsoft"),
    ],
    ids=["control flow", "path", "weights", "function", "domain"],
)
def test_hostile_graphs_that_the_onnx_package_writes_are_refused(hostile, message, rules) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelDamagedError, match=message):
        check_graph(hostile().SerializeToString(), {}, rules)


def test_every_operator_of_the_list_is_one_of_onnx() -> None:
    known = {s.name.encode() for s in onnx.defs.get_all_schemas_with_history() if s.domain == ""}
    assert known >= TASK


class Everything(nn.Module):
    """Layers that task networks have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, 2, 1), nn.BatchNorm2d(8)
        self.group, self.up = nn.GroupNorm(2, 8), nn.ConvTranspose2d(8, 8, 2, 2)
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.recurrent, self.leave = nn.LSTM(8, 4, batch_first=True), nn.Linear(4, 5)

    def forward(self, x):  # type: ignore[no-untyped-def]
        x = F.hardswish(F.silu(self.norm(self.conv(x))) + F.gelu(self.group(self.conv(x))))
        x = F.interpolate(self.up(F.max_pool2d(x, 2)), scale_factor=0.5, mode="bilinear") + F.avg_pool2d(x, 2)
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")[:, :, ::2, ::2].clamp(-3, 3)
        x = self.attention(x.flatten(2).transpose(1, 2))
        x = self.leave(self.recurrent(x)[0].mean(1))
        return torch.where(x > 0, x, x.exp() - 1).softmax(1)


def test_usual_layers_are_allowed_in_networks_of_tasks(tmp_path: Path) -> None:
    torch.manual_seed(0)
    data = export_onnx(
        Everything().eval(), torch.rand(1, 3, 32, 32), input_name="picture", output_name="answer"
    )
    check_graph(data, {}, TASK_RULES)
    assert len({node.op_type for node in onnx.load_from_string(data).graph.node}) > 20


def test_files_with_other_operators_are_refused_before_training(tmp_path: Path) -> None:
    path = tmp_path / "front.onnx"
    path.write_bytes(conditional().SerializeToString())
    with pytest.raises(ParameterError, match="uses the operator If, which is not among those"):
        OnnxPart(path)


@pytest.mark.parametrize("kind", ["linear", "nonlinear"])
@pytest.mark.parametrize("preset", PRESETS)
def test_transforms_of_presets_need_a_fourth_of_what_is_allowed(preset: str, kind: str) -> None:
    a = preset_architecture(preset, kind)
    facts = SimpleNamespace(latent_channels=a.latent_channels, halo=1, entropy_profile=a.profile)
    synthesis, analysis = nonlinear_graphs.refining_synthesis, nonlinear_graphs.deep_analysis
    if kind == "linear":
        synthesis, analysis = graphs.synthesis, graphs.lapped_analysis
    bias = a.synthesis_width * (2 if a.nonlinear else 1)
    for graph, budget in (
        (synthesis(a), budgets.synthesis(facts, bias)),  # type: ignore[arg-type]
        (analysis(a), budgets.analysis(facts)),  # type: ignore[arg-type]
    ):
        weights = {w.name: tuple(w.dims) for w in onnx.load_from_string(graph).graph.initializer}
        cost_of_run = check_graph(graph, weights)
        assert cost_of_run is not None
        cost, output = cost_of_run.of(cost_of_run.usual(budget))
        assert output is not None
        assert all(4 * have < most for have, most in zip(cost, budget.most))
