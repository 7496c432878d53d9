"""An app whose effects say when they begin and end: `HYDRA_TEST_BOUNDED` names the file."""

from __future__ import annotations

import os
import time

import hydra

FILE = "HYDRA_TEST_BOUNDED"


def say(word: str, number: int) -> None:
    with open(os.environ[FILE], "ab", buffering=0) as file:  # one write, at the end of the file: lines stay whole
        file.write(f"{word} {number} {time.time():.6f}\n".encode())


@hydra.step
def hold_place(number: int) -> int:
    say("begin", number)
    time.sleep(0.02)
    say("end", number)
    return number


@hydra.workflow(limits=[hydra.Concurrency(2, key="tenant")])
def bounded(tenant: str, number: int) -> int:
    return hold_place(number)


@hydra.workflow(limits=[hydra.Fair("tenant")])
def by_turns(tenant: str, number: int) -> int:
    return begin_turn(tenant, number)


@hydra.step
def begin_turn(tenant: str, number: int) -> int:
    say(tenant, number)
    time.sleep(0.02)
    return number


@hydra.step
def call(number: int) -> int:
    say("begin", number)
    return number


@hydra.workflow(limits=[hydra.Rate(100, burst=20, key="provider")])
def rated(provider: str, number: int) -> int:
    return call(number)
