"""The window of bytes between a worker and its supervisor: what is large goes as it is confirmed, in its order."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import hydra
import pytest
from hydra.execution import Record
from hydra.testing import Harness
from hydra.worker import send_window
from hydra.worker.send_window import LARGE_BYTES, MAX_WINDOW_BYTES, Window


def record(seq: int, size: int) -> Record:
    return Record(seq, "step", "", "s", seq, 1, b"", bytes(size), 0, 0)


def test_small_records_never_wait_and_one_larger_than_the_window_goes_alone() -> None:
    own = Window()
    small = [record(seq, LARGE_BYTES - 1) for seq in range(1, 2000)]
    assert own.admit(1, small) == len(small) and own.byte_count == 0
    huge = [record(1, MAX_WINDOW_BYTES + 1), record(2, LARGE_BYTES)]
    assert own.admit(2, huge) == 1
    assert own.admit(3, [record(1, LARGE_BYTES)]) == 0
    own.confirm(2, 1)
    assert own.admit(2, huge[1:]) == 1
    own.forget(2)
    assert own.byte_count == 0


@dataclass
class Sender:
    unsent: list[Record]
    sent: list[int] = field(default_factory=list)


@pytest.mark.parametrize("seed", range(15))
def test_whatever_is_confirmed_when_no_more_than_a_window_is_on_its_way_and_all_arrives_in_order(seed: int) -> None:
    chance, own = random.Random(seed), Window()
    senders = {
        token: Sender([record(seq, chance.choice([1, LARGE_BYTES, 3 << 20, 12 << 20])) for seq in range(1, 15)])
        for token in range(4)
    }
    durable = dict.fromkeys(senders, 0)
    while any(sender.unsent for sender in senders.values()):
        for token, sender in senders.items():
            count = own.admit(token, sender.unsent)
            sender.sent += [each.seq for each in sender.unsent[:count]]
            sender.unsent = sender.unsent[count:]
        assert own.byte_count <= MAX_WINDOW_BYTES
        token = chance.choice([token for token, sender in senders.items() if len(sender.sent) > durable[token]] or [0])
        durable[token] = chance.randint(durable[token], len(senders[token].sent))
        own.confirm(token, durable[token])
    assert all(sender.sent == list(range(1, 15)) for sender in senders.values())


@pytest.mark.parametrize("is_async", [False, True])
def test_g7_an_execution_that_records_more_than_the_window_completes(
    monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    monkeypatch.setattr(send_window, "MAX_WINDOW_BYTES", 500_000)

    @hydra.step
    def page(number: int) -> bytes:
        return bytes([number]) * 200_000

    @hydra.workflow
    def pages(count: int) -> int:
        return sum(each[0] for each in hydra.gather(*[page.bind(number) for number in range(count)]))

    @hydra.workflow
    async def pages_async(count: int) -> int:
        return sum(each[0] for each in await hydra.aio.gather(*[page.bind(number) for number in range(count)]))

    with Harness() as harness:
        handles = [harness.submit((pages_async if is_async else pages).bind(20)) for _ in range(3)]
        harness.run_until_idle()
        assert [handle.result() for handle in handles] == [190] * 3
        assert [len(handle.steps()) for handle in handles] == [20] * 3
        assert harness.engine.audit() == []
