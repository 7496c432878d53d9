"""Two waits of one name and two types: a message goes to the wait that can read it, open now or begun later."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hydra
import pytest
from hydra.client.awaited import set_aside_of
from hydra.execution import ExecutionCommit, Record
from hydra.frames import Durable, FromWorker, Recorded
from hydra.stores.arrivals import Arrivals

from tests.body.supervising import Stored, Supervisor

SECOND = 1_000_000
CRASHES = 7  # more than any of these workflows has records


@dataclass
class Paid:
    amount: int


@dataclass
class Refused:
    reason: str


PAID, REFUSED, NEITHER = {"amount": 3}, {"reason": "no"}, "neither"


def in_turn() -> Any:
    @hydra.workflow
    def first_paid_then_refused() -> list[Any]:
        paid = hydra.wait_event("said", type=Paid)
        return [paid.amount, hydra.wait_event("said", type=Refused).reason]

    return first_paid_then_refused


def in_turn_async() -> Any:
    @hydra.workflow
    async def first_paid_then_refused_async() -> list[Any]:
        paid = await hydra.aio.wait_event("said", type=Paid)
        return [paid.amount, (await hydra.aio.wait_event("said", type=Refused)).reason]

    return first_paid_then_refused_async


def beside() -> Any:
    @hydra.workflow
    async def paid_beside_refused() -> list[Any]:
        waits = hydra.aio.wait_event("said", type=Paid), hydra.aio.wait_event("said", type=Refused)
        paid, refused = await asyncio.gather(*waits)
        return [paid.amount, refused.reason]

    return paid_beside_refused


@pytest.mark.parametrize("make", [in_turn, in_turn_async, beside])
@pytest.mark.parametrize("messages", list(itertools.permutations([PAID, REFUSED, NEITHER])), ids=str)
def test_each_wait_gets_the_message_that_it_can_read(make: Callable[[], Any], messages: tuple[Any, ...]) -> None:
    workflow = make()
    for crash_after in range(CRASHES):
        supervisor = Supervisor()
        execution = supervisor.submit(workflow.bind())
        for message in messages:
            supervisor.signal(execution, "said", message)
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == [3, "no"]
        assert [each.value for each in set_aside_of(execution.records)] in ([], ["neither"])


@pytest.mark.parametrize("make", [in_turn, in_turn_async, beside])
@pytest.mark.parametrize("messages", list(itertools.permutations([PAID, REFUSED, NEITHER])), ids=str)
def test_one_that_comes_while_they_wait_does_so_too(make: Callable[[], Any], messages: tuple[Any, ...]) -> None:
    workflow = make()
    for crash_after in range(CRASHES):
        supervisor = Supervisor()
        execution = supervisor.submit(workflow.bind())
        supervisor.finish(crash_after=crash_after)
        for message in messages:
            if execution.end.kind == "waiting":
                supervisor.signal(execution, "said", message)
                supervisor.finish()
        assert execution.result() == [3, "no"]


@pytest.mark.parametrize(("said", "index"), [([PAID], 0), ([REFUSED], 1), ([REFUSED, PAID], 1), ([NEITHER, PAID], 0)])
def test_of_a_race_the_wait_that_can_read_it_is_first(said: list[Any], index: int) -> None:
    @hydra.workflow
    def paid_or_refused() -> list[Any]:
        first = hydra.wait_first(hydra.on_event("said", Paid), hydra.on_event("said", Refused), hydra.after(3600))
        value = first.result()
        return [first.index, value.amount if isinstance(value, Paid) else value and value.reason]

    for crash_after, is_early in itertools.product(range(CRASHES), (True, False)):
        supervisor = Supervisor()
        execution = supervisor.submit(paid_or_refused.bind())
        if not is_early:
            supervisor.run()
        for message in said:
            supervisor.signal(execution, "said", message)
        supervisor.finish(crash_after=crash_after)
        assert execution.result() == [index, 3 if index == 0 else "no"]


def test_two_waits_of_one_type_take_their_messages_in_order_beside_one_of_another(supervisor: Supervisor) -> None:
    @hydra.workflow
    async def three() -> list[Any]:
        types = (Paid, Refused, Paid)
        first, refused, last = await asyncio.gather(*(hydra.aio.wait_event("said", type=each) for each in types))
        return [first.amount, refused.reason, last.amount]

    execution = supervisor.submit(three.bind())
    for message in ({"amount": 1}, {"amount": 2}, REFUSED):
        supervisor.signal(execution, "said", message)
    supervisor.finish()
    assert execution.result() == [1, "no", 2]
    assert set_aside_of(execution.records) == []


def test_a_wait_that_can_read_what_was_set_aside_takes_it_when_the_code_is_mended(supervisor: Supervisor) -> None:
    expected: list[Any] = [Paid]

    @hydra.workflow
    def approve() -> str:
        return str(hydra.wait_event("said", type=expected[0]))

    execution = supervisor.submit(approve.bind())
    supervisor.signal(execution, "said", "yes")
    supervisor.run()
    assert [each.value for each in set_aside_of(execution.records)] == ["yes"]
    expected[:] = [str]
    supervisor.signal(execution, "other", None)  # so that it runs again
    supervisor.finish()
    assert execution.result() == "yes"


class GivingSupervisor(Supervisor):
    """Its database gives a wait that is over what is there, as the real ones do."""

    def _receive(self, frames: list[FromWorker]) -> None:
        self.on_send(frames)
        for frame in frames:
            if isinstance(frame, Recorded) and frame.token in self._tokens:
                stored = self._tokens[frame.token]
                commit = ExecutionCommit(stored.claimed.id, stored.claimed.epoch, list(frame.records), None)
                decided = Arrivals(stored.messages).decide(commit)
                self._write(stored, decided)
                self.given |= {each.digest for each in commit.arrived}
                seqs = [stored.records[-1].seq]
                self.hub.deliver([Durable([frame.token], seqs, [(frame.token, each) for each in commit.arrived])])
            else:
                super()._receive([frame])


def test_what_the_database_gives_to_a_wait_that_is_over_goes_to_the_one_that_can_read_it() -> None:
    @hydra.workflow
    async def paid_beside_refused_for_a_while() -> list[Any]:
        async def refused() -> str:
            try:
                return str((await hydra.aio.wait_event("said", type=Refused, timeout=5)).reason)
            except hydra.EventTimeout:
                return "none"

        paid = asyncio.create_task(hydra.aio.wait_event("said", type=Paid))
        return [await refused(), (await paid).amount]

    def is_expiry(record: Record) -> bool:
        return record.kind == "expiry" and record.name == "hydra.event:said"

    supervisor = GivingSupervisor()
    execution = supervisor.submit(paid_beside_refused_for_a_while.bind())
    given: list[Stored] = []

    def send_before_it_is_written(frames: list[FromWorker]) -> None:
        for frame in frames:
            if isinstance(frame, Recorded) and any(map(is_expiry, frame.records)) and not given:
                given.append(execution)
                supervisor.signal(execution, "said", PAID)

    supervisor.on_send = send_before_it_is_written
    supervisor.run()
    supervisor.advance(6 * SECOND)
    supervisor.finish()
    assert given, "the wait was over before the message was there"
    assert execution.result() == ["none", 3]
    replayed = Supervisor()
    replayed.given = supervisor.given
    again = replayed.submit(paid_beside_refused_for_a_while.bind())
    taken = [each for each in execution.records if each.kind == "event"]
    again.records = execution.records[: taken[0].seq]
    replayed.finish()
    assert again.result() == ["none", 3], "a crash right after that loses nothing"
