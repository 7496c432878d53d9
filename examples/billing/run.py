"""Bills a file of invoice lines under `hydra start` while its processes are killed, then accounts for every penny.

    python run.py [FILE.csv] [--kill workers] [--every 1] [--kill-supervisor 2] [--folder DIRECTORY] [--db URL]

Exit codes: 0 every check passed, 1 one failed, 2 the call was wrong.
"""

from __future__ import annotations

import argparse
import sys
from datetime import datetime
from pathlib import Path

from invoices import FileError, Invoice, read_invoices, reason_to_hold
from rehearsal import HERE, Plan, rehearse

PAYMENT_SECONDS = 0.055  # what the provider takes on average


def main() -> int:
    chosen = options()
    try:
        invoices = read_invoices(chosen.file)
        folder = new_folder(chosen.folder)
    except FileError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    account = rehearse(invoices, plan(invoices, chosen), folder, chosen.db or f"sqlite:///{folder}/hydra.db")
    print("\n".join(account.lines()))
    database = "" if chosen.db else "hydra.db, "
    print(f"\neverything is in {folder}: {database}payments.jsonl, ledger.db, receipts, review, supervisor.log")
    return 0 if all(check.passed for check in account.checks()) else 1


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("file", type=Path, nargs="?", default=HERE / "invoices.csv", help="default: the sample beside this program")
    add("--kill", choices=["workers", "nothing"], default="workers", help="what gets SIGKILL (default: workers)")
    add("--every", type=float, default=1.0, metavar="SECONDS", help="time between kills of all workers (default: 1)")
    add("--kill-supervisor", type=int, default=0, metavar="N", help="kill the supervisor N times, too")
    add("--db", metavar="URL", help="an empty database (default: a SQLite file in the folder)")
    add("--workers", type=int, default=2, help="processes (default: 2)")
    add("--concurrency", type=int, help="invoices in flight per worker (default: so that kills find work)")
    add("--busy", type=float, default=18.0, metavar="SECONDS", help="provider time to plan for (default: 18)")
    add("--copies", type=int, help="bill each invoice N times (default: so that kills find work)")
    add("--folder", type=Path, help="where to put everything; must be new (default: demo/<time>)")
    add("--limit", type=float, default=600.0, metavar="SECONDS", help="give up after this long (default: 600)")
    return parser.parse_args()


def new_folder(asked: Path | None) -> Path:
    folder = (asked or Path("demo") / datetime.now().strftime("%Y%m%d-%H%M%S")).resolve()
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise FileError(f"`{folder}` cannot be made: {error.strerror}; name a new one with --folder") from error
    return folder


def plan(invoices: list[Invoice], chosen: argparse.Namespace) -> Plan:
    """Copies and concurrency keep the workers busy for about `--busy` seconds when something is to be killed."""
    kills = chosen.kill == "workers" or chosen.kill_supervisor
    paid = max(1, sum(reason_to_hold(invoice) is None for invoice in invoices))
    payment_seconds = PAYMENT_SECONDS * paid / chosen.workers
    copies = chosen.copies or (max(1, round(chosen.busy / payment_seconds)) if kills else 1)
    concurrency = chosen.concurrency or (max(1, int(copies * payment_seconds / chosen.busy)) if kills else 16)
    return Plan(
        copies=copies,
        workers=chosen.workers,
        concurrency=concurrency,
        kill_workers_seconds=chosen.every if chosen.kill == "workers" else None,
        kill_supervisor_seconds=chosen.busy / (chosen.kill_supervisor + 1),
        kill_supervisor_count=chosen.kill_supervisor,
        limit_seconds=chosen.limit,
    )


if __name__ == "__main__":
    sys.exit(main())
