"""What a fleet runs while it is deployed. `fleet.py` copies this file for each release, with another RELEASE.

1 charges and ships. 2 packs in between, behind `hydra.patched`, so that it goes on with what 1 began. 3 takes the money
by a step of another name: nobody else's records go with it. `HYDRA_FLEET_NOTES` names the file of effects."""

from __future__ import annotations

import os
import time

import hydra

RELEASE = 1


def note(effect: str, number: int) -> None:
    """One line, whole."""
    line = f"{effect}\t{number}\t{RELEASE}\t{time.time()}\n"
    descriptor = os.open(os.environ["HYDRA_FLEET_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


@hydra.step
def charge(number: int) -> None:
    note("paid", number)


@hydra.step
def collect(number: int) -> None:
    note("paid", number)


@hydra.step
def pack(number: int) -> None:
    note("packed", number)


@hydra.step
def ship(number: int) -> int:
    note("shipped", number)
    return number


@hydra.workflow
def fleet_order(number: int, seconds: float) -> int:
    if RELEASE < 3:
        charge(number)
    else:
        collect(number)
    hydra.sleep(seconds)
    if RELEASE > 1 and hydra.patched("pack"):
        pack(number)
    return ship(number)
