"""What the service sells, as a workflow: an order is priced, paid and shipped, each once. `hydra start app` runs it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import hydra


@dataclass(frozen=True)
class Order:
    number: str
    card: str
    amount: Decimal


@dataclass(frozen=True)
class Receipt:
    number: str
    paid: Decimal
    payment: str


@hydra.step(inline=True)
def price_order(order: Order) -> Decimal:
    """With tax."""
    return (order.amount * Decimal("1.19")).quantize(Decimal("0.01"))


@hydra.step(max_attempts=5)
def pay_order(card: str, amount: Decimal) -> str:
    """The provider would get the key, and charge once however often this is tried."""
    return f"{card[:4]}-{hydra.idempotency_key()[:8]}"


@hydra.step
def ship_order(number: str) -> str:
    return f"parcel of {number}"


@hydra.workflow
def fulfil(order: Order) -> Receipt:
    amount = price_order(order)
    payment = pay_order(order.card, amount)
    ship_order(order.number)
    return Receipt(order.number, amount, payment)
