"""What a training run shows: a progress bar on terminals, a CSV file, TensorBoard curves if installed."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any


class Report:
    """Curves of one stage, in ``folder/name.csv`` and ``folder/tensorboard/name``.

    Args:
        visible: whether this process may show and write anything (of several processes one does).
        log: called with a sentence when a file cannot be written; training goes on.
    """

    def __init__(self, folder: Path, name: str, *, visible: bool, log: Callable[[str], None]) -> None:
        self.file, self.visible, self.log = folder / f"{name}.csv", visible, log
        self._bar = _bar(name) if visible else None
        self._curves = _curves(folder / "tensorboard" / name) if visible else None
        self._warned = False

    def show(self, progress: float, elapsed: float, means: str) -> None:
        """Move the bar.

        Args:
            progress: the share of the stage's budget that is spent; 0 where there is no budget.
            elapsed: seconds that it took.
            means: what the last steps gave.
        """
        if self._bar is not None and not self._bar.disable:
            left = f", {_clock(elapsed / progress - elapsed)} left" if progress > 0 else ""
            self._bar.set_postfix_str(means + left, refresh=False)
            self._bar.n = min(progress, 1.0)
            self._bar.refresh()

    def add(self, row: Mapping[str, float]) -> None:
        """Append one row; its keys are the header of the file and the names of the curves."""
        if not self.visible:
            return
        try:
            with self.file.open("a", newline="") as file:
                writer = csv.writer(file)
                if not file.tell():
                    writer.writerow(row)
                writer.writerow(f"{v:.7g}" for v in row.values())
            if self._curves is not None:
                for key, value in row.items():
                    if key != "step":
                        self._curves.add_scalar(key, value, int(row["step"]))
        except OSError as error:
            if not self._warned:
                self.log(f"{self.file} cannot be written ({error.strerror}); training goes on without it.")
            self._warned = True

    def close(self) -> None:
        """Take the bar off the screen and finish the curves."""
        if self._bar is not None:
            self._bar.close()
        if self._curves is not None:
            self._curves.close()


def _clock(time: float) -> str:
    """Seconds as 1:02:03 or 2:03."""
    whole = max(0, round(time))
    hours, minutes, seconds = whole // 3600, whole // 60 % 60, whole % 60
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _bar(name: str) -> Any:
    try:
        from tqdm import tqdm
    except ImportError:  # a GPU machine needs torch alone
        return None
    form = "{desc} {percentage:3.0f}%|{bar}| {postfix}"
    # disable=None: only terminals get a bar
    return tqdm(total=1.0, desc=name, file=sys.stderr, disable=None, leave=False, bar_format=form)


def _curves(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder))
