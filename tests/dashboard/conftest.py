"""One database with an execution of each kind, made once; and browsers and programs that look at it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import hydra
import pytest
from hydra import dashboard
from hydra.stores.store import Store
from starlette.testclient import TestClient

from tests.processes.scene import until

HOSTILE = "<script>alert(1)</script>\"' onmouseover='x' {{ 7 * 7 }} \u202e\x00 ]]> <img src=x>"
TOKENS = {role: f"{role}-{'x' * 30}" for role in ("view", "operate", "admin")}
LINES = [f"{role}er {role} {token}" for role, token in TOKENS.items()]


published: dict[str, str] = {}  # callback tokens, by execution


class PagedRefusal(Exception):
    pass


@hydra.step
def paged_charge(card: str, amount: int) -> dict[str, Any]:
    return {"card": card, "amount": amount}


@hydra.step(max_attempts=2, backoff=hydra.Backoff(initial=0.01))
def paged_refuse(text: str) -> None:
    raise PagedRefusal(text)


@hydra.step
def paged_publish(token: str) -> None:
    published[hydra.current().id] = token


@hydra.step(max_attempts=3, backoff=hydra.Backoff(0.01), lookup=lambda key: hydra.UNSURE)
def paged_transfer(card: str) -> str:
    raise ConnectionError("the line broke")


@hydra.workflow
def paged_bill(card: str, amount: int = 1) -> dict[str, Any]:
    return paged_charge(card, amount)


@hydra.workflow(search={"customer": str, "amount": int})
def paged_sought(customer: str, amount: int) -> None: ...


@hydra.workflow
def paged_fail(text: str) -> None:
    paged_refuse(text)


@hydra.workflow
def paged_wait(text: str = "") -> Any:
    return hydra.wait_event("approved")


@hydra.workflow
def paged_call_back() -> Any:
    token = hydra.callback_token()
    paged_publish(token)
    return hydra.wait_callback(token)


@hydra.workflow
def paged_doze() -> None:
    hydra.sleep(3600)


@hydra.workflow
def paged_parent(card: str) -> Any:
    return hydra.spawn(paged_bill.bind(card)).result()


@hydra.workflow
def paged_doubt(card: str) -> str:
    return paged_transfer(card)


class Shop(NamedTuple):
    """Ids of executions, by what became of them."""

    url: str
    completed: str
    failed: str
    waiting: str
    asleep: str
    parent: str
    parked: str


def submit_all(engine: hydra.Engine) -> dict[str, hydra.Handle[Any]]:
    return {
        "completed": engine.submit(paged_bill.bind(HOSTILE, 3), key=HOSTILE[:20], tags={"run": "2026-11"}),
        "failed": engine.submit(paged_fail.bind(HOSTILE), key="inv-81"),
        "waiting": engine.submit(paged_wait.bind(HOSTILE)),
        "asleep": engine.submit(paged_doze.bind()),
        "parent": engine.submit(paged_parent.bind("visa-1")),
        "parked": engine.submit(paged_doubt.bind("visa-1")),
    }


def settle(handles: dict[str, hydra.Handle[Any]]) -> None:
    wanted = {"waiting": hydra.Status.WAITING, "asleep": hydra.Status.SLEEPING, "parked": hydra.Status.PARKED}
    for name, handle in handles.items():
        if name in wanted:
            until(lambda handle=handle, status=wanted[name]: handle.status() is status)  # type: ignore[misc]
        else:
            with suppress(hydra.WorkflowFailed):
                handle.result(timeout=60)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Nobody changes it: tests that order something have a database of their own."""
    url = f"sqlite:///{tmp_path_factory.mktemp('shop')}/shop.db"
    with hydra.Engine(url) as engine:
        with engine.worker():
            handles = submit_all(engine)
            settle(handles)
        assert engine.audit() == []
    return Shop(url, **{name: handle.id for name, handle in handles.items()})


@pytest.fixture
def engine(shop: Shop) -> Iterator[hydra.Engine]:
    with hydra.Engine(shop.url) as engine:
        yield engine


@pytest.fixture
def own(tmp_path: Path) -> Iterator[hydra.Engine]:
    """An engine of a database of the test's own, without a worker."""
    with hydra.Engine(f"sqlite:///{tmp_path}/own.db") as engine:
        yield engine
        assert engine.audit() == []


def me(_: object) -> dashboard.Operator:
    return dashboard.Operator("ana", dashboard.Role.ADMIN)


def browser_of(engine: hydra.Engine, **settings: Any) -> TestClient:
    """Let in as an administrator, unless the settings say otherwise."""
    given = settings or {"authorize": me}
    headers = {"accept": "text/html"}
    return TestClient(dashboard.app(engine, **given), base_url="http://hydra.test", headers=headers)


def program_of(engine: hydra.Engine, role: str = "operate") -> TestClient:
    headers = {"authorization": f"Bearer {TOKENS[role]}"} if role else {}
    return TestClient(dashboard.app(engine, tokens=LINES), base_url="http://hydra.test", headers=headers)


def sign_in(browser: TestClient, role: str) -> None:
    mark = mark_of(browser.get("/login").text)
    answer = browser.post("/login", data={"mark": mark, "token": TOKENS[role]}, follow_redirects=False)
    assert answer.status_code == 303, answer.text


def mark_of(page: str) -> str:
    found = re.search(r'name="mark" value="([0-9a-f]{64})"', page)
    assert found is not None, page
    return found[1]


def order(browser: TestClient, path: str, **fields: Any) -> Any:
    """A form of the page at that path, sent as a browser does."""
    mark = mark_of(browser.get("/login" if path == "/login" else "/").text)
    return browser.post(path, data={"mark": mark, **fields}, headers={"origin": "http://hydra.test"})


def put_pending(engine: hydra.Engine, count: int) -> list[str]:
    return [engine.submit(paged_bill.bind(f"visa-{number}")).id for number in range(count)]


def count_of(store: Store) -> int:
    return sum(sum(counts.values()) for counts in store.stats(store.now()).counts.values())
