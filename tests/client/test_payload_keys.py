"""Payload keys: what is encrypted, and that all goes on as without them, on each database."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hydra
import pytest
from hydra import PayloadKeys, codec
from hydra.checking import ReplayCheck
from hydra.client.handle import Handle
from hydra.execution import Record
from hydra.move import move
from hydra.move.opening import open_side
from hydra.node.membership import Membership
from hydra.payload_keys import encrypted_with
from hydra.stores import plain_store
from hydra.testing import replay
from hydra.workflow import registry

from tests.client.conftest import DATABASES
from tests.client.marked import MARKER, marked_columns, shop
from tests.processes.scene import until
from tests.support.registries import own_registry

__all__ = ["own_registry"]

K1, K2 = os.urandom(32), os.urandom(32)
FIRST = PayloadKeys({"k1": K1}, "k1")
SECOND = PayloadKeys({"k1": K1, "k2": K2}, "k2")


@pytest.fixture(params=DATABASES)
def any_url(request: pytest.FixtureRequest) -> str:
    return DATABASES[request.param](request)


def run_all(engine: hydra.Engine) -> SimpleNamespace:
    """Everything that leaves a row with a user's data."""
    made = shop()
    with engine.worker():
        order = engine.submit(made.order.bind(MARKER), key="o-1", tags={"kind": "order"})
        until(lambda: engine.read(lambda store: store.progress(order.id)))
        made.seen.set()
        until(lambda: order.status() == "waiting")
        signal = hydra._core.uuid7()
        order.signal("told", f"told {MARKER}", id=signal)
        order.signal("told", f"told {MARKER}", id=signal)  # a repetition
        with pytest.raises(hydra.HydraError):
            order.signal("told", f"other {MARKER}", id=signal)
        order.signal("paid", 5)
        until(lambda: token_of(order) != "" and order.status() == "waiting")
        token = token_of(order)
        engine.complete(token, f"called {MARKER}")
        engine.complete(token, f"called {MARKER}")
        result = order.result(timeout=30)
        order.signal("told", f"told {MARKER}", id=signal)
        failed = engine.submit(made.fails.bind(MARKER), key="f-1")
        with pytest.raises(hydra.WorkflowFailed, match=f"bad {MARKER}"):
            failed.result(timeout=30)
        rerun = engine.rerun(failed.id)
        with pytest.raises(hydra.WorkflowFailed, match=f"bad {MARKER}"):
            rerun.result(timeout=30)
        parked = engine.submit(made.parks.bind(MARKER))
        until(lambda: parked.status() == "parked")
        doubted = engine.submit(made.doubts.bind(MARKER))
        until(lambda: doubted.status() == "parked")
        doubted.resolve("sends", value=f"sent {MARKER}")
        assert doubted.result(timeout=30) == f"sent {MARKER}"
        again = engine.submit(made.again.bind(MARKER))
        assert again.result(timeout=30) == MARKER
        fork = engine.fork(order.id, "flaky")
        until(lambda: fork.status() == "waiting")
    late = engine.submit(made.again.bind(MARKER), key="late", delay=1000)
    late.reschedule(input=made.again.bind(f"other {MARKER}"))
    late.signal("early", MARKER)
    return SimpleNamespace(
        **vars(made), handles=[order, failed, rerun, parked, doubted, again, fork, late], result=result
    )


def token_of(handle: Handle[Any]) -> str:
    payloads = [record.payload for record in handle.records() if record.name == "hydra.callback_token"]
    return str(codec.decode(payloads[0] or b"")) if payloads else ""


def test_no_column_holds_what_users_gave(any_url: str) -> None:
    with hydra.Engine(any_url, payload_keys=FIRST) as engine:
        ran = run_all(engine)
        assert ran.result[-3:] == ["5", f"told {MARKER}", f"called {MARKER}"]
        assert marked_columns(any_url) == set()
        assert f"parked {MARKER}" in ran.handles[3].execution().reason
        assert engine.audit() == []
    with hydra.Engine(any_url) as blind:  # reads on, says what it cannot show, and puts nothing in
        reasons = {each.reason for each in blind.executions() if each.status == "parked"}
        assert reasons == {"(encrypted with the key `k1`)"}
        with pytest.raises(hydra.PayloadError, match="encrypted with the payload key `k1` and does not open here"):
            blind.get(ran.handles[0].id).result()
        with pytest.raises(hydra.ConfigError, match="are encrypted with the key `k1`, which is not given here"):
            blind.submit(ran.again.bind(MARKER))
        with pytest.raises(hydra.ConfigError, match="are encrypted with the key `k1`"):
            blind.worker().start()
        assert blind.audit() == []


def test_without_keys_the_scan_finds_it_everywhere(any_url: str) -> None:
    with hydra.Engine(any_url) as engine:
        run_all(engine)
    marked = {column for column in marked_columns(any_url) if column.endswith(("input", "payload"))}
    assert {column.partition(".")[0] for column in marked} >= {"hydra_record", "hydra_claim", "hydra_progress"}
    assert any(column.endswith(".input") for column in marked)
    assert "hydra_message.payload" in marked


def test_payloads_of_both_keys_and_plain_ones_are_read_while_executions_are_open(any_url: str) -> None:
    made = shop()
    with hydra.Engine(any_url) as engine, engine.worker():  # plain
        order = engine.submit(made.order.bind(MARKER), key="o-1")
        engine.submit(made.child.bind(MARKER), key="known")
        made.seen.set()
        until(lambda: order.status() == "waiting")
    with hydra.Engine(any_url, payload_keys=FIRST) as engine:
        assert engine.submit(made.order.bind(MARKER), key="o-1").id == order.id  # the digest that is there is plain
        with pytest.raises(hydra.IdempotencyConflict):
            engine.submit(made.order.bind("other"), key="o-1")
        with engine.worker():
            engine.get(order.id).signal("paid", 5)
            until(lambda: len(engine.get(order.id).awaited()) == 1 and engine.get(order.id).awaited()[0].name == "told")
            until(lambda: engine.get(order.id).status() == "waiting")
    with hydra.Engine(any_url, payload_keys=SECOND) as engine, engine.worker():
        handle = engine.get(order.id)
        handle.signal("told", f"told {MARKER}")
        until(lambda: token_of(handle) != "" and handle.status() == "waiting")
        engine.complete(token_of(handle), "called")
        assert handle.result(timeout=30)[-3:] == ["5", f"told {MARKER}", "called"]
        assert engine.submit(made.order.bind(MARKER), key="o-1").id == order.id
        assert engine.audit() == []
        again = engine.submit(made.again.bind(MARKER), key="keyed")
        assert again.result(timeout=30) == MARKER
        ids = {encrypted_with(record.payload) for record in raw_records(engine, order.id)}
        assert ids == {None, "k1", "k2"}
    with (
        hydra.Engine(any_url, payload_keys=FIRST) as engine,
        pytest.raises(hydra.ConfigError, match="with the key `k2`"),
    ):
        engine.audit()
    third = PayloadKeys({"k2": K2, "k1": K1, "k3": os.urandom(32)}, "k3")
    with hydra.Engine(any_url, payload_keys=third) as engine:  # digests stay what they were under any key
        assert engine.submit(made.again.bind(MARKER), key="keyed").id == again.id
        with pytest.raises(hydra.IdempotencyConflict):
            engine.submit(made.again.bind("other"), key="keyed")


def raw_records(engine: hydra.Engine, id: str) -> list[Record]:
    store = plain_store(engine.url, engine.namespace)
    store.open()
    try:
        return store.records(id)
    finally:
        store.close()


def test_a_node_that_was_not_given_a_key_parks_what_it_cannot_read_and_loses_nothing(any_url: str) -> None:
    made = shop()
    late = PayloadKeys({"k1": K1})  # knows no k2, and encrypts nothing
    with hydra.Engine(any_url, payload_keys=late) as old, old.worker():
        engine = hydra.Engine(any_url, payload_keys=SECOND)  # the key came after the node
        with engine:
            handle = engine.submit(made.child.bind(MARKER), key="c-1")
            until(lambda: handle.status() == "parked")
            assert handle.execution().reason.startswith(
                "it is encrypted with the payload key `k2`, which its node does"
            )
    with hydra.Engine(any_url, payload_keys=SECOND) as engine, engine.worker():
        engine.get(handle.id).resume()
        assert engine.get(handle.id).result(timeout=30) == MARKER


def test_a_node_without_any_keys_that_was_there_before_parks_too(any_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Membership, "is_to_encrypt", lambda _: False)  # it would drain, if it heard of them first
    made = shop()
    with hydra.Engine(any_url) as old, old.worker(), hydra.Engine(any_url, payload_keys=FIRST) as engine:
        handle = engine.submit(made.child.bind(MARKER))
        until(lambda: handle.status() == "parked")
        assert "encrypted with the payload key `k1`" in engine.get(handle.id).execution().reason


def test_keys_that_are_known_but_encrypt_nothing_read_what_others_have_begun_to_encrypt(any_url: str) -> None:
    made = shop()
    made.seen.set()
    reader = PayloadKeys({"k1": K1})
    with hydra.Engine(any_url, payload_keys=reader) as old, old.worker():  # opened before there is a keyed digest
        with hydra.Engine(any_url, payload_keys=FIRST) as engine:
            order = engine.submit(made.order.bind(MARKER), key="o-1")
            until(lambda: order.status() == "waiting")
            order.signal("paid", 5)
            order.signal("told", f"told {MARKER}")
            until(lambda: token_of(order) != "" and order.status() == "waiting")
            engine.complete(token_of(order), "called")
            assert order.result(timeout=30)[-1] == "called"
        assert old.submit(made.order.bind(MARKER), key="o-1").id == order.id


def test_another_key_of_the_same_id_is_told_at_once(any_url: str) -> None:
    made = shop()
    with hydra.Engine(any_url, payload_keys=FIRST) as engine:
        handle = engine.submit(made.child.bind(MARKER))
    other = hydra.Engine(any_url, payload_keys=PayloadKeys({"k1": K2}, "k1"))
    with other, pytest.raises(hydra.PayloadError, match="does not open with the key `k1`"):
        other.get(handle.id)


def test_a_changed_payload_is_no_result_and_parks(url: str) -> None:
    made = shop()
    with hydra.Engine(url, payload_keys=FIRST) as engine:
        handle = engine.submit(made.child.bind(MARKER))
        other = engine.submit(made.child.bind("other"))
        side = open_side(url, may_migrate=False)
        side.run(
            "update hydra_submission set input = substr(input, 1, length(input) - 1) || x'00' where execution_id = ?",
            (handle.id,),
        )
        side.close()
        with engine.worker():
            assert other.result(timeout=30) == "other"
            until(lambda: handle.status() == "parked")


def test_digests_of_small_values_cannot_be_tried_out(any_url: str) -> None:
    made = shop()
    with hydra.Engine(any_url, payload_keys=FIRST) as engine:
        handle = engine.submit(made.child.bind("4711"), key="pin")
        plain = codec.encode_call(("4711",), {})[1]
        side = open_side(any_url, may_migrate=False)
        cursor = side._connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("select digest from hydra_key")
        stored = bytes(cursor.fetchall()[0][0])
        side.close()
        assert plain not in stored and len(stored) == 17
        assert handle.id == engine.submit(made.child.bind("4711"), key="pin").id


def test_moved_rows_open_at_the_target(url: str, tmp_path: Path) -> None:
    made = shop()
    target = f"sqlite:///{tmp_path}/target.db"
    with hydra.Engine(url, payload_keys=FIRST) as engine:
        handle = engine.submit(made.child.bind(MARKER), key="c-1")
    move(url, target)
    with hydra.Engine(target, payload_keys=FIRST) as engine, engine.worker():
        assert engine.submit(made.child.bind(MARKER), key="c-1").id == handle.id
        assert engine.get(handle.id).result(timeout=30) == MARKER


def test_checks_and_replays_read_with_the_keys(url: str) -> None:
    with hydra.Engine(url, payload_keys=FIRST) as engine:
        ran = run_all(engine)
        assert replay(ran.handles[0].export(), ran.order).is_complete
        parked = ran.handles[3]
        check = ReplayCheck(engine.session().store, registry)
        assert list(check.run()) == [] and check.checked_count > 0
        assert parked.status() == "parked"
    with (
        hydra.Engine(url) as blind,
        pytest.raises(hydra.ConfigError, match=r"cannot be checked: it is encrypted .* key `k1` .* `--payload-keys`"),
    ):
        list(ReplayCheck(blind.session().store, registry).run())
