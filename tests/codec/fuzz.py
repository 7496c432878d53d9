"""Runs the fuzzers of values for as long as one likes, and says how many inputs there were and what they found.

    python -m tests.codec.fuzz --minutes 60 [values refused failures bodies numbers models messages]

Each draws from a seed of its own at a time (`--seed` begins elsewhere); the exit code is 1 when something was found.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
import traceback

from hypothesis import HealthCheck, Phase, given, seed, settings

from tests.codec.fuzz_values import CHECKS

ROUND_EXAMPLES = 500


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(CHECKS)}; all if none is given")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    names = options.names or list(CHECKS)
    end = time.monotonic() + options.minutes * 60
    outcomes: dict[str, collections.Counter[str]] = {name: collections.Counter() for name in names}
    found = 0
    round_number = options.seed
    while time.monotonic() < end:
        round_number += 1
        for name in names:
            found += run_round(name, round_number, outcomes[name])
    for name, counted in outcomes.items():
        print(
            f"{name:9} {counted.total():9,} inputs: {', '.join(f'{n:,} {what}' for what, n in counted.most_common())}"
        )
    print(f"{found} found, up to seed {round_number}")
    return 1 if found else 0


def run_round(name: str, number: int, counted: collections.Counter[str]) -> int:
    strategy, check = CHECKS[name]

    @seed(number)
    @settings(
        max_examples=ROUND_EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def run(drawn: object) -> None:
        counted[check(drawn)] += 1

    try:
        run()
    except Exception:
        print(f"{name}, seed {number}:\n{traceback.format_exc()[-4000:]}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
