"""Several processes (torchrun) that train one model together: who is who, and means over all of them.

Everything here also works in a process that is alone, where it does nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from ...errors import ParameterError

STARTING = timedelta(hours=2)
"""How long processes wait for each other: while one of them exports a set, the others have nothing to do."""


def shared() -> bool:
    """Whether several processes train together."""
    return distributed.is_available() and distributed.is_initialized()


def rank() -> int:
    """The number of this process; 0 is the one that writes files."""
    return distributed.get_rank() if shared() else 0


def world() -> int:
    """The number of processes."""
    return distributed.get_world_size() if shared() else 1


@contextmanager
def group(device: torch.device) -> Iterator[torch.device]:
    """Joins the processes that torchrun started, if it did; gives the device of this one.

    Args:
        device: as the user named it; with several GPUs each process takes its own.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ or shared():
        yield device
        return
    if device.type == "cuda":
        if device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=STARTING)
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def wait() -> None:
    """Until every process has come here."""
    if shared():
        distributed.barrier()


def mean(values: Tensor) -> Tensor:
    """The mean of a tensor over all processes."""
    if shared():
        values = values.clone()
        distributed.all_reduce(values)
        values /= world()
    return values


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces the gradients by their means over all processes; each has drawn crops of its own."""
    if not shared():
        return
    trained = [p for p in parameters if p.requires_grad]
    # a class of which no tile was drawn here has no gradient here
    grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
    flat = mean(torch.cat([g.flatten() for g in grads]))
    for p, part in zip(trained, flat.split([p.numel() for p in trained])):
        p.grad = part.view_as(p)


def find_device(name: str) -> torch.device:
    """The device of a name: "auto" (a GPU if there is one), "cpu", "cuda" or "cuda:N".

    Raises:
        ParameterError: there is no such device.
    """
    found = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if found else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    if not re.fullmatch(r"cuda(:\d+)?", name):
        raise ParameterError(f"{name!r} is no device; name auto, cpu, cuda or cuda:N.")
    if not found:
        raise ParameterError(
            "torch finds no CUDA device here; use --device cpu, or a build of torch with CUDA."
        )
    device = torch.device(name)
    if device.index is not None and device.index >= torch.cuda.device_count():
        raise ParameterError(f"There is no {name}; the last device is cuda:{torch.cuda.device_count() - 1}.")
    return device
