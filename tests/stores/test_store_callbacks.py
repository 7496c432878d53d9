"""A completion reads of its execution what is about its callback, and not the rest of the log, however long that is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hydra import _core, codec
from hydra.client import completions
from hydra.client.awaited import announced_by
from hydra.errors import IllegalMove, NotFound
from hydra.execution import SET_ASIDE_PREFIX, Message, Record
from hydra.records.callbacks import TOKEN, TYPE, Callback, completion
from hydra.records.wait_notes import note_of
from hydra.stores.store import Store

from tests.stores.store_values import NOW, register, running, write

SECRET = "secret-of-a-token-that-is-long-enough"


def make_record(seq: int, kind: str, name: str, value: Any) -> Record:
    payload = value if isinstance(value, bytes) else codec.encode(value)
    return Record(seq, kind, "", name, seq, 1, b"d" * 16, payload, NOW, NOW)


@pytest.fixture
def callback(store: Store) -> Callback:
    """Made behind a long log, with another token and large results, before anybody waits for it."""
    node = register(store)
    claimed = running(store, node)
    mine, other = (Callback.of(f"{claimed.id}.1.{number}{SECRET}") for number in (1, 2))
    records = [make_record(seq, "step", "charge", bytes(10_000)) for seq in range(1, 51)]
    for each in (other, mine):
        name = TOKEN if each is mine else f"{TOKEN}:other"
        records.append(make_record(len(records) + 1, "value", name, each.token))
        records.append(make_record(len(records) + 1, "value", f"{TYPE}:{each.name}", codec.encode(note_of(int))))
    aside = SET_ASIDE_PREFIX + mine.name
    records.append(make_record(len(records) + 1, "event", aside, ["it does not fit", bytes(10_000)]))
    assert write(store, node, claimed, *records)
    return mine


def read_from(store: Store) -> Callable[[Callable[[Store], Any]], Any]:
    return lambda ask: ask(store)


def write_to(store: Store) -> Callable[[Callable[[Store, int], Any]], Any]:
    return lambda put: put(store, NOW)


def test_what_is_read_of_a_callback_is_its_own(store: Store, callback: Callback) -> None:
    found = completions.read_records(read_from(store), callback)
    assert [(each.seq, each.kind) for each in found] == [(53, "value"), (54, "value"), (55, "event")]
    assert found[0].payload == codec.encode(callback.token)
    assert found[2].payload is None, "what was set aside may be large, and is only counted"
    (awaited,) = announced_by(callback, found)
    assert awaited.type == "int" and awaited.schema == {"type": "integer"}


def test_a_completion_never_reads_the_whole_log(
    store: Store, callback: Callback, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("it reads all records")

    waiting = [Message(_core.uuid7(), callback.execution_id, "approved", bytes(1000), NOW) for _ in range(50)]
    store.signal(waiting, NOW)
    monkeypatch.setattr(store, "records", fail)
    for _ in range(2):  # it may be repeated
        completions.settle(callback.token, completion(5), read_from(store), write_to(store))
    with pytest.raises(IllegalMove, match="completed before, with something else"):
        completions.settle(callback.token, completion(6), read_from(store), write_to(store))
    (message,) = store.messages(callback.execution_id, callback.name)
    assert message.payload == completion(5)
    assert message.id == callback.message(1, b"").id, "it is the completion after the one that was set aside"


def test_a_token_of_which_only_the_execution_is_right_is_unknown(store: Store, callback: Callback) -> None:
    guessed = f"{callback.execution_id}.1.{SECRET}"
    with pytest.raises(NotFound, match="this callback token is unknown"):
        completions.settle(guessed, completion(5), read_from(store), write_to(store))
    assert store.messages(callback.execution_id) == []


def test_a_completion_in_a_callers_transaction_reads_no_more(store: Store, callback: Callback) -> None:
    put: list[Message] = []

    def join(message: Message) -> list[Any]:
        put.append(message)
        return store.signal([msgspec.structs.replace(message, sent_at=NOW)], NOW)

    completions.settle_in(callback.token, completion(5), read_from(store), join)
    assert [each.id for each in put] == [callback.message(1, b"").id]
