"""How many opcodes of the interpreter does a step cost, and in which part of hydra?

    python benches/opcodes.py [--workflow one_step|ten_steps|ten_async_steps|no_step] [--executions 300] [--most 0]
        [--beside /path/of/another/python]

A worker in this process drains executions on SQLite, traced opcode by opcode; twice as many take the rest out (start,
beats). `--beside` does the same in another environment, with this folder's app, and gives the relation. `--most 20`
lists the functions with the most opcodes. Opcodes are no time: C code, the database and caches do not count.
What a turn or a commit costs is shared by the steps in it, of which a busy machine has fewer: compare within one run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import app
import hydra
from machine import Report

STEPS = {"one_step": 1, "ten_steps": 10, "ten_async_steps": 10, "no_step": 1}
PAYLOAD = "x" * 200
PACKAGE = Path(hydra.__file__).parent


class Trace:
    """Counts of the worker's threads; this one is not traced."""

    def __init__(self) -> None:
        self.opcodes: Counter[CodeType] = Counter()

    def __call__(self, frame: FrameType, event: str, _: Any) -> Trace:
        if event == "call":
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            self.opcodes[frame.f_code] += 1
        return self


def drained(workflow: str, count: int) -> Counter[str]:
    """Opcodes by function, `file:name`."""
    trace = Trace()
    with tempfile.TemporaryDirectory() as folder, hydra.Engine(f"sqlite:///{folder}/opcodes.db") as engine:
        bound = getattr(app, workflow)
        handles = engine.submit_many([bound.bind(PAYLOAD) for _ in range(count)])
        threading.settrace(trace)
        try:
            with engine.worker():
                for handle in handles:
                    handle.result(timeout=600)
        finally:
            threading.settrace(None)  # type: ignore[arg-type]
    found: Counter[str] = Counter()
    for code, opcodes in trace.opcodes.items():
        file = Path(code.co_filename)
        if file.is_relative_to(PACKAGE):
            found[f"{file.relative_to(PACKAGE)}:{code.co_qualname}"] += opcodes
    return found


def per_step(workflow: str, executions: int) -> dict[str, float]:
    some, twice = drained(workflow, executions), drained(workflow, 2 * executions)
    steps = executions * STEPS[workflow]
    return {name: (twice[name] - some[name]) / steps for name in twice}


def part_of(name: str) -> str:
    return name.partition(":")[0].partition("/")[0].removesuffix(".py")


def by_part(functions: dict[str, float]) -> dict[str, float]:
    """By package; a module that stands alone counts under its name."""
    parts: Counter[str] = Counter()
    for name, opcodes in functions.items():
        parts[part_of(name)] += opcodes  # type: ignore[assignment]
    return dict(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workflow", choices=STEPS, default="ten_steps")
    parser.add_argument("--executions", type=int, default=300)
    parser.add_argument("--most", type=int, default=0)
    parser.add_argument("--beside")
    parser.add_argument("--functions", action="store_true", help="print them as JSON, for another run of this script")
    parser.add_argument("--json", metavar="FILE")
    chosen = parser.parse_args()
    functions = per_step(chosen.workflow, chosen.executions)
    if chosen.functions:
        print(json.dumps(functions))
        return
    report = Report(__doc__.splitlines()[0], "does not matter here")
    other: dict[str, float] = {}
    if chosen.beside:
        command = [chosen.beside, __file__, "--functions", "--workflow", chosen.workflow]
        command += ["--executions", str(chosen.executions)]
        done = subprocess.run(command, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True, check=True)
        other = json.loads(done.stdout.splitlines()[-1])
    here, there = by_part(functions), by_part(other)
    for part in [None, *sorted(here, key=here.__getitem__, reverse=True)]:
        opcodes = sum(here.values()) if part is None else here[part]
        before = sum(there.values()) if part is None else there.get(part, 0.0)
        if opcodes < 1 and before < 1:
            continue
        beside = {"beside": f"{before:.0f}", "times": f"{opcodes / before:.2f}" if before else "-"} if other else {}
        report.row(f"opcodes of {chosen.workflow}, {part or 'all'}", opcodes, "a step", **beside)
    for name in sorted(functions, key=functions.__getitem__, reverse=True)[: chosen.most]:
        report.row(name, functions[name], "a step")
    report.save(chosen.json)


if __name__ == "__main__":
    sys.exit(main())
