"""Random programs, with faults at each of their records: `python -m tests.programs.programs --count 10000 --seed N`.

They run on SQLite, or with `--store postgres` or `mysql` on a server that is started for them. A program that fails is
made small and printed as source; `--only N` runs the one of that seed with all its plans.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from tests.programs.checking import Failure, Useless, check
from tests.programs.generating import Generator
from tests.programs.grammar import Program
from tests.programs.running import Database, Plan
from tests.programs.shrinking import shrink
from tests.servers import mysql, postgres

TASK_PROGRAMS = 50  # for one process: what a crash leaves behind stays in memory

Kinds = frozenset[str]  # of statements, to be left out
Task = tuple[range, int | None, Kinds, str | None]  # as `run_seeds` takes it


def program_of(seed: int, without: Kinds = frozenset()) -> Program:
    return Generator(seed, without).program()


def fails(
    program: Program,
    seed: int,
    plan_count: int | None,
    database: Database | None = None,
    server_url: str | None = None,
) -> Failure | None:
    """In a database of its own, unless one is lent."""
    own = database or Database(server_url)
    try:
        return check(program, own.harness, seed, plan_count)
    except Useless:
        return None
    except Exception as error:
        return Failure(f"the run itself fails: {type(error).__name__}: {error}", Plan())
    finally:
        if database is None:
            own.close()


def run_seeds(
    seeds: range, plan_count: int | None, without: Kinds = frozenset(), server_url: str | None = None
) -> Iterator[tuple[int, Failure]]:
    """Those that fail."""
    database = Database(server_url)
    try:
        for seed in seeds:
            failure = fails(program_of(seed, without), seed, plan_count, database)
            if failure is None:
                database.tidy()
            else:
                yield seed, failure
                database.close()  # what did not end there would go on beside the next program
                database = Database(server_url)
    finally:
        database.close()


def explain(
    seed: int, failure: Failure, plan_count: int | None, without: Kinds = frozenset(), server_url: str | None = None
) -> str:
    """The same, as small as it can be."""
    program = program_of(seed, without)
    program = shrink(program, lambda smaller: fails(smaller, seed, plan_count, server_url=server_url) is not None)
    failure = fails(program, seed, plan_count, server_url=server_url) or failure
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
    parser.add_argument("--store", choices=["sqlite", "postgres", "mysql"], default="sqlite")
    options = parser.parse_args()
    quieten()
    without = frozenset(filter(None, options.without.split(",")))
    with server(options.store) as server_url:
        if options.only is not None:
            return run_one(options.only, options.plans, without, server_url)
        return run_many(options, without, server_url)


@contextmanager
def server(store: str) -> Iterator[str | None]:
    """The URL of one, unless it is SQLite's."""
    if store == "sqlite":
        yield None
        return
    started: Any = postgres.PostgresServer().start() if store == "postgres" else mysql.MysqlServer().start()
    try:
        yield started.url()
    finally:
        started.destroy()


def run_many(options: argparse.Namespace, without: Kinds, server_url: str | None) -> int:
    began_at = time.monotonic()
    failed = []
    tasks = [
        (range(start, min(start + TASK_PROGRAMS, options.seed + options.count)), options.plans, without, server_url)
        for start in range(options.seed, options.seed + options.count, TASK_PROGRAMS)
    ]
    for seed, failure in run_all(tasks, options.processes):
        failed.append((seed, failure))
        print(f"seed {seed}: {failure}", flush=True)
    for seed, failure in failed[: options.explain]:
        print(f"\n{explain(seed, failure, options.plans, without, server_url)}", flush=True)
    print(f"{options.count} programs, {len(failed)} failed, {time.monotonic() - began_at:.0f} s", file=sys.stderr)
    return 1 if failed else 0


def run_one(seed: int, plan_count: int | None, without: Kinds, server_url: str | None) -> int:
    program = program_of(seed, without)
    failure = fails(program, seed, plan_count, server_url=server_url)
    print(program.source() if failure is None else explain(seed, failure, plan_count, without, server_url))
    return 0 if failure is None else 1


def run_all(tasks: Sequence[Task], processes: int) -> Iterator[tuple[int, Failure]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, max_tasks_per_child=1) as pool:
        for done in as_completed([pool.submit(work, task) for task in tasks]):
            yield from done.result()


def work(task: Task) -> list[tuple[int, Failure]]:
    quieten()
    return list(run_seeds(*task))


if __name__ == "__main__":
    sys.exit(main())
