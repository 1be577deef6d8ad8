"""Coverage-guided fuzzing of one target, by atheris (libFuzzer).

    cd tests && PYTHONPATH=.. python -m fuzz TARGET [FOLDER ...] [-runs=N] [-max_total_time=SECONDS] ...

New inputs that reach new code go into the first FOLDER (default: build/fuzz/TARGET), inputs that break a rule into
build/fuzz/findings. Other folders are read as well.
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import atheris

with atheris.instrument_imports(include=["texcodec"]):
    from fuzz import seeds
    from fuzz.kept import kept
    from fuzz.mutators import MUTATORS
    from fuzz.rules import check
    from fuzz.targets import TARGETS

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "fuzz"
WALL_SECONDS = 300
"""Until libFuzzer gives up on an input; a busy machine has less of the processor than ``rules.SECONDS`` measures."""


def main(arguments: list[str]) -> None:
    names = [argument for argument in arguments if not argument.startswith("-")]
    options = [argument for argument in arguments if argument.startswith("-")]
    if not names or names[0] not in TARGETS:
        sys.exit(f"name a target: {', '.join(TARGETS)}")
    name, target = names[0], TARGETS[names[0]]
    folders = [Path(folder) for folder in names[1:]] or [BUILD / name]
    folders[0].mkdir(parents=True, exist_ok=True)
    findings = BUILD / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    first = BUILD / "seeds" / name
    seeds.write(name, first)
    change = MUTATORS[target.mutator]

    def mutate(data: bytes, largest: int, seed: int) -> bytes:
        bytes_of = lambda part, most: atheris.Mutate(bytes(part), most)  # noqa: E731
        return change(bytes(data), largest, Random(seed), bytes_of)

    for number, data in enumerate(kept(name)):
        (first / f"kept-{number}").write_bytes(data)
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_len={target.largest}",
            f"-timeout={WALL_SECONDS}",
            "-rss_limit_mb=1536",
            f"-artifact_prefix={findings}/{name}-",
            "-print_final_stats=1",
            *options,
            *map(str, [*folders, first]),
        ],
        lambda data: check(target, bytes(data)),
        custom_mutator=mutate,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
