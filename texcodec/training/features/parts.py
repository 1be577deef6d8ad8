"""From the spec of a task to its two parts: modules to train with, and their ONNX forms for the set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from ...errors import ParameterError
from ..core.loop import Loop
from .codec_task import TaskData
from .losses import loss_of_kind, usual_weight
from .network_task import NetworkTask, settle
from .onnx_parts import OnnxPart, export_onnx
from .settings import TaskShape
from .spec import NETWORK_STAGE, TaskSpec
from .splitting import import_network, split


@dataclass
class Parts:
    """A task network in two parts.

    Attributes:
        front: B x 3 x H x W pictures to B x C x h x w features.
        tail: features to answers; None for ONNX files without a tail.
        front_data, tail_data: their ONNX forms.
        learns: whether gradients pass the tail.
    """

    front: nn.Module
    tail: nn.Module | None
    front_data: bytes
    tail_data: bytes | None
    learns: bool


class AsMaps(nn.Module):
    """A front whose features are vectors, as maps of one position."""

    def __init__(self, front: nn.Module) -> None:
        super().__init__()
        self.front = front

    def forward(self, x: Tensor) -> Tensor:
        return self.front(x).unsqueeze(-1).unsqueeze(-1)


class FromMaps(nn.Module):
    """The tail behind ``AsMaps``."""

    def __init__(self, tail: nn.Module) -> None:
        super().__init__()
        self.tail = tail

    def forward(self, h: Tensor) -> Tensor:
        return self.tail(h.flatten(1))


def check_network(task: TaskSpec) -> nn.Module | None:
    """The network of a task as it is before training, None for one of ONNX files; raises before any time is spent.

    Raises:
        ParameterError: it cannot be imported, its weights do not fit, it cannot be split there; a file is missing.
    """
    for file in (task.front, task.tail, task.weights):
        if file and not Path(file).is_file():
            raise ParameterError(f"The file {file} of the task {task.name} does not exist; check its name.")
    if not task.network:
        return None
    weights = Path(task.weights) if task.weights else None
    network = import_network(task.network, task.arguments, weights)
    split(network, task.layer)
    if weights is None and not task.train_minutes:
        raise ParameterError(
            f"The network of the task {task.name} has neither weights nor train_minutes, so it knows nothing; give "
            "one of the two."
        )
    return network


def trained_network(
    task: TaskSpec,
    network: nn.Module,
    pictures: Tensor,
    labels: Tensor,
    work: Path,
    *,
    seed: int,
    log: Callable[[str], None],
) -> nn.Module:
    """The network after the training that its task asks for; goes on from a checkpoint in ``work``.

    Args:
        pictures: uint8 N x 3 x H x W.
        labels: N x ...
    """
    stage = replace(NETWORK_STAGE, minutes=task.train_minutes, seed=seed)
    torch.manual_seed(seed)
    work_task = NetworkTask(network, task.kind, pictures, labels, stage.batch)
    loop = Loop(
        work_task, stage, work, f"network-{task.name}", context={"task": _configuration(task)}, log=log
    )
    return settle(loop.run(), pictures)


def _configuration(task: TaskSpec) -> dict[str, object]:
    return {"network": task.network, "arguments": dict(task.arguments), "kind": task.kind}


def parts_of(task: TaskSpec, network: nn.Module | None, picture: Tensor) -> Parts:
    """The two parts of a task, and their ONNX forms.

    Args:
        network: trained, or None for a task of ONNX files.
        picture: an example, 1 x 3 x H x W, float32 from 0 to 255.
    Raises:
        ParameterError: a part does not run on the example, or has no ONNX form.
    """
    if network is None:
        front: nn.Module = OnnxPart(Path(task.front)) if task.front else nn.Identity()
        tail = OnnxPart(Path(task.tail)) if task.tail else None
        front_data = front.data if isinstance(front, OnnxPart) else _identity(picture)
        return Parts(front, tail, front_data, tail.data if tail else None, learns=False)
    found = split(network, task.layer).freeze()
    front, tail_module = found.front or nn.Identity(), found.tail or nn.Identity()
    with torch.no_grad():
        try:
            h = front(picture)
            answer = tail_module(h)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise ParameterError(
                f"The network of the task {task.name} does not take pictures of {tuple(picture.shape[2:])} ({reason})."
            ) from error
    del answer
    if h.dim() == 2:
        front, tail_module = AsMaps(front), FromMaps(tail_module)
    return with_onnx(front.eval(), tail_module.eval(), picture)


def with_onnx(front: nn.Module, tail: nn.Module, picture: Tensor) -> Parts:
    """Two modules with their ONNX forms.

    Args:
        picture: as for ``parts_of``.
    Raises:
        ParameterError: a part has no ONNX form.
    """
    with torch.no_grad():
        h = front(picture)
    front_data = export_onnx(front, picture, input_name="picture", output_name="h")
    return Parts(
        front, tail, front_data, export_onnx(tail, h, input_name="h", output_name="answer"), learns=True
    )


def _identity(picture: Tensor) -> bytes:
    return export_onnx(nn.Identity(), picture, input_name="picture", output_name="h")


def pixel_stride(picture: Tensor, features: Tensor, name: str) -> int:
    """Pixels per feature and side.

    Args:
        picture: B x 3 x H x W.
        features: B x C x h x w.
    Raises:
        ParameterError: there is no whole number p with h = ceil(H / p) and w = ceil(W / p).
    """
    sizes = list(zip(picture.shape[2:], features.shape[2:]))
    for p in range(1, max(picture.shape[2:]) + 1):
        if all(-(-have // p) == found for have, found in sizes):
            return p
    raise ParameterError(
        f"The features of the task {name} have {' x '.join(str(f) for _, f in sizes)} positions for pictures of "
        f"{' x '.join(str(h) for h, _ in sizes)}; they must be its size divided by a whole number, rounded up."
    )


def task_data(task: TaskSpec, parts: Parts, features: Tensor, labels: Tensor) -> TaskData:
    """What the training of the codec needs of a task."""
    if not parts.learns:
        return TaskData(task.name, features, weight=task.weight)
    weight = task.weight * usual_weight(task.kind)
    return TaskData(task.name, features, labels, parts.tail, loss_of_kind(task.kind), weight)


def shape_of(task: TaskSpec, features: Tensor) -> TaskShape:
    """Name, channels and factor of a task with these features, N x C x h x w."""
    return TaskShape(task.name, features.shape[1], task.factor)
