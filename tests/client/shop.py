"""The workflows of the tests of what users hold."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import hydra


class CardDeclined(Exception):
    def __init__(self, card: str, code: int) -> None:
        super().__init__(f"card {card} was declined")
        self.card = card
        self.code = code


@dataclass(frozen=True)
class Receipt:
    number: str
    amount: Decimal


open_gates: dict[str, threading.Event] = {}
entered_gates: dict[str, threading.Event] = {}


def new_gate(name: str) -> None:
    open_gates[name], entered_gates[name] = threading.Event(), threading.Event()


@hydra.step
def price(number: str, amount: Decimal) -> Receipt:
    return Receipt(number, amount)


@hydra.step
def decline(card: str) -> None:
    raise CardDeclined(card, 51)


@hydra.step
def pass_gate(name: str) -> None:
    entered_gates[name].set()
    assert open_gates[name].wait(60)


@hydra.step
def submit_bill(url: str, number: str) -> str:
    with hydra.Engine(url) as engine:
        return engine.submit(bill.bind(number, Decimal("1")), key=number).id


@hydra.workflow
def bill(number: str, amount: Decimal = Decimal("1.10")) -> Receipt:
    return price(number, amount)


@hydra.workflow
def pay_by_card(card: str) -> None:
    decline(card)


@hydra.workflow
def wait_at(gate: str) -> str:
    pass_gate(gate)
    return gate


@hydra.workflow
def sleep_long() -> None:
    hydra.sleep(3600)


@hydra.workflow
def echo(value: Any) -> Any:
    return value


@hydra.workflow
def submit_in_body(url: str) -> None:
    hydra.Engine(url).submit(echo.bind(1))


@hydra.workflow
def submit_in_step(url: str) -> str:
    return submit_bill(url, "inner")
