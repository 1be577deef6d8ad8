"""Training task networks along with the codec: their layers learn to give features that are cheap to code."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from .codec import FeatureCodec
from .codec_task import CodecTask
from .parts import Parts


class Along(nn.Module):
    """The codec and the parts of those networks that learn.

    Batch normalisation keeps its statistics, or the features would change under the codec with every batch.
    """

    def __init__(self, codec: FeatureCodec, parts: Mapping[str, Parts]) -> None:
        super().__init__()
        self.codec = codec
        self.fronts = nn.ModuleDict({name: p.front for name, p in parts.items()})
        self.tails = nn.ModuleDict({name: p.tail for name, p in parts.items() if p.tail is not None})

    def train(self, mode: bool = True) -> Along:
        super().train(mode)
        self.fronts.eval()
        self.tails.eval()
        return self

    def parts(self, name: str) -> tuple[nn.Module, nn.Module]:
        """Front and tail of a network."""
        return self.fronts[name], self.tails[name]


class AlongTask(CodecTask):
    """As ``CodecTask``, but the features of some tasks are computed anew from pictures in each step.

    Args:
        base: the task with features of all networks as they are before training; started.
        parts: front and tail of the networks that learn, by task.
        pictures: uint8 N x 3 x H x W, of the samples.
    """

    def __init__(self, base: CodecTask, parts: Mapping[str, Parts], pictures: Tensor) -> None:
        self.codec, self.tasks, self.batch = base.codec, base.tasks, base.batch
        self.rounding, self.lambdas = base.rounding, base.lambdas
        self.along, self.pictures = Along(base.codec, parts), pictures
        self.modules = self.along

    def features(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """B x C x H x W features of every task in a batch."""
        fixed = super().features(tensors)
        chosen = self.pictures[tensors["samples"].cpu()].float().to(tensors["samples"].device)
        learned = {name: front(chosen) for name, front in self.along.fronts.items()}
        return fixed | learned
