"""The attacks of attacks/, each of which must be stopped."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "attacks"))
import run_attacks as runner

FAST = [name for name in runner.names() if not getattr(runner.load(name), "SLOW", False)]


def test_every_attack_says_what_it_tries_and_what_stops_it() -> None:
    assert len(runner.names()) >= 30
    for name in runner.names():
        tries, stops = runner.sentences(name)
        assert tries.endswith(".") and stops.endswith("."), name


@pytest.mark.parametrize("name", FAST)
def test_attack_is_stopped(name: str, tmp_path: Path) -> None:
    runner.attempt(name, tmp_path)


def test_the_runner_finds_an_attack_that_succeeds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    hungry = SimpleNamespace(attack=lambda room: bytearray(300 << 20), BUDGET=(5.0, 100))
    monkeypatch.setattr(runner, "load", lambda name: hungry)
    if sys.platform == "linux":
        with pytest.raises(AssertionError, match="MB of memory"):
            runner.attempt("hungry", tmp_path)
