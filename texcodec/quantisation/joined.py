"""A quantised convolution joined to its full-precision structure: the sum-and-concatenate rule.

The structure is n full-precision convolutions K1 ... Kn, each as wide as the quantised convolution Q. What they make of
an input x is concatenated; Q is added to the first part:

    out = concat(K1(x) + Q(x), K2(x), ..., Kn(x))

so a layer's output has n slices, each as wide as the layer, and so has the next layer's input. The full-precision
convolutions read all of it. Q, whose weights are those of the quantised network, has room for one slice only: it reads
the first one, the summed one, which is the slice that stands where the quantised network's own features stand (n = 3):

            input x                                       output = next input
        +-----------+
        | slice 1   |--+-----------> Q ----+              +-----------+
        |           |  |                   (+)----------> | slice 1   |---> Q, K1, K2, K3 of the next layer
        +-----------+  +-----------> K1 ---+              +-----------+
        | slice 2   |--+-----------> K2 ----------------> | slice 2   |--------> K1, K2, K3
        +-----------+  |                                  +-----------+
        | slice 3   |--+-----------> K3 ----------------> | slice 3   |--------> K1, K2, K3
        +-----------+                                     +-----------+
          (K1, K2, K3 each read slices 1 to 3)

    first layer: the slices would be copies of the network's input, so K1 ... Kn read it once.
    last layer:  only slice 1 is the network's output, so there is K1 alone.

In a convolution with groups, a group of K reads that group's channels in every slice.

Between convolutions, a network does what it likes with channels: activations, gates that split them in halves, pixel
shuffling, concatenation with other features. All of it must happen to each slice as it does in the quantised network.
Therefore slices lie side by side along the samples, not along the channels: a tensor of n slices of B samples has n B
samples, slice after slice. Joined convolutions put the slices together, and nothing else needs to know of them.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from .convolutions import QuantisedConv
from .layouts import CONVOLUTIONS, Convolution, by_output, in_own_order
from .quantisers import ActivationQuantiser


def structure(conv: Convolution, *, read: int, made: int) -> Convolution:
    """Full-precision convolutions as one: kernel, stride and groups of ``conv``, freshly drawn weights.

    Args:
        read: slices of its input.
        made: slices of its output.
    """
    kind: type[nn.Module] = next(c for c in CONVOLUTIONS if isinstance(conv, c))
    options = {"output_padding": conv.output_padding} if conv.transposed else {}
    new = kind(
        read * conv.in_channels,
        made * conv.out_channels,
        conv.kernel_size,
        stride=conv.stride,
        padding=conv.padding,
        dilation=conv.dilation,
        groups=conv.groups,
        bias=conv.bias is not None,
        padding_mode=conv.padding_mode,
        **options,
    )
    return new.to(device=conv.weight.device, dtype=conv.weight.dtype)


class JoinedConv(nn.Module):
    """A quantised convolution and its full-precision structure.

    Args:
        quantised: of the quantised network; its weights, steps of weights, and bias are shared, the step of the
            activations is a copy that is learned for itself.
        width: n, slices of the input.
        first: the slices of the input are copies, of which the structure reads one.
        last: nothing reads the output's slices but the first, so the structure is K1 alone.
    """

    def __init__(
        self, quantised: QuantisedConv, *, width: int, first: bool = False, last: bool = False
    ) -> None:
        super().__init__()
        self.quantised = quantised
        self.activation: ActivationQuantiser = copy.deepcopy(quantised.activation)
        self.width, self.read, self.made = width, 1 if first else width, 1 if last else width
        self.full = structure(quantised.conv, read=self.read, made=self.made)

    @torch.no_grad()
    def start(self, how: str) -> None:
        """Set K1, so that the first slice begins as what the quantised convolution makes of it.

        Args:
            how: "zero", or "residual": K1 gets what quantising took from the weights, so that the first slice begins
                as that of the float network, but for the rounding of activations.
        """
        rows = by_output(self.full.weight, self.full).clone()
        groups = self.full.groups
        first = rows.view(groups, self.made, -1, *rows.shape[1:])[:, 0]
        first.zero_()
        if how == "residual":
            conv = self.quantised.conv
            lost = by_output(conv.weight - self.quantised.weight, conv)
            lost = lost.reshape(groups, -1, *lost.shape[1:])
            first[:, :, : lost.shape[2]] = lost  # of the first slice, which is read first
        self.full.weight.copy_(in_own_order(rows, self.full))
        if self.full.bias is not None:
            self.full.bias.view(groups, self.made, -1)[:, 0] = 0

    def forward(self, x: Tensor, *args: Any) -> Tensor:
        """n B samples to n B samples, slice after slice; further arguments as for the convolution."""
        groups = self.full.groups
        slices = x.unflatten(0, (self.width, -1))
        first = slices[0]
        summed = self.quantised.with_activation(first, self.activation, *args)
        read = first
        if self.read > 1:
            by_group = slices.unflatten(2, (groups, -1)).movedim((1, 2, 0), (0, 1, 2))
            read = by_group.flatten(1, 3)
        made = self.full(read, *args).unflatten(1, (groups, self.made, -1))
        made = made.movedim(2, 0).flatten(2, 3)
        out = torch.cat([(made[0] + summed)[None], made[1:]])
        if self.made < self.width:
            out = out.expand(self.width, *out.shape[1:])
        return out.flatten(0, 1)

    def extra_repr(self) -> str:
        return f"width={self.width}"


class SliceNorm(nn.Module):
    """Batch normalisation of each slice by itself: slices differ in their statistics.

    Args:
        norm: of the quantised network, copied.
    """

    def __init__(self, norm: nn.Module, width: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(copy.deepcopy(norm) for _ in range(width))

    def forward(self, x: Tensor) -> Tensor:
        """n B samples to n B samples."""
        return torch.cat([norm(part) for norm, part in zip(self.norms, x.chunk(len(self.norms)))])
