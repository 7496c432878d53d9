"""What the database says of one execution and of those who could run it, for whoever explains it. Explains nothing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hydra.breakers import key_of
from hydra.execution import BREAKER, FINAL, Claim, Ending, Record, Snapshot, Status
from hydra.limit_keys import FAIR, RATE, split_key
from hydra.stores.key_pauses import KeyPause
from hydra.stores.node_states import NodeState
from hydra.stores.pauses import Pause
from hydra.stores.store import Store

MAX_HOLDERS = 10  # of a limit, looked at for one that does not go on


class Facts(msgspec.Struct, frozen=True):
    """What the database says of one execution and of those who could run it."""

    snapshot: Snapshot
    now: int
    records: Sequence[Record] = ()
    waits: Sequence[Record] = ()  # those that are not over
    claims: Sequence[Claim] = ()
    pauses: Sequence[Pause] = ()
    labels: tuple[str, ...] | None = None  # of its workflow; None: no node has ever registered it
    nodes: Sequence[NodeState] = ()  # that are alive
    servers: Sequence[NodeState] = ()  # of these, those that run its workflow
    holders: Sequence[Facts] = ()  # of the limit at which it waits; first those that do not run
    key_pause: KeyPause | None = None  # of the limit at which it waits, or of its step's breaker, since it is open
    token_at: int | None = None  # when the rate at which it waits has its next


def read_facts(store: Store, snapshot: Snapshot) -> Facts:
    """No more than its status asks for. Several reads: what changes between them is told by the next answer."""
    now, id = store.now(), snapshot.id
    if snapshot.status in FINAL or snapshot.status is Status.PARKED:
        return Facts(snapshot, now)
    nodes = [node for node in store.nodes() if node.state == "alive"]
    pauses = store.pauses()
    if snapshot.status is Status.RUNNING:
        return Facts(snapshot, now, claims=store.claims(id), pauses=pauses, nodes=nodes)
    served_by = store.servers()
    labels = {workflow.name: workflow.labels for workflow in store.workflows()}

    def facts_of(found: Snapshot) -> Facts:
        servers = set(served_by.get(found.workflow, ()))
        serving = [node for node in nodes if node.info.id in servers]
        return Facts(found, now, (), (), (), pauses, labels.get(found.workflow), nodes, serving)

    facts = msgspec.structs.replace(facts_of(snapshot), claims=store.claims(id))
    if (name := awaited_breaker(facts.claims)) is not None:
        for pause in store.key_pauses(key_of(name), f"{key_of(name)}\x01", 1):
            facts = msgspec.structs.replace(facts, key_pause=pause)
    if snapshot.status is not Status.PENDING:
        return msgspec.structs.replace(facts, records=store.records(id), waits=store.waits(id))
    if snapshot.gate is None:
        return facts
    for pause in store.key_pauses(snapshot.gate, f"{snapshot.gate}\x01", 1):
        if pause.until is None or pause.until > now:
            facts = msgspec.structs.replace(facts, key_pause=pause)
    use = store.key_use(snapshot.gate, MAX_HOLDERS)
    if split_key(snapshot.gate)[0] == FAIR:
        return facts
    if split_key(snapshot.gate)[0] == RATE:
        return msgspec.structs.replace(facts, token_at=use.look_at)
    holders = [facts_of(each) for each in store.get(use.holders) if each is not None]
    return msgspec.structs.replace(facts, holders=holders)


def awaited_breaker(claims: Sequence[Claim]) -> str | None:
    """For which one its last claim ended."""
    last = claims[-1] if claims else None
    if last is None or last.ending != Ending.SLEEPING or not last.detail.startswith(f"{BREAKER} "):
        return None
    return last.detail.removeprefix(f"{BREAKER} ")
