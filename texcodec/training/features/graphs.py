"""The ONNX graphs of a feature set (docs/format.md, "Feature streams", describes the integer ones in words)."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.graph_builder import GraphBuilder, compand
from .priors import HYPER_UNIT
from .settings import CodecSettings, TaskShape, common_factor

INTEGER_MAX = 255.0


def _entrance(g: GraphBuilder, x: str, name: str, inputs: int, outputs: int, factor: int) -> str:
    if factor == 1:
        return g.conv(x, name, inputs, outputs, 3)
    return g.conv(x, name, inputs, outputs, factor, stride=factor)


def _block(g: GraphBuilder, x: str, name: str, width: int) -> str:
    h = g.add("Relu", g.conv(x, f"{name}.first", width, width, 3))
    return g.add("Add", x, g.conv(h, f"{name}.second", width, width, 3))


def _signed(g: GraphBuilder, x: str) -> str:
    return g.add("Clip", x, g.constant(-INTEGER_MAX), g.constant(INTEGER_MAX))


def transform(settings: CodecSettings, shapes: tuple[TaskShape, ...]) -> bytes:
    """Padded features of all tasks (h0, h1, ...) to latents z."""
    g = GraphBuilder("transform")
    m, w, common = settings.latent_channels, settings.width, common_factor(shapes)
    parts = []
    for k, shape in enumerate(shapes):
        h = g.input(f"h{k}", [1, shape.channels, f"H{k}", f"W{k}"])
        centred = g.add("Sub", h, g.weight(f"whitening.{k}.mean", (shape.channels, 1, 1)))
        parts.append(g.add("Mul", centred, g.weight(f"whitening.{k}.inverse", (shape.channels, 1, 1))))
    fused, inputs = parts[0], shapes[0].channels
    if len(shapes) > 1:
        subnets = []
        for k, (x, shape) in enumerate(zip(parts, shapes)):
            x = g.add("Relu", _entrance(g, x, f"fusion.{k}.enter", shape.channels, w, shape.factor // common))
            subnets.append(g.add("Relu", g.conv(x, f"fusion.{k}.leave", w, settings.fusion_channels, 3)))
        fused, inputs = g.add("Concat", *subnets, axis=1), settings.fusion_channels * len(shapes)
    x = g.add("Relu", _entrance(g, fused, "enter", inputs, w, common))
    for i in range(settings.blocks):
        x = _block(g, x, f"blocks.{i}", w)
    z = g.conv(g.add("Relu", x), "leave", w, m, 3)
    for k, (x, shape) in enumerate(zip(parts, shapes)):
        r = shape.factor
        z = g.add("Add", z, g.conv(x, f"linear.{k}", shape.channels, m, r, stride=r, bias=False))
    return g.build(z, [1, m, "h", "w"])


def hyper_extractor(settings: CodecSettings) -> bytes:
    """Latents in symbols to v before rounding."""
    g = GraphBuilder("hyper_extractor")
    m, w, v = settings.latent_channels, settings.hyper_width, settings.hyper_channels
    x = compand(g, g.input("y", [1, m, "h", "w"]))
    x = g.add("Relu", g.conv(x, "enter", m, w, 3))
    x = g.add("GlobalAveragePool", g.add("Relu", g.conv(x, "spread", w, 2 * w, 3)))
    x = g.conv(g.add("Relu", g.conv(x, "mix", 2 * w, 2 * w)), "leave", 2 * w, v)
    return g.build(g.add("Mul", x, g.constant(HYPER_UNIT)), [1, v, 1, 1])


def generator(settings: CodecSettings, shifts: Mapping[str, int]) -> bytes:
    """Integers 8 v and 32 times the one-hot level to the combinations of the codebook, integers in +-255."""
    g = GraphBuilder("generator")
    w, n, tau = settings.generator_width, settings.groups, settings.codebook
    rows, columns = settings.grid
    inputs = settings.hyper_channels + settings.levels
    x = g.input("v", [1, inputs, 1, 1])
    for name, count in (("enter", inputs), ("middle", w)):
        x = g.activation(g.integer_conv(x, name, count, w, 1, shifts[name]))
    a = _signed(g, g.integer_conv(x, "leave", w, n * tau, 1, shifts["leave"]))
    a = g.reshape(a, [1, tau, n, 1])
    u = _signed(g, g.integer_conv(a, "codebook", tau, rows * columns, 1, shifts["codebook"]))
    u = g.reshape(g.add("Transpose", u, perm=[0, 2, 1, 3]), [1, n, rows, columns])
    return g.build(u, [1, n, rows, columns])


def predictor(settings: CodecSettings, shifts: Mapping[str, int]) -> bytes:
    """Integer maps to means (1/16 symbol) and unclamped scale indices, 2M channels."""
    g = GraphBuilder("predictor")
    n, w, m = settings.groups, settings.predictor_width, settings.latent_channels
    x = g.input("u", [1, n, "h", "w"])
    x = g.activation(g.integer_conv(x, "enter", n, w, 1, shifts["enter"]))
    x = g.activation(g.integer_conv(x, "spread", w, w, 3, shifts["spread"]))
    return g.build(g.integer_conv(x, "leave", w, 2 * m, 1, shifts["leave"]), [1, 2 * m, "h", "w"])


def _trunk(g: GraphBuilder, settings: CodecSettings, prefix: str) -> tuple[str, str]:
    z = g.input("z", [1, settings.latent_channels, "h", "w"])
    w = settings.width
    x = g.add("Relu", g.conv(z, f"{prefix}enter", settings.latent_channels, w, 3))
    for i in range(settings.blocks):
        x = _block(g, x, f"{prefix}blocks.{i}", w)
    return g.add("Relu", x), z


def _separated(
    g: GraphBuilder, settings: CodecSettings, shape: TaskShape, h: str, z: str, prefix: str
) -> bytes:
    w, outputs = settings.width, shape.channels * shape.factor**2
    x = g.add("Relu", _block(g, h, f"{prefix}block", w))
    x = g.conv(x, f"{prefix}leave", w, outputs, 3)
    x = g.add("Add", x, g.conv(z, f"{prefix}linear", settings.latent_channels, outputs, bias=False))
    if shape.factor > 1:
        x = g.shuffle(x, shape.factor)
    x = g.add("Mul", x, g.weight("whitening.deviation", (shape.channels, 1, 1)))
    x = g.add("Add", x, g.weight("whitening.mean", (shape.channels, 1, 1)))
    return g.build(x, [1, shape.channels, "H", "W"])


def trunk(settings: CodecSettings) -> bytes:
    """Latents to what all separation subnets read."""
    g = GraphBuilder("reconstruction")
    h, z = _trunk(g, settings, "")
    out = g.add("Concat", h, z, axis=1)
    return g.build(out, [1, settings.width + settings.latent_channels, "h", "w"])


def separation(settings: CodecSettings, shape: TaskShape) -> bytes:
    """What the trunk gives to the features of one task."""
    g = GraphBuilder("separation")
    t = g.input("t", [1, settings.width + settings.latent_channels, "h", "w"])
    h = g.channels(t, 0, settings.width)
    z = g.channels(t, settings.width, settings.width + settings.latent_channels)
    return _separated(g, settings, shape, h, z, "")


def reconstruction(settings: CodecSettings, shape: TaskShape) -> bytes:
    """Latents to the features of one task alone."""
    g = GraphBuilder("reconstruction")
    h, z = _trunk(g, settings, "trunk.")
    return _separated(g, settings, shape, h, z, "separation.")
