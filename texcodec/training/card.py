"""What a run tells of itself on the card of the set that it makes."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import torch

from .settings import TrainingSettings, to_json


def run_card(
    settings: TrainingSettings, records: Mapping[str, Mapping[str, Any]], device: torch.device
) -> dict[str, Any]:
    """Settings, machine, and minutes and steps of every finished stage.

    Args:
        records: of the stages, as ``WorkFolder.records``.
        device: where the networks were trained.
    """
    card: dict[str, Any] = {
        "settings": to_json(settings),
        "seed": settings.seed,
        "processor": platform.processor() or platform.machine(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "cores": torch.get_num_threads(),
        "torch": torch.__version__,
    }
    for stage, record in records.items():
        card |= {f"{stage}_{key}": record[key] for key in ("minutes", "steps") if key in record}
    return card
