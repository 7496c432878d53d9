"""One session in each PostgreSQL database of the pool, kept from test to test.

A new one makes all its plans anew: for the questions of an audit, which most tests ask at their end, 40 ms of a
processor, where a session that has its plans takes 5. Only this process's main thread uses them, and what they cannot
do (somebody ended them, a table is locked) is done as it would be without them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping

import psycopg
from hydra.stores.findings import Violation
from hydra.stores.postgres import auditing
from hydra.stores.postgres.database import Database
from psycopg.rows import TupleRow

SETTINGS = "-c plan_cache_mode=force_generic_plan -c lock_timeout=2s"

_audit = auditing.audit


class KeptSession(psycopg.Connection[TupleRow]):
    """Whoever borrows it closes it in vain."""

    def close(self) -> None: ...

    def end(self) -> None:
        super().close()


class KeptSessions:
    def __init__(self) -> None:
        self._process_id = os.getpid()
        self._sessions: dict[str, KeptSession] = {}

    def of(self, url: str) -> KeptSession:
        """One that works."""
        try:
            self._sessions[url].execute("select 1")
        except (KeyError, psycopg.Error):
            self.end(url)
            options = {"autocommit": True, "prepare_threshold": 0, "options": f"{SETTINGS} {audit_settings()}"}
            self._sessions[url] = KeptSession.connect(url, **options)
        return self._sessions[url]

    def end(self, url: str) -> None:
        if session := self._sessions.pop(url, None):
            session.end()

    def audit(self, database: Database) -> list[Violation]:
        """In the place of hydra's own: the same on another connection."""
        url = database.address.url
        is_ours = os.getpid() == self._process_id and threading.current_thread() is threading.main_thread()
        if is_ours and url in self._sessions:
            try:
                return _audit(Lent(database, self.of(url)))  # type: ignore[arg-type]
            except Exception:
                self.end(url)
        return _audit(database)


class Lent:
    """A database, as far as an audit asks, whose connections are one that is there already."""

    def __init__(self, database: Database, session: KeptSession) -> None:
        self.namespace = database.namespace
        self.explained = database.explained
        self._session = session

    def connect(self, settings: Mapping[str, str]) -> KeptSession:
        assert settings == auditing.SETTINGS
        return self._session


def audit_settings() -> str:
    return " ".join(f"-c {name}={value}" for name, value in auditing.SETTINGS.items())


kept_sessions = KeptSessions()


def install() -> None:
    auditing.audit = kept_sessions.audit
