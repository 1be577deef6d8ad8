"""An ablation: one full-precision module for the whole network instead of a structure for each convolution.

After the idea of Zhuang et al., Training Quantized Neural Networks With a Full-Precision Auxiliary Module (CVPR 2020):
the features of all quantised layers are adapted by 1x1 convolutions, added up along the network and turned into an
output of its own, whose loss reaches every layer without passing the quantisers behind it.

    quantised network   Q1 ------> Q2 ------> Q3 ------> Q4 ------> output
                        |          |          |
                     adaptor    adaptor    adaptor
                        |          |          |
    module              g1 -----> (+) g2 --> (+) g3 ---> head -----> auxiliary output
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from texcodec.errors import check
from texcodec.quantisation import JointNetwork, QuantisedConv, quantised_convolutions
from texcodec.quantisation.conversion import Inputs, arguments, evaluating
from texcodec.quantisation.joint import Outputs

_PLAIN = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_POOL = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


def resize(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """B x C x ... to another size: means where it shrinks, nearest neighbours where it grows."""
    if tuple(x.shape[2:]) == size:
        return x
    return _POOL[len(size)](x, size)


class OneModuleNetwork(JointNetwork):
    """A quantised network and one full-precision module that reads the features of all its convolutions but the last.

    Args:
        quantised: of ``quantise``; trained in place.
        example: inputs to find out in which order convolutions are run, and what the output looks like.
        channels: of the module; None for as many as the widest convolution has.
    Raises:
        ParameterError: nothing is quantised, fewer than two convolutions are run, or the output is not one tensor with
            samples and channels first.
    """

    def __init__(self, quantised: nn.Module, example: Inputs, *, channels: int | None = None) -> None:
        super().__init__(quantised)
        with evaluating(quantised), torch.no_grad():
            output, features = self._tapped(arguments(example))
        *order, _ = features
        check(bool(order), "One module for the whole network needs at least two convolutions.")
        check(
            isinstance(output, Tensor) and output.dim() >= 2,
            "One module for the whole network needs a network whose output is one tensor, B x C x ...",
        )
        width = channels or max(conv.conv.out_channels for conv in order)
        spatial = len(features[order[0]].shape) - 2
        same = all(f.dim() - 2 == spatial for f in features.values()) and output.dim() in (2, spatial + 2)
        check(same, "One module for the whole network needs features that all have the same dimensions.")
        plain = _PLAIN[spatial]
        self.adaptors = nn.ModuleDict(
            {
                name.replace(".", "/"): plain(conv.conv.out_channels, width, 1)
                for name, conv in quantised_convolutions(quantised).items()
                if conv in order
            }
        )
        self.head = plain(width, output.shape[1], 1)
        self.to(next(quantised.parameters()).device)

    def _tapped(self, inputs: tuple[Any, ...]) -> tuple[Outputs, dict[QuantisedConv, Tensor]]:
        """Output of the quantised network and what its convolutions have made, in the order of their last run."""
        features: dict[QuantisedConv, Tensor] = {}

        def note(module: QuantisedConv, args: Any, out: Tensor) -> None:
            features.pop(module, None)
            features[module] = out

        hooks = [c.register_forward_hook(note) for c in quantised_convolutions(self.quantised).values()]
        try:
            return self.quantised(*inputs), features
        finally:
            for hook in hooks:
                hook.remove()

    def forward(self, *inputs: Any) -> tuple[Outputs, Outputs]:
        """Outputs of the quantised network and of the module."""
        output, features = self._tapped(inputs)
        names = {
            conv: name.replace(".", "/") for name, conv in quantised_convolutions(self.quantised).items()
        }
        total: Tensor | None = None
        for conv, feature in features.items():
            if names[conv] in self.adaptors:
                adapted = self.adaptors[names[conv]](feature)
                total = F.relu(
                    adapted if total is None else adapted + resize(total, tuple(feature.shape[2:]))
                )
        assert total is not None
        if output.dim() == 2:
            return output, self.head(resize(total, (1,) * (total.dim() - 2))).flatten(1)
        return output, self.head(resize(total, tuple(output.shape[2:])))
