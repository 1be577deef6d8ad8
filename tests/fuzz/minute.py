"""All targets for a minute together, one after the other; what ``make fuzz`` runs.

    cd tests && PYTHONPATH=.. python -m fuzz.minute [SECONDS] [SEED]

The seed of the random numbers is fixed unless another is given, so that a change of the code is judged and not the day.
Prints a line for each target, and what libFuzzer says of one that fails.
"""

from __future__ import annotations

import re
import subprocess
import sys

from .targets import TARGETS

SECONDS = 60


def main(arguments: list[str]) -> int:
    """The number of targets for which a rule was broken."""
    seconds = int(arguments[0]) if arguments else SECONDS
    seed = int(arguments[1]) if len(arguments) > 1 else 1
    failed = 0
    for name in TARGETS:
        share = max(1, seconds // len(TARGETS))
        command = [sys.executable, "-m", "fuzz", name, f"-max_total_time={share}", f"-seed={seed}"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        found = re.search(r"number_of_executed_units: (\d+)", done.stderr)
        count = int(found[1]) if found else 0
        if done.returncode or not count:
            failed += 1
            print(
                f"{name}: exit code {done.returncode} after {count} inputs\n{done.stderr[-6000:]}", flush=True
            )
        else:
            print(f"{name}: {count} inputs", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
