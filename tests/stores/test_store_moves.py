"""The legal moves of execution.MOVES and what a store's verbs do to an execution in each state are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from hydra.execution import MOVES, Claimed, NodeRef, Status
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, claim, end, register, running, status, submit

ENDINGS = ("completed", "failed", "retry", "sleeping", "waiting", "cancelled", "parked", "released", "crashed")
STALE = Claimed("", 1, "", None, b"", 1, 0, 0, 0, 0, None, 0, False, 0, 0, {}, [])


def bring_to(store: Store, node: NodeRef, wanted: Status) -> tuple[str, Claimed | None]:
    """An execution in that state, and its claim if it runs."""
    if wanted is Status.PENDING:
        return submit(store, timeout_us=30 * SECOND)[0], None
    claimed = running(store, node, timeout_us=30 * SECOND)
    if wanted is Status.RUNNING:
        return claimed.id, claimed
    wake_at = NOW + 10 * SECOND if wanted in (Status.SLEEPING, Status.WAITING) else 0
    assert end(store, node, claimed, wanted, payload=b"", wake_at=wake_at)
    return claimed.id, None


def verbs(store: Store, node: NodeRef) -> Iterator[Callable[[str, Claimed | None], object]]:
    """Everything that can move an execution."""
    yield lambda id, claimed: claim(store, node)
    yield lambda id, claimed: store.request_cancel([id], NOW)
    yield lambda id, claimed: store.retry([id], NOW)
    yield lambda id, claimed: store.resume([id], NOW)
    yield lambda id, claimed: store.promote(NOW + 20 * SECOND, 10)  # past the timer
    yield lambda id, claimed: store.promote(NOW + 50 * SECOND, 10)  # past the time-out
    yield lambda id, claimed: (store.mark_dead(node.id, None, NOW), store.return_executions(NOW, 10))
    for ending in ENDINGS:

        def finish(id: str, claimed: Claimed | None, ending: str = ending) -> object:
            claimed = claimed or msgspec.structs.replace(STALE, id=id)
            return end(store, node, claimed, ending, payload=b"", wake_at=NOW + SECOND if ending == "sleeping" else 0)

        yield finish


@pytest.mark.parametrize("before", list(Status))
def test_verbs_make_the_legal_moves_and_no_others(store: Store, before: Status) -> None:
    made: set[Status] = set()
    for number in range(len(list(verbs(store, NodeRef("", 0))))):
        node = register(store)
        id, claimed = bring_to(store, node, before)
        list(verbs(store, node))[number](id, claimed)
        after = Status(status(store, id))
        if after is not before:
            made.add(after)
        store.request_cancel([id], NOW)  # out of the way of the next one
    assert made == MOVES[before]
