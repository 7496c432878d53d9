"""A transaction that loses a deadlock is begun again, whichever of its flushes is the victim: no verb tells of it.

    a verb ──► flushes of its writer: 1, 2, 3 …      each in its turn is refused as the victim of a deadlock

The verbs are those that race each other (`race_pairs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pymysql
import pytest
from hydra.stores.mysql.session import MySQLSession
from hydra.stores.postgres.session import PostgresSession
from hydra.stores.store import Store
from psycopg import errors

from tests.stores.race_pairs import VERBS, Race

ROLLBACKS = ([b"rollback"], ["rollback"])


class Victim:
    """Of all flushes of writers the one with that number is refused; nothing of it reaches the server."""

    def __init__(self, number: int) -> None:
        self.left = number

    @property
    def was_chosen(self) -> bool:
        return self.left <= 0

    def look(self, error: Callable[[], Exception]) -> None:
        self.left -= 1
        if self.left == 0:
            raise error()


@contextmanager
def one_deadlock(monkeypatch: pytest.MonkeyPatch, store: Any, number: int) -> Iterator[Victim]:
    victim = Victim(number)
    run, send = PostgresSession.run, MySQLSession.send

    def refused_run(self: Any, steps: Any, prelude: Any = (), end: Any = ()) -> Any:
        if self is store._database._writer and list(end) not in ROLLBACKS:
            victim.look(lambda: errors.DeadlockDetected("deadlock detected"))
        return run(self, steps, prelude, end)

    def refused_send(self: Any, statements: Any) -> Any:
        if self is store._database._writer and list(statements) not in ROLLBACKS:
            victim.look(lambda: pymysql.OperationalError(1213, "Deadlock found when trying to get lock"))
        return send(self, statements)

    with monkeypatch.context() as patched:
        patched.setattr(PostgresSession, "run", refused_run)
        patched.setattr(MySQLSession, "send", refused_send)
        yield victim


@pytest.mark.parametrize("url", ["postgres", "mysql"], indirect=True)
@pytest.mark.parametrize("name", VERBS)
def test_no_verb_tells_of_a_deadlock_that_it_lost(
    open_another: Callable[..., Store], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    race = Race(open_another(), open_another(), seed=0)
    verb = VERBS[name]
    store = race._home(name) or race.a
    for state in verb.states[:2]:
        victims = 0
        while True:
            (subject,) = race.make(state, 1)
            store.next_due_at()  # opens what reads
            with one_deadlock(monkeypatch, store, victims + 1) as victim:
                answer = verb.act(race, store, subject)
            assert verb.is_true(answer, race._look(subject))
            assert race.a.audit() == []
            race._clear()
            if not victim.was_chosen:
                break
            victims += 1
        assert victims, "the verb wrote nothing"
