"""The rehearsal: provider, `hydra start`, submissions, kills while it works, and what there is to account for after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hydra
from app import Settlement, bill
from invoices import Invoice
from kills import Repeatedly, Supervisor
from ledger import Ledger
from report import Account, Payments
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

HERE = Path(__file__).resolve().parent
POLL_SECONDS = 0.25
ENDED = ("completed", "failed", "cancelled", "parked")
ONE_DEATH = timedelta(seconds=0.5)  # claims of one worker that end within it ended by one kill


@dataclass(frozen=True)
class Plan:
    """How hard the run shall be."""

    copies: int
    workers: int
    concurrency: int
    kill_workers_seconds: float | None  # between two kills
    kill_supervisor_seconds: float
    kill_supervisor_count: int
    limit_seconds: float


def rehearse(invoices: list[Invoice], plan: Plan, folder: Path, url: str) -> Account:
    """Bill every invoice in a new folder; `url` is of an empty database."""
    for name in ("receipts", "reserved", "review"):
        (folder / name).mkdir()
    ledger = Ledger(folder / "ledger.db")
    ledger.create()
    with ExitStack() as stack:
        provider_url = stack.enter_context(provider(folder / "payments.jsonl"))
        engine = stack.enter_context(hydra.Engine(url))
        handles = submit(engine, invoices, plan.copies)
        supervisor = start_supervisor(url, plan, provider_url, folder)
        stack.callback(supervisor.stop)
        with killing(supervisor, plan) as supervisor_killer:
            wait_until_done(engine, len(handles), plan.limit_seconds)
        settlements, failures = outcomes(handles)
        return Account(
            invoices=invoices,
            copies=plan.copies,
            settlements=settlements,
            failures=failures,
            payments=Payments.read(folder / "payments.jsonl"),
            entries=ledger.entries(),
            audit=audit(url),
            receipt_count=len(list((folder / "receipts").glob("*.txt"))),
            reserved_count=len(list((folder / "reserved").glob("*.txt"))),
            hit_count=count_hits(handles) if plan.kill_workers_seconds is not None else None,
            missing_supervisor_kill_count=(plan.kill_supervisor_count - supervisor_killer.count)
            if plan.kill_supervisor_count
            else None,
        )


@contextmanager
def provider(log: Path) -> Iterator[str]:
    """The payment provider as a process of its own; its URL."""
    command = [sys.executable, str(HERE / "provider.py"), "--log", str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def submit(engine: hydra.Engine, invoices: list[Invoice], copies: int) -> list[hydra.Handle[Settlement]]:
    """One execution per invoice and copy; the invoice's number is the key."""
    pairs = [(invoice, copy) for copy in range(1, copies + 1) for invoice in invoices]
    return engine.submit_many(
        [bill.bind(invoice, copy) for invoice, copy in pairs],
        keys=[invoice.number if copy == 1 else f"{invoice.number}#{copy}" for invoice, copy in pairs],
    )


def start_supervisor(url: str, plan: Plan, provider_url: str, folder: Path) -> Supervisor:
    command = [sys.executable, "-m", "hydra.cli", "start", "app", "--lease-ttl", "5s"]
    command += ["--workers", str(plan.workers), "--concurrency", str(plan.concurrency)]
    environment = {**os.environ, "HYDRA_DB": url, "BILLING_PROVIDER": provider_url, "BILLING_FOLDER": str(folder)}
    return Supervisor(command, environment, folder / "supervisor.log")


@contextmanager
def killing(supervisor: Supervisor, plan: Plan) -> Iterator[Repeatedly]:
    """While the block runs, processes die as planned; the supervisor's killer counts."""
    supervisor_killer = Repeatedly(supervisor.kill, plan.kill_supervisor_seconds, plan.kill_supervisor_count)
    killers = [supervisor_killer]
    if plan.kill_workers_seconds is not None:
        killers.append(Repeatedly(supervisor.kill_workers, plan.kill_workers_seconds))
    for killer in killers:
        killer.start()
    try:
        yield supervisor_killer
    finally:
        for killer in killers:
            killer.stop()


def wait_until_done(engine: hydra.Engine, count: int, limit_seconds: float) -> None:
    """Until everything has ended or the limit is over; a bar on standard error when a person watches."""
    columns = (TextColumn("billing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    deadline = time.monotonic() + limit_seconds
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("billing", total=count)
        while time.monotonic() < deadline:
            with suppress(hydra.StoreUnavailable):  # the database may be restarted, too
                counts = engine.stats().counts.get("bill", {})
                done = sum(counts.get(status, 0) for status in ENDED)
                bar.update(task, completed=done)
                if done == count:
                    return
            time.sleep(POLL_SECONDS)


def outcomes(handles: list[hydra.Handle[Settlement]]) -> tuple[list[Settlement], list[str]]:
    settlements, failures = [], []
    for handle in handles:
        try:
            settlements.append(handle.result(timeout=0))
        except hydra.HydraError as error:
            failures.append(str(error))
    return settlements, failures


def audit(url: str) -> list[str]:
    """What `hydra audit` finds, asked as a user would."""
    command = [sys.executable, "-m", "hydra.cli", "audit", "--json"]
    environment = {**os.environ, "HYDRA_DB": url}
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if answer.returncode == 0:
        return []
    rows = json.loads(answer.stdout) if answer.returncode == 1 and answer.stdout else []
    return [str(row) for row in rows] or [answer.stderr.strip()]


def count_hits(handles: list[hydra.Handle[Settlement]]) -> int:
    """How many kills struck a worker that held executions: read from the audit trail."""
    deaths: dict[tuple[str, int | None], list[datetime]] = {}
    for handle in handles:
        for attempt in handle.attempts():
            if attempt.ending == "crashed" and attempt.ended_at is not None:
                deaths.setdefault((attempt.node, attempt.worker), []).append(attempt.ended_at)
    count = 0
    for instants in deaths.values():
        previous = datetime.min.replace(tzinfo=UTC)
        for instant in sorted(instants):
            count += instant - previous > ONE_DEATH
            previous = instant
    return count
