"""The tables of the peers from what `run.py --json FILE` wrote: that of benches/README.md, or the README's.

python benches/peers/table.py peers.json [--readme]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

COLUMNS = {
    "submit, one caller": "one caller",
    "submit, 8 threads": "8 threads",
    "submit in bulk": "in bulk",
    "pickup, idle": "pickup p50 / p99",
    "drain, no step": "no step",
    "drain, one step": "one step",
    "drain, ten steps": "ten steps",
}

SHORT = ("submit, one caller", "pickup, idle", "drain, no step", "drain, ten steps")
# What each records, whether that is durable once it has accepted, and what becomes of the work of a worker that dies.
WORDS = {
    "hydra": ("each step", "yes", "at once, behind its last record"),
    "dbos": ("each step", "yes", "so, when its executor runs again"),
    "absurd": ("each step", "yes", "so, when its lease ends (2 min)"),
    "pgqueuer": ("each job", "yes", "all of it again (30 s)"),
    "oban": ("each job", "yes", "all of it again (5 min)"),
    "procrastinate": ("each job", "yes", "all of it again, by a task of yours"),
    "celery": ("nothing", "no", "**lost**"),
    "celery_synced": ("each task", "yes", "all of it again (1 h)"),
}
WORDS |= {"hydra_sqlite": WORDS["hydra"], "dbos_sqlite": WORDS["dbos"]}


def main() -> None:
    found = json.loads(Path(sys.argv[1]).read_text())
    print_readme(found) if "--readme" in sys.argv else print_table(found)


def print_table(found: dict[str, Any]) -> None:
    print("; ".join(f"{name} {value}" for name, value in found["facts"].items()))
    print(f"`{found['command']}`, {found['began']}\n")
    _print_line("a second", *COLUMNS.values())
    _print_line(*["---"] * (len(COLUMNS) + 1))
    for peer in found["peers"]:
        _print_line(peer["title"], *_cells(found, peer["name"], tuple(COLUMNS)))
    print("\nµs of CPU for each, of the program and its workers, without the database server's:\n")
    measured = {what: name for what, name in COLUMNS.items() if what != "pickup, idle"}
    _print_line("", *measured.values())
    _print_line(*["---"] * (len(measured) + 1))
    for peer in found["peers"]:
        rows = _rows(found, peer["name"])
        cpu = [
            f"{rows[what]['cpu_us_each']:,.0f}" if what in rows else "" for what in COLUMNS if what != "pickup, idle"
        ]
        _print_line(peer["title"], *cpu)
    print("\nVersions: " + ", ".join(f"{peer['title']} {peer['version']}" for peer in found["peers"]))
    for name, why in found["left_out"].items():
        print(f"\nLeft out: {name}: {why}.")


def print_readme(found: dict[str, Any]) -> None:
    _print_line("", "records", "durable", "work of a worker that dies", "accepts", "begins", "jobs", "ten steps")
    _print_line(*["---"] * 8)
    for peer in found["peers"]:
        if words := WORDS.get(peer["name"]):
            _print_line(peer["title"], *words, *_cells(found, peer["name"], SHORT))


def _rows(found: dict[str, Any], name: str) -> dict[str, dict[str, Any]]:
    return {row["what"]: row for row in found["rows"] if row["peer"] == name}


def _cells(found: dict[str, Any], name: str, columns: tuple[str, ...]) -> list[str]:
    rows = _rows(found, name)
    return [_cell(rows[what]) if what in rows else "" for what in columns]


def _cell(row: dict[str, Any]) -> str:
    if "p99" in row:
        return f"{row['figure']:.1f} / {row['p99']:.1f} ms"
    return f"{row['figure']:,.0f}"


def _print_line(*cells: str) -> None:
    print("|" + "".join(f" {cell} |" if cell else " |" for cell in cells))


if __name__ == "__main__":
    main()
