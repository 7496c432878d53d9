"""`hydra why`: one sentence for each state, and for each thing that can hold an execution up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hydra
import msgspec
import pytest
from click.testing import CliRunner
from hydra import codec
from hydra.cli import main
from hydra.client.facts import Facts
from hydra.client.why import REASONS, why
from hydra.errors import NotFound
from hydra.execution import Claim, NodeInfo, Record, RecordKind, Snapshot, Status
from hydra.records.wait_notes import note_of
from hydra.stores.key_pauses import KeyPause
from hydra.stores.node_states import NodeState
from hydra.stores.pauses import Pause, PauseKind
from hydra.testing import Harness
from hydra.values.failures import encode_failure
from hypothesis import given
from hypothesis import strategies as st

SECOND = 1_000_000
NOW = 1_795_946_400 * SECOND  # 2026-11-29 10:00:00 UTC
ID = "01a228a0-757c-73dc-ba10-3b795e417b00"
CHILD = "01a228a0-757c-73dc-ba10-3b795e417b01"
HOLDER = "01a228a0-757c-73dc-ba10-3b795e417b02"
TEN, SINCE, UNTIL = "2026-11-29 10:00:00 UTC", "2026-11-29 09:59:00 UTC", "2026-11-29 10:01:00 UTC"


def snapshot(status: str, **fields: Any) -> Snapshot:
    since = NOW - 60 * SECOND
    plain = Snapshot(
        ID, "bill", None, Status(status), 0, 1, 1, None, False, "", {}, since, since, None, None, None, None, 0, 0
    )
    return msgspec.structs.replace(plain, **fields)


def node(name: str, *labels: str, places: int = 8, running: int = 0) -> NodeState:
    info = NodeInfo(name, "db1", "boot", 4711, 1, "code", 1, "", labels, places)
    return NodeState(info, "alive", 1, 1, 0, 0, running, "code")


def record(kind: RecordKind, name: str, payload: bytes | None = None, *, due_at: int = 0) -> Record:
    return Record(1, kind, "", name, 0, 1, b"", payload, NOW - 60 * SECOND, NOW, due_at)


def pause(kind: PauseKind, name: str = "", reason: str = "") -> Pause:
    return Pause(kind, name, NOW - 60 * SECOND, "ana@host", reason)


LATER = NOW + 60 * SECOND
ALIVE = [node("n1")]
READY: dict[str, Any] = {"labels": (), "nodes": ALIVE, "servers": ALIVE}
RETRIED = Claim(ID, 1, 1, "n1", 0, NOW, NOW, "retry")
BROKEN = Claim(ID, 1, 1, "n1", 0, NOW, NOW, "sleeping", "breaker bank")
UNFETCHED = Claim(ID, 1, 1, "n1", 0, NOW, NOW, "sleeping", "offload its 9 bytes are offloaded, and it burns")
CLAIMED = Claim(ID, 1, 1, "n1", None, NOW - 60 * SECOND, None, None)
BOOM = encode_failure(ConnectionError("gone"))


def holder(status: str, pauses: list[Pause] | None = None, **fields: Any) -> Facts:
    return Facts(snapshot(status, id=HOLDER, workflow="refund", **fields), NOW, pauses=pauses or (), **READY)


CASES: list[tuple[str, Facts, str]] = [
    (
        "backing_off",
        Facts(snapshot("pending", wake_at=LATER, attempt=2), NOW, claims=[RETRIED]),
        f"its body failed, and attempt 2 begins at {UNTIL}; `hydra show {ID}` has the error",
    ),
    (
        "delayed",
        Facts(snapshot("pending", wake_at=LATER), NOW),
        f"it is not due before {UNTIL}; wait, or cancel it and submit another",
    ),
    (
        "paused",
        Facts(snapshot("pending"), NOW, pauses=[pause(PauseKind.NODE, "n1"), pause(PauseKind.WORKFLOW, "bill", "no")]),
        f"workflow `bill` is paused by ana@host since {SINCE} (no); `hydra resume-workflow bill` lets it go on",
    ),
    (
        "paused",
        Facts(snapshot("pending"), NOW, pauses=[pause(PauseKind.NAMESPACE)], **READY),
        f"the whole namespace is paused by ana@host since {SINCE}; `hydra resume-workflow --all` lets it go on",
    ),
    (
        "no_nodes",
        Facts(snapshot("pending"), NOW, labels=()),
        f"no node is alive; start one with `hydra start MODULE` (it is due since {SINCE})",
    ),
    (
        "unknown_workflow",
        Facts(snapshot("pending"), NOW, nodes=ALIVE),
        "no node has ever had workflow `bill`; start one with its code, or cancel this if the name is wrong",
    ),
    (
        "lacking_labels",
        Facts(snapshot("pending"), NOW, labels=("eu", "gpu"), nodes=[node("n1", "eu")]),
        "workflow `bill` needs labels `eu`, `gpu`, and no living node has them all; start one with `--labels eu,gpu`",
    ),
    (
        "unserved",
        Facts(snapshot("pending"), NOW, labels=("eu",), nodes=[node("n1", "eu"), node("n2")]),
        "none of the 2 living nodes runs workflow `bill`; start one with its code, or look at `--only`",
    ),
    (
        "key_paused",
        Facts(
            snapshot("pending", gate="concurrency:bill.tenant:acme"),
            NOW,
            **READY,
            key_pause=KeyPause("concurrency:bill.tenant:acme", None, NOW - 60 * SECOND, "ana@host", "their bank"),
        ),
        f"the limit `bill.tenant=acme` is paused by ana@host since {SINCE} (their bank); `hydra resume-workflow "
        "--limit bill.tenant --key acme` lets it go on",
    ),
    (
        "key_paused",
        Facts(
            snapshot("pending", gate="rate:bank:"),
            NOW,
            **READY,
            key_pause=KeyPause("rate:bank:", LATER, NOW - 60 * SECOND, f"execution `{CHILD}`", "step `charge`: 429"),
        ),
        f"the limit `bank` is paused by execution `{CHILD}` since {SINCE}, until {UNTIL} (step `charge`: 429); `hydra "
        "resume-workflow --limit bank` lets it go on",
    ),
    (
        "limited",
        Facts(snapshot("pending", gate="concurrency:bill.tenant:acme"), NOW, **READY),
        "it waits for its place at the limit `bill.tenant=acme`; `hydra limits show bill.tenant` says how many hold "
        "one, `hydra limits set bill.tenant` changes it",
    ),
    (
        "limited",
        Facts(snapshot("pending", gate="concurrency:bank:"), NOW, **READY, holders=[holder("running", owner="n1")]),
        f"it waits for its place at the limit `bank`; `{HOLDER}` holds one and runs; `hydra limits show bank` says how "
        "many hold one, `hydra limits set bank` changes it",
    ),
    (
        "limited",
        Facts(
            snapshot("pending", gate="concurrency:bank:"),
            NOW,
            **READY,
            holders=[holder("pending", gate="concurrency:later:")],
        ),
        f"it waits for its place at the limit `bank`; `{HOLDER}` holds one and waits at `later` itself; `hydra limits "
        "show bank` says how many hold one, `hydra limits set bank` changes it",
    ),
    (
        "limited",
        Facts(
            snapshot("pending", gate="concurrency:bank:"),
            NOW,
            **READY,
            holders=[holder("running", owner="n1"), holder("pending", pauses=[pause(PauseKind.WORKFLOW, "refund")])],
        ),
        f"it waits for its place at the limit `bank`; `{HOLDER}` holds one, and does not run: workflow `refund` is "
        f"paused by ana@host since {SINCE}; `hydra resume-workflow refund` lets it go on",
    ),
    (
        "limited",
        Facts(
            snapshot("pending", gate="concurrency:gpu:"),
            NOW,
            **READY,
            holders=[msgspec.structs.replace(holder("pending"), labels=("gpu",), servers=[])],
        ),
        f"it waits for its place at the limit `gpu`; `{HOLDER}` holds one, and does not run: workflow `refund` needs "
        "label `gpu`, and no living node has it; start one with `--labels gpu`",
    ),
    (
        "limited",
        Facts(snapshot("pending", gate="rate:bill.rate:"), NOW, **READY, token_at=LATER),
        f"it waits for a token of the rate `bill.rate`, whose next one is due at {UNTIL}; `hydra limits set bill.rate` "
        "changes it",
    ),
    (
        "limited",
        Facts(snapshot("pending", gate="rate:bill.rate:"), NOW, **READY, token_at=NOW),
        "it waits for a token of the rate `bill.rate`, whose next one may be there at any moment; `hydra limits set "
        "bill.rate` changes it",
    ),
    (
        "full",
        Facts(snapshot("pending"), NOW, labels=(), nodes=ALIVE, servers=[node("n1", running=8), node("n2", running=8)]),
        f"all 2 nodes that run its workflow have all 16 places taken (it is due since {SINCE}); wait, or start more"
        " workers",
    ),
    (
        "due",
        Facts(snapshot("pending"), NOW, **READY),
        f"nothing holds it up (it is due since {SINCE}): a node starts it at any moment; if not, read the log of its"
        " nodes",
    ),
    (
        "dead_node",
        Facts(snapshot("running", owner="n9"), NOW, claims=[CLAIMED], nodes=ALIVE),
        "its node `n9` is gone; another one gives it back and it starts again, as soon as one is alive",
    ),
    (
        "running",
        Facts(snapshot("running", owner="n1", cancel_requested=True), NOW, claims=[RETRIED, CLAIMED], nodes=ALIVE),
        f"it runs on node `n1` (db1, pid 4711) since {SINCE}, and was asked to stop; `hydra show {ID}` has its steps",
    ),
    (
        "breaker_open",
        Facts(
            snapshot("sleeping", wake_at=LATER),
            NOW,
            claims=[BROKEN],
            key_pause=KeyPause("breaker:bank:", NOW, NOW - 60 * SECOND, "node `n1`", "5 of the last 9 calls failed"),
        ),
        f"a step of it waits for the breaker `bank`, which node `n1` opened at {SINCE}: 5 of the last 9 calls failed; "
        f"it asks again at {UNTIL}",
    ),
    (
        "value_away",
        Facts(snapshot("sleeping", wake_at=LATER), NOW, claims=[UNFETCHED]),
        f"a value of it cannot be fetched: its 9 bytes are offloaded, and it burns; it is tried again at {UNTIL}",
    ),
    (
        "breaker_open",
        Facts(snapshot("sleeping", wake_at=LATER), NOW, claims=[BROKEN]),
        f"a step of it waits for the breaker `bank`; it asks again at {UNTIL}",
    ),
    (
        "retrying_step",
        Facts(snapshot("sleeping", wake_at=LATER), NOW, [record(RecordKind.TRY, "charge", BOOM, due_at=LATER)]),
        f"step `charge` failed (ConnectionError: gone) and is tried again at {UNTIL}; nothing to do until then",
    ),
    (
        "asleep",
        Facts(snapshot("sleeping", wake_at=LATER), NOW, [record(RecordKind.SLEEP, "hydra.sleep", due_at=LATER)]),
        f"it sleeps until {UNTIL}; nothing to do until then",
    ),
    (
        "asleep",
        Facts(snapshot("sleeping", wake_at=NOW), NOW),
        f"it slept until {TEN}, and any living node makes it due: none is; start one with `hydra start MODULE`",
    ),
    (
        "awaiting_message",
        Facts(snapshot("waiting"), NOW, (), [record(RecordKind.WAIT, "hydra.event:paid", note_of(int), due_at=LATER)]),
        f"it waits for event `paid` since {SINCE}, until {UNTIL}; `hydra signal {ID} paid JSON` sends it",
    ),
    (
        "awaiting_message",
        Facts(snapshot("waiting"), NOW, (), [record(RecordKind.WAIT, "hydra.callback:c0ffee")]),
        f"it waits for a callback since {SINCE}; whoever has its token completes it by `engine.complete`",
    ),
    (
        "awaiting_child",
        Facts(snapshot("waiting"), NOW, [record(RecordKind.SPAWN, "hydra.spawn:kid", codec.encode([CHILD]))]),
        f"it waits for child `{CHILD}` since {SINCE}; ask `hydra why {CHILD}`",
    ),
    (
        "awaiting_child",
        Facts(
            snapshot("waiting"),
            NOW,
            [
                record(RecordKind.SPAWN, "hydra.spawn:kid", codec.encode("first")),
                record(RecordKind.EVENT, "hydra.spawned:first", payload=codec.encode([CHILD, b"digest"])),
                record(RecordKind.SPAWN, "hydra.spawn_again:kid", codec.encode("second")),
                record(RecordKind.EVENT, "hydra.spawned:second", payload=codec.encode(CHILD)),
            ],
        ),
        f"it waits for child `{CHILD}` since {SINCE}; ask `hydra why {CHILD}`",
    ),
    (
        "waiting",
        Facts(
            snapshot("waiting"),
            NOW,
            [
                record(RecordKind.SPAWN, "hydra.spawn:kid", codec.encode([CHILD])),
                record(RecordKind.EVENT, f"hydra.child:{CHILD}"),
            ],
        ),
        f"it waits for something that its records do not name; `hydra show {ID}` has them",
    ),
    (
        "parked",
        Facts(snapshot("parked", reason="the records differ"), NOW),
        f"it is parked and waits for a person: the records differ; find the cause, then `hydra resume {ID}`",
    ),
    (
        "completed",
        Facts(snapshot("completed", finished_at=NOW), NOW),
        f"it completed at {TEN}; `hydra result {ID}` prints what it gave",
    ),
    (
        "failed",
        Facts(snapshot("failed", finished_at=NOW, reason="ValueError: no"), NOW),
        f"it failed at {TEN}: ValueError: no; `hydra retry {ID}` runs it again from there",
    ),
    (
        "cancelled",
        Facts(snapshot("cancelled", finished_at=NOW), NOW),
        f"it was cancelled, and ended at {TEN}; submit another to run it again",
    ),
]


@pytest.mark.parametrize(("reason", "facts", "sentence"), CASES, ids=[case[0] for case in CASES])
def test_each_reason_has_its_sentence(reason: str, facts: Facts, sentence: str) -> None:
    found = why(facts)
    assert (found.reason, found.sentence) == (reason, sentence)


def test_every_reason_of_every_status_is_among_the_cases() -> None:
    assert {reason for reasons in REASONS.values() for reason, _ in reasons} == {case[0] for case in CASES}
    assert set(REASONS) == set(Status)


@given(
    status=st.sampled_from(Status),
    wake_at=st.none() | st.sampled_from([NOW - 1, NOW, LATER]),
    labels=st.none() | st.sampled_from([(), ("gpu",)]),
    nodes=st.lists(st.sampled_from([node("n1"), node("n2", "gpu", places=0), node("n3", running=8)]), max_size=3),
    serving=st.booleans(),
    owner=st.sampled_from(["n1", "n9"]),
    records=st.lists(st.sampled_from([record for case in CASES for record in case[1].records]), max_size=3),
)
def test_there_is_always_an_answer_in_one_sentence(
    status: Status,
    wake_at: int | None,
    labels: tuple[str, ...] | None,
    nodes: list[NodeState],
    serving: bool,
    owner: str,
    records: list[Record],
) -> None:
    found = snapshot(status, wake_at=wake_at, owner=owner)
    facts = Facts(found, NOW, records, labels=labels, nodes=nodes, servers=nodes if serving else [])
    sentence = why(facts).sentence
    assert sentence[0].islower() or sentence.startswith("`")
    assert not sentence.endswith(".") and ";" in sentence + ";"


@hydra.workflow
def wait_for_why(name: str) -> None:
    hydra.wait_event(name)


@hydra.workflow
def parent_of_why() -> None:
    hydra.spawn(wait_for_why.bind("go")).result()


def test_the_database_is_asked_for_what_the_state_needs() -> None:
    with Harness() as h:
        parent = h.submit(parent_of_why.bind())
        pending = h.engine.why(parent.id)
        assert (pending.status, pending.reason) in [(Status.PENDING, "no_nodes"), (Status.PENDING, "unknown_workflow")]
        h.run_until_idle()
        (child,) = h.engine.executions(workflow=wait_for_why)
        told = h.engine.why(parent.id)
        assert told.reason == "awaiting_child"
        assert f"`hydra why {child.id}`" in told.sentence
        assert "event `go`" in h.engine.why(child.id).sentence
        h.engine.get(child.id).signal("go")
        h.run_until_idle()
        assert h.engine.why(parent.id).reason == "completed"


@hydra.step
def fail_without_words(error: str) -> None:
    raise {"class": ValueError, "empty": ValueError(""), "blank": KeyboardInterrupt("\n"), "own": hydra.StepTimeout}[
        error
    ]


@hydra.step
def undo_without_words() -> None:
    raise LookupError


@hydra.workflow
def why_without_words(error: str, undo: bool = False) -> None:
    if undo:
        hydra.on_failure(undo_without_words.bind())
    fail_without_words(error)


@hydra.workflow
def why_child_without_words() -> None:
    hydra.spawn(why_without_words.bind("class")).result()


@pytest.mark.parametrize(
    "error, name",
    [("class", "ValueError"), ("empty", "ValueError"), ("blank", "KeyboardInterrupt"), ("own", "StepTimeout")],
)
def test_an_error_that_says_nothing_is_its_class_wherever_it_is_told(error: str, name: str) -> None:
    with Harness() as h:
        failed = h.submit(why_without_words.bind(error))
        undone = h.submit(why_without_words.bind(error, undo=True))
        parent = h.submit(why_child_without_words.bind())
        h.run_until_idle()
        assert failed.execution().reason == name
        assert f": {name}; `hydra retry {failed.id}`" in h.engine.why(failed.id).sentence
        assert f"failed ({name}), and 1 of its undo steps failed for good (LookupError)" in undone.execution().reason
        assert parent.execution().reason.endswith("failed: ValueError")


@pytest.mark.parametrize("status", [Status.FAILED, Status.PARKED])
def test_an_end_without_a_reason_says_so(status: Status) -> None:
    assert ": no reason is on record; " in why(Facts(snapshot(status), NOW)).sentence


def test_the_command_prints_one_line_and_knows_no_other_id(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    with hydra.Engine(url) as engine:
        handle = engine.submit(hydra.named("bill").bind())
        with pytest.raises(NotFound):
            engine.why(CHILD)
    done = CliRunner().invoke(main, ["why", handle.id, "--db", url])
    assert done.output.startswith("pending: no node is alive; start one with `hydra start MODULE` (it is due since ")
    assert CliRunner().invoke(main, ["why", CHILD, "--db", url]).exit_code == 1
