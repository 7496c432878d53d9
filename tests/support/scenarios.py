"""Loads the examples' workflows (`defined`, for whoever runs them), and says for each input how it must end.

The outside world is a folder, and a payment provider.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import hydra
from hydra.definitions import BoundWorkflow
from hydra.workflow import Registry, registry

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def load(example: str) -> Any:
    """`app.py` of an example; all three are called so."""
    sys.path.append(str(EXAMPLES / example))
    spec = importlib.util.spec_from_file_location(f"{example}_app", EXAMPLES / example / "app.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for annotations
    spec.loader.exec_module(module)
    return module


def load_apart() -> tuple[Any, Any, Any, Registry]:
    """The examples share names with other tests' workflows, so their definitions are kept beside those."""
    mine, theirs = (registry.workflows, registry.steps), Registry()
    registry.workflows, registry.steps = theirs.workflows, theirs.steps
    try:
        return load("billing"), load("infrastructure"), load("subscription"), theirs
    finally:
        registry.workflows, registry.steps = mine


billing, infrastructure, subscription, defined = load_apart()

import bank  # noqa: E402
import hosts  # noqa: E402
import invoices  # noqa: E402
import ledger  # noqa: E402
import provider  # noqa: E402

HOSTS = ["web-1", "web-2", "web-3"]
TERMS = subscription.Terms(trial=0.05, period=0.05, reminder=0.05, grace=0.05)
SLOW_TERMS = subscription.Terms(trial=1.1, period=0.05, reminder=0.05, grace=0.05)  # the first wait leaves the worker


@dataclass(frozen=True)
class Scenario:
    """`begin` is called with the handle; `ends` is the status; `world` what the outside must show of this number."""

    name: str
    ends: str
    prepare: Callable[[Path, str], None]
    bind: Callable[[str], BoundWorkflow[Any]]
    world: Callable[[Path, str], Any]
    expected: Any
    begin: Callable[[Any], None] = lambda handle: None


def invoice(number: str, customer: str) -> Any:
    line = invoices.Line(1, "tea", "2", "1.10", customer)
    return invoices.Invoice(number, "UK", [line, invoices.Line(2, "sugar", "1", "0.30", customer)])


def nothing(folder: Path, number: str) -> None: ...


def billed(folder: Path, number: str) -> Any:
    """Payments by kind (each under a key of its own), entries, papers: of one invoice."""
    log = folder / "payments.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    paid = Counter(line["kind"] for line in lines if line["event"] == "paid" and line["invoice"] == number)
    entries = sum(entry.invoice == number for entry in ledger.Ledger(folder / "ledger.db").entries())
    papers = [name for name in ("receipts", "reserved", "review") if (folder / name / f"{number}.txt").exists()]
    return dict(paid), entries, papers


def make_hosts(folder: Path, number: str) -> None:
    hosts.Fleet(folder / "hosts").create([f"{number}-{name}" for name in HOSTS], "1.0")


def fleet_of(folder: Path, number: str) -> Any:
    fleet = hosts.Fleet(folder / "hosts")
    return [(host.release, host.in_rotation) for host in (fleet.host(f"{number}-{name}") for name in HOSTS)]


def decline(folder: Path, number: str) -> None:
    bank.Bank(folder).decline(number, [2, 3])


def subscribed(folder: Path, number: str) -> Any:
    charges = [path.read_text().split("\t")[0] for path in (folder / "charges" / number).glob("[!.]*")]
    letters = list((folder / "letters" / number).glob("[!.]*"))
    return charges, len(letters), bank.Desk(folder).states(number)


DUNNED = ["past due", "reminder 1", "reminder 2", "reminder 3", "suspended"]
LIFE = ["trial", "active", *DUNNED, "active", *DUNNED, "cancelled", "written off"]


def rollout(name: str, release: str, ends: str, left: str) -> Scenario:
    return Scenario(
        name,
        ends,
        make_hosts,
        lambda number: infrastructure.rolling_restart.bind(release, [f"{number}-{host}" for host in HOSTS], 2),
        fleet_of,
        [(left, True)] * len(HOSTS),
    )


def life(name: str, terms: Any) -> Scenario:
    return Scenario(
        name,
        "completed",
        decline,
        lambda number: subscription.subscribe.bind(number, terms),
        subscribed,
        (["1"], len(LIFE), LIFE),
        lambda handle: handle.signal("reactivate", id=handle.id),
    )


def bill(name: str, customer: str, ends: str, expected: Any) -> Scenario:
    return Scenario(name, ends, nothing, lambda n: billing.bill.bind(invoice(n, customer)), billed, expected)


SCENARIOS = {
    scenario.name: scenario
    for scenario in [
        bill("billed", "c1", "completed", ({"charge": 1}, 1, ["receipts", "reserved"])),
        bill("declined", "declined-1", "failed", ({}, 0, [])),
        rollout("rolled out", "2.0", "completed", "2.0"),
        rollout("rolled back", hosts.BROKEN, "failed", "1.0"),
        life("written off", TERMS),
        life("written off slowly", SLOW_TERMS),
    ]
}


class World:
    """The outside, which outlives every process of hydra; the environment that leads to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._provider = provider.Provider(0, self._lay(), 0.0, 0.0, 1)
        self.environment = {
            "BILLING_PROVIDER": f"http://127.0.0.1:{self._provider.server_port}",
            "BILLING_FOLDER": str(folder),
            "FLEET_FOLDER": str(folder / "hosts"),
            "SUBSCRIPTION_FOLDER": str(folder),
        }
        threading.Thread(target=self._provider.serve_forever, daemon=True).start()

    def clear(self) -> None:
        """As if nothing had happened yet."""
        shutil.rmtree(self.folder)
        self._provider.log = self._lay()

    def close(self) -> None:
        self._provider.shutdown()
        self._provider.server_close()

    def _lay(self) -> Any:
        for name in ("receipts", "reserved", "review", "hosts"):
            (self.folder / name).mkdir(parents=True)
        ledger.Ledger(self.folder / "ledger.db").create()
        return provider.PaymentLog(self.folder / "payments.jsonl")


def submit(engine: hydra.Engine, scenario: Scenario, folder: Path, number: str) -> Any:
    scenario.prepare(folder, number)
    handle = engine.submit(scenario.bind(number), key=number)
    scenario.begin(handle)
    return handle


def hurry() -> None:
    """Hosts boot, and are asked how they are, faster than an example wants to show."""
    hosts.BOOT_SECONDS = 0.05
    infrastructure.CHECK_PAUSE = timedelta(milliseconds=100)
