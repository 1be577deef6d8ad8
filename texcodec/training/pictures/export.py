"""From a trained codec to a model set on disk: integer entropy networks, probability tables, steps, graphs,
manifest.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from ...constants import HYPER_MAX, RATE_INDICES, SCALE_LEVELS, STEP_FRACTION
from ...entropy import quantise_probabilities
from ...errors import ParameterError
from ...files import write_atomically
from ...registry.identity import decoder_identity
from ...registry.manifest import MANIFEST_VERSION
from ..core.integer_export import integer_arrays
from . import graphs
from .architecture import SCALE_MIN, Architecture
from .byte_weights import byte_arrays
from .codec import DISTORTION_FACTOR, Codec, high_rate_step
from .entropy_model import SCALE_STEP, SliceContext, interpolate
from .export_pyramid import first_slice_files, gain_files, pass_macs, slice_tables

OWN_FILES = {"manifest.json", "graphs", "decoder.safetensors", "encoder.safetensors", "master.safetensors"}
HYPER_BANDS = 16
MOST_SUPPORT = 255
QUALITY_RANGE = (36, 251)
"""Rate indices of quality 1 and quality 100; coarser and finer rows serve rate control."""


class Statistics:
    """How often each symbol occurs at each scale index, and each hyper latent in each band of rates.

    Counted on training pictures by running the codec; the probability tables are fitted to them.
    """

    def __init__(self, architecture: Architecture) -> None:
        self.symbols = np.zeros((SCALE_LEVELS, 2 * MOST_SUPPORT + 1))
        self.hyper = np.zeros((HYPER_BANDS, architecture.hyper_channels, 2 * HYPER_MAX + 1))
        self.ends = np.cumsum(architecture.slices)
        self.slices = np.zeros((HYPER_BANDS, 2 * len(self.ends) + 1))

    def add(self, symbols: Tensor, scales: Tensor, hyper: Tensor, rate_index: int) -> None:
        """Count one batch that was coded at one rate index."""
        s = (
            np.clip(symbols.detach().round().int().numpy().ravel(), -MOST_SUPPORT, MOST_SUPPORT)
            + MOST_SUPPORT
        )
        i = scales.detach().round().int().numpy().ravel()
        width = 2 * MOST_SUPPORT + 1
        self.symbols += np.bincount(i * width + s, minlength=SCALE_LEVELS * width).reshape(
            SCALE_LEVELS, width
        )
        band = rate_index * HYPER_BANDS // RATE_INDICES
        for picture in symbols.detach():
            used = picture.abs().amax((1, 2)).nonzero()
            count = 1 + int(np.searchsorted(self.ends, int(used.max()), side="right")) if len(used) else 1
            self.slices[band, len(self.ends) + count] += 1
        z = hyper.detach().round().int().numpy() + HYPER_MAX
        for c in range(z.shape[1]):
            self.hyper[band, c] += np.bincount(z[:, c].ravel(), minlength=2 * HYPER_MAX + 1)

    @torch.no_grad()
    def gather(self, codec: Codec, batches: Iterable[tuple[Tensor, Tensor]], seed: int = 5) -> None:
        """Run the codec on (pictures B x 3 x H x W, classes B), each batch at its own rate index."""
        random = np.random.default_rng(seed)
        for x, classes in batches:
            r = int(random.integers(RATE_INDICES))
            coded = codec(
                x, torch.full((len(x),), r / (RATE_INDICES - 1)), classes, halo=True, rounding="hard"
            )
            self.add(coded.symbols, coded.scales, coded.hyper, r)


def logistic_row(sigma: float, support: int) -> np.ndarray:
    """Probabilities of -support .. support under a discretised logistic, and of everything beyond,
    float64.
    """
    s = sigma * math.sqrt(3) / math.pi
    edges = np.arange(-support, support + 2) - 0.5
    upper = 1 / (1 + np.exp(np.clip(-edges / s, -700, 700)))
    inside = np.diff(upper)
    # the upper half by symmetry: differences of numbers near 1 lose digits
    inside[support + 1 :] = inside[:support][::-1]
    return np.append(inside, max(2 * upper[0], 1e-12))


def symbol_tables(
    counts: np.ndarray,
    weight: float = 3000.0,
    *,
    row: Callable[[float, int], np.ndarray] = logistic_row,
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the 64 symbol tables: counted frequencies, smoothed by the distribution they were trained with.

    Args:
        counts: 64 x (2 * MOST_SUPPORT + 1); zeros for the distribution alone.
        weight: symbols that the distribution counts for.
        row: probabilities for a standard deviation and a support, as ``logistic_row``.
    Returns:
        uint32 frequencies of all rows, uint16 support of each row.
    """
    rows, supports = [], []
    for i in range(SCALE_LEVELS):
        sigma = SCALE_MIN * math.exp(SCALE_STEP * i)
        support = min(MOST_SUPPORT, math.ceil(5 * sigma) + 2)
        both = counts[i] + counts[i][::-1]
        centre = both[MOST_SUPPORT - support : MOST_SUPPORT + support + 1]
        seen = np.append(centre, both.sum() - centre.sum())
        rows.append(quantise_probabilities(seen + 2 * weight * row(sigma, support)))
        supports.append(support)
    return np.concatenate(rows), np.array(supports, np.uint16)


def hyper_probabilities(mean: float, scale: float) -> np.ndarray:
    """Probabilities of -31 .. 31 under a logistic distribution whose tails count to the last ones, float64.

    Args:
        mean, scale: of the distribution; the scale is sqrt(3) / pi standard deviations.
    """
    edges = np.arange(-HYPER_MAX, HYPER_MAX + 2) - 0.5
    edges[0], edges[-1] = -1e9, 1e9
    return np.diff(1 / (1 + np.exp(-np.clip((edges - mean) / scale, -500, 500))))


def hyper_tables(codec: Codec, counts: np.ndarray, weight: float = 30.0) -> np.ndarray:
    """Fit the hyper latents' tables; uint32 bands x Z x 63."""
    with torch.no_grad():
        t = (torch.arange(HYPER_BANDS) + 0.5) / HYPER_BANDS
        means = interpolate(codec.entropy.prior_mean, t).numpy()
        scales = np.exp(interpolate(codec.entropy.prior_scale, t).numpy()) * math.sqrt(3) / math.pi
    out = np.zeros(counts.shape, np.uint32)
    for b in range(HYPER_BANDS):
        # neighbouring bands are alike: borrow from them
        near = counts[max(0, b - 1) : b + 2].sum(0) + counts[b]
        for c in range(counts.shape[1]):
            p = hyper_probabilities(means[b, c], scales[b, c])
            out[b, c] = quantise_probabilities(near[c] + weight * np.maximum(p, 1e-7))
    return out


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
        if name.startswith("rate."):
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
    statistics: Statistics,
    folder: Path,
    *,
    name: str,
    class_names: tuple[str, ...],
    thresholds: tuple[float, ...],
    fusion: nn.Module | None,
    card: dict[str, Any],
    byte_weights: bool = False,
) -> None:
    """Write a model set to ``folder``, replacing one that is there; other files in it are left alone.

    Args:
        codec: trained, specialised or not (a parent serves every class with the same weights).
        statistics: counted with this codec.
        fusion: the fusion network, or None for a set without one.
        card: what people should know of the set: data, command, seed, hardware, time, licence.
        byte_weights: keep synthesis weights as a byte each (``byte_weights``).
    Raises:
        ParameterError: the folder holds something else than a model set.
        ValueError: an entropy network cannot be made integers.
    """
    a = codec.architecture
    codec = codec.float().eval()
    decoder: dict[str, np.ndarray] = {}
    encoder: dict[str, np.ndarray] = {}
    files: dict[str, bytes] = {"synthesis": graphs.synthesis(a)}
    decoder["linear.synthesis"] = _half(codec.linear.synthesis)
    encoder["linear.analysis"] = _half(codec.linear.analysis.reshape(-1, 3, 16, 16))
    for k in range(a.classes):
        part = codec.transforms[k if codec.specialised else 0]
        decoder |= _float_arrays(part.synthesis, f"synthesis.{k}", {})
        if a.profile == 1:
            encoder |= _float_arrays(part.analysis, f"analysis.{k}", {"enter": 8, "leave": 2})
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
    decoder["tables.symbols"], decoder["tables.support"] = symbol_tables(statistics.symbols)
    decoder["tables.hyper"] = hyper_tables(codec, statistics.hyper)
    decoder["tables.magnitudes"] = magnitude_table()
    master = _master(codec)
    if byte_weights:
        # training that goes on from the set starts from what was rounded
        master |= {k: _half(v) for k, v in codec.state_dict().items() if _is_synthesis(k) and k not in master}
        decoder = byte_arrays(decoder)
    analysis = graphs.analysis(a) if a.profile == 1 else graphs.lapped_analysis(a)
    encoder_files = {"analysis": analysis, "hyper_analysis": graphs.hyper_analysis(a)}
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
        "distortion_factor": DISTORTION_FACTOR,
        "qualities": [round(low + (high - low) * q / 99) for q in range(100)],
        "identity": decoder_identity(files, decoder).hex(),
        "encoder": decoder_identity(encoder_files, encoder).hex(),
        "macs": _macs(files | encoder_files, contexts),
        "card": card,
        "architecture": asdict(a),
    }
    _write(folder, files | encoder_files, decoder, encoder, manifest, master)


def _macs(files: dict[str, bytes], contexts: float) -> dict[str, float]:
    """Thousand multiply-accumulates a pixel of each network, without halo."""
    area = {"synthesis": {"enter": 256, "linear": 256}, "analysis": {"linear": 256, "leave": 256}}
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
    """What the export rounds harder than float16: entropy networks, steps, priors, rate embeddings."""
    kept = {}
    for key, value in codec.state_dict().items():
        exact = key.startswith(("entropy.", "log_steps")) or ".rate." in key
        if exact:
            kept[key] = value.numpy().astype(np.float32)
    return kept


def _is_synthesis(key: str) -> bool:
    return ".synthesis." in key or key == "linear.synthesis"


def add_to_card(folder: Path, entries: dict[str, Any]) -> None:
    """Tell more on the card of the set in ``folder``; no identity depends on it."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text("utf-8"))
    manifest["card"] |= entries
    write_atomically(file, (json.dumps(manifest, indent=1) + "\n").encode(), force=True)


def check_out(folder: Path) -> None:
    """Refuse to write a model set among files that are not one.

    Raises:
        ParameterError: ``folder`` is a file, or holds something but no model set.
    """
    if folder.exists() and not folder.is_dir():
        raise ParameterError(f"{folder} is a file; name a folder for the model set.")
    names = {p.name for p in folder.iterdir()} if folder.exists() else set()
    if "manifest.json" not in names and not names <= OWN_FILES:
        raise ParameterError(
            f"The folder {folder} holds files but no model set; name an empty or new folder for it."
        )


def _write(
    folder: Path,
    files: dict[str, bytes],
    decoder: dict[str, np.ndarray],
    encoder: dict[str, np.ndarray],
    manifest: dict[str, Any],
    master: dict[str, np.ndarray],
) -> None:
    check_out(folder)
    # the manifest goes first and comes last: a folder half-written is no set, and nothing else is touched
    (folder / "manifest.json").unlink(missing_ok=True)
    if (folder / "graphs").is_dir():
        shutil.rmtree(folder / "graphs")
    (folder / "graphs").mkdir(parents=True)
    for key, graph in files.items():
        (folder / "graphs" / f"{key}.onnx").write_bytes(graph)
    for file, arrays in (("decoder", decoder), ("encoder", encoder), ("master", master)):
        path = folder / f"{file}.safetensors"
        save_file({k: np.ascontiguousarray(v) for k, v in sorted(arrays.items())}, path)
        path.chmod(
            (folder / "graphs").stat().st_mode & 0o666
        )  # safetensors writes files that only their owner can read
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
