"""What the store tests make of schedules. Apart from `store_values`, which programs of tests import, too."""

from __future__ import annotations

from hydra import schedules
from hydra.cron import Cron
from hydra.execution import NodeRef
from hydra.schedules import ScheduleSpec
from hydra.stores.store import Store

from tests.stores.store_values import NOW, SECOND, WORKFLOW


def fired(store: Store, node: NodeRef) -> str:
    """The execution of the one tick that a schedule has fired; the database has no other schedule."""
    minute = 60 * SECOND
    entry = schedules.register(WORKFLOW, ScheduleSpec.of(Cron("* * * * *"), None), None, NOW - 2 * minute)
    store.upsert_schedules(node, [entry], NOW)
    (state,) = store.schedules()
    change = schedules.fire(state, (), NOW - minute, store.namespace)
    assert change is not None
    assert store.fire_schedules(node, [change], NOW) == [True]
    return change.submissions[0].id
