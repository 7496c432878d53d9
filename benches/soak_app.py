"""What a soak runs: invoices and roll-outs, and probes whose beginning is noted. `HYDRA_SOAK_NOTES` names the file."""

from __future__ import annotations

import os
import time
from datetime import timedelta

import hydra


def note(*words: object) -> None:
    """One line, whole, whatever is killed meanwhile."""
    line = "\t".join(map(str, (*words, time.monotonic()))) + "\n"
    descriptor = os.open(os.environ["HYDRA_SOAK_NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


@hydra.step(inline=True)
def soak_price(number: int) -> int:
    return 100 + number % 900


@hydra.step(max_attempts=5, backoff=hydra.Backoff(initial=0.05))
def soak_charge(number: int, amount: int) -> str:
    key = hydra.idempotency_key()
    note("charge", number, key)
    if number % 10 == 3 and hydra.current().attempt == 1:
        raise ConnectionError("the provider hung up")
    return key


@hydra.step
def soak_book(number: int, charge: str) -> int:
    return number


@hydra.workflow
def soak_invoice(number: int, seconds: float) -> int:
    charge = soak_charge(number, soak_price(number))
    hydra.sleep(timedelta(seconds=seconds))
    return soak_book(number, charge)


@hydra.step
def soak_prepare(host: str) -> bytes:
    return host.encode() * 200


@hydra.workflow
def soak_host(host: str) -> int:
    return len(soak_prepare(host))


@hydra.workflow
def soak_rollout(number: int, hosts: int) -> int:
    children = [hydra.spawn(soak_host.bind(f"host-{number}-{each}")) for each in range(hosts)]
    hydra.wait_event("approved", str)
    return sum(child.result() for child in children)


@hydra.workflow
def soak_probe(number: int) -> None:
    note("probe", number)
