"""The ONNX graphs of a model set (docs/format.md, "Networks", describes each in words)."""

from __future__ import annotations

import numpy as np
import onnx

from ..core.graph_builder import GraphBuilder, compand
from .architecture import Architecture
from .post_filter import FEATURE_SHARE, FEATURE_STRIDE, KERNEL, STRIDE
from .transforms import RESIDUAL_SCALE


def gated_block(g: GraphBuilder, x: str, name: str, width: int, inner: int | None = None) -> str:
    """A ``transforms.GatedBlock``."""
    n = inner or width
    h = g.conv(x, f"{name}.expand", width, 2 * n)
    h = g.conv(h, f"{name}.spatial", 2 * n, 2 * n, 3, groups=2 * n)
    a = g.add("Split", h, outputs=2, axis=1)
    gated = g.add("Mul", g.add("Relu", a), f"{a}/1")
    return g.add("Add", x, g.conv(gated, f"{name}.project", n, width))


def _lap_columns(g: GraphBuilder, x: str, matrix: str, inner: str, *, transposed: bool) -> str:
    """Filter across the block borders along the last axis, where ``inner`` (borders x 1) is 1."""
    if transposed:
        matrix = g.add("Transpose", matrix, perm=[1, 0])
    axis = (g.integers([3]), g.integers([1]))
    first = g.add("Slice", x, g.integers([0]), g.integers([8]), *axis)
    middle = g.add("Slice", x, g.integers([8]), g.integers([-8]), *axis)
    last = g.add("Slice", x, g.integers([-8]), g.integers([1 << 30]), *axis)
    blocks = g.reshape(middle, [0, 0, 0, -1, 16])
    change = g.add("Sub", g.add("MatMul", blocks, g.add("Transpose", matrix, perm=[1, 0])), blocks)
    lapped = g.add("Add", blocks, g.add("Mul", change, inner))
    joined = g.add("Reshape", lapped, g.add("Shape", middle))
    return g.add("Concat", first, joined, last, axis=3)


def lapped(g: GraphBuilder, x: str, *, transposed: bool) -> str:
    """The lapped transform's filter (``lapping``), or with ``transposed`` its inverse, where the inputs
    ``inner_rows`` and ``inner_columns`` say that a block border lies within the picture.
    """
    matrix = g.weight("lapping", (16, 16))
    for axis in ("columns", "rows"):
        inner = g.input(f"inner_{axis}", [f"{axis}", 1])
        x = _lap_columns(g, x, matrix, inner, transposed=transposed)
        x = g.add("Transpose", x, perm=[0, 1, 3, 2])
    return x


def lapped_analysis(a: Architecture) -> bytes:
    """Pixels minus 128 (1 x 3 x H x W) to latents in grey levels (1 x C x H/16 x W/16), without a network."""
    g = GraphBuilder("lapped_analysis")
    x = lapped(g, g.input("pixels", ["n", 3, "H", "W"]), transposed=False)
    return g.build(
        g.conv(x, "linear", 3, a.latent_channels, 16, stride=16, bias=False),
        ["n", a.latent_channels, "h", "w"],
    )


def pass_context(a: Architecture, offset: tuple[int, int] | None, shifts: dict[str, int]) -> bytes:
    """One pass over the first slice, at the positions of one offset: integer features there and planes of
    what is known on its sub-grid to means and unclamped scale indices.

    Args:
        offset: row and column modulo 2 on the sub-grid; None for the first pass, which knows nothing yet.
    """
    g = GraphBuilder("pass_context")
    f, e, j, c = a.feature_width, a.context_width, a.joint_width, a.slices[0]
    h = g.input("features", ["n", f, "h", "w"])
    if offset is not None:
        planes = 3 * (c + 3) + 1
        x = g.input("context", ["n", planes, "H", "W"])
        x = g.activation(g.integer_conv(x, "squeeze", planes, e, 1, shifts["squeeze"]))
        weights = [g.weight("spread.weight", (e, e, 3, 3)), g.weight("spread.bias", (e,))]
        pads = [1 - offset[0], 1 - offset[1], 1, 1]
        x = g.add("Conv", x, *weights, kernel_shape=[3, 3], strides=[2, 2], pads=pads)
        x = g.activation(g.add("Floor", g.add("Mul", x, g.constant(2.0 ** -shifts["spread"]))))
        h = g.add("Concat", h, x, axis=1)
    h = g.activation(g.integer_conv(h, "joint", f + (0 if offset is None else e), j, 1, shifts["joint"]))
    return g.build(g.integer_conv(h, "leave", j, 2 * c, 1, shifts["leave"]), ["n", 2 * c, "h", "w"])


def gains(a: Architecture, shift: int) -> bytes:
    """Integer features to gain indices less 32, not yet clamped: luminance and chrominance."""
    g = GraphBuilder("gains")
    x = g.integer_conv(
        g.input("features", ["n", a.feature_width, "h", "w"]), "leave", a.feature_width, 2, 1, shift
    )
    return g.build(x, ["n", 2, "h", "w"])


def analysis(a: Architecture) -> bytes:
    """Pixels minus 128 (1 x 3 x H x W) to latents in grey levels (1 x C x H/16 x W/16)."""
    g = GraphBuilder("analysis")
    x = g.input("pixels", ["n", 3, "H", "W"])
    h = g.conv(g.add("Mul", x, g.constant(1 / 64)), "enter", 3, a.analysis_width, 8, stride=8)
    for i in range(a.analysis_blocks):
        h = gated_block(g, h, f"blocks.{i}", a.analysis_width)
    h = g.conv(h, "leave", a.analysis_width, a.latent_channels, 2, stride=2)
    h = g.add("Mul", h, g.constant(RESIDUAL_SCALE))
    linear = g.conv(x, "linear", 3, a.latent_channels, 16, stride=16, bias=False)
    return g.build(g.add("Add", linear, h), ["n", a.latent_channels, "h", "w"])


def synthesis(a: Architecture) -> bytes:
    """Latents in symbols, steps, base step and rate bias to pixels on the 0..255 scale, unrounded."""
    g = GraphBuilder("synthesis")
    c, w = a.latent_channels, a.synthesis_width
    v = g.input("latents", ["n", c, "h", "w"])
    steps = g.input("steps", [1, c, 1, 1])
    base = g.input("base", [1, 1, 1, 1])
    bias = g.input("rate_bias", [1, w + a.post_filter, 1, 1])
    own = g.channels(bias, 0, w) if a.post_filter else bias
    h = g.add("Add", g.shuffle(g.conv(compand(g, v), "enter", c, 4 * w), 2), own)
    for i in range(a.synthesis_blocks):
        h = gated_block(g, h, f"blocks.{i}", w)
    net = g.add("Mul", g.shuffle(limited(g, a, g.conv(h, "leave", w, 192)), 8), base)
    linear = g.shuffle(g.conv(g.add("Mul", v, steps), "linear", c, 768, bias=False), 16)
    if a.profile > 1:
        linear = lapped(g, linear, transposed=True)
    pixels = g.add("Add", net, linear)
    if a.post_filter:
        pixels = post_filtered(g, a, pixels, h, base, g.channels(bias, w, w + a.post_filter))
    return g.build(g.add("Add", pixels, g.constant(128.0)), ["n", 3, "H", "W"])


def limited(g: GraphBuilder, a: Architecture, change: str) -> str:
    """What a part of synthesis adds, in base steps, within the limit of the architecture if it has one."""
    if not a.residual_limit:
        return change
    return g.add("Clip", change, g.constant(-a.residual_limit), g.constant(a.residual_limit))


def post_filtered(g: GraphBuilder, a: Architecture, pixels: str, features: str, base: str, bias: str) -> str:
    """Pixels minus 128 after the filter (``post_filter``).

    Args:
        features: of the last gated block.
        bias: of the rate.
    """
    w, name, pad = a.post_filter, "post_filter", (KERNEL - STRIDE) // 2
    merged = w // FEATURE_SHARE
    weights = [
        g.weight(f"{name}.view.weight", (w - merged, 3, KERNEL, KERNEL)),
        g.weight(f"{name}.view.bias", (w - merged,)),
    ]
    x = g.add("Mul", pixels, g.add("Div", g.constant(1.0), base))
    seen = g.add("Conv", x, *weights, kernel_shape=[KERNEL] * 2, strides=[STRIDE] * 2, pads=[pad] * 4)
    fine = FEATURE_STRIDE // STRIDE
    second = g.shuffle(g.conv(features, f"{name}.merge", a.synthesis_width, merged * fine**2), fine)
    h = g.add("Add", g.add("Concat", compand(g, seen), second, axis=1), bias)
    for i in range(a.post_filter_layers):
        h = g.add("Add", h, g.add("Relu", g.conv(h, f"{name}.layers.{i}", w, w, 3)))
    change = g.shuffle(limited(g, a, g.conv(h, f"{name}.leave", w, 3 * STRIDE**2)), STRIDE)
    return g.add("Add", pixels, g.add("Mul", change, base))


def hyper_analysis(a: Architecture) -> bytes:
    """Latents in symbols to hyper latents before rounding."""
    g = GraphBuilder("hyper_analysis")
    v = g.input("latents", ["n", a.latent_channels, "h", "w"])
    bias = g.input("rate_bias", [1, a.hyper_width, 1, 1])
    h = g.add("Relu", g.add("Add", g.conv(compand(g, v), "enter", a.latent_channels, a.hyper_width), bias))
    h = g.add("Relu", g.conv(h, "down", a.hyper_width, a.hyper_width, 3, stride=2))
    h = g.conv(h, "leave", a.hyper_width, a.hyper_channels, 3, stride=2)
    return g.build(g.add("Mul", h, g.constant(4.0)), ["n", a.hyper_channels, "y", "x"])


def hyper_synthesis(a: Architecture, shifts: dict[str, int]) -> bytes:
    """Integer hyper latents with rate and class planes to integer features."""
    g = GraphBuilder("hyper_synthesis")
    w, f, z = a.hyper_width, a.feature_width, a.hyper_channels + 1 + a.classes
    h = g.activation(g.integer_conv(g.input("hyper", ["n", z, "y", "x"]), "enter", z, w, 3, shifts["enter"]))
    h = g.integer_conv(h, "up1", w, 4 * (w // 2), 1, shifts["up1"])
    h = g.integer_conv(g.shuffle(g.activation(h), 2), "up2", w // 2, 4 * f, 1, shifts["up2"])
    h = g.activation(g.integer_conv(g.shuffle(g.activation(h), 2), "leave", f, f, 3, shifts["leave"]))
    return g.build(h, ["n", f, "h", "w"])


def slice_context(a: Architecture, context: int, outputs: int, shifts: dict[str, int]) -> bytes:
    """Integer features and context to means (1/16 symbol) and unclamped scale indices, 2 x outputs
    channels.
    """
    g = GraphBuilder("slice_context")
    f, e, j = a.feature_width, a.context_width, a.joint_width
    h = g.input("features", ["n", f, "h", "w"])
    if context:
        c = g.input("context", ["n", context, "h", "w"])
        c = g.activation(g.integer_conv(c, "squeeze", context, e, 1, shifts["squeeze"]))
        c = g.activation(g.integer_conv(c, "spread", e, e, 3, shifts["spread"]))
        h = g.add("Concat", h, c, axis=1)
    h = g.activation(g.integer_conv(h, "joint", f + (e if context else 0), j, 1, shifts["joint"]))
    return g.build(
        g.integer_conv(h, "leave", j, 2 * outputs, 1, shifts["leave"]), ["n", 2 * outputs, "h", "w"]
    )


def fusion(a: Architecture) -> bytes:
    """Seam blocks (B x 5 x H x W) to corrections in base steps (B x 3 x H-6 x W-6)."""
    g = GraphBuilder("fusion")
    w = a.fusion_width
    x = g.input("blocks", ["n", 5, "H", "W"])
    for name, i, o in (("enter", 5, w), ("middle", w, w), ("leave", w, 3)):
        weights = [g.weight(f"{name}.weight", (o, i, 3, 3)), g.weight(f"{name}.bias", (o,))]
        x = g.add("Conv", x, *weights, kernel_shape=[3, 3], pads=[0] * 4)
        if name != "leave":
            x = g.add("Relu", x)
    return g.build(x, ["n", 3, "h", "w"])


def multiply_accumulates(graph: bytes) -> dict[str, float]:
    """Multiply-accumulates of every convolution for one position of its output, by weight name."""
    model = onnx.load_from_string(graph)
    shapes = {w.name: list(w.dims) for w in model.graph.initializer}
    return {n.input[1]: float(np.prod(shapes[n.input[1]])) for n in model.graph.node if n.op_type == "Conv"}
