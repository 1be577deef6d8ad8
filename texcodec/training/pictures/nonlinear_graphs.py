"""The ONNX graphs of transforms that are not linear (``nonlinear``; docs/format.md, "Networks")."""

from __future__ import annotations

from ..core.graph_builder import GraphBuilder, compand
from .architecture import Architecture
from .graphs import gated_block, lapped, limited, post_filtered
from .nonlinear import DEEP_SCALE, ENTER_STRIDE, VIEW_SCALE, VIEW_STRIDE


def deep_analysis(a: Architecture) -> bytes:
    """Pixels minus 128 (1 x 3 x H x W) to latents in grey levels (1 x C x H/16 x W/16): lapped transform and
    network.
    """
    g = GraphBuilder("deep_analysis")
    x = g.input("pixels", ["n", 3, "H", "W"])
    widths = a.deep_widths
    h = g.conv(g.add("Mul", x, g.constant(1 / 64)), "enter", 3, widths[0], ENTER_STRIDE, stride=ENTER_STRIDE)
    number = 0
    for level, (width, count) in enumerate(zip(widths, a.deep_blocks)):
        if level:
            h = g.conv(h, f"blocks.{number}", widths[level - 1], width, 2, stride=2)
            number += 1
        for _ in range(count):
            h = gated_block(g, h, f"blocks.{number}", width)
            number += 1
    h = g.add("Mul", g.conv(h, "leave", widths[-1], a.latent_channels), g.constant(DEEP_SCALE))
    linear = g.conv(lapped(g, x, transposed=False), "linear", 3, a.latent_channels, 16, stride=16, bias=False)
    return g.build(g.add("Add", linear, h), ["n", a.latent_channels, "h", "w"])


def refining_synthesis(a: Architecture) -> bytes:
    """Latents in symbols, steps, base step, and rate bias with the gain of the view to pixels on the 0..255 scale,
    unrounded.
    """
    g = GraphBuilder("refining_synthesis")
    c, w = a.latent_channels, a.synthesis_width
    v = g.input("latents", ["n", c, "h", "w"])
    steps = g.input("steps", [1, c, 1, 1])
    base = g.input("base", [1, 1, 1, 1])
    rates = [w, a.post_filter, w] if a.post_filter else [w, w]
    bias = g.input("rate_bias", [1, sum(rates), 1, 1])
    if a.post_filter:
        own, filters, gain = (
            g.channels(bias, sum(rates[:i]), sum(rates[: i + 1])) for i in range(len(rates))
        )
    else:
        own = g.add("Split", bias, outputs=2, axis=1)
        filters, gain = "", f"{own}/1"
    linear = g.shuffle(g.conv(g.add("Mul", v, steps), "linear", c, 768, bias=False), 16)
    linear = lapped(g, linear, transposed=True)
    view = g.conv(
        g.add("Mul", linear, g.constant(1 / VIEW_SCALE)), "view", 3, w, VIEW_STRIDE, stride=VIEW_STRIDE
    )
    h = g.add("Add", g.shuffle(g.conv(compand(g, v), "enter", c, 4 * w), 2), own)
    h = g.add("Add", h, compand(g, g.add("Mul", view, gain)))
    for i in range(a.synthesis_blocks):
        h = gated_block(g, h, f"blocks.{i}", w)
    h = gated_block(g, h, f"blocks.{a.synthesis_blocks}", w, a.refinement)
    net = g.add("Mul", g.shuffle(limited(g, a, g.conv(h, "leave", w, 192)), 8), base)
    pixels = g.add("Add", net, linear)
    if a.post_filter:
        pixels = post_filtered(g, a, pixels, h, base, filters)
    return g.build(g.add("Add", pixels, g.constant(128.0)), ["n", 3, "H", "W"])
