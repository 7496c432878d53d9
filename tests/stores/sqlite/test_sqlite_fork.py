"""A fork carries no connection over: SQLite would believe in locks that the child does not have."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hydra.errors import StoreUnavailable
from hydra.stores import open_store
from hydra.stores.filter import Filter
from hydra.stores.sqlite.database import Database
from hydra.stores.store import Store

from tests.stores.store_values import submit


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/hydra.db")
    store.open()
    yield store
    assert store.audit() == []
    store.close()


def in_a_child(work: Callable[[], int]) -> Callable[[], int]:
    """Fork; the answer waits for the child and gives its exit code."""
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            os._exit(work())
        except BaseException:
            os._exit(99)
    return lambda: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def submit_one_and_count(store: Store) -> int:
    submit(store)
    store.wait_for_change(0)
    return len(store.list(Filter()))


def test_a_store_opens_anew_on_both_sides_of_a_fork(store: Store) -> None:
    submit(store)
    store.list(Filter())
    store.wait_for_change(0)
    assert in_a_child(lambda: submit_one_and_count(store))() == 2
    assert submit_one_and_count(store) == 3


def test_nothing_of_the_database_is_open_in_the_child(store: Store) -> None:
    submit(store)
    store.list(Filter())

    def open_files() -> int:
        links = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
        return sum(str(store.path) in os.readlink(link) for link in links if os.path.islink(link))

    assert open_files() > 0
    assert in_a_child(open_files)() == 0


def test_a_fork_waits_for_the_transactions_of_other_threads(store: Store) -> None:
    stop = threading.Event()
    counts = [0, 0]

    def write() -> None:
        while not stop.is_set():
            submit(store, 20)
            counts[0] += 20

    def read() -> None:
        while not stop.is_set():
            store.list(Filter(limit=50))
            counts[1] += 1

    threads = [threading.Thread(target=write), threading.Thread(target=read)]
    for thread in threads:
        thread.start()
    answers = [in_a_child(lambda: int(submit_one_and_count(store) == 0)) for _ in range(10)]
    assert [answer() for answer in answers] == [0] * 10
    stop.set()
    for thread in threads:
        thread.join()
    assert counts[1] > 0
    assert store.stats(0).counts == {"bill": {"pending": counts[0] + 10}}


FORKING_AT_ONCE = """
import concurrent.futures.thread  # first: its own hook would have forks take turns
import os, sys, threading, time
from hydra.stores import open_store
from hydra.stores.sqlite.database import Database

def let_go_slowly(database, timeout_seconds):
    is_unused = let_go(database, timeout_seconds)
    time.sleep(0.02)  # the others fork meanwhile
    return is_unused

let_go, Database.let_go = Database.let_go, let_go_slowly
store = open_store(sys.argv[1])
store.open()
def fork():
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)

threads = [threading.Thread(target=fork) for _ in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
with store.transaction():
    print("goes on")
"""


def test_threads_that_fork_at_once_each_take_up_what_they_let_go(tmp_path: Path) -> None:
    command = [sys.executable, "-c", FORKING_AT_ONCE, f"sqlite:///{tmp_path}/hydra.db"]
    assert subprocess.run(command, capture_output=True, text=True, timeout=60).stdout == "goes on\n"


def test_a_fork_right_behind_a_commit_does_not_fail_what_was_committed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = Database._let_go

    def let_go_and_fork(database: Database) -> None:
        let_go(database)
        assert in_a_child(lambda: 0)() == 0

    monkeypatch.setattr(Database, "_let_go", let_go_and_fork)
    submit(store)
    assert len(store.list(Filter())) == 1


def test_a_process_forked_in_the_middle_of_a_transaction_is_refused_and_its_parent_goes_on(
    store: Store, tmp_path: Path
) -> None:
    def is_refused(store: Store) -> bool:
        with pytest.raises(StoreUnavailable, match="was forked in the middle of a transaction"):
            submit(store)
        with pytest.raises(StoreUnavailable, match="was forked in the middle of a transaction"):
            store.list(Filter())
        return True

    with store.transaction():
        submit(store)
        again = open_store(f"sqlite:///{tmp_path}/hydra.db")
        answer = in_a_child(lambda: int(is_refused(store) and is_refused(again)))
        submit(store)
        assert answer() == 1
    assert submit_one_and_count(store) == 3


def test_two_stores_of_one_file_are_both_let_go(store: Store, tmp_path: Path) -> None:
    other = open_store(f"sqlite:///{tmp_path}/hydra.db")
    submit(other)
    assert in_a_child(lambda: submit_one_and_count(store) + submit_one_and_count(other))() == 2 + 3
    assert submit_one_and_count(other) == 4
    other.close()
