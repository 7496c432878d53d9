"""A subscription as a state machine: one execution per customer, for as long as the customer stays.

    trial ─► active ─► past due ─► reminder 1 ─► reminder 2 ─► reminder 3 ─► suspended ─► cancelled ─► written off
               ▲  ▲       └────── payment ──────────┴─────────────┘              │            ▲
               │  └── the period's charge ─┐                                      │            │ "cancel" (while active)
               │                           │                                      │            │
               └───────────────────────────┴───── "reactivate" ─────────────────┘

Each state is entered by a step, so the desk sees every transition once; each wait is a row in the database. A charge is
a child execution: it has tries, a history and an id of its own. `hydra start app` runs it; SUBSCRIPTION_FOLDER says
where the outside world is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import hydra
from bank import Bank, Desk

REMINDERS = 3


class State(StrEnum):
    TRIAL = "trial"
    ACTIVE = "active"
    PAST_DUE = "past due"
    REMINDED = "reminder"
    SUSPENDED = "suspended"
    CANCELLED = "cancelled"
    WRITTEN_OFF = "written off"


@dataclass(frozen=True)
class Terms:
    """How long each state lasts, in seconds."""

    trial: float = 30 * 86400.0
    period: float = 30 * 86400.0
    reminder: float = 7 * 86400.0
    grace: float = 30 * 86400.0
    pennies: int = 999


@dataclass(frozen=True)
class Ended:
    customer: str
    state: State
    paid_periods: int
    transitions: int


@hydra.step(max_attempts=5, retry_on=(ConnectionError,), backoff=hydra.Backoff(initial=0.1))
def charge(customer: str, period: int, pennies: int) -> bool:
    """False where the bank declines; a bank that does not answer is asked again with the same key."""
    return Bank(folder()).charge(hydra.idempotency_key(), customer, period, pennies)


@hydra.workflow
def collect(customer: str, period: int, pennies: int) -> bool:
    return charge(customer, period, pennies)


@hydra.step
def enter(customer: str, number: int, state: str) -> None:
    """Tell the desk. The number of the transition makes a repeated entry the same entry."""
    Desk(folder()).enter(customer, number, state)


@hydra.step(max_attempts=3)
def send(customer: str, letter: str) -> None:
    Desk(folder()).send(hydra.idempotency_key(), customer, letter)


class Diary:
    """Part of the workflow's body: counts the transitions, which a replay counts alike."""

    def __init__(self, customer: str) -> None:
        self.customer = customer
        self.count = 0

    def enter(self, state: str, letter: str) -> None:
        self.count += 1
        hydra.gather(enter.bind(self.customer, self.count, state), send.bind(self.customer, letter))


@hydra.workflow
def subscribe(customer: str, terms: Terms) -> Ended:
    diary = Diary(customer)
    diary.enter(State.TRIAL, "welcome")
    paid, period = 0, 1
    hydra.sleep(terms.trial)
    while True:
        if not hydra.spawn(collect.bind(customer, period, terms.pennies)).result() and not dun(diary, period, terms):
            diary.enter(State.CANCELLED, "we part")
            diary.enter(State.WRITTEN_OFF, "your debt was sold")
            return Ended(customer, State.WRITTEN_OFF, paid, diary.count)
        diary.enter(State.ACTIVE, f"thank you for period {period}")
        paid += 1
        if happened("cancel", terms.period):
            diary.enter(State.CANCELLED, "goodbye")
            return Ended(customer, State.CANCELLED, paid, diary.count)
        period += 1


def dun(diary: Diary, period: int, terms: Terms) -> bool:
    """From past due to paid, or to the end of all patience."""
    diary.enter(State.PAST_DUE, f"period {period} is not paid")
    for number in range(1, REMINDERS + 1):
        if happened("payment", terms.reminder):
            return True
        diary.enter(f"{State.REMINDED} {number}", f"please pay period {period} ({number})")
    if happened("payment", terms.reminder):
        return True
    diary.enter(State.SUSPENDED, "your access ends")
    return happened("reactivate", terms.grace)


def happened(event: str, seconds: float) -> bool:
    try:
        hydra.wait_event(event, timeout=seconds)
    except hydra.EventTimeout:
        return False
    return True


def folder() -> Path:
    return Path(os.environ["SUBSCRIPTION_FOLDER"])
