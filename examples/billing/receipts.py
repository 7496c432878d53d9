"""Receipts as text files, one per invoice. Written whole or not at all; writing one again gives the same file."""

from __future__ import annotations

import os
from decimal import Decimal
from pathlib import Path

from invoices import Invoice, line_amount


def write(folder: Path, invoice: Invoice, state: str, amount: Decimal) -> None:
    path = folder / f"{invoice.number}.txt"
    draft = folder / f".{invoice.number}.{os.getpid()}"
    draft.write_text(_text(invoice, state, amount), encoding="utf-8")
    draft.replace(path)


def _text(invoice: Invoice, state: str, amount: Decimal) -> str:
    lines = [f"invoice {invoice.number} ({invoice.country}): {state}"]
    for line in invoice.lines:
        amount_text = "unreadable" if (cost := line_amount(line)) is None else str(cost)
        lines.append(f"  {line.quantity:>6} x {line.stock_code:12} {line.unit_price:>10} {amount_text:>12}")
    return "\n".join([*lines, f"  total {amount:>36}", ""])
