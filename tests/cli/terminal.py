"""The `hydra` command as a user runs it: a process, its exit code, what it printed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any, NamedTuple

import hydra

from tests.support.warm import Forked, hydra_command, warm_process

WAIT_SECONDS = 60.0

APP = """
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import hydra


@dataclass
class Invoice:
    number: str
    amount: Decimal
    due: date


@hydra.step(max_attempts=3, backoff=hydra.Backoff(initial=0.01))
def charge(amount: Decimal) -> Decimal:
    if hydra.current().attempt == 1:
        raise ConnectionError("the provider is gone")
    return amount * 2


@hydra.workflow
def bill(invoice: Invoice, copies: int = 1) -> Invoice:
    hydra.sleep(0.05)
    return Invoice(invoice.number, charge(invoice.amount) * copies, invoice.due)


@hydra.workflow
def break_down(why: str) -> None:
    raise ValueError(why)


@hydra.workflow
def unkeepable() -> object:
    return open


@hydra.workflow
def sleep_long() -> None:
    hydra.sleep(3600)


@hydra.step(lookup=lambda key: hydra.UNSURE)
def transfer(amount: Decimal) -> Decimal:
    raise hydra.StepTimeout("the bank does not answer")


@hydra.workflow
def pay(amount: Decimal) -> Decimal:
    return transfer(amount)
"""


class Answer(NamedTuple):
    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Terminal:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"sqlite:///{folder}/cli.db"
        self._supervisors: list[Forked | subprocess.Popen[str]] = []
        (folder / "app.py").write_text(APP)

    def hydra(self, *arguments: str, input: str | None = None, db: str | None = None) -> Answer:
        """Run a command to its end."""
        environment = {**os.environ, "HYDRA_DB": db or self.url, "COLUMNS": "200"}
        done = hydra_command(arguments, self.folder, environment, input=input or "", timeout=WAIT_SECONDS)
        return Answer(done.returncode, done.stdout, done.stderr)

    def refused(self, *arguments: str, db: str | None = None) -> Answer:
        """Run a command that must fail without a traceback, with one sentence of an error."""
        answer = self.hydra(*arguments, db=db)
        assert answer.code in (1, 2), answer
        assert "Traceback" not in answer.error
        sentences = [line for line in answer.error.splitlines() if line.lower().startswith("error: ")]
        assert len(sentences) == 1, answer.error
        return answer

    def start(self, *options: str) -> Forked | subprocess.Popen[str]:
        """`hydra start app`; returns when it serves."""
        supervisor, said = self._started(["start", "app", "--workers", "1", *options])
        self._supervisors.append(supervisor)
        for line in said:
            if "app `app`" in line:
                break
        else:
            raise AssertionError(f"the supervisor ended with {supervisor.wait()}")
        # Nobody reads the rest; a full pipe would stop the supervisor.
        threading.Thread(target=said.read, daemon=True).start()
        namespace = options[options.index("--namespace") + 1] if "--namespace" in options else "default"
        with hydra.Engine(self.url, namespace=namespace) as engine:
            deadline = time.monotonic() + WAIT_SECONDS
            while not (engine.workflows() and supervisor.pid in {node.info.pid for node in engine.nodes()}):
                assert time.monotonic() < deadline and supervisor.poll() is None, "it does not serve"
                time.sleep(0.01)
        return supervisor

    def _started(self, arguments: list[str]) -> tuple[Forked | subprocess.Popen[str], IO[str]]:
        """And what it says on its standard error."""
        environment = {**os.environ, "HYDRA_DB": self.url}
        warm = warm_process()
        if warm.can_start(environment):
            reader, writer = os.pipe()
            with open(os.devnull, "r+") as nothing:
                forked = warm.start(arguments, [nothing.fileno(), nothing.fileno(), writer], self.folder, environment)
            os.close(writer)
            return forked, open(reader)
        command = [sys.executable, "-m", "hydra.cli", *arguments]
        started = subprocess.Popen(command, cwd=self.folder, env=environment, stderr=subprocess.PIPE, text=True)
        assert started.stderr is not None
        return started, started.stderr

    def close(self) -> None:
        for supervisor in self._supervisors:
            if supervisor.poll() is None:
                supervisor.send_signal(signal.SIGTERM)
            supervisor.wait(WAIT_SECONDS)
