"""From a trained codec to a model set on disk: integer entropy networks, probability tables, steps, graphs,
manifest.
"""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...constants import RATE_INDICES, STEP_FRACTION
from ...registry.identity import decoder_identity
from ...registry.manifest import MANIFEST_VERSION
from ...registry.stored_arrays import pack_arrays
from ..core.integer_export import integer_arrays
from ..core.set_folder import check_out, write_set
from ..core.tables import symbol_tables
from . import graphs
from .architecture import Architecture
from .byte_weights import byte_arrays
from .codec import DISTORTION_FACTOR, Codec
from .entropy_model import SliceContext
from .export_pyramid import first_slice_files, gain_files, pass_macs, slice_tables
from .kept_bits import KeptBits
from .nonlinear import analysis_areas
from .nonlinear_graphs import deep_analysis, refining_synthesis
from .post_filter import filter_areas
from .rates import high_rate_step
from .statistics import Statistics, hyper_tables

QUALITY_RANGE = (36, 251)
"""Rate indices of quality 1 and, on the same straight line, of quality 100, which is the finest row instead; coarser
rows serve rate control."""


def magnitude_table() -> np.ndarray:
    """uint8: min(255, round(32 ln(1 + k / 16))) for k = 0, 1, ... up to the first 255."""
    k = np.arange(int(16 * math.exp(256 / 32)))
    f = np.minimum(255, np.floor(32 * np.log1p(k / 16) + 0.5)).astype(np.uint8)
    return f[: int(np.argmax(f == 255)) + 1]


def _half(parameter: Tensor) -> np.ndarray:
    return parameter.detach().numpy().astype(np.float16)


def _float_arrays(module: nn.Module, prefix: str, kernels: dict[str, int]) -> dict[str, np.ndarray]:
    """Weights of a float network as float16; ``kernels`` folds pixel unshuffling into the kernel of some
    layers.
    """
    out = {}
    for name, value in module.state_dict().items():
        if ".rate." in f".{name}":  # networks of the rate are tabulated
            continue
        k = kernels.get(name.removesuffix(".weight"))
        if k and name.endswith(".weight"):
            value = value.reshape(value.shape[0], -1, k, k)
        out[f"{prefix}.{name}"] = _half(value)
    if hasattr(module, "rate_bias"):
        with torch.no_grad():
            out[f"{prefix}.rate"] = _half(module.rate_bias(torch.arange(RATE_INDICES) / (RATE_INDICES - 1)))
    return out


def export_set(
    codec: Codec,
    statistics: Statistics | None,
    folder: Path,
    *,
    name: str,
    class_names: tuple[str, ...],
    thresholds: tuple[float, ...],
    distortion: str = "mse",
    fusion: nn.Module | None,
    card: dict[str, Any],
    byte_weights: bool = False,
    kept: Path | None = None,
    like: Path | None = None,
) -> None:
    """Write a model set to ``folder``, replacing one that is there; other files in it are left alone.

    Args:
        codec: trained, specialised or not (a parent serves every class with the same weights).
        statistics: counted with this codec; not needed with ``kept``.
        distortion: that the codec was trained for, one of ``stage.DISTORTIONS``.
        fusion: the fusion network, or None for a set without one.
        card: what people should know of the set: data, command, seed, hardware, time, licence.
        byte_weights: keep synthesis weights as a byte each (``byte_weights``).
        kept: folder of the set that the codec differs from in synthesis alone: all else is taken from there.
        like: folder of a set beside ``folder``, whose arrays are not stored again where they are equal.
    Raises:
        ParameterError: the folder holds something else than a model set.
        ValueError: an entropy network cannot be made integers.
    """
    assert statistics is not None or kept is not None
    a = codec.architecture
    codec = codec.float().eval()
    decoder: dict[str, np.ndarray] = {}
    encoder: dict[str, np.ndarray] = {}
    files: dict[str, bytes] = {"synthesis": _synthesis(a)}
    decoder["linear.synthesis"] = _half(codec.linear.synthesis)
    encoder["linear.analysis"] = _half(codec.linear.analysis.reshape(-1, 3, 16, 16))
    for k in range(a.classes):
        part = codec.transforms[k if codec.specialised else 0]
        part.synthesis.settle()
        decoder |= _float_arrays(part.synthesis, f"synthesis.{k}", {})
        if a.profile == 1:
            encoder |= _float_arrays(part.analysis, f"analysis.{k}", {"enter": 8, "leave": 2})
        elif a.nonlinear:
            encoder |= _float_arrays(part.analysis, f"analysis.{k}", {})
        encoder |= _float_arrays(part.hyper_analysis, f"hyper_analysis.{k}", {})
    arrays, shifts = integer_arrays(codec.entropy.hyper, "hyper_synthesis")
    decoder |= arrays
    files["hyper_synthesis"] = graphs.hyper_synthesis(a, shifts)
    contexts = 0.0
    if a.profile > 1:
        passes, arrays = first_slice_files(codec.entropy.first, a)
        files |= passes
        decoder |= arrays
        decoder["linear.lapping"] = codec.linear.lapping.numpy()
        if statistics is not None:
            decoder["tables.slices"] = slice_tables(statistics.slices)
        contexts += pass_macs(passes)
        if a.gains:
            graph, arrays = gain_files(codec.entropy.gains, a)
            files |= graph
            decoder |= arrays
    for k, step in enumerate(codec.entropy.steps, start=a.profile - 1):
        assert isinstance(step, SliceContext)
        arrays, shifts = integer_arrays(step, f"context_{k}")
        decoder |= arrays
        context = step.squeeze.in_channels if hasattr(step, "squeeze") else 0
        files[f"context_{k}"] = graphs.slice_context(a, context, step.outputs, shifts)
        contexts += sum(graphs.multiply_accumulates(files[f"context_{k}"]).values()) / 256
    if fusion is not None:
        files["fusion"] = graphs.fusion(a)
        decoder |= _float_arrays(fusion, "fusion", {})
    with torch.no_grad():
        t = torch.arange(RATE_INDICES) / (RATE_INDICES - 1)
        steps = torch.round(codec.steps(t) * STEP_FRACTION).clamp(1, 65535)
        decoder["tables.steps"] = steps.numpy().astype(np.uint16)
        decoder["tables.base_steps"] = high_rate_step(t).numpy().astype(np.float32)
    if a.residual_limit:
        decoder["tables.residual_limit"] = np.array([a.residual_limit], np.float32)
    if statistics is not None:
        decoder["tables.symbols"], decoder["tables.support"] = symbol_tables(statistics.symbols)
        decoder["tables.hyper"] = hyper_tables(codec, statistics.hyper)
    decoder["tables.magnitudes"] = magnitude_table()
    master = _master(codec)
    encoder_files = {"analysis": _analysis(a), "hyper_analysis": graphs.hyper_analysis(a)}
    bits = KeptBits(kept) if kept is not None else None
    if bits is not None:
        decoder, encoder, master = bits.decoder(decoder), bits.encoder(), bits.master(master)
        files, encoder_files = bits.graphs(files), bits.graphs(encoder_files)
    if byte_weights:
        # training that goes on from the set starts from what was rounded
        master |= {k: _half(v) for k, v in codec.state_dict().items() if _is_synthesis(k) and k not in master}
        decoder = byte_arrays(decoder)
    low, high = QUALITY_RANGE
    manifest = {
        "manifest_version": MANIFEST_VERSION,
        "entropy_profile": a.profile,
        "gains": a.gains,
        "name": name,
        "slices": a.slices,
        "hyper_channels": a.hyper_channels,
        "classes": class_names,
        "thresholds": thresholds,
        "halo": 1,
        "fusion": fusion is not None,
        "distortion": distortion,
        "distortion_factor": DISTORTION_FACTOR,
        "qualities": [*(round(low + (high - low) * q / 99) for q in range(99)), RATE_INDICES - 1],
        "identity": decoder_identity(files, decoder).hex(),
        "encoder": decoder_identity(encoder_files, encoder).hex(),
        "macs": _macs(files | encoder_files, contexts, a),
        "card": card,
        "architecture": asdict(a),
    } | (bits.manifest() if bits is not None else {})
    contents = {f"graphs/{key}.onnx": graph for key, graph in (files | encoder_files).items()}
    for key, arrays in (("decoder", decoder), ("encoder", encoder), ("master", master)):
        file = f"{key}.safetensors"
        other = like / file if like is not None and key != "master" else None
        contents[file] = pack_arrays(arrays, other)
    check_out(folder)
    write_set(folder, contents, manifest)


def _synthesis(a: Architecture) -> bytes:
    return refining_synthesis(a) if a.nonlinear else graphs.synthesis(a)


def _analysis(a: Architecture) -> bytes:
    if a.profile == 1:
        return graphs.analysis(a)
    return deep_analysis(a) if a.nonlinear else graphs.lapped_analysis(a)


def _macs(files: dict[str, bytes], contexts: float, architecture: Architecture) -> dict[str, float]:
    """Thousand multiply-accumulates per pixel of each network, without halo."""
    area = {
        "synthesis": {"enter": 256, "linear": 256} | filter_areas(architecture),
        "analysis": {"linear": 256, "leave": 256},
    }
    if architecture.nonlinear:
        area["analysis"] = analysis_areas(architecture)
    area["hyper_analysis"] = {"enter": 256, "down": 1024, "leave": 4096}
    area["hyper_synthesis"] = {"enter": 4096, "up1": 4096, "up2": 1024, "leave": 256}
    default = {"synthesis": 64, "analysis": 64, "fusion": 1}
    out = {"contexts": contexts / 1000}
    for name in ("synthesis", "analysis", "hyper_analysis", "hyper_synthesis", "fusion"):
        if name in files:
            per_layer = graphs.multiply_accumulates(files[name])
            layers = {k.removesuffix(".weight"): v for k, v in per_layer.items()}
            out[name] = (
                sum(v / area.get(name, {}).get(k, default.get(name, 1)) for k, v in layers.items()) / 1000
            )
    out.setdefault("fusion", 0.0)
    return out


def _master(codec: Codec) -> dict[str, np.ndarray]:
    """What the export rounds harder than float16: entropy networks, steps, priors, rate embeddings; as float16."""
    kept = {}
    for key, value in codec.state_dict().items():
        exact = key.startswith(("entropy.", "log_steps")) or ".rate." in key
        if exact:
            kept[key] = _half(value)
    return kept


def _is_synthesis(key: str) -> bool:
    return ".synthesis." in key or key == "linear.synthesis"
