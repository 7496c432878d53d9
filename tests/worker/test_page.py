"""The page: what a worker writes is what its supervisor reads, also after the worker's death."""

from __future__ import annotations

import os
import signal
import threading

import pytest
from hydra import _core
from hydra.worker.page import Page, RunningStep
from hypothesis import given
from hypothesis import strategies as st


def test_a_dead_worker_still_tells_which_steps_it_was_in() -> None:
    page, execution = Page.create(3), _core.uuid7()
    pid = os.fork()
    if pid == 0:
        done = page.enter(5, 0, "", "done", 0, 1)
        page.enter(6, 99, "gather/1", "charge", 4, 2, True, b"of its arguments", execution, 3)
        page.leave(done)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    (step,) = page.running()
    assert step == RunningStep(
        step.slot, 6, "gather/1", "charge", 4, 2, step.started_ns, 99, True, b"of its arguments", execution, 3
    )
    assert 0 < step.started_ns <= _core.boottime_ns()
    page.close()


def test_a_page_can_be_attached_by_its_descriptor() -> None:
    page = Page.create(2)
    other = Page.attach(os.dup(page.fd))
    page.enter(8, 0, "b", "n", 0, 0)
    assert [step.token for step in other.running()] == [8]
    other.close()
    page.close()


def test_another_descriptor_is_no_page() -> None:
    fd = os.memfd_create("other")
    os.ftruncate(fd, 4096)
    with pytest.raises(ValueError, match="not a worker's page"):
        Page.attach(fd)


@given(st.lists(st.tuples(st.text(max_size=900), st.text(max_size=900)), max_size=8))
def test_names_of_any_length_come_back_whole(names: list[tuple[str, str]]) -> None:
    page = Page.create(1)
    slots = [page.enter(token, 0, *both, 0, 0) for token, both in enumerate(names, 1)]
    found = {step.token: (step.branch, step.name) for step in page.running()}
    assert found == {token: tuple(map(encodable, both)) for token, both in enumerate(names, 1)}
    for slot in slots:
        page.leave(slot)
    assert page.running() == []
    page.close()


def test_a_page_grows_for_a_name_that_takes_more_slots_than_are_free() -> None:
    page = Page.create(2)
    first = page.enter(1, 0, "", "short", 0, 0)
    page.enter(2, 0, "branch", "n" * 1_000, 0, 0)
    assert [(step.token, step.name) for step in page.running()] == [(1, "short"), (2, "n" * 1_000)]
    page.leave(first)
    page.close()


def encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


def test_a_page_holds_as_many_steps_as_are_under_way() -> None:
    """Its reader was there before it grew; what is left is taken again."""
    page = Page.create(2)
    reader = Page.attach(os.dup(page.fd))
    for _ in range(2):
        slots = [page.enter(token, 0, "", f"step {token}", 0, 1) for token in range(1, 1001)]
        assert len(set(slots)) == 1000
        assert [step.name for step in sorted(reader.running(), key=lambda step: step.token)] == [
            f"step {token}" for token in range(1, 1001)
        ]
        for slot in slots:
            page.leave(slot)
        assert reader.running() == []
        size = os.fstat(page.fd).st_size
    assert size == os.fstat(page.fd).st_size
    reader.close()
    page.close()


def test_many_threads_enter_a_page_that_grows() -> None:
    page = Page.create(1)
    gate = threading.Barrier(8)
    own: dict[int, list[int]] = {}

    def enter_many(first: int) -> None:
        gate.wait()
        own[first] = [page.enter(token, 0, "", str(token), 0, 1) for token in range(first, first + 200)]

    threads = [threading.Thread(target=enter_many, args=(1 + 200 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({slot for slots in own.values() for slot in slots}) == 1600
    assert {(step.token, step.name) for step in page.running()} == {(token, str(token)) for token in range(1, 1601)}
    page.close()


def test_a_step_that_ended_stands_there_and_nobody_ends_it_any_more() -> None:
    page = Page.create(2)
    slot = page.enter(7, 99, "b", "n", 0, 1)
    page.end(slot)
    assert [(step.token, step.deadline_ns) for step in page.running()] == [(7, 0)]
    page.leave(slot)
    assert page.running() == []
    page.close()
