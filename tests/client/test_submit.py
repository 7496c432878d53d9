"""Submitting: what is accepted, what is refused, and what a key, an id or a connection changes."""

from __future__ import annotations

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.client import pending_bounds
from hydra.client.session import EngineSession
from hydra.errors import StoreUnavailable
from hydra.execution import Submission, Submitted

from tests.client import shop

ROOT = Path(__file__).resolve().parents[2]


def test_g1_an_accepted_execution_survives_a_kill_of_its_submitter(url: str, engine: hydra.Engine) -> None:
    program = (
        "import os, signal, sys, hydra\nfrom tests.client import shop\n"
        "print(hydra.Engine(sys.argv[1]).submit(shop.echo.bind(1)).id, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", program, url], cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert engine.get(killed.stdout.strip()).status() == "pending"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, TimeoutError, ValueError])
def test_r17_what_interrupts_a_submission_says_that_it_may_have_happened(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    submit = EngineSession.submit

    def submit_and_raise(session: EngineSession, submission: Submission) -> Submitted:
        submit(session, submission)
        raise kind

    monkeypatch.setattr(EngineSession, "submit", submit_and_raise)
    with pytest.raises(kind) as raised:
        engine.submit(shop.echo.bind(1))
    monkeypatch.undo()
    error: Any = raised.value
    assert error.outcome == "unknown"
    assert engine.submit(shop.echo.bind(1), id=error.execution_id).id == error.execution_id
    assert [each.id for each in engine.executions()] == [error.execution_id]


def test_a_child_submits_though_another_thread_was_submitting_at_the_fork(engine: hydra.Engine) -> None:
    engine.submit(shop.echo.bind(1))
    engine.pending_bounds.forget()  # so that the child asks for them
    with engine.pending_bounds._lock:
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(20)
            engine.submit(shop.echo.bind(2))
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(engine.executions()) == 2


def test_the_same_key_with_the_same_input_gives_the_first_execution(engine: hydra.Engine) -> None:
    first = engine.submit(shop.bill.bind("7", Decimal("1.50")), key="inv-7")
    again = engine.submit(shop.bill.bind("7", Decimal("1.50")), key="inv-7")
    assert again.id == first.id
    assert len(engine.executions()) == 1


def test_the_same_key_with_another_input_is_a_conflict_that_names_the_key(engine: hydra.Engine) -> None:
    engine.submit(shop.bill.bind("7", Decimal("1.50")), key="inv-7")
    with pytest.raises(hydra.IdempotencyConflict, match="`inv-7`") as caught:
        engine.submit(shop.bill.bind("7", Decimal("1.51")), key="inv-7")
    assert caught.value.conflicts == ["inv-7"]


def test_a_key_belongs_to_one_workflow_and_one_namespace(url: str, engine: hydra.Engine) -> None:
    with hydra.Engine(url, namespace="other") as other:
        handles = [
            engine.submit(shop.echo.bind("a"), key="k"),
            engine.submit(shop.bill.bind("a"), key="k"),
            other.submit(shop.echo.bind("b"), key="k"),
        ]
        assert len({handle.id for handle in handles}) == 3
        with pytest.raises(hydra.NotFound):
            other.get(handles[0].id)


def test_submit_many_submits_all_it_can_and_then_names_every_conflict(engine: hydra.Engine) -> None:
    engine.submit(shop.echo.bind("old"), key="2")
    engine.submit(shop.echo.bind("old"), key="4")
    bounds, keys = [shop.echo.bind(n) for n in range(6)], [str(n) for n in range(6)]
    for _ in range(2):  # repeating it is safe
        with pytest.raises(hydra.IdempotencyConflict) as caught:
            engine.submit_many(bounds, keys=keys)
        assert caught.value.conflicts == ["2", "4"]
        assert len(engine.executions()) == 6


def test_submit_many_keeps_order_over_chunks_and_tells_its_progress(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydra.client.submitting.SUBMIT_CHUNK_SIZE", 10)
    counts: list[int] = []
    handles = engine.submit_many(
        [shop.echo.bind(n) for n in range(25)], keys=[f"k{n}" for n in range(25)], progress=counts.append
    )
    assert counts == [10, 20, 25]
    assert [engine.find(shop.echo, key=f"k{n}").id for n in range(25)] == [handle.id for handle in handles]


def test_submit_many_needs_a_key_for_each_or_none(engine: hydra.Engine) -> None:
    with pytest.raises(hydra.ConfigError, match="`keys` has 1 entries for 2"):
        engine.submit_many([shop.echo.bind(1), shop.echo.bind(2)], keys=["a"])


def test_an_execution_submitted_in_a_transaction_becomes_real_with_it(
    url: str, engine: hydra.Engine, tmp_path: Path
) -> None:
    engine.stats()  # makes the tables
    connection = sqlite3.connect(tmp_path / "user.db")
    connection.execute("create table orders(id text)")
    connection.commit()
    with pytest.raises(ZeroDivisionError), connection:
        connection.execute("insert into orders values ('1')")
        rolled_back = engine.submit(shop.echo.bind(1), key="1", connection=connection)
        raise ZeroDivisionError
    with pytest.raises(hydra.NotFound):
        rolled_back.status()
    with connection:
        connection.execute("insert into orders values ('1')")
        committed = engine.submit(shop.echo.bind(1), key="1", connection=connection)
        assert engine.executions() == []
    assert committed.status() == "pending"
    connection.close()


def test_submit_many_in_a_transaction_is_all_or_nothing(engine: hydra.Engine, tmp_path: Path) -> None:
    engine.submit(shop.echo.bind("old"), key="b")
    connection = sqlite3.connect(tmp_path / "user.db")
    bounds = [shop.echo.bind(n) for n in range(3)]
    with connection:
        with pytest.raises(hydra.IdempotencyConflict) as caught:
            engine.submit_many(bounds, keys=["a", "b", "c"], connection=connection)
        assert caught.value.conflicts == ["b"]
    assert len(engine.executions()) == 1
    connection.close()


def test_a_connection_to_another_file_is_refused(engine: hydra.Engine, tmp_path: Path) -> None:
    engine.stats()
    connection = sqlite3.connect(tmp_path / "other.db")
    with pytest.raises(hydra.ConfigError, match="not a connection to the store's database"):
        engine.submit(shop.echo.bind(1), connection=connection)
    connection.close()


def test_r17_a_lost_reply_is_repeated_with_the_same_id_and_happens_once(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = engine.session().store
    submit, lost = store.submit, [True]

    def lose_first_reply(*args: Any) -> Any:
        answers = submit(*args)
        if lost.pop() if lost else False:
            raise StoreUnavailable("the reply was lost", outcome="unknown")
        return answers

    monkeypatch.setattr(store, "submit", lose_first_reply)
    handle = engine.submit(shop.echo.bind(1))
    assert [execution.id for execution in engine.executions()] == [handle.id]


def test_r17_an_unknown_outcome_names_the_execution_and_repeating_its_id_is_safe(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hydra.client.session.RESUBMIT_PAUSES_SECONDS", (0.0,))
    store = engine.session().store
    submit = store.submit

    def lose_replies(*args: Any) -> Any:
        submit(*args)
        raise StoreUnavailable("the reply was lost", outcome="unknown")

    with monkeypatch.context() as patch:
        patch.setattr(store, "submit", lose_replies)
        with pytest.raises(hydra.StoreUnavailable) as caught:
            engine.submit(shop.echo.bind(1))
    assert caught.value.outcome == "unknown"
    handle = engine.submit(shop.echo.bind(1), id=caught.value.execution_id)
    assert [execution.id for execution in engine.executions()] == [caught.value.execution_id] == [handle.id]


def test_many_threads_submit_at_once_and_each_gets_its_own_execution(engine: hydra.Engine) -> None:
    ids: list[str] = []

    def call(slot: int) -> None:
        ids.extend(engine.submit(shop.echo.bind(n), key=f"{slot}-{n}").id for n in range(20))

    threads = [threading.Thread(target=call, args=(slot,)) for slot in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(ids)) == 320
    assert engine.stats().counts["echo"] == {"pending": 320}


def test_an_engine_used_before_a_fork_works_in_the_child_and_in_the_parent(engine: hydra.Engine) -> None:
    engine.submit(shop.echo.bind("before"))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            engine.submit(shop.echo.bind("child"), key="child")
            code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    engine.submit(shop.echo.bind("after"))
    assert engine.find(shop.echo, key="child").status() == "pending"
    assert len(engine.executions()) == 3


def test_a_delayed_execution_is_due_later(engine: hydra.Engine) -> None:
    moment = datetime.now(UTC) + timedelta(days=90)
    assert engine.submit(shop.echo.bind(1), run_at=moment).execution().run_at == moment
    execution = engine.submit(shop.echo.bind(1), delay=timedelta(hours=1)).execution()
    assert timedelta(minutes=59) < execution.run_at - execution.submitted_at < timedelta(minutes=61)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"delay": 5, "run_at": datetime.now(UTC)}, "cannot both be given"),
        ({"run_at": datetime(2026, 1, 1)}, "has no time zone"),
        ({"delay": -1}, "must be between"),
        ({"delay": "5m"}, "must be a timedelta or a number of seconds"),
        ({"priority": 1.5}, "`priority` must be a whole number"),
        ({"priority": True}, "`priority` must be a whole number"),
        ({"tags": {"run": 7}}, "not a text by name"),
        ({"tags": ["run"]}, "must be a dict"),
        ({"key": ""}, "is not a key"),
        ({"key": "k" * 501}, "is not a key"),
        ({"key": "\udcff"}, "is not a key"),
        ({"tags": {"run": "\udcff"}}, "is not a text by name"),
        ({"id": "7"}, "is not an execution's id"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_sentence(
    engine: hydra.Engine, options: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(hydra.ConfigError, match=sentence) as caught:
        engine.submit(shop.echo.bind(1), **options)
    assert "\n" not in str(caught.value)
    assert engine.executions() == []


def test_what_is_not_bound_is_refused(engine: hydra.Engine) -> None:
    with pytest.raises(hydra.ConfigError, match=r"such as `bill.bind"):
        engine.submit(shop.echo)  # type: ignore[arg-type]


def test_g7_an_argument_that_cannot_be_kept_is_refused_and_nothing_is_submitted(engine: hydra.Engine) -> None:
    with pytest.raises(hydra.PayloadError):
        engine.submit(shop.echo.bind(threading.Lock()))
    with pytest.raises(hydra.PayloadError):
        engine.submit_many([shop.echo.bind(1), shop.echo.bind(threading.Lock())])
    assert engine.executions() == []


def test_g7_an_argument_that_is_too_large_is_refused(url: str) -> None:
    with hydra.Engine(url, max_payload_bytes=1000) as engine:
        with pytest.raises(hydra.PayloadTooLarge):
            engine.submit(shop.echo.bind("x" * 1000))
        engine.submit(shop.echo.bind("x" * 900))


def test_g7_past_the_configured_depth_submissions_are_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_bounds, "DEPTH_AGE_NS", 0)
    monkeypatch.setattr(pending_bounds, "DEPTH_SHARE", 1e9)
    with hydra.Engine(url, max_pending=3) as engine:
        engine.submit_many([shop.echo.bind(n) for n in range(3)])
        with pytest.raises(hydra.QueueFull, match="3 executions are pending and the limit is 3"):
            engine.submit(shop.echo.bind(4))
        engine.get(engine.executions()[0].id).cancel()
        engine.submit(shop.echo.bind(4))


def test_g7_a_depth_that_takes_long_to_read_is_read_for_a_tenth_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns, reads = 0, 0

    def read(limit: int) -> int:
        nonlocal now_ns, reads
        now_ns, reads = now_ns + 2 * 10**9, reads + 1
        return 0

    monkeypatch.setattr(pending_bounds, "boottime_ns", lambda: now_ns)
    depth = pending_bounds.QueueDepth()
    for _ in range(200):
        depth.take(read, 1, 10**6)
        now_ns += 10**9
    assert reads == 10


def test_a_url_hydra_does_not_know_is_refused_at_once() -> None:
    with pytest.raises(hydra.ConfigError, match="`redis://localhost` is not a database URL"):
        hydra.Engine("redis://localhost")


def test_the_database_of_the_environment_is_the_default(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_DB", url)
    with hydra.Engine() as engine:
        assert engine.url == url


def test_a_closed_engine_says_so(url: str) -> None:
    engine = hydra.Engine(url)
    engine.close()
    with pytest.raises(hydra.HydraError, match="is closed"):
        engine.submit(shop.echo.bind(1))


def test_an_engine_that_may_not_migrate_refuses_a_database_without_tables(url: str, tmp_path: Path) -> None:
    with hydra.Engine(url, migrate=False) as engine, pytest.raises(hydra.SchemaError, match="hydra migrate"):
        engine.stats()
    assert list(tmp_path.iterdir()) == []


def test_importing_hydra_starts_no_thread() -> None:
    program = "import os, hydra; print(len(os.listdir('/proc/self/task')))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "1"


def test_a_connection_that_is_closed_or_another_threads_is_refused(engine: hydra.Engine, tmp_path: Path) -> None:
    engine.stats()
    connection = sqlite3.connect(tmp_path / "user.db")
    with ThreadPoolExecutor(1) as threads, pytest.raises(hydra.ConfigError, match="in that same thread"):
        threads.submit(lambda: engine.submit(shop.echo.bind(1), connection=connection)).result()
    connection.close()
    with pytest.raises(hydra.ConfigError, match="`connection` cannot be used: Cannot operate on a closed database"):
        engine.submit(shop.echo.bind(1), connection=connection)


def test_a_connection_may_read_rows_and_texts_its_own_way(engine: hydra.Engine, tmp_path: Path) -> None:
    engine.stats()
    connection = sqlite3.connect(tmp_path / "user.db")
    connection.row_factory, connection.text_factory = sqlite3.Row, bytes
    handle = engine.submit(shop.echo.bind(1), connection=connection)
    assert (connection.row_factory, connection.text_factory) == (sqlite3.Row, bytes)
    connection.commit()
    connection.close()
    assert handle.status() == "pending"


def test_an_engine_and_its_worker_keep_their_file_when_the_program_changes_its_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    with hydra.Engine("sqlite:///a%20b.db?synchronous=normal") as engine:
        monkeypatch.chdir(tmp_path / "elsewhere")
        with engine.worker():
            assert engine.submit(shop.echo.bind(1)).result(timeout=30) == 1
    assert list((tmp_path / "elsewhere").iterdir()) == []


@dataclasses.dataclass
class Bill:
    number: int


@dataclasses.dataclass
class GrownBill:
    number: int
    currency: str = "EUR"


def test_a_key_stands_for_arguments_whose_class_gained_a_field_with_a_default(engine: hydra.Engine) -> None:
    pay = hydra.named("pay-grown")
    first = engine.submit(pay.bind(Bill(1)), key="bill-1")
    assert engine.submit(pay.bind(GrownBill(1)), key="bill-1").id == first.id
    more = engine.submit_many([pay.bind(GrownBill(1)), pay.bind(GrownBill(2))], keys=["bill-1", "bill-2"])
    assert more[0].id == first.id
    with pytest.raises(hydra.IdempotencyConflict):
        engine.submit(pay.bind(GrownBill(1, "USD")), key="bill-1")
    with pytest.raises(hydra.IdempotencyConflict) as caught:
        engine.submit_many([pay.bind(GrownBill(1)), pay.bind(GrownBill(1))], keys=["bill-1", "bill-2"])
    assert caught.value.conflicts == ["bill-2"]
