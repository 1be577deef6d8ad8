"""Training a task network before anything is coded, for tasks whose network has no weights yet."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ..core.task import Batch, Terms
from .losses import loss_of_kind

SETTLING_BATCHES, SETTLING_SIZE = 40, 32


class NetworkTask:
    """Trains a network on pictures and labels.

    Args:
        network: B x 3 x H x W pictures from 0 to 255 to answers.
        kind: of the task, which says what the loss is.
        pictures: uint8 N x 3 x H x W.
        labels: N x ...
        batch: pictures per step.
    """

    columns = (None, None)

    def __init__(self, network: nn.Module, kind: str, pictures: Tensor, labels: Tensor, batch: int) -> None:
        self.modules = network.requires_grad_(True)
        self.loss, self.pictures, self.labels, self.batch = loss_of_kind(kind), pictures, labels, batch

    def draw(self, random: np.random.Generator) -> Batch:
        """Pictures and their labels."""
        chosen = torch.from_numpy(random.integers(0, len(self.pictures), self.batch))
        return Batch({"pictures": self.pictures[chosen].float(), "labels": self.labels[chosen]})

    def cost(self, batch: Batch, device: torch.device) -> Terms:
        """The loss of a batch; there is no rate."""
        pictures, labels = (batch.tensors[k].to(device) for k in ("pictures", "labels"))
        loss = self.loss(self.modules(pictures), labels).mean()
        return Terms(loss, torch.zeros_like(loss), torch.ones_like(loss))


@torch.no_grad()
def settle(network: nn.Module, pictures: Tensor) -> nn.Module:
    """Measure the statistics of batch normalisation anew, as averaged weights need; in evaluation mode afterwards."""
    normal = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    momenta = [m.momentum for m in normal]
    for module in normal:
        module.reset_running_stats()
        module.momentum = None  # the plain mean over all batches
    network.train()
    for i in range(SETTLING_BATCHES if normal else 0):
        chosen = torch.arange(i * SETTLING_SIZE, (i + 1) * SETTLING_SIZE) % len(pictures)
        network(pictures[chosen].float())
    for module, momentum in zip(normal, momenta):
        module.momentum = momentum
    return network.eval().requires_grad_(False)
