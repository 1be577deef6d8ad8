"""A step of training can be captured as a CUDA graph: it neither waits for the GPU nor copies to it. Needs torch.

There need not be a GPU for this: tensors without content, on the device "meta", stand for those of one.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

from torch.overrides import TorchFunctionMode  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402
from training_samples import SMALLEST  # noqa: E402

from texcodec.training.core.stage import ObjectiveSettings  # noqa: E402
from texcodec.training.pictures.architecture import Architecture  # noqa: E402
from texcodec.training.pictures.codec import Codec  # noqa: E402
from texcodec.training.pictures.objectives import Objective  # noqa: E402

PYRAMID = replace(SMALLEST, profile=2)
NONLINEAR = replace(PYRAMID, nonlinear=True, deep_widths=(4, 6, 8), deep_blocks=(1, 1, 1), refinement=4)
WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique")
"""Operators whose result has a shape or a value that the processor must know."""


class Watch(TorchDispatchMode):
    """Collects the operators that wait for a GPU or copy to it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = str(func)
        tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor)]
        # numbers are handed over with the call
        devices = {x.device.type for x in tensors if x.dim() or name.startswith("aten._to_copy")}
        if len(devices) > 1 or any(word in name for word in WAITING):
            self.found.append(name)
        return out


class Literals(TorchFunctionMode):
    """Collects what is copied to a GPU although no operator shows it: lists as indices, tensors of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            index = args[1] if isinstance(args[1], tuple) else (args[1],)
            self.found += [f"{func.__name__} {part}" for part in index if isinstance(part, list)]
        if func is torch.tensor:
            self.found.append("torch.tensor")
        return func(*args, **(kwargs or {}))


def watched(architecture: Architecture, monkeypatch: pytest.MonkeyPatch, *, halo: bool) -> list[str]:
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # there is none for "meta"
    codec = Codec(architecture).to("meta")
    objective = Objective(ObjectiveSettings("log(rate+lambda*distortion)"))
    x, t = torch.empty(2, 3, 128, 128, device="meta"), torch.empty(2, device="meta")
    classes = torch.empty(2, dtype=torch.int64, device="meta")
    with Watch() as watch, Literals() as literals:
        coded = codec(x, t, classes, halo=halo)
        objective(coded.bits, coded.pixels.square().mean((1, 2, 3)), t).backward()
    assert all(p.grad is not None for p in codec.parameters())
    return watch.found + literals.found


@pytest.mark.parametrize("halo", [True, False])
@pytest.mark.parametrize("architecture", [SMALLEST, PYRAMID, NONLINEAR], ids=["1", "2", "nonlinear"])
def test_step_neither_waits_for_the_gpu_nor_copies_to_it(
    architecture: Architecture, halo: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert watched(architecture, monkeypatch, halo=halo) == []


def test_a_list_of_channels_would_be_found() -> None:
    x = torch.empty(2, 4, device="meta")
    with Literals() as literals:
        x[:, [0, 2]].sum()
        x[:, [1, 3]] = 0.0
    assert literals.found == ["__getitem__ [0, 2]", "__setitem__ [1, 3]"]
