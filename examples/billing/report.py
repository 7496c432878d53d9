"""The account of a run: every line, every penny, from four sources that know nothing of each other.

The file says what should have happened, hydra's results what the workflows decided, the provider's log what was paid,
the ledger what was booked. `Account` compares them; a check that fails names what differs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from app import Settlement, Way
from invoices import Invoice, is_free, line_amount, total_amount
from ledger import Entry

NEEDED_HIT_COUNT = 10


@dataclass(frozen=True)
class Check:
    sentence: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Payments:
    """The provider's log."""

    paid: list[dict[str, str]]
    repeated_count: int
    unavailable_count: int
    cut_count: int

    @classmethod
    def read(cls, path: Path) -> Payments:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        events = Counter(line["event"] for line in lines)
        paid = [line for line in lines if line["event"] == "paid"]
        return cls(paid, events["repeated"], events["unavailable"], events["cut off"])

    def total(self, kind: str) -> Decimal:
        return exact_sum(Decimal(line["amount"]) for line in self.paid if line["kind"] == kind)

    def amounts(self) -> dict[str, Decimal]:
        """By payment id; negative for a refund."""
        signs = {"charge": 1, "refund": -1}
        return {line["payment_id"]: signs[line["kind"]] * Decimal(line["amount"]) for line in self.paid}


@dataclass(frozen=True)
class Account:
    invoices: list[Invoice]
    copies: int
    settlements: list[Settlement]
    failures: list[str]
    payments: Payments
    entries: list[Entry]
    audit: list[str]
    receipt_count: int
    reserved_count: int
    hit_count: int | None  # None: workers were not to be killed
    missing_supervisor_kill_count: int | None  # planned, and not come to before the work was done

    def checks(self) -> list[Check]:
        return [*self._check_file(), *self._check_money(), *self._check_run()]

    def lines(self) -> list[str]:
        """The report, ready to print."""
        checks = [
            f"[{'ok' if check.passed else 'FAILED'}] {check.sentence}" + (f" ({check.detail})" if check.detail else "")
            for check in self.checks()
        ]
        return [*self._table(), "", *self._remarks(), "", *checks]

    def _check_file(self) -> list[Check]:
        line_count = sum(len(invoice.lines) for invoice in self.invoices) * self.copies
        amount = exact_sum(map(total_amount, self.invoices)) * self.copies
        ended = len(self.settlements) == len(self.invoices) * self.copies
        return [
            Check("every invoice has an outcome", ended, "; ".join(self.failures[:3])),
            Check("every line is accounted for", sum(s.line_count for s in self.settlements) == line_count),
            Check("the ways add up to the file's exact sum", exact_sum(s.amount for s in self.settlements) == amount),
        ]

    def _check_money(self) -> list[Check]:
        paid = self.payments.paid
        amounts = self.payments.amounts()
        keys = Counter(line["key"] for line in paid)
        moved = Counter(s.invoice for s in self.settlements if s.payment_id)
        wrong = [s.invoice for s in self.settlements if s.payment_id and amounts.get(s.payment_id) != s.amount]
        booked = {entry.payment_id: entry.amount for entry in self.entries}
        return [
            Check("the provider charged each idempotency key once", set(keys.values()) <= {1}),
            Check("the provider moved each settled invoice to the penny", not wrong, ", ".join(wrong[:3])),
            Check("the provider moved nothing else", Counter(line["invoice"] for line in paid) == moved),
            Check("the ledger equals the provider", booked == amounts and len(booked) == len(self.entries)),
        ]

    def _check_run(self) -> list[Check]:
        receipts_due = len({s.invoice for s in self.settlements if s.way is not Way.HELD})
        reserved_due = sum(s.way in (Way.CHARGED, Way.FREE) for s in self.settlements)
        checks = [
            Check("every settled invoice has its receipt", self.receipt_count == receipts_due),
            Check("goods are reserved for what is charged or free", self.reserved_count == reserved_due),
            Check("`hydra audit` finds nothing", not self.audit, "; ".join(self.audit[:3])),
        ]
        if self.hit_count is not None:
            sentence = f"at least {NEEDED_HIT_COUNT} kills hit a worker that held executions"
            checks.append(Check(sentence, self.hit_count >= NEEDED_HIT_COUNT, f"{self.hit_count} did"))
        if self.missing_supervisor_kill_count is not None:
            missing = self.missing_supervisor_kill_count
            detail = f"{missing} missing" if missing else ""
            checks.append(Check("the supervisor was killed as often as asked", not missing, detail))
        return checks

    def _table(self) -> list[str]:
        rows = [f"{'way':18} {'invoices':>9} {'lines':>7} {'amount':>14}"]
        rows += [_row(way, [s for s in self.settlements if s.way is way]) for way in Way]
        rows.append(_row("total", self.settlements))
        line_count = sum(len(invoice.lines) for invoice in self.invoices)
        amount = exact_sum(map(total_amount, self.invoices))
        times = f"   x {self.copies} copies" if self.copies > 1 else ""
        rows.append(f"{'the file':18} {len(self.invoices):>9,} {line_count:>7,} {amount:>14,}{times}")
        return rows

    def _remarks(self) -> list[str]:
        lines = [line for invoice in self.invoices for line in invoice.lines]
        free, unreadable = sum(map(is_free, lines)), sum(line_amount(line) is None for line in lines)
        reasons = Counter(s.reason.partition(": ")[2] or s.reason for s in self.settlements if s.reason)
        payments = self.payments
        return [
            f"lines at price zero: {free:,} (delivered, nothing charged)",
            f"lines without a readable amount: {unreadable:,} (their invoices are held)",
            *(f"held, {reason}: {count:,}" for reason, count in reasons.most_common()),
            f"provider: {payments.total('charge'):,} charged, {payments.total('refund'):,} refunded",
            f"provider: {payments.unavailable_count:,} times 503, {payments.cut_count:,} cut after charging",
            f"provider: {payments.repeated_count:,} repeats answered with the first payment",
        ]


def exact_sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal("0.00"))


def _row(name: str, settlements: list[Settlement]) -> str:
    line_count = sum(s.line_count for s in settlements)
    return f"{name:18} {len(settlements):>9,} {line_count:>7,} {exact_sum(s.amount for s in settlements):>14,}"
