"""The inputs that fuzzing kept, and some new ones, against the rules for everything that reads bytes of others."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from fuzz import repair, rules
from fuzz.kept import corpus, kept, regressions
from fuzz.mutators import MUTATORS, scramble
from fuzz.rules import LIMITS, RuleBroken, Target, check
from fuzz.seeds import golden, seeds
from fuzz.targets import TARGETS

from texcodec.container import Reader
from texcodec.errors import CorruptError, TexcodecError

NEW = 40
"""Changed inputs of each target."""


@pytest.mark.parametrize("name", TARGETS)
def test_kept_inputs_break_no_rule(name: str) -> None:
    for data in kept(name):
        check(TARGETS[name], data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_and_changed_ones_break_no_rule(name: str) -> None:
    random, target = Random(name), TARGETS[name]
    first = list(seeds(name))
    assert first
    for _ in range(NEW):
        data = MUTATORS[target.mutator](
            random.choice(first), target.largest, random, lambda part, most: scramble(part, random)[:most]
        )
        check(target, data)


def test_every_target_has_a_corpus_and_every_kept_folder_a_target() -> None:
    folder = Path(__file__).parent / "fuzz"
    assert {path.stem for path in (folder / "corpus").glob("*.zip")} == set(TARGETS)
    assert all(corpus(name) for name in TARGETS)
    found = {path.name for path in (folder / "regressions").iterdir()}
    assert found <= set(TARGETS) and all(regressions(name) for name in found)


def test_repair_leaves_sound_files_as_they_are() -> None:
    files = [data for name in ("container", "pictures") for data in seeds(name)]
    assert any(data.startswith(repair.COMPACT) for data in files)
    assert all(repair.repaired(data) == data for data in files)


def test_repair_makes_changed_tiles_pass_their_checksums() -> None:
    changed = 0
    for data in golden():
        reader = Reader(data)
        if not reader.header.lean and reader.tiles and not reader.tiles[0].absent:
            damaged = bytearray(data)
            damaged[reader.tile_offset(0)] ^= 1
            with pytest.raises(TexcodecError):
                Reader(bytes(damaged)).verify()
            Reader(repair.repaired(bytes(damaged))).verify()
            changed += 1
    assert changed > 5


@pytest.mark.parametrize("kind", MUTATORS)
def test_changed_inputs_are_mostly_others_and_repeat_with_the_seed(kind: str) -> None:
    name = next(name for name, target in TARGETS.items() if target.mutator == kind)
    data = max(seeds(name), key=len)

    def changed(seed: int) -> bytes:
        random = Random(seed)
        return MUTATORS[kind](data, 1 << 16, random, lambda part, most: scramble(part, random)[:most])

    assert [changed(seed) for seed in range(8)] == [changed(seed) for seed in range(8)]
    assert len({changed(seed) for seed in range(50)} - {data}) > 30


def test_checks_notice_other_errors_and_time_and_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(data: bytes) -> None:
        raise {b"a": CorruptError("a sentence"), b"b": KeyError("b"), b"c": CorruptError("")}[data]

    check(Target(fail), b"a")
    with pytest.raises(KeyError):
        check(Target(fail), b"b")
    with pytest.raises(RuleBroken, match="without a sentence"):
        check(Target(fail), b"c")
    monkeypatch.setattr(rules, "SECONDS", 0.01)
    with pytest.raises(RuleBroken, match="s for an input"):
        check(Target(lambda data: sum(range(10**6)) and None), b"")
    monkeypatch.setattr(rules, "SECONDS", 60.0)
    monkeypatch.setattr(rules, "peak", iter([0, LIMITS.memory * 4]).__next__)
    with pytest.raises(RuleBroken, match="MiB more"):
        check(Target(lambda data: None), b"")
