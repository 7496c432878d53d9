"""Invoices as they stand in the CSV file, and their price. Pure: reads lines, adds pennies, sends nothing.

A line is kept as the text that was read: what is wrong with it is decided in a step of the workflow, and recorded.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path

COLUMNS = ("invoice_no", "stock_code", "quantity", "unit_price", "customer_id", "country")


@dataclass(frozen=True)
class Line:
    number: int  # of the file, the header being line 1
    stock_code: str
    quantity: str
    unit_price: str
    customer_id: str


@dataclass(frozen=True)
class Invoice:
    number: str
    country: str
    lines: list[Line]

    @property
    def is_credit_note(self) -> bool:
        return self.number.startswith("C")


class FileError(Exception):
    """The file as a whole is not what this program reads."""


def read_invoices(path: Path) -> list[Invoice]:
    """Every line of the file, grouped by invoice. None is left out; one without a number is an invoice of its own."""
    invoices: dict[str, Invoice] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file, restval="")
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or [])]
            if missing:
                raise FileError(f"`{path}` has no column `{missing[0]}`; it needs {', '.join(COLUMNS)}")
            for row in reader:
                cells = {name: (row[name] or "").strip() for name in COLUMNS}
                number = cells["invoice_no"] or f"line-{reader.line_num}"
                invoice = invoices.setdefault(number, Invoice(number, cells["country"], []))
                texts = (cells[name] for name in ("stock_code", "quantity", "unit_price", "customer_id"))
                invoice.lines.append(Line(reader.line_num, *texts))
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"`{path}` cannot be read: {error}") from error
    return list(invoices.values())


def line_amount(line: Line) -> Decimal | None:
    """Quantity times unit price, exactly; None when one of them is not a number."""
    try:
        amount = int(line.quantity) * Decimal(line.unit_price)
    except (ValueError, InvalidOperation):
        return None
    return amount if amount.is_finite() else None


def total_amount(invoice: Invoice) -> Decimal:
    """The exact sum of the lines that have an amount."""
    return sum((amount for line in invoice.lines if (amount := line_amount(line)) is not None), Decimal())


def is_free(line: Line) -> bool:
    return line_amount(line) is not None and Decimal(line.unit_price) == 0


def reason_to_hold(invoice: Invoice) -> str | None:
    """Why a person must look at this invoice before money moves; None when it is in order."""
    if invoice.number.startswith("line-"):
        return "no invoice number"
    customers = {line.customer_id for line in invoice.lines}
    if "" in customers:
        return "no customer"
    if len(customers) > 1:
        return "more than one customer"
    return next((reason for line in invoice.lines if (reason := _line_problem(line, invoice.is_credit_note))), None)


def _line_problem(line: Line, is_credit_note: bool) -> str | None:
    if line_amount(line) is None:
        return f"line {line.number}: `{line.quantity}` x `{line.unit_price}` is not an amount"
    price, quantity = Decimal(line.unit_price), int(line.quantity)
    if price < 0:
        return f"line {line.number}: negative price"
    if price * 100 != int(price * 100):
        return f"line {line.number}: price in fractions of a penny"
    if is_credit_note and quantity >= 0:
        return f"line {line.number}: a credit note that takes back nothing"
    if not is_credit_note and quantity <= 0:
        return f"line {line.number}: goods taken back on an invoice"
    return None
