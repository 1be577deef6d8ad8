"""What a run states about itself on the card of the set that it makes."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..core.settings_json import to_json
from .settings import TrainingSettings

RECORDED = ("minutes", "steps", "gigapixels", "precision")
"""Entries of a stage's record that go on the card."""


def processor_name() -> str:
    """The model of this machine's processor, where the system states it; else its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except (OSError, ValueError):
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def device_name(device: torch.device) -> str:
    """The GPU's model, or "cpu"."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def run_card(
    settings: TrainingSettings, records: Mapping[str, Mapping[str, Any]], device: torch.device
) -> dict[str, Any]:
    """Settings, machine, and minutes, steps, gigapixels and precision of every finished stage.

    Args:
        records: of the stages, as ``WorkFolder.records``.
        device: where the networks were trained.
    """
    card: dict[str, Any] = {
        "settings": to_json(settings),
        "seed": settings.seed,
        "processor": processor_name(),
        "device": device_name(device),
        "cores": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    for stage, record in records.items():
        card |= {f"{stage}_{key}": record[key] for key in RECORDED if key in record}
    return card
