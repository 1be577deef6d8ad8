"""The work folder of a run: checkpoints, settings, and which stages are finished with what."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ParameterError
from ...files import write_atomically
from ..core.checkpoints import damaged, read_checkpoint
from ..core.settings_json import differences, from_json, to_json
from ..core.stage import StageSettings
from .architecture import Architecture
from .codec import Codec
from .fusion import Fusion
from .settings import TrainingSettings

CHECKPOINTS = ("parent", "anneal", "specialists", "entropy", "synthesis", "fusion", "end-to-end")
"""Stages that leave a checkpoint, in their order; that of fusion holds no codec."""


SETTINGS = "settings.json"


def save_settings(folder: Path, settings: TrainingSettings) -> None:
    """Write ``settings.json`` to a folder, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_json(settings), indent=1) + "\n"
    write_atomically(folder / SETTINGS, text.encode(), force=True)


def saved_settings(folder: Path) -> TrainingSettings | None:
    """The settings of the run or open training in a folder, if there was one.

    Raises:
        ValueError: they are damaged, or of a later version.
    """
    file = folder / SETTINGS
    if not file.exists():
        return None
    try:
        return from_json(TrainingSettings(), json.loads(file.read_text("utf-8")))
    except ValueError as error:
        raise ValueError(
            f"{file} is damaged ({error}); put back the version before, or name another folder."
        ) from None


class WorkFolder:
    """Reads and writes the folder.

    Raises:
        ValueError: its record of stages is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def _stages(self) -> Path:
        return self.folder / "stages.json"

    def records(self) -> dict[str, dict[str, Any]]:
        """What each finished stage left behind: minutes, steps, what it started from."""
        if not self._stages.exists():
            return {}
        try:
            found = json.loads(self._stages.read_text("utf-8"))
        except ValueError:
            found = None
        if not isinstance(found, dict) or not all(isinstance(v, dict) for v in found.values()):
            raise ValueError(
                f"{self._stages} is damaged; remove it, and finished stages are looked at again."
            )
        return found

    def finish(self, stage: str, record: Mapping[str, Any]) -> None:
        """Note that a stage is finished."""
        text = json.dumps({**self.records(), stage: dict(record)}, indent=1)
        write_atomically(self._stages, text.encode(), force=True)

    def checkpoint(self, stage: str) -> Path:
        """The file of a stage's checkpoint."""
        return self.folder / f"{stage}.pt"

    def latest(self, before: str | None = None) -> tuple[str, dict[str, Any]] | None:
        """The last of the stages ``before`` one (default: of all) that has left a codec, and its checkpoint."""
        end = CHECKPOINTS.index(before) if before else len(CHECKPOINTS)
        for stage in reversed(CHECKPOINTS[:end]):
            if stage != "fusion" and self.checkpoint(stage).exists():
                return stage, read_checkpoint(self.checkpoint(stage))
        return None

    def check_sizes(self, architecture: Architecture) -> None:
        """Refuse to mix networks: those that training has led to must be of this architecture.

        Raises:
            ParameterError: they are not.
            ValueError: their checkpoint is damaged.
        """
        found = self.latest()
        if found is not None:
            stage, state = found
            same_sizes(self.checkpoint(stage), state["settings"], architecture)

    def fusion(self, architecture: Architecture, before: str | None = None) -> Fusion | None:
        """The averaged fusion network that training has led to (``before`` the stage end-to-end, if that is
        given), or None.

        Raises:
            ValueError: its checkpoint is damaged.
        """
        for stage in ("end-to-end", "fusion"):
            file = self.checkpoint(stage)
            if stage == before or not file.exists():
                continue
            average = read_checkpoint(file)["average"]
            if stage == "end-to-end":
                average = {
                    k.removeprefix("fusion."): v for k, v in average.items() if k.startswith("fusion.")
                }
            fusion = Fusion(architecture)
            try:
                fusion.load_state_dict(average)
            except RuntimeError as error:
                raise damaged(file) from error
            return fusion
        return None


def remains(settings: StageSettings, record: Mapping[str, Any]) -> bool:
    """Whether a stage that was finished has more of a budget now than it took."""
    spent = 60 * (record["minutes"] + 0.01), record["steps"], round(1e9 * record.get("gigapixels", 0.0))
    return settings.progress(*spent) < 1


def same_sizes(file: Path, before: Mapping[str, Any], architecture: Architecture) -> None:
    """Refuse a checkpoint of another architecture.

    Args:
        before: the settings in the checkpoint.
    Raises:
        ParameterError: it is one.
        ValueError: it does not tell of its architecture.
    """
    if not isinstance(before.get("architecture"), Mapping):
        raise damaged(file)
    # sizes that a later version has added have the values that all had before
    known = to_json(from_json(Architecture(), before["architecture"]))
    changed = differences(known, to_json(architecture), frozenset())
    if changed:
        raise ParameterError(
            f"The checkpoint {file} is of a codec of other sizes ({'; '.join(changed[:4])}); give those again with "
            "--preset, --architecture or --settings, or name another folder."
        )


def codec_of(state: Mapping[str, Any], file: Path) -> Codec:
    """The averaged codec in a checkpoint (alone, or beside a fusion network, or with helpers, which are left
    out).

    Raises:
        ValueError: its weights do not fit the architecture that it states.
    """
    weights = {
        k.removeprefix("codec."): v
        for k, v in state["average"].items()
        if not k.startswith(("fusion.", "structures."))
    }
    try:
        architecture = from_json(Architecture(), state["settings"]["architecture"])
        codec = Codec(architecture, specialised=any(k.startswith("transforms.1.") for k in weights))
        codec.load_state_dict(weights)
    except (KeyError, ValueError, RuntimeError) as error:
        raise damaged(file) from error
    return codec
