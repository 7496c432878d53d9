"""What a benchmark ran on, and the row it prints. Refuses a debug build: its figures would say nothing."""

from __future__ import annotations

import json
import os
import platform
import resource
import sqlite3
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from hydra import _core


def facts() -> dict[str, str]:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.processor(),
    )
    return {
        "cpu": f"{os.cpu_count()} x {model}",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "build": _core.build_profile(),
    }


def require_release_build() -> None:
    if _core.build_profile() != "release":
        sys.exit("benchmarks refuse a debug build of hydra._core: run `maturin develop --release` first")


def cpu_seconds() -> float:
    """User and system time of this process and of its children that were waited for."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def tree_cpu_seconds(pid: int) -> float:
    """User and system time so far of a live process and all its living descendants."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum(_stat(child)[0] for child in [pid, *descendants(pid)]) / ticks


def tree_memory_mb(pid: int) -> dict[int, float]:
    """Proportional set size in MB of a process and each of its descendants."""
    sizes = {}
    for child in [pid, *descendants(pid)]:
        try:
            rollup = Path(f"/proc/{child}/smaps_rollup").read_text()
        except OSError:
            continue
        sizes[child] = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024
    return sizes


def memory_mb(pid: int) -> float:
    """What of it is in memory, shared pages counted whole (`VmRSS`)."""
    return _status(pid, "VmRSS:") / 1024


def threads(pid: int) -> int:
    return _status(pid, "Threads:")


def descriptors(pid: int) -> int:
    with suppress(OSError):
        return len(os.listdir(f"/proc/{pid}/fd"))
    return 0


def _status(pid: int, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0


def descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents.setdefault(_stat(int(entry.name))[1], []).append(int(entry.name))
            except OSError:
                continue
    found, queue = [], [pid]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found


def _stat(pid: int) -> tuple[int, int]:
    """CPU ticks (with those of reaped children) and parent of one process."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0, 0
    return sum(int(fields[k]) for k in (11, 12, 13, 14)), int(fields[1])


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass
class Report:
    """Rows of one run: printed as they come, kept as JSON where asked."""

    question: str
    durability: str
    rows: list[dict[str, object]] = field(default_factory=list)

    def __post_init__(self) -> None:
        require_release_build()
        print(f"# {self.question}")
        print(
            "# " + ", ".join(f"{name} {value}" for name, value in facts().items()) + f"; durability: {self.durability}"
        )

    def row(self, what: str, figure: float, unit: str, **more: object) -> None:
        self.rows.append({"what": what, "figure": figure, "unit": unit, **more})
        extra = "  ".join(f"{name} {value}" for name, value in more.items())
        print(f"{what:58} {figure:>12,.3f} {unit:14} {extra}", flush=True)

    def save(self, path: str | None) -> None:
        if path:
            Path(path).write_text(
                json.dumps({"question": self.question, "facts": facts(), "rows": self.rows}, indent=1)
            )
