"""An app whose bank is down while a file is there: `HYDRA_TEST_BANK` names it."""

from __future__ import annotations

import os
from pathlib import Path

import hydra

FILE = "HYDRA_TEST_BANK"
BANK = hydra.Breaker("bank", errors=(ConnectionError,), min_calls=2, max_calls=4, good_probes=1, wait=0.2, max_wait=2.0)


@hydra.step(breaker=BANK, max_attempts=100, backoff=hydra.Backoff(0.05, maximum=0.05))
def call_bank(number: int) -> int:
    if Path(os.environ[FILE]).exists():
        raise ConnectionError("down")
    return number


@hydra.step(
    breaker=BANK,
    max_attempts=100,
    backoff=hydra.Backoff(0.05, maximum=0.05),
    limits=[hydra.Concurrency(2, name="bank_queue"), hydra.Rate(200, burst=20, name="bank_pace")],
)
def call_bank_in_line(number: int) -> int:
    with open(f"{os.environ[FILE]}.calls", "ab", buffering=0) as file:
        file.write(f"{number} {os.getpid()}\n".encode())
    if Path(os.environ[FILE]).exists():
        raise ConnectionError("down")
    return number


@hydra.workflow
def pay_bank_in_line(number: int) -> int:
    return call_bank_in_line(number)


@hydra.workflow
def pay_bank(number: int) -> int:
    return call_bank(number)
