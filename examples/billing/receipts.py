"""Receipts as text files, one per invoice. Written whole or not at all; writing one again gives the same file."""

from __future__ import annotations

import os
import threading
from decimal import Decimal
from pathlib import Path

from invoices import Invoice, line_amount


def write(folder: Path, invoice: Invoice, state: str, amount: Decimal, copy: int = 1) -> None:
    path = _path(folder, invoice.number, copy)
    draft = folder / f".{path.stem}.{os.getpid()}.{threading.get_ident()}"
    draft.write_text(_text(invoice, state, amount), encoding="utf-8")
    draft.replace(path)


def remove(folder: Path, invoice_number: str, copy: int) -> None:
    _path(folder, invoice_number, copy).unlink(missing_ok=True)


def _path(folder: Path, invoice_number: str, copy: int) -> Path:
    return folder / (f"{invoice_number}.txt" if copy == 1 else f"{invoice_number}#{copy}.txt")


def _text(invoice: Invoice, state: str, amount: Decimal) -> str:
    lines = [f"invoice {invoice.number} ({invoice.country}): {state}"]
    for line in invoice.lines:
        amount_text = "unreadable" if (cost := line_amount(line)) is None else str(cost)
        lines.append(f"  {line.quantity:>6} x {line.stock_code:12} {line.unit_price:>10} {amount_text:>12}")
    return "\n".join([*lines, f"  total {amount:>36}", ""])
