"""The page: what a worker writes is what its supervisor reads, also after the worker's death."""

from __future__ import annotations

import os
import signal

import pytest
from hydra import _core
from hydra.worker.page import Page, RunningStep
from hypothesis import given
from hypothesis import strategies as st


def test_a_dead_worker_still_tells_which_steps_it_was_in() -> None:
    page = Page.create(3)
    pid = os.fork()
    if pid == 0:
        page.enter(0, 5, 0, "", "done", 0, 1)
        page.enter(2, 6, 99, "gather/1", "charge", 4, 2, is_transaction=True)
        page.leave(0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    (step,) = page.running()
    assert step == RunningStep(2, 6, "gather/1", "charge", 4, 2, step.started_ns, 99, is_transaction=True)
    assert 0 < step.started_ns <= _core.boottime_ns()
    page.close()


def test_a_page_can_be_attached_by_its_descriptor() -> None:
    page = Page.create(2)
    other = Page.attach(os.dup(page.fd))
    page.enter(1, 8, 0, "b", "n", 0, 0)
    assert [step.token for step in other.running()] == [8]
    assert other.slot_count == 2
    other.close()
    page.close()


def test_another_descriptor_is_no_page() -> None:
    fd = os.memfd_create("other")
    os.ftruncate(fd, 4096)
    with pytest.raises(ValueError, match="not a worker's page"):
        Page.attach(fd)


@given(st.text(max_size=300), st.text(max_size=300))
def test_names_are_cut_to_fit_between_characters(branch: str, name: str) -> None:
    page = Page.create(1)
    page.enter(0, 1, 0, branch, name, 0, 0)
    (step,) = page.running()
    page.close()
    assert branch.startswith(step.branch)
    assert name.startswith(step.name)
    if len(branch.encode()) <= 100 and len((branch + name).encode()) <= 216:
        assert (step.branch, step.name) == (branch, name)
