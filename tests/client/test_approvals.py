"""Acts that take a second person: asked for, approved by another, refused, expired; both names in the lines."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.client import approvals, approving, bulk
from hydra.client.names import DEFAULT_IGNORABLE, bare_name, is_one_person
from hydra.errors import ConfigError, IllegalMove, NotFound

from tests.cli.invoking import run
from tests.processes.scene import until
from tests.stores.conftest import DATABASES


@hydra.step
def seconded_undo(card: str) -> None:
    pass


@hydra.workflow
def seconded_wait(card: str) -> str:
    hydra.on_failure(seconded_undo.bind(card))
    return str(hydra.wait_event("seconded_done"))


@hydra.workflow
def seconded_bill(card: str) -> str:
    return card


@hydra.step(max_attempts=2, backoff=hydra.Backoff(0.01), lookup=lambda key: hydra.UNSURE)
def seconded_transfer(card: str) -> str:
    raise ConnectionError("the line broke")


@hydra.workflow
def seconded_doubt(card: str) -> str:
    return seconded_transfer(card)


@pytest.fixture(params=DATABASES)
def engine(request: pytest.FixtureRequest) -> Iterator[hydra.Engine]:
    with hydra.Engine(DATABASES[request.param](request)) as engine:
        yield engine


def asked(call: Any) -> str:
    with pytest.raises(hydra.ApprovalNeeded) as refused:
        call()
    return refused.value.approval_id


def ended(engine: hydra.Engine, *cards: str) -> list[hydra.Handle[str]]:
    with engine.worker():
        handles = engine.submit_many([seconded_bill.bind(card) for card in cards])
        for handle in handles:
            handle.result(timeout=60)
    return handles


def test_an_act_is_asked_for_and_done_by_another_with_both_names(engine: hydra.Engine) -> None:
    with engine.worker():
        waiting = engine.submit(seconded_wait.bind("visa"))
        until(lambda: waiting.status() == "waiting")
    with engine.acting("token:ana", reason="ticket 81"):
        engine.require_approval(["cancel", "purge"], within=timedelta(hours=2))
        id = asked(lambda: waiting.cancel(undo=False))
        assert asked(lambda: waiting.cancel(undo=False)) == id, "asked for once"
        with pytest.raises(IllegalMove, match="is the same person by name; somebody else approves it"):
            engine.approve(id)
    assert waiting.status() == "waiting"
    said = engine.why(waiting.id).sentence
    assert f"`token:ana` has asked to cancel execution `{waiting.id}` without undo" in said
    assert f"`hydra approve {id}`" in said and "meanwhile it stays as it is" in said
    with pytest.raises(ConfigError, match="a program decides no approval by itself"):
        engine.approve(id)
    with engine.acting("bob@desk", reason="seen"):
        acted = engine.approve(id)
        assert (acted.done, acted.refused) == ({waiting.id: "cancelled"}, {})
        assert engine.approve(id).refused, "once more does what is left: nothing"
    with engine.acting("eve@desk"), pytest.raises(IllegalMove, match="was approved by `bob@desk` before"):
        engine.approve(id)
    lines = {act.kind: act for act in waiting.acts()}
    assert set(lines) == {"ask", "approve", "cancel"}
    assert lines["cancel"].done_by == "token:ana, approved by bob@desk"
    assert lines["cancel"].reason == "ticket 81; seen"
    assert (lines["ask"].done_by, lines["approve"].done_by) == ("token:ana", "bob@desk")
    assert engine.audit() == []
    (view,) = engine.approvals()
    assert (view.state, view.decided_by, view.execution_ids) == ("approved", "bob@desk", [waiting.id])
    cancelled_with_undo = engine.submit(seconded_wait.bind("amex"))
    assert cancelled_with_undo.cancel() == "cancelled", "only without undo it takes a second person"


def test_a_deletion_of_one_of_many_and_by_age_takes_two(engine: hydra.Engine) -> None:
    one, *many = ended(engine, "a", "b", "c", "d")
    with engine.acting("ana@laptop"):
        engine.require_approval(["purge"])
        ids = [asked(one.delete), asked(lambda: engine.select(workflow=seconded_bill).delete(reason="old"))]
        ids.append(asked(lambda: engine.purge(0)))
        assert len(engine.select(workflow=seconded_bill).delete(dry_run=True).done) == 4
    assert len(engine.executions()) == 4
    with engine.acting("bob@desk"):
        assert engine.approve(ids[0]).done == {one.id: "deleted"}
        acted = engine.approve(ids[1])
        assert set(acted.done) == {each.id for each in many} and set(acted.refused) == {one.id}
        ended(engine, "e")
        engine.approve(ids[2])
        assert len(engine.executions()) == 1, "what ended after it was asked for stays"
    assert {act.execution_id for act in engine.acts(kind="ask")} == {None}, "lines of what is deleted go along"
    deletions = engine.acts(kind="delete")
    assert {act.done_by for act in deletions} == {"ana@laptop, approved by bob@desk"} and len(deletions) == 4


@hydra.workflow
def seconded_moves(card: str) -> str:
    hydra.on_failure(seconded_undo.bind(card))
    for name in ("seconded_first", "seconded_second"):
        hydra.wait_event(name)
    return card


@pytest.mark.parametrize("by_filter", [False, True])
def test_g4_a_cancel_is_of_the_state_it_was_asked_for_in(engine: hydra.Engine, by_filter: bool) -> None:
    with engine.worker():
        moves, stays = (engine.submit(seconded_moves.bind(card)) for card in ("a", "b"))
        until(lambda: {each.status() for each in (moves, stays)} == {"waiting"})
        with engine.acting("ana@laptop"):
            engine.require_approval(["cancel"])
            chosen = engine.select(workflow=seconded_moves)
            id = asked(lambda: chosen.cancel(undo=False) if by_filter else moves.cancel(undo=False))
            before = len(moves.records())
            moves.signal("seconded_first")
            until(lambda: len(moves.records()) > before + 1 and moves.status() == "waiting")
            assert asked(lambda: moves.cancel(undo=False)) != id, "of what it is now, another approval"
    with engine.acting("bob@desk"):
        acted = engine.approve(id)
    assert "has moved on since it was asked for" in acted.refused[moves.id]
    assert acted.done == ({stays.id: "cancelled"} if by_filter else {})
    assert moves.status() == "waiting"


@hydra.step
def seconded_slow(card: str, folder: str) -> str:
    Path(folder, "began").touch()
    while not Path(folder, "may end").exists():
        time.sleep(0.01)
    return card


@hydra.workflow
def seconded_runs(card: str, folder: str) -> str:
    hydra.on_failure(seconded_undo.bind(card))
    seconded_slow(card, folder)
    return str(hydra.wait_event("seconded_done"))


@pytest.mark.parametrize("is_recorded", [False, True])
def test_g4_what_runs_is_undone_or_the_cancel_refused(engine: hydra.Engine, tmp_path: Path, is_recorded: bool) -> None:
    with engine.worker():
        handle = engine.submit(seconded_runs.bind("visa", str(tmp_path)))
        until(lambda: (tmp_path / "began").exists())
        with engine.acting("ana@laptop"):
            engine.require_approval(["cancel"])
            id = asked(lambda: handle.cancel(undo=False))
        if is_recorded:
            (tmp_path / "may end").touch()
            until(lambda: handle.status() == "waiting")
        with engine.acting("bob@desk"):
            acted = engine.approve(id)
        assert list(acted.refused if is_recorded else acted.done) == [handle.id]
        (tmp_path / "may end").touch()
        until(lambda: handle.status() == ("waiting" if is_recorded else "cancelled"))
        undone = [step.status for step in handle.steps() if step.name == "seconded_undo"]
        assert undone == ([] if is_recorded else ["completed"])


def test_g4_what_moves_on_just_before_it_is_cancelled_stays(engine: hydra.Engine) -> None:
    handle = engine.submit(seconded_bill.bind("a"))
    act = bulk.Cancel(False, "", {handle.id: (0, 3)})
    with pytest.raises(IllegalMove, match="has moved on since"):
        act.do(engine, [engine.snapshot(handle.id)])
    assert handle.status() == "pending" and handle.acts() == []


def test_g4_a_resolve_settles_the_doubt_it_was_asked_for_and_no_later_one(engine: hydra.Engine) -> None:
    with engine.worker():
        handle = engine.submit(seconded_doubt.bind("visa"))
        until(lambda: handle.status() == "parked")
        with engine.acting("ana@laptop"):
            engine.require_approval(["resolve"])
            rerun = asked(lambda: handle.resolve("seconded_transfer", rerun=True))
            stale = asked(lambda: handle.resolve("seconded_transfer", value="pay-80"))
            assert stale != rerun
        assert handle.status() == "parked"
        with engine.acting("bob@desk"):
            engine.approve(rerun)
            until(lambda: handle.status() == "parked" and len(handle.attempts()) > 1)
            with pytest.raises(IllegalMove, match="is not in doubt any more as when it was asked for"):
                engine.approve(stale)
            engine.approve(rerun)  # as after a lost reply: it does not run a third time
            assert handle.status() == "parked"
        with engine.acting("ana@laptop"):
            id = asked(lambda: handle.resolve("seconded_transfer", value="pay-81"))
        assert next(each.value for each in engine.approvals() if each.id == id) == "pay-81"
        with engine.acting("bob@desk"):
            engine.approve(id)
        assert handle.result(timeout=60) == "pay-81"
    resolved = [act.done_by for act in handle.acts() if act.kind == "resolve"]
    assert resolved == ["ana@laptop, approved by bob@desk"] * 2
    assert engine.audit() == []


def test_g4_neither_a_fork_nor_force_gets_round_the_second_person_of_a_resolve(engine: hydra.Engine) -> None:
    with engine.worker():
        handle = engine.submit(seconded_doubt.bind("visa"))
        until(lambda: handle.status() == "parked")
        for is_forced in (False, True):
            with pytest.raises(IllegalMove, match=r"`seconded_transfer` may have .*resolve that step first"):
                engine.fork(handle.id, "seconded_transfer", force=is_forced)
        handle.cancel()
        until(lambda: handle.status() == "cancelled")
        with pytest.raises(IllegalMove, match="may have taken effect; `force` does it all again"):
            engine.fork(handle.id, "seconded_transfer")
        engine.require_approval(["resolve"])
        with pytest.raises(IllegalMove, match="takes a second person here"):
            engine.fork(handle.id, "seconded_transfer", force=True)
        with pytest.raises(IllegalMove, match="takes a second person here"):
            engine.rerun(handle.id, force=True)
        acted = engine.select(workflow="seconded_doubt").rerun(force=True)
        assert "takes a second person here" in acted.refused[handle.id]
        assert [each.id for each in engine.executions()] == [handle.id]


def test_force_forks_what_is_in_doubt_where_one_person_settles_it(engine: hydra.Engine) -> None:
    with engine.worker():
        handle = engine.submit(seconded_doubt.bind("visa"))
        until(lambda: handle.status() == "parked")
        handle.cancel()
        until(lambda: handle.status() == "cancelled")
        fork = engine.fork(handle.id, "seconded_transfer", force=True)
        until(lambda: fork.status() == "parked")


def test_the_value_of_a_resolve_is_encrypted_like_every_other(tmp_path: Path) -> None:
    pytest.importorskip("cryptography")
    url, keys = f"sqlite:///{tmp_path}/hydra.db", hydra.PayloadKeys({"k1": b"1" * 32})
    with hydra.Engine(url, payload_keys=keys) as engine, engine.worker():
        handle = engine.submit(seconded_doubt.bind("visa"))
        until(lambda: handle.status() == "parked")
        engine.require_approval(["resolve"])
        id = asked(lambda: handle.resolve("seconded_transfer", value="secret-81"))
        assert b"secret-81" not in (tmp_path / "hydra.db").read_bytes()
        assert asked(lambda: handle.resolve("seconded_transfer", value="secret-81")) == id
        with engine.acting("bob@desk"):
            engine.approve(id)
        assert handle.result(timeout=60) == "secret-81"


def test_it_cannot_be_a_part_of_a_callers_transaction(tmp_path: Path) -> None:
    with hydra.Engine(f"sqlite:///{tmp_path}/hydra.db") as engine:
        handle = engine.submit(seconded_wait.bind("visa"))
        engine.require_approval(["cancel"])
        connection = sqlite3.connect(tmp_path / "hydra.db")
        with pytest.raises(IllegalMove, match="cannot be a part of your transaction"):
            handle.cancel(undo=False, connection=connection)
        connection.close()
        assert handle.status() == "pending"


def test_it_is_refused_or_expires_and_then_nothing_is_done(
    engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = ended(engine, "a")
    with engine.acting("ana@laptop"):
        engine.require_approval(["purge"], within=1.0)
        id = asked(one.delete)
        engine.refuse(id, reason="wrong one")
        engine.refuse(id)  # as after a lost reply
        late = asked(one.delete)
        assert late != id
    until(lambda: next(each for each in engine.approvals() if each.id == late).state == "expired")
    with engine.acting("bob@desk"):
        with pytest.raises(IllegalMove, match=r"the time of approval .* is over"):
            engine.approve(late)
        with pytest.raises(IllegalMove, match="was refused by"):
            engine.approve(id)
        with pytest.raises(NotFound, match="no approval `nothing`"):
            engine.approve("nothing")
    assert [each.id for each in engine.executions()] == [one.id]
    assert "approve" not in engine.why(one.id).sentence, "it is over"
    monkeypatch.setattr(approvals, "KEPT_US", 0)
    with engine.acting("ana@laptop"):
        kept = asked(one.delete)
    assert [each.id for each in engine.approvals()] == [kept], "what is over goes when the next is asked for"


def test_only_what_waits_takes_room(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "MAX_APPROVALS", 3)
    handles = engine.submit_many([seconded_wait.bind(str(number)) for number in range(8)])

    def ask(number: int) -> str:
        return asked(lambda: handles[number].cancel(undo=False))

    with engine.acting("ana@laptop"):
        engine.require_approval(["cancel"])
        first, second, third = (ask(number) for number in range(3))
        with pytest.raises(IllegalMove, match=r"3 approvals wait already; decide some by `hydra approve` or"):
            ask(3)
        with pytest.raises(IllegalMove, match="wait already"):
            engine.require_approval([])
        assert ask(0) == first, "what waits is found"
    with engine.acting("bob@desk"):
        engine.refuse(second)
    with engine.acting("ana@laptop"):
        fourth = ask(3)
        assert [each.id for each in engine.approvals()] == [fourth, third, first], "what was refused gave way, at once"
        with pytest.raises(IllegalMove, match="wait already"):
            ask(4)
    with engine.acting("bob@desk"):
        engine.approve(first)
        engine.refuse(fourth)
        fifth = asked(lambda: engine.require_approval([]))
    assert [each.id for each in engine.approvals()] == [fifth, fourth, third], "the oldest that was decided gave way"
    assert engine.approval_rule().acts == ("cancel",), "a rule never does"


def test_what_is_out_of_its_time_takes_no_room(engine: hydra.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "MAX_APPROVALS", 1)
    first, second = engine.submit_many([seconded_wait.bind(card) for card in "ab"])
    with engine.acting("ana@laptop"):
        engine.require_approval(["cancel"], within=1.0)
        late = asked(lambda: first.cancel(undo=False))
        until(lambda: engine.approvals()[0].state == "expired")
        assert asked(lambda: second.cancel(undo=False)) != late
    assert [each.execution_ids for each in engine.approvals()] == [[second.id]]


def test_a_rule_is_changed_by_two_and_only_the_newest_is_kept(engine: hydra.Engine) -> None:
    with engine.acting("ana@laptop"):
        engine.require_approval(["purge"])
        id = asked(lambda: engine.require_approval([]))
    assert engine.approval_rule().acts == ("purge",)
    with engine.acting("bob@desk"):
        engine.approve(id)
        engine.require_approval(["resolve"])
    assert engine.approval_rule().acts == ("resolve",)
    rules = [each for each in engine.read(lambda store: store.approvals()) if each.expires_at == approvals.FOR_EVER]
    assert len(rules) == 1
    assert [act.detail for act in reversed(engine.acts(kind="rule"))] == [
        "to have purge take a second person; was nothing",
        "to have nothing take a second person; was purge",
        "to have resolve take a second person; was nothing",
    ]
    with pytest.raises(ConfigError, match="no acts that can take a second person; there are resolve, cancel, purge"):
        engine.require_approval(["retry"])
    with pytest.raises(ConfigError, match="`within` must be 1 second to 30 days"):
        engine.require_approval(["purge"], within=0.5)


def test_names_that_may_be_one_person_are_one() -> None:
    assert is_one_person("ana@laptop", "ana@desk") and is_one_person("token:Ana", "ana@laptop")
    wide = "\uff21\uff2e\uff21@desk"
    spellings = (" Ana ", "Token:ana", "token:token:ana", "TOKEN: ana", "@ana", "token:@ana@x", "a\u200bna", wide)
    for same in spellings:
        assert is_one_person(same, "ana@laptop"), same
    assert is_one_person("program:ana", "execution: Ana") and is_one_person("straße", "STRASSE")
    assert bare_name(" token:@") == bare_name("program:") == ""
    assert not is_one_person("ana@laptop", "token:bob") and not is_one_person("program:x.py", "ana@laptop")
    assert approving.MAX_NAME_SHOWN * 2 * 4 + 20 <= 1024, "both names fit MySQL's column"


def test_letters_that_show_nothing_make_nobody_another() -> None:
    unseen = [chr(code) for first, last in DEFAULT_IGNORABLE for code in range(first, last + 1)]
    assert len(unseen) == 4174, "as many as Unicode says"
    for each in unseen:
        assert bare_name(f"token{each}:{each}a{each}n{each}a@desk") == "ana", hex(ord(each))
        assert bare_name(f"token:{each}@{each}") == "", hex(ord(each))
    assert is_one_person("a\u034f\u0301na", "\u00e1na"), "what it kept apart is one letter"
    assert is_one_person("an\u1160\x00a", "ana") and not is_one_person("\u00e1na", "ana")


def test_nobody_approves_nothing(engine: hydra.Engine) -> None:
    handle = engine.submit(seconded_bill.bind("a"))
    with engine.acting("ana@laptop"):
        engine.require_approval(["cancel"])
        id = asked(lambda: handle.cancel(undo=False))
    for name in ("@", "token:", " token: @ "):
        with engine.acting(name), pytest.raises(IllegalMove, match="is nobody's name"):
            engine.approve(id)
    assert handle.status() == "pending"


def test_by_commands(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hydra.db"
    with hydra.Engine(url) as engine:
        (one,) = ended(engine, "a")
    assert "no act takes a second person" in run(url, "require-approval").output
    assert "purge: take a second person within 7200 s" in run(url, "require-approval", "purge", "--within", "2h").output
    refused = run(url, "delete", one.id, code=1)
    assert "takes a second person" in refused.output
    listed = run(url, "approvals", "--json").output
    with hydra.Engine(url) as engine:
        (view,) = engine.approvals()
        assert view.id in listed and view.id in refused.output
    assert "somebody else approves it" in run(url, "approve", view.id, code=1).output
    assert "refused" in run(url, "refuse", view.id).output
    connection = sqlite3.connect(tmp_path / "hydra.db")
    connection.execute("update hydra_approval set asked_by = 'zoe@laptop', state = 'open' where state = 'refused'")
    connection.commit()
    connection.close()
    assert f"{one.id} deleted" in run(url, "approve", view.id, "--because", "seen").output
