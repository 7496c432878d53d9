"""What a person orders of a workflow, the namespace or a node: stop, go on, drain. With who said so, and why."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from hydra.client.acting import author
from hydra.client.views import to_datetime
from hydra.errors import NotFound
from hydra.stores.acts import ActKind
from hydra.stores.pauses import Pause, PauseKind
from hydra.stores.store import Store

T = TypeVar("T")

Write = Callable[[Callable[[Store, int], T]], T]


class PauseView(msgspec.Struct, frozen=True):
    """What is stopped: kind is "workflow", "namespace" (with an empty name) or "node", which drains."""

    kind: str
    name: str
    paused_at: datetime
    paused_by: str
    reason: str


def pause_view(pause: Pause) -> PauseView:
    return PauseView(pause.kind.value, pause.name, to_datetime(pause.paused_at), pause.paused_by, pause.reason)


def pause_workflow(store: Store, write: Write[None], name: str, reason: str) -> None:
    known = sorted({workflow.name for workflow in store.workflows()} | set(store.stats(store.now()).counts))
    if name not in known:
        others = f"known are {', '.join(f'`{other}`' for other in known)}" if known else "none is known yet"
        raise NotFound(f"no workflow `{name}` in namespace `{store.namespace}`, so nothing is paused: {others}")
    pause(write, PauseKind.WORKFLOW, name, reason)


def drain_node(store: Store, write: Write[None], id: str, reason: str) -> None:
    alive = sorted(node.info.id for node in store.nodes() if node.state == "alive")
    if id not in alive:
        others = f"alive are {', '.join(f'`{other}`' for other in alive)}" if alive else "none is alive"
        raise NotFound(f"no living node `{id}` in namespace `{store.namespace}`: {others}")
    pause(write, PauseKind.NODE, id, reason)


def pause(write: Write[None], kind: PauseKind, name: str, reason: str) -> None:
    by = author(reason)
    order = ActKind.DRAIN if kind is PauseKind.NODE else ActKind.PAUSE

    def stop(store: Store, now: int) -> None:
        line = by.act_on_namespace(order, now, what_of(kind, name))
        store.pause(Pause(kind, name, now, by.by, by.reason), [line])

    write(stop)


def unpause(write: Write[bool], kind: PauseKind, name: str) -> bool:
    by = author()

    def go_on(store: Store, now: int) -> bool:
        def work() -> bool:
            was_paused = store.unpause(kind, name)
            if was_paused:
                store.add_acts([by.act_on_namespace(ActKind.UNPAUSE, now, what_of(kind, name))])
            return was_paused

        return store.together(work)

    return write(go_on)


def what_of(kind: PauseKind, name: str) -> str:
    return "the namespace" if kind is PauseKind.NAMESPACE else f"{kind.value} `{name}`"
