"""Random programs, with faults at each of their records: `python -m tests.programs.programs --count 10000 --seed N`.

A program that fails is made small and printed as source; `--only N` runs the one of that seed with all its plans.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed

from tests.programs.checking import Failure, Useless, check
from tests.programs.generating import Generator
from tests.programs.grammar import Program
from tests.programs.running import Database, Plan
from tests.programs.shrinking import shrink

TASK_PROGRAMS = 50  # for one process: what a crash leaves behind stays in memory

Kinds = frozenset[str]  # of statements, to be left out


def program_of(seed: int, without: Kinds = frozenset()) -> Program:
    return Generator(seed, without).program()


def fails(program: Program, seed: int, plan_count: int | None, database: Database | None = None) -> Failure | None:
    """In a database of its own, unless one is lent."""
    own = database or Database()
    try:
        return check(program, own.harness, seed, plan_count)
    except Useless:
        return None
    except Exception as error:
        return Failure(f"the run itself fails: {type(error).__name__}: {error}", Plan())
    finally:
        if database is None:
            own.close()


def run_seeds(seeds: range, plan_count: int | None, without: Kinds = frozenset()) -> Iterator[tuple[int, Failure]]:
    """Those that fail."""
    database = Database()
    try:
        for seed in seeds:
            failure = fails(program_of(seed, without), seed, plan_count, database)
            if failure is None:
                database.tidy()
            else:
                yield seed, failure
                database.close()  # what did not end there would go on beside the next program
                database = Database()
    finally:
        database.close()


def explain(seed: int, failure: Failure, plan_count: int | None, without: Kinds = frozenset()) -> str:
    """The same, as small as it can be."""
    program = program_of(seed, without)
    program = shrink(program, lambda smaller: fails(smaller, seed, plan_count) is not None)
    failure = fails(program, seed, plan_count) or failure
    return f"seed {seed}: {failure}\n    outside: {program.outside}\n\n{program.source()}\n"


def quieten() -> None:
    for name in ("hydra", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    sys.unraisablehook = lambda unraisable: None  # coroutines of nodes that were lost end with the process


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0, help="of the first program")
    parser.add_argument("--only", type=int, help="the seed of one program, with all plans; it is printed")
    parser.add_argument("--plans", type=int, help="runs with faults for each program; all without it")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--without", default="", help="kinds of statements to leave out")
    parser.add_argument("--explain", type=int, default=3, help="how many failures are made small and printed")
    options = parser.parse_args()
    quieten()
    without = frozenset(filter(None, options.without.split(",")))
    if options.only is not None:
        return run_one(options.only, options.plans, without)
    began_at = time.monotonic()
    failed = []
    for seed, failure in run_all(options.seed, options.count, options.plans, without, options.processes):
        failed.append((seed, failure))
        print(f"seed {seed}: {failure}", flush=True)
    for seed, failure in failed[: options.explain]:
        print(f"\n{explain(seed, failure, options.plans, without)}", flush=True)
    print(f"{options.count} programs, {len(failed)} failed, {time.monotonic() - began_at:.0f} s", file=sys.stderr)
    return 1 if failed else 0


def run_one(seed: int, plan_count: int | None, without: Kinds) -> int:
    program = program_of(seed, without)
    failure = fails(program, seed, plan_count)
    print(program.source() if failure is None else explain(seed, failure, plan_count, without))
    return 0 if failure is None else 1


def run_all(
    first: int, count: int, plan_count: int | None, without: Kinds, processes: int
) -> Iterator[tuple[int, Failure]]:
    tasks = [
        (range(start, min(start + TASK_PROGRAMS, first + count)), plan_count, without)
        for start in range(first, first + count, TASK_PROGRAMS)
    ]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(work, task) for task in tasks]):
            yield from done.result()


def work(task: tuple[range, int | None, Kinds]) -> list[tuple[int, Failure]]:
    quieten()
    return list(run_seeds(*task))


if __name__ == "__main__":
    sys.exit(main())
