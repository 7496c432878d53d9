"""Python begins no thread any more: in functions of `atexit` (from CPython 3.12 on), or where the system has none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator

import hydra
import pytest
from hydra import condition
from hydra.condition import NoThread

from tests.client.conftest import DATABASES

AT_EXIT = """
import atexit, sys, hydra

@hydra.workflow
def invoice(number: int) -> int:
    return number

engine = hydra.Engine(sys.argv[1])
atexit.register(lambda: print(engine.submit(invoice.bind(1), key="invoice-1").id))
"""


@pytest.fixture(params=DATABASES)
def url_of_any(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


@pytest.fixture
def threadless(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    with monkeypatch.context() as patched:
        yield lambda: patched.setattr(condition._thread, "start_new_thread", refuse)


def test_a_submission_is_accepted_and_what_has_ended_is_told(url_of_any: str, threadless: Callable[[], None]) -> None:
    @hydra.workflow
    def invoice(number: int) -> int:
        return number

    with hydra.Engine(url_of_any) as engine:
        ended = engine.submit(invoice.bind(1))
        with engine.worker():
            assert ended.result(60) == 1
    engine = hydra.Engine(url_of_any)
    threadless()
    accepted = engine.submit(invoice.bind(2), key="invoice-2")
    assert engine.find("invoice", "invoice-2").id == accepted.id
    assert [engine.get(ended.id).result(), engine.get(ended.id).result(timeout=60)] == [1, 1]
    with pytest.raises(NoThread, match=r"begins no thread any more .*; do this before the program ends"):
        accepted.result()
    engine.close()


def test_a_program_submits_as_it_ends(url_of_any: str) -> None:
    hydra.Engine(url_of_any).close()
    command = [sys.executable, "-c", AT_EXIT, url_of_any]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    with hydra.Engine(url_of_any) as engine:
        assert engine.find("invoice", "invoice-1").id == done.stdout.strip()
