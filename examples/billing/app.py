"""Billing as a workflow: one execution per invoice, which charges (or refunds) exactly once whatever crashes.

    invoice ─► validate ─► price ─┬─► reserve ─► charge ─┬─► ledger     charged
                                  │                      └─► receipt    (in parallel)
                                  ├─► refund ─┬─► ledger                refunded        (credit note)
                                  │           └─► receipt
                                  ├─► reserve ─► receipt                nothing to pay  (all lines are free)
                                  └─► file for review                   held for review (no customer, unreadable line …)

A card that is declined, or a ledger that cannot be written, ends it failed: the money goes back, the goods go free.

`hydra start app` runs it. Where the outside world is, the environment says: BILLING_PROVIDER (URL) and BILLING_FOLDER.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

import hydra
import payments
import receipts
from invoices import Invoice, is_free, reason_to_hold, total_amount
from ledger import Entry, Ledger


class Way(StrEnum):
    """Every invoice goes exactly one way."""

    CHARGED = "charged"
    REFUNDED = "refunded"
    FREE = "nothing to pay"
    HELD = "held for review"


@dataclass(frozen=True)
class Settlement:
    invoice: str
    way: Way
    line_count: int
    free_line_count: int
    amount: Decimal
    payment_id: str | None = None
    reason: str | None = None


@hydra.step(inline=True)
def validate(invoice: Invoice) -> str | None:
    """Why the invoice must be held, or None."""
    return reason_to_hold(invoice)


@hydra.step(inline=True)
def price(invoice: Invoice) -> Decimal:
    return total_amount(invoice)


@hydra.step(
    max_attempts=12,
    backoff=hydra.Backoff(initial=0.05, factor=2.0, maximum=1.0, jitter=0.2),
    timeout=10.0,
    retry_on=(ConnectionError, TimeoutError),
)
def pay(kind: str, invoice_number: str, customer_id: str, amount: Decimal) -> str:
    """Charge or refund; the provider sees the same idempotency key in every try, so a repeated one moves no money."""
    provider = os.environ["BILLING_PROVIDER"]
    return payments.pay(provider, hydra.idempotency_key(), kind, invoice_number, customer_id, amount)


@hydra.step(max_attempts=12, retry_on=(ConnectionError, TimeoutError))
def pay_back(kind: str, invoice_number: str, customer_id: str, amount: Decimal) -> str:
    """Undo a payment by its opposite, which has a key of its own."""
    provider = os.environ["BILLING_PROVIDER"]
    return payments.pay(provider, hydra.idempotency_key(), kind, invoice_number, customer_id, amount)


@hydra.step
def reserve(invoice: Invoice, copy: int) -> None:
    receipts.write(_folder() / "reserved", invoice, "reserved", total_amount(invoice), copy)


@hydra.step
def release(invoice_number: str, copy: int) -> None:
    """Give the goods free; those that were never reserved stay as they are."""
    receipts.remove(_folder() / "reserved", invoice_number, copy)


@hydra.step
def post_to_ledger(entry: Entry) -> None:
    Ledger(_folder() / "ledger.db").post(hydra.idempotency_key(), entry)


@hydra.step
def file_for_review(invoice: Invoice, amount: Decimal, reason: str) -> None:
    receipts.write(_folder() / "review", invoice, f"held for review: {reason}", amount)


@hydra.step
def send_receipt(invoice: Invoice, way: Way, amount: Decimal) -> None:
    receipts.write(_folder() / "receipts", invoice, way, amount)


@hydra.workflow
def bill(invoice: Invoice, copy: int = 1) -> Settlement:
    """Settle one invoice. `copy` tells repeated runs of one file apart; it changes nothing else."""
    free_line_count = sum(is_free(line) for line in invoice.lines)
    reason = validate(invoice)
    amount = price(invoice)
    if reason is not None:
        file_for_review(invoice, amount, reason)
        return Settlement(invoice.number, Way.HELD, len(invoice.lines), free_line_count, amount, reason=reason)
    if not invoice.is_credit_note:
        hydra.on_failure(release.bind(invoice.number, copy))
        reserve(invoice, copy)
    if amount == 0:
        send_receipt(invoice, Way.FREE, amount)
        return Settlement(invoice.number, Way.FREE, len(invoice.lines), free_line_count, amount)
    way = Way.REFUNDED if invoice.is_credit_note else Way.CHARGED
    kind, opposite = ("refund", "charge") if invoice.is_credit_note else ("charge", "refund")
    customer = invoice.lines[0].customer_id
    payment_id = pay(kind, invoice.number, customer, abs(amount))
    hydra.on_failure(pay_back.bind(opposite, invoice.number, customer, abs(amount)))
    hydra.gather(
        post_to_ledger.bind(Entry(invoice.number, copy, amount, payment_id)), send_receipt.bind(invoice, way, amount)
    )
    return Settlement(invoice.number, way, len(invoice.lines), free_line_count, amount, payment_id=payment_id)


def _folder() -> Path:
    return Path(os.environ["BILLING_FOLDER"])
