"""An app whose provider says when to come back: `HYDRA_TEST_COOLING` names a file for each provider that is busy."""

from __future__ import annotations

import os
from pathlib import Path

import hydra

FILE = "HYDRA_TEST_COOLING"
SECONDS = 3600


@hydra.step
def call_cooled(provider: str) -> str:
    if Path(f"{os.environ[FILE]}-{provider}").exists():
        raise hydra.RetryAfter(SECONDS, "429", key="provider")
    return provider


@hydra.workflow(limits=[hydra.Concurrency(4, key="provider"), hydra.Rate(1000, burst=100, key="provider")])
def pay_cooled(provider: str) -> str:
    return call_cooled(provider)
