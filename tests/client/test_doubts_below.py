"""A step in doubt below: a fork or a rerun that would begin its execution anew is refused, as of one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hydra
import pytest
from hydra.client import doubts
from hydra.errors import IllegalMove

from tests.processes.scene import until
from tests.stores.conftest import DATABASES


@hydra.step
def below_pre(card: str) -> None:
    pass


@hydra.step
def below_last(card: str) -> None:
    pass


@hydra.step
def below_undo(card: str) -> None:
    pass


@hydra.step(max_attempts=2, backoff=hydra.Backoff(0.01), lookup=lambda key: hydra.UNSURE)
def below_pay(card: str) -> str:
    raise ConnectionError("the line broke")


@hydra.workflow
def below_child(card: str) -> str:
    return below_pay(card)


@hydra.workflow
def below_parent(card: str) -> str:
    below_pre(card)
    return hydra.spawn(below_child.bind(card)).result()


@hydra.workflow
def below_keyed(card: str) -> str:
    below_pre(card)
    return hydra.spawn(below_child.bind(card), key=f"below-{card}").result()


@hydra.workflow
def below_grand(card: str) -> str:
    below_pre(card)
    return hydra.spawn(below_parent.bind(card)).result()


@hydra.workflow
def below_lone(card: str) -> None:
    """Ends without its child."""
    below_pre(card)
    hydra.spawn(below_child.bind(card))
    below_last(card)


@hydra.workflow
def below_waits(card: str) -> str:
    """Whose child has ended with nothing done."""
    below_pre(card)
    hydra.spawn(below_child.bind(card))
    return str(hydra.wait_event("below_never"))


@hydra.workflow
def below_undone(card: str) -> str:
    """As many undo steps as it did."""
    hydra.on_failure(below_undo.bind(card))
    return hydra.spawn(below_child.bind(card)).result()


@hydra.workflow
def below_goes_on(card: str) -> None:
    """Past a child of which nobody knows."""
    child = hydra.spawn(below_child.bind(card))
    try:
        child.result()
    except hydra.HydraError:
        below_last(card)


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest) -> Iterator[hydra.Engine]:
    with hydra.Engine(DATABASES[request.param](request)) as engine:
        yield engine


def parked(engine: hydra.Engine, workflow: Any) -> tuple[hydra.Handle[Any], str]:
    """With the child that is in doubt, however deep."""
    handle = engine.submit(workflow.bind("visa"))

    def child() -> str | None:
        return next((each.id for each in engine.executions(workflow="below_child", status="parked")), None)

    until(lambda: child() is not None)
    id = child()
    assert id is not None
    return handle, id


def refuses(engine: hydra.Engine, id: str, child: str, said: str, force: bool, by_rerun: bool = True) -> None:
    words = rf"step `below_pay` of execution `{child}`, which it began, may have taken effect.*{said}"
    with pytest.raises(IllegalMove, match=words):
        engine.fork(id, "below_pre", force=force)
    if by_rerun:
        with pytest.raises(IllegalMove, match=words):
            engine.rerun(id, force=True)
        assert "below_pay" in engine.select(workflow=engine.get(id).execution().workflow).rerun(force=True).refused[id]


@pytest.mark.parametrize("workflow", [below_parent, below_keyed, below_grand, below_waits])
def test_g4_a_fork_begins_no_child_anew_whose_step_is_in_doubt(engine: hydra.Engine, workflow: Any) -> None:
    with engine.worker():
        handle, child = parked(engine, workflow)
        for is_forced in (False, True):
            refuses(engine, handle.id, child, "resolve that step first", is_forced, by_rerun=False)
        handle.cancel()
        until(lambda: handle.status() == engine.get(child).status() == "cancelled")
        refuses(engine, handle.id, child, "`force` does it all again", force=False, by_rerun=False)
        engine.require_approval(["resolve"])
        refuses(engine, handle.id, child, "takes a second person here", force=True)
        assert len(engine.executions(workflow="below_child")) == 1 and len(engine.get(child).acts()) <= 1


def test_g4_one_that_ended_without_its_child_begins_it_anew_no_more_than_others(engine: hydra.Engine) -> None:
    with engine.worker():
        handle, child = parked(engine, below_lone)
        until(lambda: handle.status() == "completed")
        refuses(engine, handle.id, child, "resolve that step first", force=True)
        engine.get(child).cancel()
        until(lambda: engine.get(child).status() == "cancelled")
        kept = engine.fork(handle.id, "below_last")
        until(lambda: kept.status() == "completed")
        assert len(engine.executions(workflow="below_child")) == 1, "that fork keeps the spawn, so nothing runs again"
        refuses(engine, handle.id, child, "`force` does it all again", force=False, by_rerun=False)
        again = engine.rerun(handle.id, force=True)
        until(lambda: again.status() == "completed")
        until(lambda: len(engine.executions(workflow="below_child")) == 2)


def test_g4_what_was_undone_runs_again_only_where_nothing_below_is_in_doubt(engine: hydra.Engine) -> None:
    with engine.worker():
        handle, child = parked(engine, below_undone)
        handle.cancel()
        until(lambda: handle.status() == engine.get(child).status() == "cancelled")
        with pytest.raises(IllegalMove, match=f"of execution `{child}`, which it began, may have taken effect"):
            engine.rerun(handle.id)


def test_more_than_are_looked_at_take_force_and_under_the_rule_a_new_call(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doubts, "MAX_BELOW", 1)
    with engine.worker():
        handle, child = parked(engine, below_grand)
        handle.cancel()
        until(lambda: handle.status() == engine.get(child).status() == "cancelled")
        with pytest.raises(IllegalMove, match=r"more than 1 executions, too many to look at; `force` does"):
            engine.fork(handle.id, "below_pre")
        engine.require_approval(["resolve"])
        with pytest.raises(IllegalMove, match=r"too many to look at; submit the call anew"):
            engine.rerun(handle.id, force=True)
